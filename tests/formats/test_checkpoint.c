/* Checkpoints: what is written is read back bit for bit, equal snapshots give equal files, and
 * another tool (h5dump) finds what the documentation promises. */
#include <math.h>

#include "sample_snapshot.h"

#include "engine/base/memory.h"
#include "formats/checkpoint_h5.h"
#include "formats/checkpoint_layout.h"

static void save(const char *path, const ig_snapshot *s) {
  if (ig_checkpoint_save(path, s) != IG_OK) fail_msg("%s", ig_last_error());
}

static ig_snapshot *load(const char *path, unsigned parts) {
  ig_snapshot *s = NULL;
  if (ig_checkpoint_load(path, parts, &s) != IG_OK) fail_msg("%s", ig_last_error());
  return s;
}

static void round_trip_keeps_every_bit(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  const char *path = scratch_path(&dir, "latest.h5");
  ig_snapshot *a = sample_snapshot(1000);
  a->progress.best_metric = NAN;
  save(path, a);
  ig_snapshot *b = load(path, IG_CHECKPOINT_ALL);
  assert_true(same_snapshot(a, b));
  assert_int_equal(scratch_count(&dir), 1);
  ig_snapshot_destroy(a);
  ig_snapshot_destroy(b);
  scratch_remove(&dir);
}

static void every_dtype_and_shape(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  const char *path = scratch_path(&dir, "all.h5");
  ig_snapshot *a;
  assert_int_equal(ig_snapshot_create(&a), IG_OK);
  for (ig_dtype d = IG_F64; d <= IG_BOOL; d++) {
    char name[64];
    const ig_shape shapes[] = {IG_SCALAR, IG_SHAPE(1), IG_SHAPE(0), IG_SHAPE(3, 0, 2),
                               IG_SHAPE(1, 2, 1, 2, 1, 2, 1, 3)};
    for (int i = 0; i < IG_COUNT(shapes); i++) {
      snprintf(name, sizeof name, "%s.%d", ig_dtype_name(d), i);
      sample_add(a, IG_ROLE_PARAMETER, name, d, shapes[i], (unsigned)i);
    }
  }
  /* Several chunks, with an incomplete last one in each split dimension. */
  sample_add(a, IG_ROLE_PARAMETER, "rows", IG_F32, IG_SHAPE(1031, 509), 1);
  sample_add(a, IG_ROLE_PARAMETER, "long", IG_U8, IG_SHAPE(3 * 1024 * 1024 + 17), 2);
  sample_add(a, IG_ROLE_PARAMETER, "wide", IG_F64, IG_SHAPE(3, 200003), 3);
  save(path, a);
  ig_snapshot *b = load(path, IG_CHECKPOINT_ALL);
  assert_true(same_snapshot(a, b));
  ig_snapshot_destroy(a);
  ig_snapshot_destroy(b);
  scratch_remove(&dir);
}

static void awkward_names(void **state) {
  IG_UNUSED(state);
  static const char *const names[] = {
      "a",
      "a/b",
      "a/b/c",
      "a.b",
      ".",
      "..",
      "x/./y",
      "x//y",
      "/lead",
      "trail/",
      "50%",
      "%2F",
      "a%2Fb",
      "%_",
      "sp ace\ttab",
      "\xc3\xa9t\xc3\xa9",
      "d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z",
  };
  scratch dir = scratch_make();
  const char *path = scratch_path(&dir, "names.h5");
  ig_snapshot *a;
  assert_int_equal(ig_snapshot_create(&a), IG_OK);
  for (int i = 0; i < IG_COUNT(names); i++) {
    char moment[256];
    snprintf(moment, sizeof moment, "optimizer.%s", names[i]);
    sample_add(a, i % 3 ? IG_ROLE_PARAMETER : IG_ROLE_STATE, names[i], IG_I32, IG_SHAPE(2),
               (unsigned)i);
    sample_add(a, IG_ROLE_OPTIMIZER, moment, IG_I32, IG_SHAPE(2), 100 + (unsigned)i);
  }
  char longest[IG_CHECKPOINT_NAME + 2];
  memset(longest, '/', sizeof longest);
  longest[IG_CHECKPOINT_NAME] = '\0';
  sample_add(a, IG_ROLE_PARAMETER, longest, IG_I32, IG_SHAPE(2), 99);
  save(path, a);
  ig_snapshot *b = load(path, IG_CHECKPOINT_ALL);
  assert_true(same_snapshot(a, b));
  longest[IG_CHECKPOINT_NAME] = 'x';
  longest[IG_CHECKPOINT_NAME + 1] = '\0';
  sample_add(a, IG_ROLE_PARAMETER, longest, IG_I32, IG_SHAPE(2), 99);
  assert_int_equal(ig_checkpoint_save(path, a), IG_ERR_INPUT);
  assert_int_equal(scratch_count(&dir), 1); /* the earlier file is there, and nothing else */
  ig_snapshot_destroy(b);
  b = load(path, IG_CHECKPOINT_ALL);
  ig_snapshot_destroy(a);
  ig_snapshot_destroy(b);
  scratch_remove(&dir);
}

