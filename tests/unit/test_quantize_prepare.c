/* Preparing a model for quantization changes what it computes by rounding alone, and recipes list what can
 * be quantized. The fold is checked against batch normalisation's formula in double. */
#include "graph_run.h"

#include <math.h>

#include "engine/models/model.h"
#include "engine/quantize/apply.h"

static ig_graph *model(const char *name, int64_t side) {
  ig_graph *g;
  ig_model_spec spec = {.input = IG_SHAPE(3, side, side), .n_outputs = 5};
  GOOD(ig_model_build(name, &spec, &g));
  return g;
}

/* The output of a template at two samples. */
static double *outputs(run_env *env, const ig_graph *template_graph, int64_t *count) {
  ig_graph *g;
  ig_shape shape = template_graph->inputs[0]->shape;
  shape.dims[0] = 2;
  GOOD(ig_graph_specialize(template_graph, &shape, &g));
  double *y = run_graph(env, g, true, 1, 0, count);
  ig_graph_destroy(g);
  return y;
}

static void check_same_results(const char *name, int64_t side, int norms_left) {
  run_env env = run_env_open();
  ig_graph *g = model(name, side), *prepared;
  run_env after = {.backend = env.backend};
  int64_t n, n_after;
  GOOD(ig_store_add_graph(env.store, g, 1));
  run_env_shake(&env);
  GOOD(ig_quantize_prepare(g, env.store, &prepared, &after.store));
  GOOD(ig_graph_verify(prepared));
  double *y = outputs(&env, g, &n), *y_after = outputs(&after, prepared, &n_after);
  assert_int_equal(n, n_after);
  double size = 0;
  for (int64_t i = 0; i < n; i++) size = fmax(size, fabs(y[i]));
  assert_true(size > 1e-3);
  for (int64_t i = 0; i < n; i++) {
    if (!(fabs(y[i] - y_after[i]) < 1e-4 * size)) fail_msg("%s: %g, was %g", name, y_after[i], y[i]);
  }
  assert_int_equal(run_count(prepared, "BatchNormalization"), norms_left);
  assert_int_equal(run_count(prepared, "Dropout"), 0);
  free(y);
  free(y_after);
  ig_graph_destroy(prepared);
  ig_graph_destroy(g);
  ig_store_destroy(after.store);
  run_env_close(&env);
}

static void test_same_results(void **state) {
  (void)state;
  check_same_results("resnet18:cifar", 8, 0);
  check_same_results("mobilenetv2", 32, 0);
  check_same_results("lenet:channels=8,width=16,dropout=0.5", 8, 0);
  check_same_results("vit:tiny", 32, 0);
}

/* y = gamma (alpha x w + beta c - mean) / sqrt(var + epsilon) + shift, one channel of a Gemm by hand. */
static void test_fold_of_gemm(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g, *prepared;
  ig_store *store;
  ig_init any = {.kind = IG_INIT_ONE};
  GOOD(ig_graph_create("g", &g));
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 3));
  ig_value *in[] = {ig_graph_param(g, "scale", IG_F32, IG_SHAPE(2), any, false),
                    ig_graph_param(g, "shift", IG_F32, IG_SHAPE(2), any, false),
                    ig_graph_state(g, "mean", IG_F32, IG_SHAPE(2), any),
                    ig_graph_state(g, "var", IG_F32, IG_SHAPE(2), any)};
  ig_value *w = ig_graph_param(g, "w", IG_F32, IG_SHAPE(2, 3), any, true);
  ig_value *c = ig_graph_param(g, "c", IG_F32, IG_SHAPE(2), any, false);
  ig_value *y = ig_op1(g, "Gemm", "fc", IG_INS(x, w, c),
                       IG_ATTRS(IG_INT("transB", 1), IG_FLOAT("alpha", 2), IG_FLOAT("beta", 3)));
  y = ig_op1(g, "BatchNormalization", "bn", IG_INS(y, in[0], in[1], in[2], in[3]), IG_NO_ATTRS);
  ig_graph_output(g, "y", y);
  GOOD(ig_store_add_graph(env.store, g, 1));
  run_env_shake(&env);
  GOOD(ig_quantize_prepare(g, env.store, &prepared, &store));
  const float *var = ig_store_find(env.store, "var")->data, *mean = ig_store_find(env.store, "mean")->data;
  const float *gamma = ig_store_find(env.store, "scale")->data;
  const float *shift = ig_store_find(env.store, "shift")->data;
  const float *old_w = ig_store_find(env.store, "w")->data, *old_c = ig_store_find(env.store, "c")->data;
  const float *new_w = ig_store_find(store, "w")->data, *new_c = ig_store_find(store, "c")->data;
  for (int k = 0; k < 2; k++) {
    double s = (double)gamma[k] / sqrt((double)var[k] + 1e-5);
    for (int i = 0; i < 3; i++) {
      assert_float_equal(new_w[3 * k + i], 2 * (double)old_w[3 * k + i] * s, 1e-6);
    }
    double moved = (3 * (double)old_c[k] - (double)mean[k]) * s + (double)shift[k];
    assert_float_equal(new_c[k], moved, 1e-6);
  }
  assert_int_equal(prepared->n_nodes, 1);
  ig_graph_destroy(prepared);
  ig_graph_destroy(g);
  ig_store_destroy(store);
  run_env_close(&env);
}

