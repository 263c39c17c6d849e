/* Recipes applied: what stands in the graph and in the store, and how far the results are from those in f32;
 * and the search for a mix, with a judge made up so that the answer is known. */
#include "graph_run.h"

#include <math.h>

#include "engine/models/model.h"
#include "engine/quantize/sensitivity.h"

#define SAMPLES 8
#define SIDE 8
#define PIXELS (3 * SIDE * SIDE)

static float images[SAMPLES][PIXELS];

typedef struct subject {
  run_env env;
  ig_graph *g, *prepared;
  ig_store *prepared_store;
  ig_recipe *recipe;
  ig_calibration *calibration;
  ig_dataset *data;
} subject;

static ig_dataset *data_of(void) {
  ig_dataset *data;
  ig_field field = {
      .name = "x", .kind = IG_FIELD_IMAGE, .dtype = IG_F32, .shape = IG_SHAPE(3, SIDE, SIDE)};
  GOOD(ig_dataset_from_arrays(SAMPLES, 1, &field, (const void *[]){images}, &data));
  return data;
}

static const ig_calibration_options reading = {.batch = 4};

static subject subject_of(const char *name, ig_quant_settings settings) {
  subject s = {.env = run_env_open(), .data = data_of()};
  ig_model_spec spec = {.input = IG_SHAPE(3, SIDE, SIDE), .n_outputs = 5};
  GOOD(ig_model_build(name, &spec, &s.g));
  GOOD(ig_store_add_graph(s.env.store, s.g, 1));
  GOOD(ig_quantize_prepare(s.g, s.env.store, &s.prepared, &s.prepared_store));
  settings.percentile = 100;
  GOOD(ig_recipe_create(s.prepared, &settings, &s.recipe));
  GOOD(ig_calibrate(s.prepared, s.env.backend, s.prepared_store, s.recipe, s.data, &reading,
                    &s.calibration));
  return s;
}

static void subject_close(subject *s) {
  ig_calibration_destroy(s->calibration);
  ig_recipe_destroy(s->recipe);
  ig_graph_destroy(s->prepared);
  ig_graph_destroy(s->g);
  ig_store_destroy(s->prepared_store);
  ig_dataset_destroy(s->data);
  run_env_close(&s->env);
}

static double relative_error(subject *s, const ig_graph *graph, ig_store *store) {
  ig_quant_outputs *outputs;
  double error;
  GOOD(ig_quant_outputs_create(s->prepared, s->env.backend, s->prepared_store, s->data, &reading, 0,
                               &outputs));
  GOOD(ig_quant_outputs_error(outputs, graph, store, &error));
  ig_quant_outputs_destroy(outputs);
  return sqrt(error);
}

static int set_up(void **state) {
  (void)state;
  ig_rng rng = ig_rng_stream(3, IG_RNG_TEST, 0, 0);
  ig_rng_normals(&rng, 0, SAMPLES * PIXELS, images[0]);
  return 0;
}

static const ig_node *producer_of(const ig_value *value, const char *op) {
  if (value->kind != IG_VALUE_RESULT) return NULL;
  return strcmp(value->producer->op->name, op) == 0 ? value->producer : NULL;
}

/* --- int8 ---------------------------------------------------------------------------------------- */

/* Every convolution of resnet18 reads an activation, a weight and a bias that come out of DequantizeLinear;
 * every sum reads two such; the bias's scale is the product of the two others. */
