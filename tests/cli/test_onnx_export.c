/* Graphs written as ONNX and read again: every preset's, and one with control flow, in old and new opsets; and
 * what a full disk or a folder without rights leaves behind. The outputs of the graph that comes back are
 * compared with those of the one that went out. */
#include "engine/backend/backend.h"
#include "engine/base/rng.h"
#include "engine/models/model.h"
#include "engine/plan/session.h"
#include "formats/onnx_export.h"
#include "formats/onnx_import.h"
#include "program.h"

typedef struct outcome {
  ig_datum *y;
  int n_params;
} outcome;

static ig_datum *make_input(const ig_shape *shape, bool tokens) {
  ig_datum *x = NULL;
  ig_rng rng = ig_rng_stream(5, IG_RNG_TEST, 0, 1);
  assert_int_equal(ig_datum_tensor(tokens ? IG_I64 : IG_F32, shape, &x), IG_OK);
  for (int64_t i = 0; i < ig_shape_count(shape); i++) {
    if (tokens) ((int64_t *)x->data)[i] = i % 7;
    else ((float *)x->data)[i] = ig_rng_normal(&rng, (uint64_t)i);
  }
  return x;
}

/* The file's first output, run by Ingot. */
static outcome run_file(const char *path, ig_datum *x) {
  ig_onnx_model *model = NULL;
  ig_graph *graph = NULL;
  ig_backend *backend = NULL;
  ig_store *store = NULL;
  ig_session *session = NULL;
  ig_datum *out[4] = {0};
  outcome o = {0};
  const ig_session_options options = {.plan = {.frozen_params = true}, .compute = IG_F32};
  if (ig_onnx_model_open(path, &model) != IG_OK || ig_onnx_import(model, NULL, &graph) != IG_OK)
    fail_msg("%s", ig_last_error());
  assert_int_equal(ig_backend_cpu_create(1, &backend), IG_OK);
  assert_int_equal(ig_store_create(backend, &store), IG_OK);
  assert_int_equal(ig_store_add_graph(store, graph, 0), IG_OK);
  assert_int_equal(ig_session_create(graph, backend, store, &options, &session), IG_OK);
  assert_in_range(graph->n_outputs, 1, 4);
  if (ig_session_run(session, &x, out) != IG_OK) fail_msg("%s", ig_last_error());
  for (int32_t i = 0; i < graph->n_values; i++) o.n_params += graph->values[i]->kind == IG_VALUE_PARAM;
  o.y = out[0];
  for (int32_t i = 1; i < graph->n_outputs; i++) ig_datum_release(out[i]);
  ig_session_destroy(session);
  ig_store_destroy(store);
  ig_backend_destroy(backend);
  ig_graph_destroy(graph);
  ig_onnx_model_close(model);
  return o;
}

static double distance(const ig_datum *a, const ig_datum *b) {
  double worst = 0, most = 1e-30;
  assert_true(ig_shape_equal(&a->shape, &b->shape) && a->dtype == IG_F32 && b->dtype == IG_F32);
  for (int64_t i = 0; i < ig_shape_count(&a->shape); i++) {
    double x = ((float *)a->data)[i], y = ((float *)b->data)[i];
    assert_true(x == x && y == y);
    worst = x - y > worst ? x - y : y - x > worst ? y - x : worst;
    most = x > most ? x : -x > most ? -x : most;
  }
  return worst / most;
}

/* Opsets decompose differently and must agree; what was imported goes out once more, unchanged. */
static void presets(void **state) {
  (void)state;
  static const struct {
    const char *model, *shape;
    ig_shape input;
    bool tokens;
  } cases[] = {
      {"mlp:16", "20", {2, {2, 20}}, false},
      {"lenet", "1,28,28", {4, {2, 1, 28, 28}}, false},
      {"resnet18", "3,32,32", {4, {2, 3, 32, 32}}, false},
      {"mobilenetv2", "3,32,32", {4, {2, 3, 32, 32}}, false},
      {"gpt:layers=1,heads=2,embd=16,ctx=8", "8", {2, {2, 8}}, true},
      {"llama:layers=1,heads=2,embd=16,ctx=8", "8", {2, {2, 8}}, true},
  };
  scratch s = scratch_make();
  const char *path = scratch_path(&s, "m.onnx"), *again = scratch_path(&s, "again.onnx");
  for (int c = 0; c < IG_COUNT(cases); c++) {
    ig_datum *x = make_input(&cases[c].input, cases[c].tokens);
    outcome first = {0};
    const char *opsets[] = {"23", "18", "13"};
    for (int k = 0; k < IG_COUNT(opsets); k++) {
      assert_succeeded(RUN("export", "--model", cases[c].model, "--shape", cases[c].shape, "--out", path,
                           "--opset", opsets[k]));
      outcome o = run_file(path, x);
      if (k == 0) first = o;
      if (distance(first.y, o.y) > 1e-5 || first.n_params != o.n_params)
        fail_msg("%s at opset %s: off by %g", cases[c].model, opsets[k], distance(first.y, o.y));
      if (k > 0) ig_datum_release(o.y);
    }
    assert_succeeded(RUN("export", "--model", path, "--out", again));
    outcome o = run_file(again, x);
    assert_true(distance(first.y, o.y) <= 1e-5 && first.n_params == o.n_params);
    ig_datum_release(o.y);
    ig_datum_release(first.y);
    ig_datum_release(x);
  }
  scratch_remove(&s);
}

