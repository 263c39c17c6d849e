/* NPY files. */
#include "fuzz_dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_dataset(data, size, &(ig_dataset_open_options){.target = size % 2 ? "-1" : NULL});
  return 0;
}

void make_seeds(void) {
  static const char *const names[] = {"table_le_f4", "table_be_u2", "table_bool", "table_fortran",
                                      "cube_fortran", "objects", "records", "scalar"};
  char path[128];
  for (int i = 0; i < IG_COUNT(names); i++) {
    snprintf(path, sizeof path, "tests/formats/golden/%s.npy", names[i]);
    seed_file(path);
  }
}
