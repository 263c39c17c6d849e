/* Training with numbers rounded to 8 bits: goes on from a trained model, resumes to the same bits, and refuses
 * what it cannot start from. */
#include <math.h>

#include "run_folder.h"

static double accuracy_of(const char *model) {
  const program *p = RUN("eval", "--model", model, "--data", DIGITS ":test", "--latency-seconds", "0",
                         "--json", "--quiet");
  assert_succeeded(p);
  json_t *json = parse(p->out);
  double value = number(json, "accuracy");
  json_decref(json);
  return value;
}

#define ROUNDED(base, out, steps)                                                                  \
  "train", "--model", (base), "--data", DIGITS ":train", "--quantize", "int8", "--lr", "1e-3",     \
      "--batch", "32", "--steps", (steps), "--schedule", "constant", "--out", (out), "--quiet"

/* Of a parameter of a checkpoint. */
static float *numbers_of(const ig_snapshot *snapshot, const char *name) {
  const ig_tensor *tensor = ig_snapshot_find(snapshot, IG_ROLE_PARAMETER, name);
  if (!tensor) fail_msg("no parameter '%s'", name);
  assert_int_equal(tensor->dtype, IG_F32);
  return tensor->data;
}

static void goes_on_from_a_trained_model(void **state) {
  (void)state;
  path base = in("base"), run = in("whole"), latest = in("whole/latest.h5"), best = in("base/best.h5");
  assert_succeeded(RUN("train", "--model", "mlp:48", "--data", DIGITS ":train", "--epochs", "30", "--out",
                       base.text, "--quiet"));
  assert_succeeded(RUN(ROUNDED(base.text, run.text, "60")));
  double before = accuracy_of(base.text), after = accuracy_of(run.text);
  if (before < 0.9 || after < before - 0.01) fail_msg("accuracy %g before, %g after", before, after);
  ig_snapshot *x, *y;
  assert_int_equal(ig_checkpoint_load(best.text, IG_CHECKPOINT_ALL, &x), IG_OK);
  assert_int_equal(ig_checkpoint_load(latest.text, IG_CHECKPOINT_ALL, &y), IG_OK);
  assert_non_null(strstr(y->graph_json, "ingot.FakeQuantize"));
  /* Weights and their scales have moved, and scales are what they were, roughly. */
  int scales = 0;
  for (int64_t i = 0; i < x->n_tensors; i++) {
    const ig_tensor *t = &x->tensors[i];
    if (t->role != IG_ROLE_PARAMETER || t->shape.rank != 2) continue;
    char name[256];
    snprintf(name, sizeof name, "%s.scale", t->name);
    const float *was = t->data, *is = numbers_of(y, t->name), *scale = numbers_of(y, name);
    float most = 0;
    for (int64_t k = 0; k < ig_shape_count(&t->shape); k++) most = fmaxf(most, fabsf(was[k]));
    assert_true(memcmp(was, is, ig_shape_bytes(&t->shape, t->dtype)) != 0);
    assert_true(scale[0] > 0 && scale[0] < 2 * most / 127);
    scales++;
  }
  assert_int_equal(scales, 2);
  ig_snapshot_destroy(x);
  ig_snapshot_destroy(y);
}

static void resumes_to_the_same_bits(void **state) {
  (void)state;
  path base = in("base"), run = in("resumed"), a = in("whole/latest.h5"), b = in("resumed/latest.h5");
  assert_succeeded(RUN(ROUNDED(base.text, run.text, "25")));
  assert_succeeded(RUN(ROUNDED(base.text, run.text, "60"), "--resume"));
  assert_same_state(a.text, b.text);
}

/* What `ingot quantize` makes of it computes with integers what training computed with rounded numbers. */
static void becomes_integers(void **state) {
  (void)state;
  path run = in("whole"), out = in("whole.h5"), onnx = in("whole.onnx");
  assert_succeeded(RUN("quantize", "--model", run.text, "--out", out.text, "--eval", DIGITS ":test",
                       "--latency-seconds", "0", "--max-drop", "0.01"));
  double rounded = accuracy_of(run.text), whole = accuracy_of(out.text);
  if (fabs(rounded - whole) > 0.005) fail_msg("accuracy %g rounded, %g in integers", rounded, whole);
  ig_snapshot *x;
  assert_int_equal(ig_checkpoint_load(out.text, IG_CHECKPOINT_ALL, &x), IG_OK);
  assert_null(strstr(x->graph_json, "ingot.FakeQuantize"));
  int narrow = 0;
  for (int64_t i = 0; i < x->n_tensors; i++) narrow += x->tensors[i].dtype == IG_I8;
  assert_int_equal(narrow, 2);
  ig_snapshot_destroy(x);
  assert_succeeded(RUN("quantize", "--model", run.text, "--out", onnx.text));
  assert_refused(RUN("quantize", "--model", run.text, "--out", out.text, "--format", "int8-weights"), 2,
                 "^ingot quantize: --format int8-weights: .* was trained to be rounded to int8");
  assert_refused(RUN("quantize", "--model", in("base").text, "--out", out.text), 2,
                 "^ingot quantize: --calib is missing: int8 needs data");
}

static void refuses_what_it_cannot_start_from(void **state) {
  (void)state;
  path base = in("base"), run = in("never");
  assert_refused(RUN(ROUNDED("mlp:48", run.text, "5")), 2,
                 "^ingot train: --quantize: --model mlp:48 is a preset without trained parameters");
  assert_refused(RUN(ROUNDED(base.text, run.text, "5"), "--precision", "bf16"), 2,
                 "^ingot train: --quantize: rounding is trained in f32, not with --precision bf16$");
  assert_refused(RUN("train", "--model", base.text, "--data", DIGITS ":train", "--out", run.text,
                     "--quantize", "int4"),
                 2, "--quantize: .*int4");
  assert_int_not_equal(access(run.text, F_OK), 0);
}

static int set_up(void **state) {
  (void)state;
  folder = scratch_make();
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  scratch_remove(&folder);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(goes_on_from_a_trained_model),
      cmocka_unit_test(resumes_to_the_same_bits),
      cmocka_unit_test(becomes_integers),
      cmocka_unit_test(refuses_what_it_cannot_start_from),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
