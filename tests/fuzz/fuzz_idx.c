/* IDX files, plain and gzip. */
#include <zlib.h>

#include "fuzz_dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_dataset(data, size, &(ig_dataset_open_options){.memory_limit = 1 << 24});
  return 0;
}

static void seed_gzip(const void *bytes, size_t size) {
  unsigned char out[4096];
  z_stream z = {.next_in = (unsigned char *)(uintptr_t)bytes, .avail_in = (unsigned)size,
                .next_out = out, .avail_out = sizeof out};
  if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) abort();
  if (deflate(&z, Z_FINISH) != Z_STREAM_END) abort();
  seed(out, sizeof out - z.avail_out);
  deflateEnd(&z);
}

void make_seeds(void) {
  static const unsigned char types[] = {0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e};
  static const unsigned char bytes[] = {1, 1, 2, 4, 4, 8};
  for (int i = 0; i < IG_COUNT(types); i++) {
    unsigned char file[256] = {0, 0, types[i], 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4};
    size_t size = 16 + 24 * (size_t)bytes[i];
    for (size_t k = 16; k < size; k++) file[k] = (unsigned char)k;
    seed(file, size);
    seed_gzip(file, size);
  }
}