static void test_int8_reads_codes(void **state) {
  (void)state;
  subject s = subject_of("resnet18:cifar", (ig_quant_settings){.format = IG_QUANT_INT8});
  ig_graph *q;
  ig_store *store;
  GOOD(ig_quantize_apply(s.prepared, s.prepared_store, s.recipe, s.calibration, &q, &store));
  GOOD(ig_graph_verify(q));
  int convs = 0, sums = 0;
  for (int32_t i = 0; i < q->n_nodes; i++) {
    const ig_node *node = q->nodes[i];
    bool conv = strcmp(node->op->name, "Conv") == 0, sum = strcmp(node->op->name, "Add") == 0;
    for (int k = 0; (conv || sum) && k < node->n_inputs; k++) {
      if (!producer_of(node->inputs[k], "DequantizeLinear")) fail_msg("%s reads f32", node->name);
    }
    convs += conv;
    sums += sum;
    if (!conv) continue;
    const ig_node *x = node->inputs[0]->producer, *w = node->inputs[1]->producer;
    const ig_node *b = node->inputs[2]->producer;
    assert_int_equal(x->inputs[0]->dtype, IG_U8);
    assert_int_equal(w->inputs[0]->dtype, IG_I8);
    assert_int_equal(b->inputs[0]->dtype, IG_I32);
    float x_scale = *(const float *)x->inputs[1]->data;
    const float *w_scale = ig_store_find(store, w->inputs[1]->name)->data;
    const float *b_scale = ig_store_find(store, b->inputs[1]->name)->data;
    for (int64_t c = 0; c < ig_value_count(b->inputs[1]); c++) {
      assert_true(b_scale[c] == x_scale * w_scale[c]);
    }
  }
  assert_int_equal(convs, 20);
  assert_int_equal(sums, 8);
  double error = relative_error(&s, q, store);
  if (!(error < 0.05 && error > 1e-5)) fail_msg("int8 changes the output by %g", error);
  const char *node;
  assert_true(ig_graph_is_quantized(q, &node));
  ig_graph_destroy(q);
  ig_store_destroy(store);
  subject_close(&s);
}

static void test_never_seen(void **state) {
  (void)state;
  subject s = subject_of("lenet:channels=4,width=8", (ig_quant_settings){.format = IG_QUANT_INT8});
  ig_graph *q;
  ig_store *store;
  ig_calibration nothing = *s.calibration;
  nothing.n = 0;
  assert_int_equal(
      ig_quantize_apply(s.prepared, s.prepared_store, s.recipe, &nothing, &q, &store), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "tensor 'x' was never seen in calibration"));
  subject_close(&s);
}

/* --- other formats ------------------------------------------------------------------------------- */

static void check_format(ig_quant_settings settings, ig_dtype dtype, const char *op, double most) {
  subject s = subject_of("lenet:channels=8,width=64", settings);
  ig_graph *q;
  ig_store *store;
  GOOD(ig_quantize_apply(s.prepared, s.prepared_store, s.recipe, s.calibration, &q, &store));
  GOOD(ig_graph_verify(q));
  const ig_store_entry *w = ig_store_find(store, "fc1.weight");
  assert_non_null(w);
  assert_int_equal(w->dtype, dtype);
  bool borders = settings.format == IG_QUANT_F16 && !settings.store_only; /* casts at both ends alone */
  assert_true(borders ? run_count(q, op) == 2 : run_count(q, op) >= 4);
  double error = relative_error(&s, q, store);
  if (!(error < most && error > 0)) {
    fail_msg("%s changes the output by %g", ig_quant_format_name(settings.format), error);
  }
  ig_graph_destroy(q);
  ig_store_destroy(store);
  subject_close(&s);
}

static void test_formats(void **state) {
  (void)state;
  check_format((ig_quant_settings){.format = IG_QUANT_INT8, .symmetric = true}, IG_I8,
               "QuantizeLinear", 0.05);
  check_format((ig_quant_settings){.format = IG_QUANT_INT8_DYNAMIC}, IG_I8, "DynamicQuantizeLinear", 0.05);
  check_format((ig_quant_settings){.format = IG_QUANT_INT8_WEIGHTS}, IG_I8, "DequantizeLinear", 0.02);
  check_format((ig_quant_settings){.format = IG_QUANT_INT8_WEIGHTS, .group = 32}, IG_I8,
               "DequantizeLinear", 0.02);
  check_format((ig_quant_settings){.format = IG_QUANT_INT4_WEIGHTS, .group = 32}, IG_I4,
               "DequantizeLinear", 0.2);
  check_format((ig_quant_settings){.format = IG_QUANT_F16}, IG_F16, "Cast", 0.002);
  check_format((ig_quant_settings){.format = IG_QUANT_F16, .store_only = true}, IG_F16, "Cast", 0.002);
  check_format((ig_quant_settings){.format = IG_QUANT_BF16, .store_only = true}, IG_BF16, "Cast", 0.02);
}

