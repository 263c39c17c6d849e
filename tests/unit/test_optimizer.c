/* Optimizers as the trainer builds them, in a plan over a store, for five steps: against
 * torch.optim's values (tests/golden/optimizers.py). Also that a gradient which is not finite leaves
 * everything as it was, and that wrong settings are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/plan/plan.h"
#include "engine/train/optimizer.h"
#include "optimizer_figures.h"

#define STEPS 5

static const float rates[STEPS] = {0.125f, 0.0625f, 0.25f, 0.125f, 0.03125f};

/* As in the script: -4 to 4 in steps of 1/16. */
static float noise(uint32_t i, uint32_t j) {
  uint32_t h = i * 2654435761u + j * 40503u * 65537u + 97u;
  h = (h ^ (h >> 15)) * 2246822519u;
  h = (h ^ (h >> 13)) * 3266489917u;
  return ((float)((h ^ (h >> 16)) % 129) - 64) / 16;
}

static void fill(float *out, int n, bool bias, int step) {
  for (int i = 0; i < n; i++) out[i] = noise((uint32_t)i, (uint32_t)(10 * step + (bias ? 5 : 0)));
}

/* Parameters w [2, 3], with decay, and b [4], without; their gradients are inputs. */
typedef struct setup {
  ig_graph *graph;
  ig_backend *backend;
  ig_store *store;
  ig_plan *plan;
  float w[6], b[4], grad_w[6], grad_b[4], lr, step;
} setup;

static void setup_open(setup *s, const ig_optimizer *optimizer, bool scaled) {
  memset(s, 0, sizeof *s);
  assert_int_equal(ig_graph_create("optimizer", &s->graph), IG_OK);
  fill(s->w, 6, false, 0);
  fill(s->b, 4, true, 0);
  ig_graph *g = s->graph;
  const ig_init data = {.kind = IG_INIT_DATA};
  ig_value *params[] = {ig_graph_param(g, "w", IG_F32, IG_SHAPE(2, 3), data, true),
                        ig_graph_param(g, "b", IG_F32, IG_SHAPE(4), data, false)};
  params[0]->data = s->w;
  params[1]->data = s->b;
  ig_value *grads[] = {ig_graph_input(g, "dw", IG_F32, IG_SHAPE(2, 3)),
                       ig_graph_input(g, "db", IG_F32, IG_SHAPE(4))};
  ig_value *lr = ig_graph_input(g, "lr", IG_F32, IG_SCALAR);
  ig_value *step = ig_graph_input(g, "step", IG_F32, IG_SCALAR), *norm;
  ig_value *scale = scaled ? ig_optimizer_loss_scale(g) : NULL;
  assert_int_equal(ig_optimizer_append(g, optimizer, lr, step, scale, 2, params, grads, &norm),
                   IG_OK);
  ig_graph_output(g, "norm", norm);
  assert_int_equal(ig_backend_cpu_create(1, &s->backend), IG_OK);
  assert_int_equal(ig_store_create(s->backend, &s->store), IG_OK);
  const ig_plan_options options = {.seed = 1};
  ig_status status = ig_plan_create(g, s->backend, s->store, &options, &s->plan);
  if (status != IG_OK) print_error("%s\n", ig_last_error());
  assert_int_equal(status, IG_OK);
  const void *bindings[] = {s->grad_w, s->grad_b, &s->lr, &s->step};
  for (int i = 0; i < 4; i++) assert_int_equal(ig_plan_bind_input(s->plan, i, bindings[i]), IG_OK);
}

static void run_step(setup *s, int step) {
  s->lr = rates[step - 1];
  s->step = (float)step;
  assert_int_equal(ig_plan_run(s->plan, &(ig_rng_state){.seed = 1}), IG_OK);
}

static void setup_close(setup *s) {
  ig_plan_destroy(s->plan);
  ig_store_destroy(s->store);
  ig_backend_destroy(s->backend);
  ig_graph_destroy(s->graph);
}

static const float *stored(const setup *s, const char *name) {
  const ig_store_entry *entry = ig_store_find(s->store, name);
  assert_non_null(entry);
  return entry->data;
}

