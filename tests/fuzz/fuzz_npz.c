/* NPZ files: the zip around the arrays as much as the arrays. */
#include "fuzz_dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_dataset(data, size, &(ig_dataset_open_options){.memory_limit = 1 << 24});
  return 0;
}

void make_seeds(void) {
  seed_file("tests/formats/golden/images.npz");
  seed_file("tests/formats/golden/images_deflated.npz");
  seed_file("tests/formats/golden/two_inputs.npz");
  seed_file("tests/formats/golden/uneven.npz");
}
