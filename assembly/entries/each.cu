/** y = f(x) for `count` numbers; x and y are one array or do not overlap. Element i has channel (i / inner) mod CHANNELS. */
#ifdef __CUDACC__
__global__ void NAME(const float *x, float *y, size_t count, size_t inner) {
  const size_t step = (size_t)gridDim.x * blockDim.x;
  for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step)
    y[i] = activateLanes(TABLE_ADDRESS(i / inner % CHANNELS), x[i]);
}
#else
/* On the host, for comparison: the same text, compiled as C++. */
void NAME(const float *x, float *y, size_t count, size_t inner) {
  for (size_t i = 0; i < count; i++) y[i] = activateLanes(TABLE_ADDRESS(i / inner % CHANNELS), x[i]);
}
#endif