static void check_close(const char *what, int i, double got, double want) {
  if (fabs(got - want) <= 1e-6 * fmax(1, fabs(want))) return;
  print_error("%s[%d]: got %.9g, want %.9g\n", what, i, got, want);
  fail();
}

/* Gradients by the scale that they are divided by: a power of two, so that nothing is rounded. */
static void enlarge(float *x, int n, float scale) {
  for (int i = 0; i < n; i++) x[i] *= scale;
}

static void check_figures_of(const char *name, const ig_optimizer *optimizer, bool scaled) {
  const double *want = NULL;
  for (int i = 0; i < IG_COUNT(figures); i++) {
    if (strcmp(figures[i].name, name) == 0) want = figures[i].values;
  }
  assert_non_null(want);
  setup s;
  setup_open(&s, optimizer, scaled);
  for (int step = 1; step <= STEPS; step++) {
    fill(s.grad_w, 6, false, step);
    fill(s.grad_b, 4, true, step);
    if (scaled) {
      float scale = *stored(&s, "optimizer.loss_scale");
      enlarge(s.grad_w, 6, scale);
      enlarge(s.grad_b, 4, scale);
    }
    run_step(&s, step);
  }
  const float *w = stored(&s, optimizer->ema > 0 ? "ema.w" : "w");
  const float *b = stored(&s, optimizer->ema > 0 ? "ema.b" : "b");
  for (int i = 0; i < 6; i++) check_close(name, i, (double)w[i], want[i]);
  for (int i = 0; i < 4; i++) check_close(name, 6 + i, (double)b[i], want[6 + i]);
  check_close("norm", 0, (double)*(const float *)ig_plan_output(s.plan, 0), want[10]);
  setup_close(&s);
}

static void check_figures(const char *name, const ig_optimizer *optimizer) {
  check_figures_of(name, optimizer, false);
  check_figures_of(name, optimizer, true);
}

static ig_optimizer with_decay(ig_optimizer_kind kind) {
  ig_optimizer o = ig_optimizer_default(kind);
  o.weight_decay = 0.125;
  return o;
}

static void test_figures(void **state) {
  IG_UNUSED(state);
  ig_optimizer o = with_decay(IG_OPT_SGD);
  o.momentum = 0;
  check_figures("sgd", &o);
  o.momentum = 0.9;
  check_figures("momentum", &o);
  o.nesterov = true;
  check_figures("nesterov", &o);
  o = with_decay(IG_OPT_ADAM);
  check_figures("adam", &o);
  o = with_decay(IG_OPT_ADAMW);
  o.clip_norm = 0.5;
  check_figures("clipped", &o);
  o.clip_norm = 0;
  o.ema = 0.75;
  check_figures("average", &o);
  o.ema = 0;
  o.beta1 = 0.8;
  o.beta2 = 0.95;
  check_figures("adamw", &o);
  o = with_decay(IG_OPT_LAMB);
  check_figures("lamb", &o);
  o = with_decay(IG_OPT_LION);
  check_figures("lion", &o);
}

/* With clipping the global norm withholds all updates; without, each parameter's own does. */
/* Plain steps of one and of three times the rate, for what has weight decay and what has not. */
static void test_bias_lr(void **state) {
  (void)state;
  ig_optimizer o = ig_optimizer_default(IG_OPT_SGD);
  o.momentum = 0;
  o.bias_lr = 3;
  setup s;
  setup_open(&s, &o, false);
  fill(s.grad_w, 6, false, 1);
  fill(s.grad_b, 4, true, 1);
  run_step(&s, 1);
  const float *w = stored(&s, "w"), *b = stored(&s, "b");
  for (int i = 0; i < 6; i++) assert_true(w[i] == s.w[i] - rates[0] * s.grad_w[i]);
  for (int i = 0; i < 4; i++) assert_true(b[i] == s.b[i] - 3 * rates[0] * s.grad_b[i]);
  setup_close(&s);
}

