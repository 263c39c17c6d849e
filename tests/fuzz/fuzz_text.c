/* Text as bytes and as characters. */
#include "fuzz_dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_dataset(data, size,
               &(ig_dataset_open_options){.context = 3,
                                          .text = size % 2 ? IG_TEXT_BYTES : IG_TEXT_CHARACTERS});
  return 0;
}

void make_seeds(void) {
  seed_text("First Citizen:\nBefore we proceed any further, hear me speak.\n");
  seed_text("h\xc3\xa9, \xe2\x82\xac and \xf0\x9f\x99\x82\n");
}
