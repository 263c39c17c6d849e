/* For both targets of Keras weights: a file onto the networks that the golden ones are for. */
#ifndef IG_TESTS_FUZZ_KERAS_TARGET_H
#define IG_TESTS_FUZZ_KERAS_TARGET_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/models/model.h"
#include "formats/keras.h"
#include "seeds.h"

/* As in fuzz_hdf5_dataset.c: what the library does to itself is the rehearsal's matter. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "replace_intrin=0"; }
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libhdf5"; }

/* Every value that was promised is read; a failure says something. */
static inline void load_keras(const char *path) {
  static ig_graph *network;
  ig_snapshot *snapshot = NULL;
  volatile float sum = 0;
  if (!network) {
    ig_model_spec spec = {.input = IG_SHAPE(1, 6, 6), .n_outputs = 3};
    if (ig_model_build("lenet:channels=2,width=4", &spec, &network) != IG_OK) abort();
  }
  if (ig_snapshot_create(&snapshot) != IG_OK) abort();
  ig_clear_error();
  if (ig_keras_load(path, network, snapshot) == IG_OK) {
    for (int64_t i = 0; i < snapshot->n_tensors; i++) {
      const ig_tensor *t = &snapshot->tensors[i];
      int64_t count = (int64_t)(ig_shape_bytes(&t->shape, t->dtype) / sizeof(float));
      for (int64_t k = 0; k < count; k++) sum += ((const float *)t->data)[k];
    }
  } else if (!*ig_last_error()) {
    abort();
  }
  (void)sum;
  ig_snapshot_destroy(snapshot);
}

/* An empty file in memory, and its name. */
static inline int memory_file(char path[64]) {
  int fd = memfd_create("keras", MFD_CLOEXEC);
  if (fd < 0) abort();
  snprintf(path, 64, "/proc/self/fd/%d", fd);
  return fd;
}

#endif
