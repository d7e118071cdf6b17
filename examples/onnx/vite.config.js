/** onnxruntime-web finds its Wasm beside its own module: Vite must not move that. */
export default { optimizeDeps: { exclude: ['onnxruntime-web'] }, build: { target: 'es2022' } };
