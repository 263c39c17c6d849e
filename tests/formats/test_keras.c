/* Weights in the layouts of Keras (golden/make_models.py), where element k of every array, in Keras' own
 * order, is k: so a parameter's element says where it came from. */
#include "graph_run.h"
#include "scratch.h"

#include "api/init_weights.h"
#include "engine/models/model.h"
#include "formats/keras.h"

#define GOLDEN IG_SOURCE_DIR "/tests/formats/golden/"
#define LENET "lenet:channels=2,width=4"

static ig_graph *build(const char *text, ig_shape input, int64_t outputs) {
  ig_graph *graph;
  ig_model_spec spec = {.input = input, .n_outputs = outputs};
  GOOD(ig_model_build(text, &spec, &graph));
  return graph;
}

static run_env loaded(const char *path, const ig_graph *graph) {
  run_env env = run_env_open();
  GOOD(ig_store_add_graph(env.store, graph, 1));
  GOOD(ig_init_weights_load(path, graph, env.store));
  return env;
}

static const float *values(const run_env *env, const char *name) {
  const ig_store_entry *entry = ig_store_find(env->store, name);
  assert_non_null(entry);
  return entry->data;
}

static void check_lenet(const char *path) {
  ig_graph *graph = build(LENET, IG_SHAPE(1, 6, 6), 3);
  run_env env = loaded(path, graph);
  const float *w = values(&env, "conv2.weight"); /* [4, 2, 3, 3] from [3, 3, 2, 4] */
  for (int o = 0; o < 4; o++) {
    for (int i = 0; i < 2; i++) {
      for (int tap = 0; tap < 9; tap++) {
        assert_true(w[(o * 2 + i) * 9 + tap] == (float)((tap * 2 + i) * 4 + o));
      }
    }
  }
  w = values(&env, "conv1.weight"); /* [2, 1, 3, 3] from [3, 3, 1, 2] */
  for (int o = 0; o < 2; o++) {
    for (int tap = 0; tap < 9; tap++) assert_true(w[o * 9 + tap] == (float)(tap * 2 + o));
  }
  w = values(&env, "fc1.weight"); /* [4, (4 channels, 9 pixels)] from [(9 pixels, 4 channels), 4] */
  for (int o = 0; o < 4; o++) {
    for (int c = 0; c < 4; c++) {
      for (int p = 0; p < 9; p++) {
        assert_true(w[o * 36 + c * 9 + p] == (float)((p * 4 + c) * 4 + o));
      }
    }
  }
  w = values(&env, "fc2.weight"); /* [3, 4] from [4, 3] */
  for (int k = 0; k < 12; k++) assert_true(w[k % 3 * 4 + k / 3] == (float)k);
  for (int k = 0; k < 3; k++) assert_true(values(&env, "fc2.bias")[k] == (float)k);
  run_env_close(&env);
  ig_graph_destroy(graph);
}

static void both_layouts(void **state) {
  (void)state;
  check_lenet(GOLDEN "keras_legacy.h5"); /* whose dense layers' names are in another order */
  check_lenet(GOLDEN "keras_v3.weights.h5");
}

/* Convolution without bias, batch normalisation, and a depthwise convolution. */
static void norms_and_depthwise(void **state) {
  (void)state;
  ig_graph *g;
  GOOD(ig_graph_create("norms", &g));
  ig_init zero = {.kind = IG_INIT_ZERO};
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(1, 3, 8, 8));
  ig_value *w = ig_graph_param(g, "a.weight", IG_F32, IG_SHAPE(4, 3, 3, 3), zero, true);
  x = ig_op1(g, "Conv", NULL, IG_INS(x, w), IG_NO_ATTRS);
  ig_value *scale = ig_graph_param(g, "n.weight", IG_F32, IG_SHAPE(4), zero, false);
  ig_value *bias = ig_graph_param(g, "n.bias", IG_F32, IG_SHAPE(4), zero, false);
  ig_value *mean = ig_graph_state(g, "n.running_mean", IG_F32, IG_SHAPE(4), zero);
  ig_value *variance = ig_graph_state(g, "n.running_var", IG_F32, IG_SHAPE(4), zero);
  x = ig_op1(g, "BatchNormalization", NULL, IG_INS(x, scale, bias, mean, variance), IG_NO_ATTRS);
  w = ig_graph_param(g, "d.weight", IG_F32, IG_SHAPE(4, 1, 3, 3), zero, true);
  bias = ig_graph_param(g, "d.bias", IG_F32, IG_SHAPE(4), zero, false);
  x = ig_op1(g, "Conv", NULL, IG_INS(x, w, bias), IG_ATTRS(IG_INT("group", 4)));
  ig_graph_output(g, "y", x);
  GOOD(ig_graph_status(g));
  run_env env = loaded(GOLDEN "keras_norms.h5", g);
  static const char *const order[] = {"n.weight", "n.bias", "n.running_mean", "n.running_var"};
  for (int i = 0; i < 4; i++) {
    for (int k = 0; k < 4; k++) assert_true(values(&env, order[i])[k] == (float)(i + k));
  }
  const float *d = values(&env, "d.weight"); /* [4, 1, 3, 3] from [3, 3, 4, 1] */
  for (int c = 0; c < 4; c++) {
    for (int tap = 0; tap < 9; tap++) assert_true(d[c * 9 + tap] == (float)(tap * 4 + c));
  }
  run_env_close(&env);
  ig_graph_destroy(g);
}

static void refused(const char *path, const char *model, ig_shape input, int64_t outputs,
                    const char *message) {
  ig_graph *graph = build(model, input, outputs);
  run_env env = run_env_open();
  GOOD(ig_store_add_graph(env.store, graph, 1));
  assert_int_equal(ig_init_weights_load(path, graph, env.store), IG_ERR_INPUT);
  if (!strstr(ig_last_error(), message)) fail_msg("%s\nlacks: %s", ig_last_error(), message);
  run_env_close(&env);
  ig_graph_destroy(graph);
}

static void what_does_not_fit(void **state) {
  (void)state;
  refused(GOLDEN "keras_legacy.h5", "mlp:4", IG_SHAPE(6), 3, "has 2 convolutions, the model has 0");
  refused(GOLDEN "keras_legacy.h5", LENET, IG_SHAPE(1, 8, 8), 3,
          "'kernel' of layer 'zz_hidden' has shape [36, 4], which does not fit 'fc1' [4, 64]");
  refused(GOLDEN "keras_v3.weights.h5", LENET, IG_SHAPE(1, 6, 6), 4, "which does not fit 'fc2'");
  refused(GOLDEN "set.h5", LENET, IG_SHAPE(1, 6, 6), 3, "holds no layers of Keras");
  refused(GOLDEN "links.h5", LENET, IG_SHAPE(1, 6, 6), 3, "link");
  refused(GOLDEN "hf_gpt2/model.safetensors", LENET, IG_SHAPE(1, 6, 6), 3, "conv1.weight");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(both_layouts),
      cmocka_unit_test(norms_and_depthwise),
      cmocka_unit_test(what_does_not_fit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
