/* For the reader tests: files in a scratch folder, the checked-in golden files, opening with a
 * readable failure, and the damage every reader must answer with one clear line. */
#ifndef IG_TESTS_DATA_FILES_H
#define IG_TESTS_DATA_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/memory.h"
#include "formats/dataset_open.h"

#define GOLDEN(name) IG_SOURCE_DIR "/tests/formats/golden/" name

static char scratch_folder[] = "/tmp/ingot-test-XXXXXX";

/* Group fixtures: the folder and everything in it live as long as the program. */
static inline int make_scratch(void **state) {
  (void)state;
  return mkdtemp(scratch_folder) ? 0 : -1;
}

static inline int remove_scratch(void **state) {
  (void)state;
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", scratch_folder);
  return system(command);
}

/* The path of a scratch file; a ring of them, so several can stand in one call. */
static inline const char *scratch(const char *name) {
  static char paths[8][512];
  static int next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", scratch_folder, name);
  return path;
}

static inline const char *write_bytes(const char *name, const void *bytes, size_t n) {
  const char *path = scratch(name);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, n, file), n);
  assert_int_equal(fclose(file), 0);
  return path;
}

static inline const char *write_text(const char *name, const char *text) {
  return write_bytes(name, text, strlen(text));
}

static inline unsigned char *read_bytes(const char *path, size_t *n) {
  FILE *file = fopen(path, "rb");
  if (!file) fail_msg("%s: cannot open", path);
  fseek(file, 0, SEEK_END);
  *n = (size_t)ftell(file);
  rewind(file);
  unsigned char *bytes = malloc(*n + 1);
  assert_int_equal(fread(bytes, 1, *n, file), *n);
  bytes[*n] = '\0';
  fclose(file);
  return bytes;
}

static inline ig_dataset *open_ok(const char *spec, const ig_dataset_open_options *options) {
  ig_dataset *dataset = NULL;
  if (ig_dataset_open(spec, options, &dataset) != IG_OK) fail_msg("%s", ig_last_error());
  return dataset;
}

/* The whole line is asked for in tests of wording, a part of it in tests of many cases. */
static inline void open_fails(const char *spec, const ig_dataset_open_options *options,
                              ig_status status, const char *says) {
  ig_dataset *dataset = NULL;
  ig_clear_error();
  ig_status got = ig_dataset_open(spec, options, &dataset);
  if (got == IG_OK) fail_msg("%s: opens; expected: %s", spec, says);
  if (got != status || !strstr(ig_last_error(), says)) {
    fail_msg("got %s: %s; expected %s: %s", ig_status_name(got), ig_last_error(),
             ig_status_name(status), says);
  }
}

/* Reads every sample of one field; malloc. */
static inline void *read_field(ig_dataset *dataset, int f) {
  const ig_field *field = &dataset->fields[f];
  size_t bytes = ig_shape_bytes(&field->shape, field->dtype);
  char *all = malloc((size_t)dataset->n_samples * bytes + 1);
  int64_t *indices = malloc((size_t)dataset->n_samples * sizeof *indices);
  void *buffers[IG_MAX_FIELDS] = {0};
  buffers[f] = all;
  for (int64_t i = 0; i < dataset->n_samples; i++) indices[i] = i;
  if (ig_dataset_read(dataset, indices, dataset->n_samples, buffers) != IG_OK) {
    fail_msg("%s", ig_last_error());
  }
  free(indices);
  return all;
}

/* Element i of all samples of a field, one after another. */
static inline double element(ig_dataset *dataset, int f, int64_t i) {
  void *all = read_field(dataset, f);
  double value = ig_load_f64(dataset->fields[f].dtype, all, i);
  free(all);
  return value;
}

/* Opens and reads what may be damaged; whatever happens is fine as long as a failure has a line
 * that names the file. Returns whether it opened. */
static inline bool open_and_read(const char *spec, const ig_dataset_open_options *options) {
  ig_dataset *dataset = NULL;
  ig_clear_error();
  if (ig_dataset_open(spec, options, &dataset) != IG_OK) {
    if (!strstr(ig_last_error(), strrchr(spec, '/'))) {
      fail_msg("the message does not name the file: '%s'", ig_last_error());
    }
    return false;
  }
  void *buffers[IG_MAX_FIELDS] = {0};
  for (int f = 0; f < dataset->n_fields; f++) {
    const ig_field *field = &dataset->fields[f];
    buffers[f] = malloc(ig_shape_bytes(&field->shape, field->dtype) + 1);
  }
  for (int64_t i = 0; i < dataset->n_samples && i < 64; i++) {
    if (ig_dataset_read(dataset, &i, 1, buffers) != IG_OK) assert_true(*ig_last_error());
  }
  for (int f = 0; f < dataset->n_fields; f++) free(buffers[f]);
  ig_dataset_destroy(dataset);
  return true;
}

/* The file cut at every length below its own: each must be an error. */
static inline void every_truncation_fails(const char *golden, const char *name,
                                          const ig_dataset_open_options *options) {
  size_t n;
  unsigned char *bytes = read_bytes(golden, &n);
  for (size_t cut = 0; cut < n; cut++) {
    const char *path = write_bytes(name, bytes, cut);
    if (open_and_read(path, options)) fail_msg("%s cut to %zu of %zu bytes opens", golden, cut, n);
  }
  free(bytes);
}

/* Every byte changed in turn, to several values: an error or a data set, never a crash. */
static inline void every_byte_changed(const char *golden, const char *name,
                                      const ig_dataset_open_options *options) {
  static const unsigned char changes[] = {0x00, 0xff, 0x80, 0x7f, 0x01, 0x20};
  size_t n;
  unsigned char *bytes = read_bytes(golden, &n);
  for (size_t at = 0; at < n; at++) {
    unsigned char kept = bytes[at];
    for (size_t c = 0; c < sizeof changes; c++) {
      bytes[at] = changes[c] == kept ? kept ^ 0x55 : changes[c];
      open_and_read(write_bytes(name, bytes, n), options);
    }
    bytes[at] = kept;
  }
  free(bytes);
}

#endif
