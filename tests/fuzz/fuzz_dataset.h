/* For the readers' targets: the input as a file, opened and read as a data set. */
#ifndef IG_TESTS_FUZZ_DATASET_H
#define IG_TESTS_FUZZ_DATASET_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "formats/dataset_open.h"
#include "engine/base/memory.h"
#include "seeds.h"

/* A failure must say something; what opens must read, or say why not. */
static inline void open_and_read(const char *path, const ig_dataset_open_options *options) {
  ig_dataset *d = NULL;
  ig_clear_error();
  if (ig_dataset_open(path, options, &d) != IG_OK) {
    if (!*ig_last_error()) abort();
    return;
  }
  size_t total = 0;
  void *buffers[IG_MAX_FIELDS] = {0};
  for (int f = 0; f < d->n_fields; f++) {
    total += ig_shape_bytes(&d->fields[f].shape, d->fields[f].dtype);
  }
  if (total < (size_t)64 << 20) {
    for (int f = 0; f < d->n_fields; f++) {
      buffers[f] = malloc(ig_shape_bytes(&d->fields[f].shape, d->fields[f].dtype));
    }
    int64_t indices[] = {0, d->n_samples / 2, d->n_samples - 1};
    for (int i = 0; i < 3; i++) ig_dataset_read(d, &indices[i], 1, buffers);
    for (int f = 0; f < d->n_fields; f++) free(buffers[f]);
  }
  ig_dataset_destroy(d);
}

static inline void fuzz_dataset(const uint8_t *data, size_t size,
                                const ig_dataset_open_options *options) {
  int fd = memfd_create("fuzz", MFD_CLOEXEC);
  if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  open_and_read(path, options);
  close(fd);
}

#endif
