/* The trainable form of a quantized graph: it computes what QuantizeLinear and DequantizeLinear compute, has
 * the parameters that the model had, and comes back with the codes and scales that it was made of. */
#include <math.h>

#include "engine/quantize/fake.h"
#include "graph_run.h"

enum { CHANNELS = 5, FILTER = 3 * 3 * 3 };

static const float x_scale = 0.0078f, y_scale = 0.021f;
static const uint8_t x_zero = 128, y_zero = 0;

/* QuantizeLinear and DequantizeLinear. */
static ig_value *pair(ig_graph *g, ig_value *x, float step, uint8_t zero) {
  ig_value *scale = ig_graph_const(g, NULL, IG_F32, IG_SCALAR, &step);
  ig_value *point = ig_graph_const(g, NULL, IG_U8, IG_SCALAR, &zero);
  ig_value *codes = ig_op1(g, "QuantizeLinear", NULL, IG_INS(x, scale, point), IG_NO_ATTRS);
  return ig_op1(g, "DequantizeLinear", NULL, IG_INS(codes, scale, point), IG_NO_ATTRS);
}

static ig_value *param(ig_graph *g, const char *name, ig_dtype dtype, ig_shape shape) {
  return ig_graph_param(g, name, dtype, shape, (ig_init){.kind = IG_INIT_ZERO}, false);
}

/* Convolution with bias and ReLU of an image, as ig_quantize_apply leaves it. */
static ig_graph *quantized(void) {
  ig_graph *g;
  GOOD(ig_graph_create("net", &g));
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 3, 8, 8));
  ig_value *w = param(g, "w", IG_I8, IG_SHAPE(CHANNELS, 3, 3, 3));
  ig_value *b = param(g, "b", IG_I32, IG_SHAPE(CHANNELS));
  ig_value *ws = param(g, "w.scale", IG_F32, IG_SHAPE(CHANNELS));
  ig_value *bs = param(g, "b.scale", IG_F32, IG_SHAPE(CHANNELS));
  ig_value *wr = ig_op1(g, "DequantizeLinear", NULL, IG_INS(w, ws), IG_ATTRS(IG_INT("axis", 0)));
  ig_value *br = ig_op1(g, "DequantizeLinear", NULL, IG_INS(b, bs), IG_ATTRS(IG_INT("axis", 0)));
  ig_value *y = ig_op1(g, "Conv", "conv", IG_INS(pair(g, x, x_scale, x_zero), wr, br), IG_NO_ATTRS);
  y = ig_op1(g, "Relu", NULL, IG_INS(y), IG_NO_ATTRS);
  ig_graph_output(g, "y", pair(g, y, y_scale, y_zero));
  GOOD(ig_graph_status(g));
  return g;
}

static int8_t code_of(int i) { return (int8_t)(i * 37 % 255 - 127); }
static float scale_of(int c) { return 0.001f * (float)(c + 1); }

/* Values for `quantized`, and in another store the f32 parameters that they stand for. */
static void fill(run_env *env, run_env *real) {
  ig_store_entry *w, *b, *ws, *bs, *rw, *rb;
  ig_shape filters = IG_SHAPE(CHANNELS, 3, 3, 3), channels = IG_SHAPE(CHANNELS);
  GOOD(ig_store_get(env->store, "w", IG_ROLE_PARAMETER, IG_I8, &filters, &w));
  GOOD(ig_store_get(env->store, "b", IG_ROLE_PARAMETER, IG_I32, &channels, &b));
  GOOD(ig_store_get(env->store, "w.scale", IG_ROLE_PARAMETER, IG_F32, &channels, &ws));
  GOOD(ig_store_get(env->store, "b.scale", IG_ROLE_PARAMETER, IG_F32, &channels, &bs));
  GOOD(ig_store_get(real->store, "w", IG_ROLE_PARAMETER, IG_F32, &filters, &rw));
  GOOD(ig_store_get(real->store, "b", IG_ROLE_PARAMETER, IG_F32, &channels, &rb));
  for (int c = 0; c < CHANNELS; c++) {
    ((float *)ws->data)[c] = scale_of(c);
    ((float *)bs->data)[c] = scale_of(c) * x_scale;
    ((int32_t *)b->data)[c] = 1000 * (c - 2);
    ((float *)rb->data)[c] = (float)(1000 * (c - 2)) * scale_of(c) * x_scale;
    for (int i = 0; i < FILTER; i++) {
      int at = c * FILTER + i;
      ((int8_t *)w->data)[at] = code_of(at);
      /* A third of the way to the next code at most: rounding finds the code. */
      ((float *)rw->data)[at] = scale_of(c) * ((float)code_of(at) + 0.33f * (float)(at % 3 - 1));
    }
  }
}