/* Groups say what names of these roles begin with; the names in the file do not repeat it. */
static void names_tell_their_role_once(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  const char *path = scratch_path(&dir, "latest.h5");
  ig_snapshot *a = sample_snapshot(5);
  save(path, a);
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  assert_true(H5Lexists(file, "/optimizer/m.layers.0.weight", H5P_DEFAULT) > 0);
  assert_true(H5Lexists(file, "/optimizer/scale", H5P_DEFAULT) > 0);
  assert_true(H5Lexists(file, "/ema/layers.0.weight", H5P_DEFAULT) > 0);
  H5Fclose(file);
  static const struct {
    ig_tensor_role role;
    const char *name;
  } strangers[] = {{IG_ROLE_OPTIMIZER, "m.w"}, {IG_ROLE_OPTIMIZER, "ema.w"}, {IG_ROLE_EMA, "em"}};
  for (int i = 0; i < IG_COUNT(strangers); i++) {
    ig_snapshot *b = sample_snapshot(6);
    sample_add(b, strangers[i].role, strangers[i].name, IG_F32, IG_SHAPE(2), 0);
    assert_int_equal(ig_checkpoint_save(path, b), IG_ERR_INPUT);
    assert_non_null(strstr(ig_last_error(), "does not begin with"));
    ig_snapshot_destroy(b);
  }
  ig_snapshot *found = load(path, IG_CHECKPOINT_ALL);
  assert_true(same_snapshot(a, found));
  ig_snapshot_destroy(found);
  ig_snapshot_destroy(a);
  scratch_remove(&dir);
}

static void equal_snapshots_give_equal_files(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  size_t size[2];
  unsigned char *bytes[2];
  for (int i = 0; i < 2; i++) {
    /* A large tensor too, whose last chunk is padded. */
    ig_snapshot *a = sample_snapshot(7);
    sample_add(a, IG_ROLE_PARAMETER, "rows", IG_F32, IG_SHAPE(1031, 509), 1);
    const char *path = scratch_path(&dir, i ? "two.h5" : "one.h5");
    save(path, a);
    ig_snapshot_destroy(a);
    bytes[i] = scratch_read(path, &size[i]);
    if (i == 0) sleep(1); /* a time written anywhere would differ */
  }
  assert_int_equal(size[0], size[1]);
  assert_memory_equal(bytes[0], bytes[1], size[0]);
  free(bytes[0]);
  free(bytes[1]);
  scratch_remove(&dir);
}

static void parts_are_loaded_alone(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  const char *path = scratch_path(&dir, "latest.h5");
  ig_snapshot *a = sample_snapshot(5);
  save(path, a);
  ig_snapshot *b = load(path, IG_CHECKPOINT_MODEL | IG_CHECKPOINT_PARAMETERS);
  assert_string_equal(b->graph_json, a->graph_json);
  assert_int_equal(b->n_tensors, 4);
  assert_non_null(ig_snapshot_find(b, IG_ROLE_STATE, "norm.mean"));
  assert_null(ig_snapshot_find(b, IG_ROLE_PARAMETER, "norm.mean"));
  assert_null(b->task);
  assert_null(b->config_json);
  assert_int_equal(b->progress.step, 0);
  assert_int_equal(b->n_profiles, 0);
  ig_snapshot_destroy(b);
  b = load(path, IG_CHECKPOINT_EMA);
  assert_int_equal(b->n_tensors, 1);
  ig_snapshot_destroy(b);
  ig_snapshot_destroy(a);
  scratch_remove(&dir);
}

static void an_empty_snapshot(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  const char *path = scratch_path(&dir, "empty.h5");
  ig_snapshot *a;
  assert_int_equal(ig_snapshot_create(&a), IG_OK);
  save(path, a);
  ig_snapshot *b = load(path, IG_CHECKPOINT_ALL);
  assert_true(same_snapshot(a, b));
  ig_snapshot_destroy(a);
  ig_snapshot_destroy(b);
  scratch_remove(&dir);
}

static void probe_recognises(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  bool yes = false;
  ig_snapshot *a = sample_snapshot(5);
  const char *path = scratch_path(&dir, "latest.h5");
  save(path, a);
  assert_int_equal(ig_checkpoint_probe(path, &yes), IG_OK);
  assert_true(yes);
  ig_snapshot_destroy(a);
  path = scratch_path(&dir, "other.h5");
  hid_t other = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  assert_true(other >= 0);
  H5Fclose(other);
  assert_int_equal(ig_checkpoint_probe(path, &yes), IG_OK);
  assert_false(yes);
  ig_snapshot *none;
  assert_int_equal(ig_checkpoint_load(path, IG_CHECKPOINT_ALL, &none), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "not an Ingot checkpoint"));
  path = scratch_path(&dir, "text");
  scratch_write(path, "hello", 5);
  assert_int_equal(ig_checkpoint_probe(path, &yes), IG_OK);
  assert_false(yes);
  assert_int_equal(ig_checkpoint_load(path, IG_CHECKPOINT_ALL, &none), IG_ERR_INPUT);
  assert_int_equal(ig_checkpoint_probe(scratch_path(&dir, "absent"), &yes), IG_ERR_INPUT);
  assert_int_equal(ig_checkpoint_probe(dir.folder, &yes), IG_ERR_INPUT);
  scratch_remove(&dir);
}

