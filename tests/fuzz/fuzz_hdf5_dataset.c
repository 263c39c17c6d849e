/* HDF5 data sets. Every input is opened in a child process first (formats/hdf5.h, ig_h5_rehearse),
 * where HDF5 may die of it; the sanitizer's check of memcpy within the library would be this
 * process's death too, so it is off, while our own loads and stores stay checked. */
#include "fuzz_dataset.h"

const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "replace_intrin=0"; }

/* The library forgets some of what it had decoded when it gives a damaged file up. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libhdf5"; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_dataset(data, size, &(ig_dataset_open_options){.memory_limit = size % 2 ? 64 : 1 << 24});
  return 0;
}

void make_seeds(void) {
  seed_file("tests/formats/golden/set.h5");
  seed_file("tests/formats/golden/links.h5");
  seed_file("tests/formats/golden/filter.h5");
  seed_file("tests/formats/golden/huge.h5");
}
