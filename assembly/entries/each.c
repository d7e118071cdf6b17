/** f(x) of a channel, from 0 to CHANNELS - 1. */
float NAME(float x, uint32_t channel) { return activateLanes(TABLES[channel], x); }

/** y = f(x) for `count` numbers; x and y are one array or do not overlap. Element i has channel (i / inner) mod CHANNELS. */
void NAME_array(const float *x, float *y, size_t count, size_t inner) {
  for (size_t i = 0; i < count;) {
    const uint32_t table = TABLES[i / inner % CHANNELS];
    const size_t end = CHANNELS == 1 || inner > count - i ? count : (i / inner + 1) * inner;
    for (; i < end; i++) y[i] = activateLanes(table, x[i]);
  }
}
