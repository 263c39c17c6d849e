/* Checkpoints, read whole. As with HDF5 data sets, the library may die in the child process that goes
 * first (ig_h5_rehearse), and the sanitizer's check of memcpy within it is off. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "formats/checkpoint_h5.h"
#include "seeds.h"

const char *__asan_default_options(void);
const char *__asan_default_options(void) {
  return "replace_intrin=0";
}

/* What the library itself loses on malformed files (tests/lsan.supp says where). */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
  return "leak:libhdf5";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  int fd = memfd_create("fuzz", MFD_CLOEXEC);
  if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  ig_snapshot *snapshot;
  ig_clear_error();
  if (ig_checkpoint_load(path, IG_CHECKPOINT_ALL, &snapshot) == IG_OK) {
    ig_snapshot_destroy(snapshot);
  } else if (!*ig_last_error()) {
    abort(); /* a failure must say something */
  }
  close(fd);
  return 0;
}

static void add(ig_snapshot *s, ig_tensor_role role, const char *name, ig_dtype dtype,
                ig_shape shape) {
  void *data;
  if (ig_snapshot_add(s, role, name, dtype, &shape, &data) != IG_OK) abort();
  memset(data, 1, ig_shape_bytes(&shape, dtype));
}

/* One with something in every part, and one with hardly anything. */
void make_seeds(void) {
  static const double mean[] = {0.5}, edges[] = {0, 0.5, 1};
  static const int64_t counts[] = {7, 9};
  static ig_normalization normalization = {"x", 1, 1, mean, mean};
  static ig_profile profile = {"height", 16, 1, 0, 1, 0.4, 0.2, 2, edges, counts};
  char path[] = "/tmp/ingot-fuzz-XXXXXX";
  int fd = mkstemp(path);
  if (fd < 0) abort();
  for (int full = 0; full < 2; full++) {
    ig_snapshot *s;
    if (ig_snapshot_create(&s) != IG_OK) abort();
    add(s, IG_ROLE_PARAMETER, "w", IG_F32, IG_SHAPE(2, 3));
    if (full) {
      add(s, IG_ROLE_PARAMETER, "a/b.c", IG_BF16, IG_SHAPE(3));
      add(s, IG_ROLE_STATE, "mean", IG_BOOL, IG_SCALAR);
      add(s, IG_ROLE_OPTIMIZER, "optimizer.m", IG_F16, IG_SHAPE(0, 2));
      add(s, IG_ROLE_EMA, "ema.w", IG_F32, IG_SHAPE(2, 3));
      s->model = "mlp:4";
      s->graph_json = s->data_json = s->config_json = "{}";
      s->task = "classification";
      s->n_normalizations = s->n_profiles = 1;
      s->normalizations = &normalization;
      s->profiles = &profile;
    }
    if (ig_checkpoint_save(path, s) != IG_OK) abort();
    ig_snapshot_destroy(s);
    static char bytes[1 << 20];
    FILE *file = fopen(path, "rb");
    if (!file) abort();
    seed(bytes, fread(bytes, 1, sizeof bytes, file));
    fclose(file);
  }
  close(fd);
  unlink(path);
}
