/* Training in fp8 as a graph and as a run: which products are in 8 bits, how their scales follow the
 * maxima of the last steps, and that stopping, accumulating and recomputing change nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/passes/rewrite.h"
#include "engine/train/step.h"
#include "training.h"

static ig_backend *backend;

static const subject gpt = {"gpt:layers=2,heads=2,embd=32,ctx=16",
                            IG_TASK_LANGUAGE,
                            {.input = {1, {16}}, .n_outputs = TRAINING_TOKENS},
                            4,
                            0};
static const subject mlp = {"mlp:64,32",
                            IG_TASK_CLASSIFICATION,
                            {.input = {1, {48}}, .n_outputs = TRAINING_CLASSES},
                            16,
                            0};

/* --- the graph ----------------------------------------------------------------------------------- */

static ig_graph *step_of(const subject *s, int64_t batch, ig_step_kind kind) {
  ig_train_options options = {.task = s->task,
                              .optimizer = ig_optimizer_default(IG_OPT_ADAMW),
                              .precision = IG_PRECISION_FP8};
  ig_graph *model, *step;
  ig_shape shape = {.rank = s->spec.input.rank + 1, .dims = {batch}};
  memcpy(shape.dims + 1, s->spec.input.dims, (size_t)s->spec.input.rank * sizeof(int64_t));
  assert_int_equal(ig_model_build(s->model, &s->spec, &model), IG_OK);
  assert_int_equal(ig_graph_specialize(model, &shape, &step), IG_OK);
  if (ig_step_build(step, &options, IG_CPU, kind) != IG_OK) fail_msg("%s", ig_last_error());
  assert_int_equal(ig_graph_verify(step), IG_OK);
  ig_graph_destroy(model);
  return step;
}

static int count_of(const ig_graph *graph, const char *op) {
  int n = 0;
  for (int32_t i = 0; i < graph->n_nodes; i++) n += ig_node_is(graph->nodes[i], op);
  return n;
}

static int count_histories(const ig_graph *graph) {
  int n = 0;
  for (int32_t i = 0; i < graph->n_assigns; i++) {
    n += strncmp(graph->assigns[i].target->name, "optimizer.fp8.", 14) == 0;
  }
  return n;
}

/* Four linear layers a block, each with activations, parameter and gradient, which are quantized once
 * and read both ways by three products; the head keeps its 16 bits. */
static void a_transformer(void **state) {
  IG_UNUSED(state);
  ig_graph *g = step_of(&gpt, 4, IG_STEP_UPDATE);
  int gradients = 0;
  assert_int_equal(count_of(g, "ingot.ScaledMatMul"), 2 * 4 * 3);
  assert_int_equal(count_of(g, "ingot.QuantizeFp8"), 2 * 4 * 3);
  assert_int_equal(count_histories(g), 2 * 4 * 3);
  assert_int_equal(count_of(g, "Gemm"), 1);
  assert_int_equal(count_of(g, "ingot.FusedMatMul"), 2);
  assert_int_equal(count_of(g, "Cast") > 0, 1);
  for (int32_t i = 0; i < g->n_nodes; i++) {
    const ig_node *node = g->nodes[i];
    if (ig_node_is(node, "ingot.QuantizeFp8")) {
      bool gradient = strstr(node->inputs[1]->name, ".gradient") != NULL;
      assert_int_equal(node->n_outputs, 4); /* both ways */
      assert_int_equal(node->outputs[0]->dtype, gradient ? IG_F8E5M2 : IG_F8E4M3);
      assert_true(gradient == (node->forward != NULL));
    }
    if (!ig_node_is(node, "ingot.ScaledMatMul")) continue;
    bool backward = node->forward != NULL;
    bool e5m2 = node->inputs[0]->dtype == IG_F8E5M2 || node->inputs[1]->dtype == IG_F8E5M2;
    assert_true(backward == e5m2);
    assert_int_equal(ig_attr_int_of(node, "fast", 0), !backward);
    gradients += backward;
  }
  assert_int_equal(gradients, 2 * 4 * 2);
  ig_graph_destroy(g);
}

