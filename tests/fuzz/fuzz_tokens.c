/* Token files. */
#include "fuzz_dataset.h"

#include <string.h>

#include "formats/token_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_dataset(data, size, &(ig_dataset_open_options){.context = 2});
  return 0;
}

void make_seeds(void) {
  for (int width = 2; width <= 4; width += 2) {
    /* The digest is of 16 zero bytes of ids: xxhsum -H3 of them; a wrong one is a seed too. */
    ig_token_header header = {width, 16 / width, 300, 0xd0a66a65c7528968u};
    unsigned char file[IG_TOKEN_HEADER_BYTES + 16] = {0};
    ig_token_header_encode(&header, file);
    seed(file, sizeof file);
    header.digest++;
    ig_token_header_encode(&header, file);
    seed(file, sizeof file);
  }
}