static void test_quantized_already(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g, *prepared;
  ig_store *store;
  GOOD(ig_graph_create("g", &g));
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 3));
  ig_value *scale = ig_graph_const_f32(g, 0.5f);
  ig_graph_output(g, "y", ig_op1(g, "QuantizeLinear", "first", IG_INS(x, scale), IG_NO_ATTRS));
  assert_int_equal(ig_quantize_prepare(g, env.store, &prepared, &store), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "quantized already: node 'first'"));
  ig_graph_destroy(g);
  run_env_close(&env);
}

static int count_layers(const ig_recipe *recipe, const char *op, ig_quant_format format) {
  int n = 0;
  for (int i = 0; i < recipe->n_layers; i++) {
    n += strcmp(recipe->layers[i].op, op) == 0 && recipe->layers[i].format == format;
  }
  return n;
}

/* resnet18: 20 convolutions and the last product; 8 sums; the average and Flatten behind it; Relu ends
 * computations and is no layer. For weights alone, what has no weight is none either. */
static void test_layers_of_resnet(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = model("resnet18", 32), *prepared;
  ig_store *store;
  ig_recipe *recipe;
  ig_quant_settings settings = {.format = IG_QUANT_INT8, .percentile = 99.99};
  GOOD(ig_store_add_graph(env.store, g, 1));
  GOOD(ig_quantize_prepare(g, env.store, &prepared, &store));
  GOOD(ig_recipe_create(prepared, &settings, &recipe));
  assert_int_equal(count_layers(recipe, "Conv", IG_QUANT_INT8), 20);
  assert_int_equal(count_layers(recipe, "Gemm", IG_QUANT_INT8), 1);
  assert_int_equal(count_layers(recipe, "Add", IG_QUANT_INT8), 8);
  assert_int_equal(count_layers(recipe, "MaxPool", IG_QUANT_INT8), 1);
  assert_int_equal(count_layers(recipe, "GlobalAveragePool", IG_QUANT_INT8), 1);
  assert_int_equal(count_layers(recipe, "Flatten", IG_QUANT_INT8), 1);
  assert_int_equal(recipe->n_layers, 32);
  ig_recipe_destroy(recipe);
  settings.format = IG_QUANT_INT4_WEIGHTS;
  GOOD(ig_recipe_create(prepared, &settings, &recipe));
  assert_int_equal(recipe->n_layers, 21);
  ig_recipe_destroy(recipe);
  ig_graph_destroy(prepared);
  ig_graph_destroy(g);
  ig_store_destroy(store);
  run_env_close(&env);
}

static void test_nothing_to_quantize(void **state) {
  (void)state;
  ig_graph *g;
  ig_recipe *recipe;
  ig_quant_settings settings = {.format = IG_QUANT_INT8};
  GOOD(ig_graph_create("plain", &g));
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 3));
  ig_graph_output(g, "y", ig_op1(g, "Relu", NULL, IG_INS(x), IG_NO_ATTRS));
  assert_int_equal(ig_recipe_create(g, &settings, &recipe), IG_ERR_USAGE);
  assert_non_null(strstr(ig_last_error(), "no layer to quantize"));
  ig_graph_destroy(g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_same_results),      cmocka_unit_test(test_fold_of_gemm),
      cmocka_unit_test(test_quantized_already), cmocka_unit_test(test_layers_of_resnet),
      cmocka_unit_test(test_nothing_to_quantize),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