/* The first layer's input needs no gradient: its parameter and gradient are wanted one way only. */
static void a_perceptron(void **state) {
  IG_UNUSED(state);
  ig_graph *g = step_of(&mlp, 16, IG_STEP_UPDATE);
  int one_way = 0;
  assert_int_equal(count_of(g, "ingot.ScaledMatMul"), 2 + 1 + 2);
  assert_int_equal(count_of(g, "ingot.QuantizeFp8"), 6);
  for (int32_t i = 0; i < g->n_nodes; i++) {
    const ig_node *node = g->nodes[i];
    if (ig_node_is(node, "ingot.QuantizeFp8")) one_way += node->n_outputs == 3;
  }
  assert_int_equal(one_way, 2);
  ig_graph_destroy(g);
}

static void what_stays(void **state) {
  IG_UNUSED(state);
  static const struct {
    const char *model;
    int64_t batch;
    int products;
  } rows[] = {
      {"mlp:64,32", 24, 0},     /* rows */
      {"mlp:64,40", 16, 0 + 2}, /* the second layer has 40 columns */
      {"mlp:40,32", 16, 0},     {"mlp:64", 32, 2}, {"linear", 16, 0},
  };
  for (int i = 0; i < IG_COUNT(rows); i++) {
    subject s = mlp;
    s.model = rows[i].model;
    ig_graph *g = step_of(&s, rows[i].batch, IG_STEP_UPDATE);
    assert_int_equal(count_of(g, "ingot.ScaledMatMul"), rows[i].products);
    ig_graph_destroy(g);
  }
  /* histories go on in the micro-batches of a step, too */
  ig_graph *g = step_of(&mlp, 16, IG_STEP_ACCUMULATE);
  assert_int_equal(count_histories(g), 6);
  ig_graph_destroy(g);
}

/* --- runs ---------------------------------------------------------------------------------------- */

typedef struct run {
  training_data data;
  ig_graph *model;
  ig_trainer *trainer;
  training history;
  int64_t stop_at;
  int64_t step;
} run;

static ig_status on_step(void *context, const ig_train_step *step) {
  run *r = context;
  r->step++;
  return training_note(&r->history, step);
}

static int stops(void *context) {
  run *r = context;
  return r->stop_at > 0 && r->step >= r->stop_at ? 15 : 0;
}

static void open_run(run *r, const subject *s, int64_t stop_at) {
  *r = (run){.data = training_data_create(s), .stop_at = stop_at};
  ig_train_options options = {.task = s->task,
                              .optimizer = ig_optimizer_default(IG_OPT_ADAMW),
                              .lr = 2e-3,
                              .steps = 24, /* beyond a history */
                              .batch = s->batch,
                              .accumulate = 1,
                              .precision = IG_PRECISION_FP8,
                              .seed = 3,
                              .workers = 1};
  ig_train_observer observer = {.context = r, .on_step = on_step, .interrupted = stops};
  assert_int_equal(ig_model_build(s->model, &s->spec, &r->model), IG_OK);
  assert_int_equal(ig_trainer_create(r->model, backend, NULL, r->data.dataset, NULL, 0, NULL,
                                     &options, &observer, &r->trainer),
                   IG_OK);
}

static void close_run(run *r) {
  ig_trainer_destroy(r->trainer);
  ig_graph_destroy(r->model);
  training_data_destroy(&r->data);
}

static const float *history_of(const ig_snapshot *snapshot, const char *name) {
  const ig_tensor *t = ig_snapshot_find(snapshot, IG_ROLE_OPTIMIZER, name);
  if (!t) fail_msg("no %s in the snapshot", name);
  assert_true(t->dtype == IG_F32 && t->shape.rank == 1 && t->shape.dims[0] == 16);
  return t->data;
}