/* A table of rows that is also the last product's matrix has one set of codes and scales. */
static void test_shared_parameter(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g, *prepared, *q;
  ig_store *prepared_store, *store;
  ig_recipe *recipe;
  GOOD(ig_graph_create("tied", &g));
  g->deferred = true; /* as an imported model is */
  ig_value *ids = ig_graph_input(g, "ids", IG_I64, IG_SHAPE(2));
  ig_init init = {.kind = IG_INIT_UNIFORM, .value = 1};
  ig_value *table = ig_graph_param(g, "table", IG_F32, IG_SHAPE(9, 40), init, true);
  ig_value *h = ig_op1(g, "Gather", "rows", IG_INS(table, ids), IG_NO_ATTRS);
  ig_value *y = ig_op1(g, "Gemm", "head", IG_INS(h, table), IG_ATTRS(IG_INT("transB", 1)));
  ig_graph_output(g, "y", y);
  GOOD(ig_store_add_graph(env.store, g, 1));
  GOOD(ig_quantize_prepare(g, env.store, &prepared, &prepared_store));
  ig_quant_settings settings = {.format = IG_QUANT_INT4_WEIGHTS, .group = 32};
  GOOD(ig_recipe_create(prepared, &settings, &recipe));
  assert_int_equal(recipe->n_layers, 2);
  GOOD(ig_quantize_apply(prepared, prepared_store, recipe, NULL, &q, &store));
  assert_int_equal(run_count(q, "DequantizeLinear"), 1);
  assert_int_equal(ig_store_count(store), 2);
  const ig_store_entry *scale = ig_store_find(store, "table.scale");
  const ig_shape by_group = IG_SHAPE(9, 2);
  assert_true(scale && ig_shape_equal(&scale->shape, &by_group));
  ig_graph *concrete;
  GOOD(ig_graph_specialize(q, NULL, &concrete));
  run_env narrow = {env.backend, store}, wide = {env.backend, prepared_store};
  int64_t n;
  double *got = run_graph(&narrow, concrete, true, 9, 0, &n);
  ig_graph_destroy(concrete);
  GOOD(ig_graph_specialize(prepared, NULL, &concrete));
  double *want = run_graph(&wide, concrete, true, 9, 0, &n);
  double off = 0, size = 0;
  for (int64_t i = 0; i < n; i++) {
    off += (got[i] - want[i]) * (got[i] - want[i]);
    size += want[i] * want[i];
  }
  if (!(off > 0 && off < 0.02 * size)) fail_msg("off by %g of %g", off, size);
  free(got);
  free(want);
  ig_graph_destroy(concrete);
  ig_graph_destroy(q);
  ig_graph_destroy(prepared);
  ig_graph_destroy(g);
  ig_recipe_destroy(recipe);
  ig_store_destroy(store);
  ig_store_destroy(prepared_store);
  run_env_close(&env);
}

/* A weight of 100000 is beyond f16, and that layer alone stays. */
static void test_overflow(void **state) {
  (void)state;
  subject s = subject_of("lenet:channels=4,width=8", (ig_quant_settings){.format = IG_QUANT_F16});
  ((float *)ig_store_find(s.prepared_store, "fc1.weight")->data)[3] = 1e5f;
  GOOD(ig_recipe_guard_f16(s.recipe, s.prepared, s.prepared_store, s.calibration));
  for (int i = 0; i < s.recipe->n_layers; i++) {
    const ig_quant_layer *l = &s.recipe->layers[i];
    bool big = l->weight && strcmp(l->weight, "fc1.weight") == 0;
    assert_int_equal(l->format, big ? IG_QUANT_F32 : IG_QUANT_F16);
    if (big) assert_non_null(strstr(l->why, "reaches 1e+05"));
  }
  subject_close(&s);
}

/* --- the mix ------------------------------------------------------------------------------------- */

/* Loses 0.3 when conv2 is narrow, and 0.01 for each other layer. */
static ig_status made_up_metric(void *context, const ig_graph *graph, ig_store *store, double *out) {
  static const char *const scales[] = {"conv1.weight.scale", "conv2.weight.scale", "fc1.weight.scale",
                                       "fc2.weight.scale"};
  static const double costs[] = {0.01, 0.3, 0.01, 0.01};
  int *calls = context;
  (void)store;
  (*calls)++;
  *out = 1;
  for (int i = 0; i < 4; i++) *out -= ig_graph_find_value(graph, scales[i]) ? costs[i] : 0;
  return IG_OK;
}

