/** Data modules, as wrangler.jsonc declares them. */
declare module '*.plan' {
  const bytes: ArrayBuffer;
  export default bytes;
}
declare module '*.safetensors' {
  const bytes: ArrayBuffer;
  export default bytes;
}