/* As many maxima as steps. */
static void check_snapshot(const ig_snapshot *snapshot, int steps) {
  static const char *const names[] = {"optimizer.fp8.fc1.weight", "optimizer.fp8.fc1.weight.input",
                                      "optimizer.fp8.fc2.weight.gradient"};
  for (int i = 0; i < IG_COUNT(names); i++) {
    const float *history = history_of(snapshot, names[i]);
    for (int k = 0; k < 16; k++) assert_true(k < steps ? history[k] > 0 : history[k] == 0);
  }
}

static void resumes_bit_for_bit(void **state) {
  IG_UNUSED(state);
  run whole, first, second;
  open_run(&whole, &mlp, 0);
  assert_int_equal(ig_trainer_run(whole.trainer), IG_OK);
  for (int stop = 5; stop <= 19; stop += 14) {
    ig_snapshot *snapshot;
    open_run(&first, &mlp, stop);
    assert_int_equal(ig_trainer_run(first.trainer), IG_ERR_INTERRUPTED);
    assert_int_equal(ig_trainer_snapshot(first.trainer, &snapshot), IG_OK);
    int done = (int)snapshot->progress.step; /* one more may have been under way */
    check_snapshot(snapshot, done);
    close_run(&first);
    open_run(&second, &mlp, 0);
    assert_int_equal(ig_trainer_resume(second.trainer, snapshot), IG_OK);
    assert_int_equal(ig_trainer_run(second.trainer), IG_OK);
    assert_memory_equal(second.history.loss, whole.history.loss + done,
                        (size_t)(24 - done) * sizeof(double));
    ig_snapshot_destroy(snapshot);
    close_run(&second);
  }
  close_run(&whole);
}

/* A resumed run without the maxima is another run: the test above can fail. */
static void maxima_matter(void **state) {
  IG_UNUSED(state);
  run whole, first, second;
  ig_snapshot *snapshot;
  open_run(&whole, &mlp, 0);
  assert_int_equal(ig_trainer_run(whole.trainer), IG_OK);
  open_run(&first, &mlp, 5);
  assert_int_equal(ig_trainer_run(first.trainer), IG_ERR_INTERRUPTED);
  assert_int_equal(ig_trainer_snapshot(first.trainer, &snapshot), IG_OK);
  close_run(&first);
  int64_t done = snapshot->progress.step;
  float *history = (float *)(uintptr_t)history_of(snapshot, "optimizer.fp8.fc1.weight.input");
  for (int k = 0; k < 16; k++) history[k] *= 1e-2f; /* everything saturates */
  open_run(&second, &mlp, 0);
  assert_int_equal(ig_trainer_resume(second.trainer, snapshot), IG_OK);
  assert_int_equal(ig_trainer_run(second.trainer), IG_OK);
  assert_true(fabs(second.history.loss[0] - whole.history.loss[done]) > 1e-3);
  ig_snapshot_destroy(snapshot);
  close_run(&second);
  close_run(&whole);
}

static training train(const subject *s, ig_recompute level) {
  ig_train_options options = {.optimizer = ig_optimizer_default(IG_OPT_ADAMW),
                              .lr = 1e-3,
                              .steps = 6,
                              .precision = IG_PRECISION_FP8,
                              .recompute = level,
                              .seed = 3,
                              .workers = 1};
  return train_subject(s, backend, &options);
}

static void recomputed(void **state) {
  IG_UNUSED(state);
  training none = train(&gpt, IG_RECOMPUTE_NONE);
  for (ig_recompute level = IG_RECOMPUTE_LIGHT; level <= IG_RECOMPUTE_FULL; level++) {
    training again = train(&gpt, level);
    assert_int_equal(none.n_parameters, again.n_parameters);
    assert_memory_equal(none.parameters, again.parameters,
                        (size_t)none.n_parameters * sizeof(float));
    training_free(&again);
  }
  training_free(&none);
}

int main(void) {
  if (ig_backend_cpu_create(1, &backend) != IG_OK) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_transformer), cmocka_unit_test(a_perceptron),
      cmocka_unit_test(what_stays),    cmocka_unit_test(resumes_bit_for_bit),
      cmocka_unit_test(maxima_matter), cmocka_unit_test(recomputed),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  ig_backend_destroy(backend);
  return failed;
}
