/* Inputs and outputs that travel beside the steps: a run's must neither be late nor overwrite those of the
 * run before, whatever the order in which the device's lanes go on. The emulator draws that order from
 * its seed; each of the marks in engine/plan/border.c taken away makes this fail. */
#include "graph_run.h"

#include "engine/passes/pass.h"

#define ELEMENTS ((int64_t)1 << 18) /* 1 MiB: enough to travel beside */
#define RUNS 24

typedef struct pipeline {
  ig_graph *graph;
  ig_backend *backend;
  ig_store *store;
  ig_plan *plan;
  float *x, w;
} pipeline;

/* y = w * relu(x), and a sum over all runs so far, which shows a run that read another's input. */
static void open_pipeline(pipeline *p) {
  ig_status opened = ig_backend_cuda_create(0, &p->backend);
  if (opened != IG_OK) fail_msg("%s", ig_last_error());
  GOOD(ig_store_create(p->backend, &p->store));
  GOOD(ig_graph_create("border", &p->graph));
  ig_graph *g = p->graph;
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(ELEMENTS));
  ig_value *w = ig_graph_input(g, "w", IG_F32, IG_SCALAR);
  ig_value *sum = ig_graph_state(g, "sum", IG_F32, IG_SHAPE(ELEMENTS),
                                 (ig_init){.kind = IG_INIT_ZERO});
  ig_value *h = ig_op1(g, "Relu", NULL, IG_INS(x), IG_NO_ATTRS);
  ig_value *total = ig_op1(g, "Add", NULL, IG_INS(sum, h), IG_NO_ATTRS);
  ig_graph_assign(g, sum, total);
  ig_graph_output(g, "y", ig_op1(g, "Mul", NULL, IG_INS(total, w), IG_NO_ATTRS));
  GOOD(ig_graph_status(g));
  GOOD(ig_plan_create(g, p->backend, p->store, &(ig_plan_options){.seed = 1}, &p->plan));
  p->x = ig_alloc(ELEMENTS * sizeof *p->x);
  assert_non_null(p->x);
}

static void close_pipeline(pipeline *p) {
  ig_plan_destroy(p->plan);
  ig_store_destroy(p->store);
  ig_graph_destroy(p->graph);
  ig_backend_destroy(p->backend);
  ig_free(p->x);
}

static void check(const pipeline *p, int run) {
  const float *y = ig_plan_output(p->plan, 0);
  float want = (float)(run * (run + 1) / 2) * (run < RUNS / 2 ? 1.0f : 0.5f);
  for (int64_t i = 0; i < ELEMENTS; i++) {
    if (y[i] != want) fail_msg("run %d, element %d: %g, expected %g", run, (int)i,
                               (double)y[i], (double)want);
  }
}

static void runs_keep_their_inputs_and_outputs(void **state) {
  IG_UNUSED(state);
  pipeline p;
  open_pipeline(&p);
  for (int run = 1; run <= RUNS; run++) {
    for (int64_t i = 0; i < ELEMENTS; i++) p.x[i] = (float)run;
    GOOD(ig_plan_bind_input(p.plan, 0, p.x));
    p.w = run < RUNS / 2 ? 1.0f : 0.5f; /* stays where it is until it changes */
    if (run == 1 || run == RUNS / 2) GOOD(ig_plan_bind_input(p.plan, 1, &p.w));
    GOOD(ig_plan_submit(p.plan, &(ig_rng_state){.seed = 1}));
    if (run == 1) continue;
    GOOD(ig_plan_wait(p.plan, 1));
    check(&p, run - 1);
  }
  GOOD(ig_plan_wait(p.plan, 0));
  check(&p, RUNS);
  close_pipeline(&p);
}

int main(void) {
  setenv("IG_EMU_SEED", "1", 0); /* with seed 0 the emulated lanes keep one order */
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(runs_keep_their_inputs_and_outputs),
  };
  return cmocka_run_group_tests_name("border", tests, NULL, NULL);
}
