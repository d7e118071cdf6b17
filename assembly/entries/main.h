
/* Reads x.npy, float32 in C order, and writes y.npy of the same shape: main x.npy y.npy [inner] */
#include <stdio.h>
#include <stdlib.h>

static void fail(const char *path, const char *problem) {
  fprintf(stderr, "%s %s\n", path, problem);
  exit(1);
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: %s x.npy y.npy [inner]\n", argv[0]);
    return 2;
  }
  FILE *in = fopen(argv[1], "rb");
  if (!in) fail(argv[1], "cannot be opened");
  unsigned char start[12];
  if (fread(start, 1, 12, in) != 12 || memcmp(start, "\x93NUMPY", 6) != 0) fail(argv[1], "is no .npy file");
  const size_t head = start[6] == 1 ? 10 : 12;
  size_t length = (size_t)start[8] | (size_t)start[9] << 8;
  if (start[6] != 1) length |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
  char *header = (char *)malloc(head + length + 1);
  if (!header || fseek(in, 0, SEEK_SET) != 0 || fread(header, 1, head + length, in) != head + length)
    fail(argv[1], "ends within its header");
  header[head + length] = 0;
  if (!strstr(header + head, "'<f4'")) fail(argv[1], "holds no float32 ('<f4')");
  if (strstr(header + head, "'fortran_order': True")) fail(argv[1], "is in Fortran order");
  const long data = ftell(in);
  fseek(in, 0, SEEK_END);
  const size_t count = (size_t)(ftell(in) - data) / 4;
  fseek(in, data, SEEK_SET);
  float *x = (float *)malloc(count * 4 + 4);
  if (!x || fread(x, 4, count, in) != count) fail(argv[1], "cannot be read");
  fclose(in);
  const size_t inner = argc > 3 ? (size_t)strtoull(argv[3], 0, 10) : 1;
  if (inner == 0) fail("inner", "must be a number from 1");
  RUN(x, count, inner)
  FILE *out = fopen(argv[2], "wb");
  if (!out || fwrite(header, 1, head + length, out) != head + length || fwrite(x, 4, count, out) != count || fclose(out) != 0)
    fail(argv[2], "cannot be written");
  free(x);
  free(header);
  return 0;
}