static void test_not_finite(void **state) {
  IG_UNUSED(state);
  for (int kind = IG_OPT_SGD; kind <= IG_OPT_LION; kind++) {
    for (int clips = 0; clips < 2; clips++) {
      ig_optimizer o = with_decay((ig_optimizer_kind)kind);
      o.clip_norm = clips;
      setup s;
      float w[6], b[4], moment[4];
      const char *name = kind == IG_OPT_SGD ? "optimizer.momentum.b" : "optimizer.m.b";
      setup_open(&s, &o, false);
      fill(s.grad_w, 6, false, 1);
      fill(s.grad_b, 4, true, 1);
      run_step(&s, 1);
      memcpy(w, stored(&s, "w"), sizeof w);
      memcpy(b, stored(&s, "b"), sizeof b);
      memcpy(moment, stored(&s, name), sizeof moment);
      s.grad_b[2] = clips ? INFINITY : NAN;
      run_step(&s, 2);
      assert_memory_equal(b, stored(&s, "b"), sizeof b);
      assert_memory_equal(moment, stored(&s, name), sizeof moment);
      assert_int_equal(memcmp(w, stored(&s, "w"), sizeof w) == 0, clips);
      assert_false(isfinite(*(const float *)ig_plan_output(s.plan, 0)));
      setup_close(&s);
    }
  }
}

/* One gradient that is not finite withholds every update, clipped or not, and halves the scale. */
static void test_overflow(void **state) {
  IG_UNUSED(state);
  for (int kind = IG_OPT_SGD; kind <= IG_OPT_LION; kind++) {
    ig_optimizer o = with_decay((ig_optimizer_kind)kind);
    setup s;
    float w[6], b[4], scale;
    setup_open(&s, &o, true);
    fill(s.grad_w, 6, false, 1);
    fill(s.grad_b, 4, true, 1);
    run_step(&s, 1);
    memcpy(w, stored(&s, "w"), sizeof w);
    memcpy(b, stored(&s, "b"), sizeof b);
    scale = *stored(&s, "optimizer.loss_scale");
    assert_true(scale == 65536);
    assert_true(*stored(&s, "optimizer.loss_scale_steps") == 1);
    s.grad_b[2] = INFINITY;
    run_step(&s, 2);
    assert_memory_equal(w, stored(&s, "w"), sizeof w);
    assert_memory_equal(b, stored(&s, "b"), sizeof b);
    assert_true(*stored(&s, "optimizer.loss_scale") == scale / 2);
    assert_true(*stored(&s, "optimizer.loss_scale_steps") == 0);
    s.grad_b[2] = 1;
    run_step(&s, 3);
    assert_true(memcmp(w, stored(&s, "w"), sizeof w) != 0);
    assert_true(*stored(&s, "optimizer.loss_scale") == scale / 2);
    setup_close(&s);
  }
}

static void test_refused(void **state) {
  IG_UNUSED(state);
  ig_optimizer_kind kind;
  assert_int_equal(ig_optimizer_parse("adamw", &kind), IG_OK);
  assert_int_equal(kind, IG_OPT_ADAMW);
  assert_int_equal(ig_optimizer_parse("adamx", &kind), IG_ERR_USAGE);
  ig_optimizer o = ig_optimizer_default(IG_OPT_ADAM);
  o.beta2 = 1;
  ig_graph *g;
  ig_value *norm;
  assert_int_equal(ig_graph_create("refused", &g), IG_OK);
  ig_value *p = ig_graph_param(g, "p", IG_F32, IG_SHAPE(2), (ig_init){0}, true);
  ig_value *grad = ig_graph_input(g, "g", IG_F32, IG_SHAPE(3));
  ig_value *lr = ig_graph_input(g, "lr", IG_F32, IG_SCALAR);
  assert_int_equal(ig_optimizer_append(g, &o, lr, lr, NULL, 1, &p, &p, &norm), IG_ERR_USAGE);
  o.beta2 = 0.5;
  assert_int_equal(ig_optimizer_append(g, &o, lr, lr, NULL, 1, &p, &grad, &norm), IG_ERR_SHAPE);
  ig_graph_destroy(g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_figures),
      cmocka_unit_test(test_bias_lr),
      cmocka_unit_test(test_not_finite),
      cmocka_unit_test(test_overflow),
      cmocka_unit_test(test_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