static void test_mix(void **state) {
  (void)state;
  subject s = subject_of("lenet:channels=4,width=8", (ig_quant_settings){.format = IG_QUANT_INT8_WEIGHTS});
  int calls = 0;
  const ig_quant_judge judge = {.context = &calls, .metric = made_up_metric};
  ig_mix_result result;
  assert_int_equal(s.recipe->n_layers, 4);
  /* The order by error misleads: conv1 seems worse than conv2, and has to return. */
  for (int i = 0; i < 4; i++) s.recipe->layers[i].output_error = 0.4 - 0.1 * i;
  GOOD(ig_quantize_mix(s.prepared, s.prepared_store, s.recipe, NULL, &judge, 0.05, IG_QUANT_F32,
                       &result));
  assert_true(result.met);
  assert_int_equal(result.kept_back, 1);
  assert_float_equal(result.metric, 0.97, 1e-9);
  for (int i = 0; i < 4; i++) {
    bool kept = strcmp(s.recipe->layers[i].weight, "conv2.weight") == 0;
    assert_int_equal(s.recipe->layers[i].format, kept ? IG_QUANT_F32 : IG_QUANT_INT8_WEIGHTS);
    assert_int_equal(s.recipe->layers[i].why != NULL, kept);
  }
  assert_int_equal(calls, result.tried + 1);
  assert_true(calls <= 8);
  subject_close(&s);
}

static void test_gate_that_none_meets(void **state) {
  (void)state;
  subject s = subject_of("lenet:channels=4,width=8", (ig_quant_settings){.format = IG_QUANT_INT8_WEIGHTS});
  int calls = 0;
  const ig_quant_judge judge = {.context = &calls, .metric = made_up_metric};
  ig_mix_result result;
  for (int i = 0; i < 4; i++) s.recipe->layers[i].output_error = 0.4 - 0.1 * i;
  GOOD(ig_quantize_mix(s.prepared, s.prepared_store, s.recipe, NULL, &judge, 0.001, IG_QUANT_F32,
                       &result));
  assert_false(result.met);
  assert_float_equal(result.metric, 0.99, 1e-9); /* the closest: fc2 alone */
  assert_int_equal(result.kept_back, 3);
  subject_close(&s);
}

/* Each layer's error is that of the model with it alone quantized. */
static void test_sensitivity(void **state) {
  (void)state;
  subject s = subject_of("lenet:channels=4,width=8", (ig_quant_settings){.format = IG_QUANT_INT4_WEIGHTS});
  ig_quant_outputs *outputs;
  GOOD(ig_quant_outputs_create(s.prepared, s.env.backend, s.prepared_store, s.data, &reading, 0, &outputs));
  GOOD(ig_quantize_sensitivity(s.prepared, s.prepared_store, s.recipe, NULL, outputs, NULL));
  for (int i = 0; i < s.recipe->n_layers; i++) {
    ig_graph *q;
    ig_store *store;
    double error;
    ig_quant_format kept[4];
    for (int k = 0; k < 4; k++) {
      kept[k] = s.recipe->layers[k].format;
      if (k != i) s.recipe->layers[k].format = IG_QUANT_F32;
    }
    GOOD(ig_quantize_apply(s.prepared, s.prepared_store, s.recipe, NULL, &q, &store));
    assert_int_equal(run_count(q, "DequantizeLinear"), 1);
    GOOD(ig_quant_outputs_error(outputs, q, store, &error));
    assert_true(error > 0 && error == s.recipe->layers[i].output_error);
    for (int k = 0; k < 4; k++) s.recipe->layers[k].format = kept[k];
    ig_graph_destroy(q);
    ig_store_destroy(store);
  }
  ig_quant_outputs_destroy(outputs);
  subject_close(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_int8_reads_codes), cmocka_unit_test(test_never_seen),
      cmocka_unit_test(test_formats),          cmocka_unit_test(test_shared_parameter),
      cmocka_unit_test(test_overflow),         cmocka_unit_test(test_mix),
      cmocka_unit_test(test_sensitivity),      cmocka_unit_test(test_gate_that_none_meets),
  };
  return cmocka_run_group_tests(tests, set_up, NULL);
}