static void external_data(void **state) {
  (void)state;
  scratch s = scratch_make();
  const char *path = scratch_path(&s, "m.onnx"), *apart = scratch_path(&s, "apart.onnx");
  const ig_shape shape = {2, {2, 20}};
  ig_datum *x = make_input(&shape, false);
  assert_succeeded(RUN("export", "--model", "mlp:16", "--shape", "20", "--out", path));
  assert_succeeded(RUN("export", "--model", "mlp:16", "--shape", "20", "--out", apart, "--external-data",
                       "weights.bin"));
  assert_int_equal(access(scratch_path(&s, "weights.bin"), R_OK), 0);
  outcome a = run_file(path, x), b = run_file(apart, x);
  assert_true(distance(a.y, b.y) == 0);
  ig_datum_release(a.y);
  ig_datum_release(b.y);
  ig_datum_release(x);
  scratch_remove(&s);
}

/* Nothing half-written is left, and an earlier file stays. */
static void nothing_is_lost(void **state) {
  (void)state;
  scratch s = scratch_make();
  const char *path = scratch_path(&s, "m.onnx");
  assert_succeeded(RUN("export", "--model", "mlp:16", "--shape", "20", "--out", path));
  struct stat before, after;
  assert_int_equal(stat(path, &before), 0);
  const program_limits full = {.file_bytes = 2000};
  const program *p = RUN_LIMITED(&full, "export", "--model", "mlp:64", "--shape", "20", "--out", path);
  assert_refused(p, 3, "m.onnx");
  assert_int_equal(stat(path, &after), 0);
  assert_true(before.st_size == after.st_size && before.st_ino == after.st_ino);
  assert_int_equal(scratch_count(&s), 1);
  assert_int_not_equal(
      RUN("export", "--model", "mlp:16", "--shape", "20", "--out", "/no/such/folder/m.onnx")->code, 0);
  scratch_remove(&s);
}

/* Reads `from`, and writes it to `to` as if a file held 1,000 bytes at most. */
static ig_status write_large(const char *from, const char *to, ig_onnx_exported *out) {
  ig_onnx_model *model = NULL;
  ig_graph *graph = NULL;
  if (ig_onnx_model_open(from, &model) != IG_OK || ig_onnx_import(model, NULL, &graph) != IG_OK)
    fail_msg("%s", ig_last_error());
  const ig_onnx_export_options options = {.source = &model->says, .from = model, .largest = 1000};
  ig_status status = ig_onnx_export(graph, &options, to, out);
  ig_graph_destroy(graph);
  ig_onnx_model_close(model);
  return status;
}

/* What is too large for one file gets a file of weights unasked; and again, from such a model. */
static void too_large_for_a_file(void **state) {
  (void)state;
  scratch s = scratch_make();
  const char *path = scratch_path(&s, "m.onnx"), *large = scratch_path(&s, "large.onnx");
  const char *again = scratch_path(&s, "again.onnx"), *data = scratch_path(&s, "large.onnx.data");
  const ig_shape shape = {2, {2, 20}};
  ig_onnx_exported made = {0};
  ig_datum *x = make_input(&shape, false);
  struct stat info;
  assert_succeeded(RUN("export", "--model", "mlp:64", "--shape", "20", "--out", path));
  assert_int_equal(write_large(path, large, &made), IG_OK);
  assert_true(made.external);
  assert_int_equal(stat(large, &info), 0);
  assert_true(info.st_size < 1000);
  assert_int_equal(stat(data, &info), 0);
  assert_true(info.st_size >= 64 * 30 * 4);
  assert_int_equal(write_large(large, again, &made), IG_OK);
  outcome a = run_file(path, x), b = run_file(large, x), c = run_file(again, x);
  assert_true(distance(a.y, b.y) == 0 && distance(a.y, c.y) == 0);
  ig_datum_release(a.y);
  ig_datum_release(b.y);
  ig_datum_release(c.y);
  ig_datum_release(x);
  scratch_remove(&s);
}

/* Killed amid the weights (the system does that at the limit of a file's size): the model of before is whole, and
 * the next export finds nothing in its way. */
static void killed_amid_the_weights(void **state) {
  (void)state;
  scratch s = scratch_make();
  const char *path = scratch_path(&s, "m.onnx"), *large = scratch_path(&s, "large.onnx");
  const ig_shape shape = {2, {2, 20}};
  ig_onnx_exported made = {0};
  ig_datum *x = make_input(&shape, false);
  int status;
  assert_succeeded(RUN("export", "--model", "mlp:64", "--shape", "20", "--out", path));
  assert_int_equal(write_large(path, large, &made), IG_OK);
  outcome before = run_file(large, x);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){4000, 4000});
    signal(SIGXFSZ, SIG_DFL);
    write_large(path, large, &made);
    _exit(0);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
  outcome after = run_file(large, x);
  assert_true(distance(before.y, after.y) == 0);
  assert_int_equal(write_large(path, large, &made), IG_OK);
  assert_int_equal(scratch_count(&s), 3);
  ig_datum_release(before.y);
  ig_datum_release(after.y);
  ig_datum_release(x);
  scratch_remove(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(presets),
      cmocka_unit_test(external_data),
      cmocka_unit_test(nothing_is_lost),
      cmocka_unit_test(too_large_for_a_file),
      cmocka_unit_test(killed_amid_the_weights),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
