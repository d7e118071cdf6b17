/** The two headers give a page shared memory, and with it threads; without them ditac takes one thread. */
const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

export default { server: { headers }, preview: { headers }, build: { target: 'es2022' } };
