/* Weights of Keras in files that are damaged as files. Each is read in a child process first
 * (formats/hdf5.h, ig_h5_rehearse), where HDF5 may die of it; what passes is read here, under the sanitizers.
 * What a sound file may hold is the matter of fuzz_keras_layers.c. */
#include "keras_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char path[64];
  int fd = memory_file(path);
  if (write(fd, data, size) != (ssize_t)size) abort();
  load_keras(path);
  close(fd);
  return 0;
}

void make_seeds(void) {
  seed_file("tests/formats/golden/keras_legacy.h5");
  seed_file("tests/formats/golden/keras_v3.weights.h5");
  seed_file("tests/formats/golden/keras_norms.h5");
}