static int64_t step_in(const char *path) {
  ig_snapshot *s = load(path, IG_CHECKPOINT_PROGRESS);
  int64_t step = s->progress.step;
  ig_snapshot_destroy(s);
  return step;
}

static void aliases_and_the_rolling_set(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  char latest[SCRATCH_PATH * 2], best[SCRATCH_PATH * 2];
  snprintf(latest, sizeof latest, "%s", scratch_path(&dir, "latest.h5"));
  snprintf(best, sizeof best, "%s", scratch_path(&dir, "best.h5"));
  scratch_write(scratch_path(&dir, "step-notes.h5"), "mine", 4);
  for (int64_t step = 8; step <= 12; step++) {
    ig_snapshot *a = sample_snapshot(step);
    save(latest, a);
    char *rolled = ig_checkpoint_step_path(dir.folder, step);
    assert_int_equal(ig_checkpoint_alias(latest, rolled, a), IG_OK);
    if (step == 10) {
      assert_int_equal(ig_checkpoint_alias(latest, best, a), IG_OK);
      assert_int_equal(ig_checkpoint_alias(latest, best, a), IG_OK); /* once more is harmless */
    }
    assert_int_equal(ig_checkpoint_prune(dir.folder, 2), IG_OK);
    ig_free(rolled);
    ig_snapshot_destroy(a);
  }
  assert_int_equal(step_in(latest), 12);
  assert_int_equal(step_in(best), 10);
  assert_int_equal(step_in(scratch_path(&dir, "step-0000000011.h5")), 11);
  assert_int_equal(step_in(scratch_path(&dir, "step-0000000012.h5")), 12);
  assert_int_equal(scratch_count(&dir), 5); /* latest, best, two steps, the user's own file */
  scratch_remove(&dir);
}

/* h5dump of one object, or NULL when the tool is not installed. */
static char *dump(const char *path, const char *what) {
  char command[2048];
  snprintf(command, sizeof command, "h5dump %s '%s' 2>&1", what, path);
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  char *text = calloc(1, 65536);
  assert_non_null(text);
  size_t used = fread(text, 1, 65535, pipe);
  text[used] = '\0';
  assert_int_equal(pclose(pipe), 0);
  return text;
}

static void h5dump_reads_it(void **state) {
  IG_UNUSED(state);
  if (system("h5dump --version > /dev/null 2>&1") != 0) {
    print_message("h5dump is not installed (package hdf5-tools)\n");
    skip();
  }
  scratch dir = scratch_make();
  char path[SCRATCH_PATH * 2];
  snprintf(path, sizeof path, "%s", scratch_path(&dir, "latest.h5"));
  ig_snapshot *a = sample_snapshot(1000);
  float *weight = ig_snapshot_find(a, IG_ROLE_PARAMETER, "layers.0.weight")->data;
  for (int i = 0; i < 35; i++) weight[i] = (float)i + 0.5f;
  save(path, a);
  char *text = dump(path, "-p -d /parameters/layers.0.weight");
  assert_non_null(strstr(text, "H5T_IEEE_F32LE"));
  assert_non_null(strstr(text, "( 5, 7 )"));
  assert_non_null(strstr(text, "FLETCHER32"));
  assert_non_null(strstr(text, "(4,0): 28.5, 29.5, 30.5, 31.5, 32.5, 33.5, 34.5"));
  free(text);
  text = dump(path, "-d /parameters/layers.0.bias");
  assert_non_null(strstr(text, "H5T_STD_U16LE"));
  assert_non_null(strstr(text, "\"bfloat16\""));
  free(text);
  text = dump(path, "-d /parameters/encoder/layer/1/weight");
  assert_non_null(strstr(text, "H5T_IEEE_F64LE"));
  free(text);
  text = dump(path, "-g /progress");
  assert_non_null(strstr(text, "(0): 1000"));
  assert_non_null(strstr(text, "(0): 18364758544493064720"));
  free(text);
  text = dump(path, "-d /provenance/config");
  assert_non_null(strstr(text, "H5T_CSET_UTF8"));
  assert_non_null(strstr(text, "0.001"));
  free(text);
  ig_snapshot_destroy(a);
  scratch_remove(&dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(round_trip_keeps_every_bit),
      cmocka_unit_test(every_dtype_and_shape),
      cmocka_unit_test(awkward_names),
      cmocka_unit_test(names_tell_their_role_once),
      cmocka_unit_test(equal_snapshots_give_equal_files),
      cmocka_unit_test(parts_are_loaded_alone),
      cmocka_unit_test(an_empty_snapshot),
      cmocka_unit_test(probe_recognises),
      cmocka_unit_test(aliases_and_the_rolling_set),
      cmocka_unit_test(h5dump_reads_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