static void fake_computes_the_same(void **state) {
  (void)state;
  run_env env = run_env_open(), real = run_env_open();
  ig_graph *g = quantized();
  int64_t count;
  fill(&env, &real);
  double *want = run_graph(&env, g, true, 0, 0, &count);
  assert_false(ig_graph_is_fake_quantized(g));
  run_env trained = {.backend = env.backend};
  GOOD(ig_quantize_fake(g, env.store, real.store, &trained.store));
  assert_true(ig_graph_is_fake_quantized(g));
  assert_int_equal(run_count(g, "ingot.FakeQuantize"), 3);
  assert_int_equal(run_count(g, "QuantizeLinear") + run_count(g, "DequantizeLinear"), 0);
  assert_memory_equal(ig_store_find(trained.store, "w")->data, ig_store_find(real.store, "w")->data,
                      CHANNELS * FILTER * sizeof(float));
  double *got = run_graph(&trained, g, true, 0, 0, &count);
  double spread = 0;
  /* A sum that lies on the border of two steps may round to either. */
  int off = 0;
  for (int64_t i = 0; i < count; i++) {
    off += fabs(got[i] - want[i]) > 1e-6;
    assert_true(fabs(got[i] - want[i]) < 1.001 * (double)y_scale);
    spread = fmax(spread, want[i]);
  }
  assert_true(off <= 2);
  assert_true(spread > 10 * (double)y_scale);
  free(want);
  free(got);
  ig_store_destroy(trained.store);
  ig_graph_destroy(g);
  run_env_close(&env);
  run_env_close(&real);
}

static void settling_gives_the_codes_back(void **state) {
  (void)state;
  run_env env = run_env_open(), real = run_env_open();
  ig_graph *g = quantized();
  ig_store *trained, *settled;
  int64_t count;
  fill(&env, &real);
  double *want = run_graph(&env, g, true, 0, 0, &count);
  GOOD(ig_quantize_fake(g, env.store, real.store, &trained));
  GOOD(ig_quantize_settle(g, trained, &settled));
  assert_int_equal(run_count(g, "QuantizeLinear"), 2);
  assert_int_equal(run_count(g, "DequantizeLinear"), 4);
  const ig_value *w = ig_graph_find_value(g, "w");
  assert_int_equal(w->dtype, IG_I8);
  assert_true(w->frozen);
  const char *const names[] = {"w", "b", "w.scale"};
  for (int i = 0; i < 3; i++) {
    const ig_store_entry *a = ig_store_find(settled, names[i]), *b = ig_store_find(env.store, names[i]);
    assert_int_equal(a->dtype, b->dtype);
    assert_memory_equal(a->data, b->data, ig_shape_bytes(&a->shape, a->dtype));
  }
  run_env again = {.backend = env.backend, .store = settled};
  double *got = run_graph(&again, g, true, 0, 0, &count);
  assert_true(run_difference(got, want, count) < 1e-6);
  free(want);
  free(got);
  ig_store_destroy(trained);
  ig_store_destroy(settled);
  ig_graph_destroy(g);
  run_env_close(&env);
  run_env_close(&real);
}

static void what_is_not_quantized_is_refused(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g;
  ig_store *out;
  GOOD(ig_graph_create("plain", &g));
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 3));
  ig_graph_output(g, "y", ig_op1(g, "Relu", NULL, IG_INS(x), IG_NO_ATTRS));
  assert_int_equal(ig_quantize_fake(g, env.store, env.store, &out), IG_ERR_USAGE);
  assert_non_null(strstr(ig_last_error(), "nothing in graph 'plain' is quantized"));
  assert_int_equal(ig_quantize_settle(g, env.store, &out), IG_ERR_USAGE);
  ig_graph_destroy(g);
  run_env_close(&env);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fake_computes_the_same),
      cmocka_unit_test(settling_gives_the_codes_back),
      cmocka_unit_test(what_is_not_quantized_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
