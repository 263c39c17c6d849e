/* The unroll pass: numbers as without it, and gradients of a Scan and a Loop against finite differences of
 * the plan that keeps them whole. */
#include "pass_checks.h"

#include "data_checks.h"

#include <math.h>

/* h' = tanh(h * w + x), summed up beside it: a recurrent cell. */
static ig_graph *cell(bool loop) {
  ig_graph *g = deferred("cell");
  ig_value *turn = loop ? ig_graph_input_any(g, "turn", IG_I64) : NULL;
  ig_value *goes_on = loop ? ig_graph_input_any(g, "goes_on", IG_BOOL) : NULL;
  ig_value *h = ig_graph_input_any(g, "h", IG_F32);
  ig_value *x = loop ? NULL : ig_graph_input_any(g, "x", IG_F32);
  ig_value *w = ig_graph_input_any(g, "w", IG_F32);
  if (loop) x = ig_op1(g, "Cast", NULL, IG_INS(turn), IG_ATTRS(IG_INT("to", 1)));
  ig_value *next = make1(g, "Tanh", make2(g, "Add", make2(g, "Mul", h, w), x));
  if (loop) ig_graph_output(g, NULL, goes_on);
  ig_graph_output(g, NULL, next);
  ig_graph_output(g, NULL, make2(g, "Mul", next, h));
  GOOD(ig_graph_status(g));
  return g;
}

/* Parameters h, w [3] and, for a Scan, x [4, 3], taken backwards. */
static ig_graph *recurrent(bool loop) {
  ig_graph *g = fresh(), *body = cell(loop);
  ig_value *h = ig_graph_param(g, "h", IG_F32, IG_SHAPE(3), noise, true);
  ig_value *w = ig_graph_param(g, "w", IG_F32, IG_SHAPE(3), noise, true);
  ig_value *x = loop ? ig_graph_const_i64s(g, 1, (const int64_t[]){4})
                     : ig_graph_param(g, "x", IG_F32, IG_SHAPE(4, 3), noise, true);
  const int64_t turned[] = {1};
  ig_attr attrs[] = {
      {.name = "body", .type = IG_ATTR_GRAPH, .graph = body},
      IG_INT("captured", 1),
      IG_INT("num_scan_inputs", 1),
      IG_INTS("scan_input_directions", 1, turned),
  };
  ig_value *scan_in[] = {h, x, w}, *loop_in[] = {x, NULL, h, w};
  ig_node *node = loop ? ig_graph_node(g, "Loop", NULL, 4, loop_in, 2, attrs, 2)
                       : ig_graph_node(g, "Scan", NULL, 3, scan_in, 4, attrs, 2);
  ig_graph_destroy(body);
  GOOD(ig_graph_status(g));
  ig_value *sums = ig_op1(g, "ReduceSum", NULL,
                          IG_INS(node->outputs[1], ig_graph_const_i64s(g, 1, (const int64_t[]){0})),
                          IG_ATTRS(IG_INT("keepdims", 0)));
  ig_graph_output(g, "y", make2(g, "Add", node->outputs[0], sums));
  return g;
}

static double loss_of(run_env *env, ig_graph *g) {
  int64_t n;
  double *y = run_graph(env, g, false, 10, 0, &n), sum = 0;
  for (int64_t i = 0; i < n; i++) sum += y[i] * y[i];
  free(y);
  return sum / (double)n;
}

static void check_gradients(bool loop) {
  run_env env = run_env_open();
  ig_graph *g = recurrent(loop);
  ig_graph *unrolled = same_numbers(&env, g, "unroll", &training, 1e-6);
  assert_int_equal(run_count(unrolled, loop ? "Loop" : "Scan"), 0);
  assert_int_equal(run_count(unrolled, "Tanh"), 4);
  ig_graph_destroy(unrolled);
  ig_graph *whole = copy(g), *gradients = with_gradients(g, "unroll");
  assert_int_equal(run_count(whole, loop ? "Loop" : "Scan"), 1);
  for (int32_t i = 1; i < gradients->n_outputs; i++) {
    int64_t n;
    double *got = run_graph(&env, gradients, false, 10, i, &n);
    ig_store_entry *entry = ig_store_find(env.store, gradients->output_names[i]);
    assert_non_null(entry);
    for (int64_t k = 0; k < n; k++) {
      float *at = (float *)entry->data + k, before = *at, step = 1e-2f;
      *at = before + step;
      double above = loss_of(&env, whole);
      *at = before - step;
      double below = loss_of(&env, whole);
      *at = before;
      double want = (above - below) / (2 * (double)step);
      if (!(fabs(got[k] - want) <= 1e-3)) {
        fail_msg("%s[%d]: %g, by differences %g", entry->name, (int)k, got[k], want);
      }
    }
    free(got);
  }
  ig_graph_destroy(gradients);
  ig_graph_destroy(whole);
  ig_graph_destroy(g);
  run_env_close(&env);
}

static void scan(void **state) {
  (void)state;
  check_gradients(false);
}

static void loop(void **state) {
  (void)state;
  check_gradients(true);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(scan), cmocka_unit_test(loop)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
