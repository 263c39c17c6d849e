/* A folder for one test program's runs, paths in it, the JSON that the program prints, and checkpoints held
 * against each other. */
#ifndef IG_TESTS_RUN_FOLDER_H
#define IG_TESTS_RUN_FOLDER_H

#include <jansson.h>

#include "formats/checkpoint_h5.h"
#include "program.h"

#define DIGITS IG_SOURCE_DIR "/examples/digits/digits.h5"

/* Made by the group's set-up and removed by its tear-down. */
static scratch folder;

typedef struct path {
  char text[2 * SCRATCH_PATH];
} path;

static inline path in(const char *name) {
  path p;
  snprintf(p.text, sizeof p.text, "%s", scratch_path(&folder, name));
  return p;
}

static inline json_t *parse(const char *text) {
  json_error_t error;
  json_t *value = json_loads(text, 0, &error);
  if (!value) fail_msg("not JSON: %s\n%.300s", error.text, text);
  return value;
}

static inline double number(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  if (!json_is_number(value)) fail_msg("no number '%s'", key);
  return json_number_value(value);
}

/* Everything that training depends on: tensors of all roles, and the position. */
static inline void assert_same_state(const char *a, const char *b) {
  ig_snapshot *x, *y;
  assert_int_equal(ig_checkpoint_load(a, IG_CHECKPOINT_ALL, &x), IG_OK);
  assert_int_equal(ig_checkpoint_load(b, IG_CHECKPOINT_ALL, &y), IG_OK);
  assert_int_equal(x->progress.step, y->progress.step);
  assert_int_equal(x->progress.epoch, y->progress.epoch);
  assert_int_equal(x->progress.epoch_samples, y->progress.epoch_samples);
  assert_int_equal(x->progress.best_step, y->progress.best_step);
  assert_true(x->n_tensors > 12);
  assert_int_equal(x->n_tensors, y->n_tensors);
  for (int64_t i = 0; i < x->n_tensors; i++) {
    const ig_tensor *t = &x->tensors[i], *u = ig_snapshot_find(y, t->role, t->name);
    if (!u || memcmp(t->data, u->data, ig_shape_bytes(&t->shape, t->dtype)) != 0) {
      fail_msg("'%s' differs", t->name);
    }
  }
  ig_snapshot_destroy(x);
  ig_snapshot_destroy(y);
}

#endif
