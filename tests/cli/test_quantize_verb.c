/* `ingot quantize` from end to end on the digits: trained, quantized within a gate, evaluated, exported and
 * run; the same on MNIST where that is at hand; and what it refuses. */
#include <unistd.h>

#include "run_folder.h"

static void write_text(const char *name, const char *text) {
  path p = in(name);
  FILE *file = fopen(p.text, "wb");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static int make_all(void **state) {
  (void)state;
  folder = scratch_make();
  path run = in("run");
  assert_succeeded(RUN("train", "--model", "lenet:channels=8,width=64", "--data", DIGITS ":train", "--out", run.text,
                       "--epochs", "6", "--batch", "32", "--threads", "1", "--quiet"));
  return 0;
}

static int remove_all(void **state) {
  (void)state;
  scratch_remove(&folder);
  return 0;
}

/* --- the flow ------------------------------------------------------------------------------------ */

/* Accuracy that `eval` finds, without timing. */
static double accuracy_of(const char *model, const char *data) {
  const program *p = RUN("eval", "--model", model, "--data", data, "--latency-seconds", "0", "--json", "--threads", "1");
  assert_succeeded(p);
  json_t *result = parse(p->out);
  double accuracy = number(result, "accuracy");
  json_decref(result);
  return accuracy;
}

/* Quantizes the run within a point, and follows the file through eval, export and infer. */
static void follow(const char *run, const char *calib, const char *eval, const char *limit) {
  path q = in("q.h5"), onnx = in("q.onnx"), a = in("a.npz"), b = in("b.csv"), page = in("q.html");
  const program *p = RUN("quantize", "--model", run, "--calib", calib, "--samples", "128", "--eval", eval, "--limit", limit,
                         "--max-drop", "0.01", "--format", "int8", "--latency-seconds", "0", "--report", page.text,
                         "--out", q.text, "--json", "--threads", "1");
  assert_succeeded(p);
  json_t *result = parse(p->out);
  assert_true(json_is_true(json_object_get(result, "gate_met")));
  double before = number(json_object_get(result, "before"), "accuracy");
  double after = number(json_object_get(result, "after"), "accuracy");
  assert_true(before > 0.8 && before - after <= 0.01);
  assert_true(number(result, "size_ratio") <= 0.27);
  assert_true(number(result, "mixes_tried") >= 1);
  json_t *layer = json_array_get(json_object_get(result, "layers"), 0);
  assert_string_equal(json_string_value(json_object_get(layer, "format")), "int8");
  assert_true(number(layer, "output_error") > 0);
  json_decref(result);
  assert_int_equal(access(page.text, F_OK), 0);
  if (strcmp(limit, "0") == 0) assert_float_equal(accuracy_of(q.text, eval), after, 1e-9);
  assert_succeeded(RUN("export", "--model", q.text, "--out", onnx.text));
  assert_succeeded(RUN("infer", "--model", q.text, "--data", eval, "--limit", "64", "--out", a.text, "--threads", "1"));
  assert_succeeded(RUN("infer", "--model", q.text, "--data", eval, "--limit", "64", "--out", b.text, "--threads", "1"));
  assert_succeeded(RUN("inspect", q.text));
  assert_succeeded(RUN("inspect", onnx.text));
}

static void test_digits(void **state) {
  (void)state;
  follow(in("run").text, DIGITS ":train", DIGITS ":test", "0");
}

static void test_mnist(void **state) {
  (void)state;
  char data[2 * SCRATCH_PATH], test[2 * SCRATCH_PATH + 8];
  const char *given = getenv("INGOT_DATA");
  snprintf(data, sizeof data, "%s/mnist", given ? given : IG_SOURCE_DIR "/../shared/data");
  if (access(data, F_OK) != 0) {
    print_message("skipped: %s is not there\n", data);
    skip();
  }
  path run = in("mnist");
  snprintf(test, sizeof test, "%s:test", data);
  assert_succeeded(RUN("train", "--model", "lenet:channels=8,width=64", "--data", test, "--out", run.text, "--steps", "120",
                       "--batch", "32", "--threads", "1", "--quiet"));
  follow(run.text, test, test, "1000");
}

/* --- formats ------------------------------------------------------------------------------------- */

static void test_formats(void **state) {
  (void)state;
  static const struct {
    const char *format;
    double most; /* of the f32 model's bytes */
  } cases[] = {{"int8-weights", 0.27}, {"int4-weights", 0.18}, {"int8-dynamic", 0.27}, {"fp16", 0.51},
               {"bf16", 0.51}};
  path run = in("run"), q = in("other.h5"), onnx = in("other.onnx");
  double before = accuracy_of(run.text, DIGITS ":test");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const program *p = RUN("quantize", "--model", run.text, "--format", cases[i].format, "--out", q.text, "--json");
    assert_succeeded(p);
    json_t *result = parse(p->out);
    double ratio = number(result, "size_ratio");
    if (ratio > cases[i].most) fail_msg("%s: %g of the bytes", cases[i].format, ratio);
    json_decref(result);
    if (accuracy_of(q.text, DIGITS ":test") < before - 0.03) fail_msg("%s", cases[i].format);
    assert_succeeded(RUN("export", "--model", q.text, "--out", onnx.text));
    assert_succeeded(RUN("inspect", onnx.text));
  }
}

