/* What the pass tests share: small builders, and a pass run against no pass. */
#ifndef IG_TESTS_PASS_CHECKS_H
#define IG_TESTS_PASS_CHECKS_H

#include "graph_run.h"

#include "engine/autodiff.h"
#include "engine/passes/pass.h"

static const ig_pass_options inference = {.device = IG_CPU, .compute = IG_F32};
static const ig_pass_options training = {.device = IG_CPU, .training = true, .compute = IG_F32};

static const ig_init noise = {.kind = IG_INIT_NORMAL, .value = 0.5f};

static inline ig_graph *fresh(void) {
  ig_graph *g;
  GOOD(ig_graph_create("test", &g));
  return g;
}

static inline ig_value *op2(ig_graph *g, const char *op, ig_value *a, ig_value *b) {
  return ig_op1(g, op, NULL, IG_INS(a, b), IG_NO_ATTRS);
}

static inline ig_value *op(ig_graph *g, const char *name, ig_value *a) {
  return ig_op1(g, name, NULL, IG_INS(a), IG_NO_ATTRS);
}

static inline void pass(ig_graph *g, const char *name, const ig_pass_options *options) {
  GOOD(ig_graph_status(g));
  GOOD(ig_passes_run(g, (const char *const[]){name, NULL}, options));
  GOOD(ig_graph_verify(g));
}

static inline ig_graph *copy(const ig_graph *g) {
  ig_graph *other;
  GOOD(ig_graph_status(g));
  GOOD(ig_graph_specialize(g, NULL, &other));
  return other;
}

/* Runs `g` as it is and after the pass; every output must agree within `tolerance`. Returns the
 * changed graph. */
static inline ig_graph *same_numbers(run_env *env, const ig_graph *g, const char *name,
                                     const ig_pass_options *options, double tolerance) {
  ig_graph *before = copy(g), *after = copy(g);
  pass(after, name, options);
  GOOD(ig_store_add_graph(env->store, before, 3));
  run_env_shake(env);
  for (int32_t i = 0; i < before->n_outputs; i++) {
    int64_t n, m;
    double *want = run_graph(env, before, false, 10, i, &n);
    double *got = run_graph(env, after, !options->training, 10, i, &m);
    assert_int_equal(n, m);
    double difference = run_difference(got, want, n);
    if (!(difference <= tolerance)) fail_msg("output %d differs by %g", i, difference);
    free(want);
    free(got);
  }
  ig_graph_destroy(before);
  return after;
}

/* Parameters NAME.weight and NAME.bias, states NAME.running_mean and NAME.running_var. */
static inline ig_value *batch_norm(ig_graph *g, const char *name, ig_value *x) {
  char full[64];
  ig_shape channels = IG_SHAPE(x->shape.dims[1]);
  ig_value *in[5] = {x};
  static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
  for (int i = 0; i < 4; i++) {
    snprintf(full, sizeof full, "%s.%s", name, parts[i]);
    in[i + 1] = i < 2 ? ig_graph_param(g, full, IG_F32, channels, noise, false)
                      : ig_graph_state(g, full, IG_F32, channels, noise);
  }
  return ig_op1(g, "BatchNormalization", NULL, 5, in,
                IG_ATTRS(IG_FLOAT("epsilon", 1e-3f), IG_FLOAT("momentum", 0.75f)));
}

/* A 3x3 filter NAME of 8 channels, padded. */
static inline ig_value *conv(ig_graph *g, const char *name, ig_value *x, bool bias) {
  ig_value *in[] = {
      x, ig_graph_param(g, name, IG_F32, IG_SHAPE(8, x->shape.dims[1], 3, 3), noise, true),
      bias ? ig_graph_param(g, NULL, IG_F32, IG_SHAPE(8), noise, false) : NULL};
  int64_t pads[] = {1, 1, 1, 1};
  return ig_op1(g, "Conv", NULL, bias ? 3 : 2, in, IG_ATTRS(IG_INTS("pads", 4, pads)));
}

/* Gradients of mean(y^2) with respect to all PARAMs, as outputs. */
static inline ig_graph *with_gradients(const ig_graph *g, const char *name) {
  ig_graph *made = copy(g);
  if (name) pass(made, name, &training);
  ig_value *square = op2(made, "Mul", made->outputs[0], made->outputs[0]);
  ig_value *loss =
      ig_op1(made, "ReduceMean", NULL, IG_INS(square), IG_ATTRS(IG_INT("keepdims", 0)));
  ig_value *params[16], *grads[16];
  int n = 0;
  for (int32_t i = 0; i < made->n_values; i++) {
    if (made->values[i]->kind == IG_VALUE_PARAM) params[n++] = made->values[i];
  }
  GOOD(ig_graph_status(made));
  GOOD(ig_autodiff(made, loss, NULL, n, params, grads));
  for (int i = 0; i < n; i++) {
    assert_non_null(grads[i]);
    ig_graph_output(made, params[i]->name, grads[i]);
  }
  GOOD(ig_graph_status(made));
  GOOD(ig_graph_sort(made));
  return made;
}

static inline void same_gradients(run_env *env, const ig_graph *g, const char *name,
                                  double tolerance) {
  ig_graph *plain = with_gradients(g, NULL), *changed = with_gradients(g, name);
  GOOD(ig_store_add_graph(env->store, plain, 3));
  run_env_shake(env);
  assert_int_equal(plain->n_outputs, changed->n_outputs);
  assert_true(plain->n_outputs > 1);
  for (int32_t i = 1; i < plain->n_outputs; i++) {
    int64_t n, m;
    double *want = run_graph(env, plain, false, 10, i, &n);
    double *got = run_graph(env, changed, false, 10, i, &m);
    assert_string_equal(plain->output_names[i], changed->output_names[i]);
    assert_int_equal(n, m);
    double difference = run_difference(got, want, n);
    if (!(difference <= tolerance)) {
      fail_msg("gradient of %s differs by %g", plain->output_names[i], difference);
    }
    free(want);
    free(got);
  }
  ig_graph_destroy(plain);
  ig_graph_destroy(changed);
}

#endif