/* From .onnx to .onnx: what has no shapes until it is run. */
static void test_onnx_to_onnx(void **state) {
  (void)state;
  path run = in("run"), onnx = in("f32.onnx"), q = in("int8.onnx"), c = in("c.npz");
  assert_succeeded(RUN("export", "--model", run.text, "--out", onnx.text));
  assert_succeeded(RUN("quantize", "--model", onnx.text, "--calib", DIGITS ":train", "--samples", "64",
                       "--latency-seconds", "0", "--out", q.text, "--threads", "1"));
  assert_succeeded(RUN("infer", "--model", q.text, "--data", DIGITS ":test", "--limit", "8", "--out", c.text));
}

/* --- what is refused ------------------------------------------------------------------------------ */

static void test_refusals(void **state) {
  (void)state;
  path run = in("run"), q = in("refused.h5"), good = in("good.h5"), bad = in("x.txt");
  const char *m = run.text, *o = q.text;
  assert_succeeded(RUN("quantize", "--model", m, "--format", "int8-weights", "--out", good.text));
  assert_refused(RUN("quantize", "--model", good.text, "--format", "int8-weights", "--out", o), 2,
                 "quantized already: node '.+'");
  assert_refused(RUN("train", "--model", good.text, "--data", DIGITS ":train", "--out", bad.text), 2,
                 "is quantized .node '.+'., and integers cannot be trained");
  assert_refused(RUN("quantize", "--model", m, "--out", o), 2, "--calib is missing: int8 needs");
  assert_refused(RUN("quantize", "--model", m, "--format", "fp8", "--calib", DIGITS ":train", "--out", o), 2,
                 "fp8: the CPU does not multiply 8-bit floats");
  assert_refused(RUN("quantize", "--model", m, "--calib", DIGITS ":train", "--out", bad.text), 2,
                 "neither .h5 nor .onnx");
  assert_refused(RUN("quantize", "--model", m, "--format", "int8-weights", "--max-drop", "0.1", "--out", o), 2,
                 "--max-drop needs data");
  assert_refused(RUN("quantize", "--model", m, "--calib", DIGITS ":train", "--group", "32", "--out", o), 2,
                 "int8 has no groups");
  write_text("nan.csv", "x0,x1,y\n1,nan,0\n2,3,1\n");
  assert_true(RUN("quantize", "--model", m, "--calib", in("nan.csv").text, "--out", o)->code == 2);
  write_text("empty.csv", "x0,x1,y\n");
  assert_refused(RUN("quantize", "--model", m, "--calib", in("empty.csv").text, "--out", o), 2, "a header and no rows");
  assert_int_equal(access(o, F_OK), -1);
}

/* A network of two columns: what is wrong with the numbers, and not with their shape. */
static void test_bad_numbers(void **state) {
  (void)state;
  char rows[4096] = "a,b,y\n";
  for (int i = 0; i < 64; i++) {
    snprintf(rows + strlen(rows), 32, "%d,%d,%d\n", i % 7, i % 5, i % 2);
  }
  write_text("two.csv", rows);
  write_text("constant.csv", "a,b,y\n3,3,0\n3,3,1\n3,3,0\n");
  write_text("hole.csv", "a,b,y\n1,2,0\nnan,3,1\n4,5,0\n");
  write_text("narrow.csv", "a,y\n1,0\n4,1\n");
  path run = in("two"), onnx = in("two.onnx"), q = in("two8.h5");
  assert_succeeded(RUN("train", "--model", "mlp:8", "--data", in("two.csv").text, "--out", run.text, "--epochs", "1", "--quiet"));
  assert_succeeded(RUN("export", "--model", run.text, "--out", onnx.text)); /* nothing is normalised there */
  assert_refused(RUN("quantize", "--model", onnx.text, "--calib", in("constant.csv").text, "--out", q.text), 2,
                 "input 'x' is constant .3.");
  assert_refused(RUN("quantize", "--model", run.text, "--calib", in("hole.csv").text, "--out", q.text), 2, "hole.csv");
  assert_refused(RUN("quantize", "--model", run.text, "--calib", in("narrow.csv").text, "--out", q.text), 2, "narrow.csv");
  assert_int_equal(access(q.text, F_OK), -1);
}

/* Weights of 4 bits always change something: no mix but f32 stays within 1e-9. */
static void test_gate_that_none_meets(void **state) {
  (void)state;
  path run = in("run"), q = in("gate.h5");
  const program *p = RUN("quantize", "--model", run.text, "--calib", DIGITS ":train", "--samples", "64", "--format", "int4-weights",
                         "--group", "0", "--max-drop", "1e-9", "--latency-seconds", "0", "--out", q.text, "--threads", "1");
  assert_int_equal(p->code, 1);
  assert_true(text_matches(p->err, "no mix of formats stays within --max-drop 1e-09: the closest of [0-9]+ lets the output's error drop by [0-9]"));
  assert_int_equal(access(q.text, F_OK), -1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_digits),   cmocka_unit_test(test_formats),
      cmocka_unit_test(test_refusals), cmocka_unit_test(test_bad_numbers), cmocka_unit_test(test_gate_that_none_meets),
      cmocka_unit_test(test_mnist),    cmocka_unit_test(test_onnx_to_onnx),
  };
  return cmocka_run_group_tests(tests, make_all, remove_all);
}
