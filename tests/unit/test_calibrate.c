/* Calibration of a small network: what was seen against the tensors themselves, the same to the bit from
 * any number of ranks, and data that cannot be calibrated with. */
#include "graph_run.h"

#include <math.h>

#include "engine/models/model.h"
#include "engine/quantize/calibrate.h"
#include "kernels/observe.h"
#include "thread_comm.h"

#define IMAGES 22
#define BATCH 4
#define PIXELS 108 /* 3 x 6 x 6 */

static float images[IMAGES][PIXELS];

/* Three channels on, so that the blocked layout of activations has padding. */
static ig_graph *network(void) {
  ig_graph *g;
  ig_model_spec spec = {.input = IG_SHAPE(3, 6, 6), .n_outputs = 5};
  GOOD(ig_model_build("lenet:channels=18,width=16", &spec, &g));
  return g;
}

static const char *name_of(const ig_graph *g, const char *op, int which) {
  for (int32_t i = 0; i < g->n_nodes; i++) {
    if (strcmp(g->nodes[i]->op->name, op) == 0 && which-- == 0) return g->nodes[i]->name;
  }
  fail_msg("no such %s", op);
  return NULL;
}

/* The two convolutions and the product behind them. */
static ig_recipe recipe_of(const ig_graph *g, ig_quant_layer layers[3]) {
  for (int i = 0; i < 2; i++) {
    layers[i] = (ig_quant_layer){
        .node = name_of(g, "Conv", i), .op = "Conv", .weight = "w", .weight_input = 1};
  }
  const char *product = run_count(g, "Gemm") ? "Gemm" : "MatMul";
  layers[2] = (ig_quant_layer){
      .node = name_of(g, product, 0), .op = product, .weight = "w", .weight_input = 1};
  return (ig_recipe){.n_layers = 3, .layers = layers};
}

static ig_dataset *data_of(int64_t n) {
  ig_dataset *data;
  ig_field field = {
      .name = "x", .kind = IG_FIELD_IMAGE, .dtype = IG_F32, .shape = IG_SHAPE(3, 6, 6)};
  GOOD(ig_dataset_from_arrays(n, 1, &field, (const void *[]){images}, &data));
  return data;
}

static int set_up(void **state) {
  (void)state;
  ig_rng rng = ig_rng_stream(3, IG_RNG_TEST, 0, 0);
  ig_rng_normals(&rng, 0, IMAGES * PIXELS, images[0]);
  return 0;
}

static ig_status calibrate(ig_graph *g, run_env *env, ig_comm *comm, int64_t n, int64_t samples,
                           ig_calibration **out) {
  ig_quant_layer layers[3];
  const ig_recipe recipe = recipe_of(g, layers);
  ig_dataset *data = data_of(n);
  const ig_calibration_options options = {.samples = samples, .batch = BATCH, .comm = comm};
  ig_status status = ig_calibrate(g, env->backend, env->store, &recipe, data, &options, out);
  ig_dataset_destroy(data);
  return status;
}

/* The same network with that value as an output, run batch by batch without any pass. */
static void look_at(const char *value, const ig_seen *seen) {
  run_env env = run_env_open();
  ig_graph *g = network();
  GOOD(ig_store_add_graph(env.store, g, 1));
  ig_graph_output(g, "seen", ig_graph_find_value(g, value));
  double least = INFINITY, most = -INFINITY, moving_least = 0, moving_most = 0;
  int64_t count = 0;
  for (int first = 0; first < IMAGES; first += BATCH) {
    int n = IG_MIN(BATCH, IMAGES - first);
    ig_graph *concrete;
    ig_plan *plan;
    ig_shape shape = IG_SHAPE(n, 3, 6, 6);
    GOOD(ig_graph_specialize(g, &shape, &concrete));
    GOOD(ig_plan_create(concrete, env.backend, env.store, &(ig_plan_options){0}, &plan));
    GOOD(ig_plan_bind_input(plan, 0, images[first]));
    GOOD(ig_plan_run(plan, &(ig_rng_state){0}));
    const float *x = ig_plan_output(plan, 1);
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < ig_value_count(concrete->outputs[1]); i++) {
      low = fmin(low, (double)x[i]);
      high = fmax(high, (double)x[i]);
      count++;
    }
    least = fmin(least, low);
    most = fmax(most, high);
    moving_least = first == 0 ? low : 0.99 * moving_least + 0.01 * low;
    moving_most = first == 0 ? high : 0.99 * moving_most + 0.01 * high;
    ig_plan_destroy(plan);
    ig_graph_destroy(concrete);
  }
  assert_int_equal(seen->count, count);
  assert_true(fabs((double)seen->least - least) <= 1e-5 && fabs((double)seen->most - most) <= 1e-5);
  assert_true(fabs((double)seen->moving_least - moving_least) <= 1e-5);
  assert_true(fabs((double)seen->moving_most - moving_most) <= 1e-5);
  ig_graph_destroy(g);
  run_env_close(&env);
}

static void sees_what_is_there(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = network();
  ig_calibration *calibration;
  GOOD(ig_store_add_graph(env.store, g, 1));
  int64_t entries = ig_store_count(env.store);
  GOOD(calibrate(g, &env, NULL, IMAGES, 0, &calibration));
  assert_int_equal(ig_store_count(env.store), entries);
  assert_int_equal(calibration->samples, IMAGES);
  assert_int_equal(calibration->n, 6);
  for (int i = 0; i < calibration->n; i++) {
    const ig_seen *seen = &calibration->seen[i];
    int64_t count = 0;
    for (int k = 0; k < IG_OBSERVER_BINS; k++) count += seen->bins[k];
    assert_int_equal(count, seen->count);
    look_at(seen->value, seen);
  }
  assert_ptr_equal(ig_calibration_find(calibration, "x"), &calibration->seen[0]);
  assert_null(ig_calibration_find(calibration, "no such tensor"));
  ig_calibration_destroy(calibration);
  /* Some of the samples; and a second time on the same store. */
  GOOD(calibrate(g, &env, NULL, IMAGES, 7, &calibration));
  assert_int_equal(calibration->samples, 7);
  assert_int_equal(ig_calibration_find(calibration, "x")->count, 7 * PIXELS);
  ig_calibration_destroy(calibration);
  ig_graph_destroy(g);
  run_env_close(&env);
}

typedef struct ranks {
  int64_t samples;
  ig_calibration *of[THREAD_RANKS];
} ranks;

static ig_status one_rank(ig_comm *comm, void *context) {
  ranks *all = context;
  run_env env = run_env_open();
  ig_graph *g = network();
  GOOD(ig_store_add_graph(env.store, g, 1));
  ig_status status = calibrate(g, &env, comm, IMAGES, all->samples, &all->of[comm->rank]);
  ig_graph_destroy(g);
  run_env_close(&env);
  return status;
}

static void assert_same(const ig_calibration *a, const ig_calibration *b) {
  assert_int_equal(a->n, b->n);
  assert_int_equal(a->samples, b->samples);
  for (int i = 0; i < a->n; i++) {
    ig_seen x = a->seen[i], y = b->seen[i];
    assert_string_equal(x.value, y.value);
    assert_memory_equal(x.bins, y.bins, IG_OBSERVER_BINS * sizeof *x.bins);
    x.value = y.value = NULL;
    x.bins = y.bins = NULL;
    assert_memory_equal(&x, &y, sizeof x);
  }
}

/* Two, three and more ranks than batches. */
static void ranks_see_what_one_process_sees(void **state) {
  (void)state;
  const int sizes[] = {2, 3, 4};
  for (int64_t samples = 0; samples <= 6; samples += 6) {
    ranks one = {.samples = samples};
    thread_run runs[THREAD_RANKS];
    thread_group *alone = thread_group_create(1);
    thread_ranks_run(alone, one_rank, &one, runs);
    thread_group_destroy(alone);
    for (int s = 0; s < IG_COUNT(sizes); s++) {
      ranks all = {.samples = samples};
      thread_group *g = thread_group_create(sizes[s]);
      thread_ranks_run(g, one_rank, &all, runs);
      for (int r = 0; r < sizes[s]; r++) {
        if (runs[r].status != IG_OK) fail_msg("rank %d: %s", r, runs[r].message);
        assert_same(one.of[0], all.of[r]);
        ig_calibration_destroy(all.of[r]);
      }
      thread_group_destroy(g);
    }
    ig_calibration_destroy(one.of[0]);
  }
}

/* --- more batches than an observer keeps ---------------------------------------------------------- */

#define ROWS 2100

static float rows[ROWS][2];

static ig_status long_run(ig_comm *comm, void *context) {
  ranks *all = context;
  run_env env = run_env_open();
  ig_graph *g;
  ig_dataset *data;
  ig_field field = {.name = "x", .kind = IG_FIELD_FEATURES, .dtype = IG_F32, .shape = IG_SHAPE(2)};
  GOOD(ig_dataset_from_arrays(ROWS, 1, &field, (const void *[]){rows}, &data));
  GOOD(ig_graph_create("rows", &g));
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(1, 2));
  ig_value_set_symbol(g, x, 0, "N");
  ig_value *w = ig_graph_param(g, "w", IG_F32, IG_SHAPE(2, 1), (ig_init){IG_INIT_ONE, 0}, true);
  ig_graph_output(g, "y", ig_op1(g, "MatMul", "product", IG_INS(x, w), IG_NO_ATTRS));
  GOOD(ig_store_add_graph(env.store, g, 1));
  ig_quant_layer layer = {.node = "product", .op = "MatMul", .weight = "w", .weight_input = 1};
  const ig_recipe recipe = {.n_layers = 1, .layers = &layer};
  const ig_calibration_options options = {.batch = 1, .comm = comm};
  int rank = ig_comm_rank(comm);
  ig_status status =
      ig_calibrate(g, env.backend, env.store, &recipe, data, &options, &all->of[rank]);
  ig_graph_destroy(g);
  ig_dataset_destroy(data);
  run_env_close(&env);
  return status;
}

/* The averages begin with the first batch that is kept: which differs visibly, as the first are far off. */
static void averages_are_of_the_last_batches(void **state) {
  (void)state;
  const int first = ROWS - IG_OBSERVER_KEPT;
  assert_true(first > 0);
  double least = 0, most = 0;
  for (int i = 0; i < ROWS; i++) {
    double high = i < first ? 1e12 : 2 + sin(i);
    rows[i][0] = (float)-high;
    rows[i][1] = (float)(high / 2);
    least = i <= first ? -high : 0.99 * least - 0.01 * high;
    most = i <= first ? high / 2 : 0.99 * most + 0.01 * high / 2;
  }
  ranks one = {0}, three = {0};
  GOOD(long_run(NULL, &one));
  const ig_seen *seen = ig_calibration_find(one.of[0], "x");
  assert_int_equal(seen->count, 2 * ROWS);
  assert_true(fabs((double)seen->moving_least / least - 1) < 1e-6);
  assert_true(fabs((double)seen->moving_most / most - 1) < 1e-6);
  thread_run runs[THREAD_RANKS];
  thread_group *g = thread_group_create(3);
  thread_ranks_run(g, long_run, &three, runs);
  for (int r = 0; r < 3; r++) {
    if (runs[r].status != IG_OK) fail_msg("rank %d: %s", r, runs[r].message);
    assert_same(one.of[0], three.of[r]);
    ig_calibration_destroy(three.of[r]);
  }
  thread_group_destroy(g);
  ig_calibration_destroy(one.of[0]);
}

/* --- bad data ------------------------------------------------------------------------------------- */

static void refuse(ig_graph *g, run_env *env, int64_t n, ig_status code, const char *word) {
  ig_calibration *calibration = NULL;
  int64_t entries = ig_store_count(env->store);
  assert_int_equal(calibrate(g, env, NULL, n, 0, &calibration), code);
  if (!strstr(ig_last_error(), word)) fail_msg("'%s' is not in: %s", word, ig_last_error());
  assert_null(calibration);
  assert_int_equal(ig_store_count(env->store), entries);
}

static void bad_data_is_refused(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = network();
  GOOD(ig_store_add_graph(env.store, g, 1));
  refuse(g, &env, 0, IG_ERR_INPUT, "no samples");
  float before = images[3][5];
  images[3][5] = NAN; /* an image: the feeder lets it pass */
  refuse(g, &env, IMAGES, IG_ERR_INPUT, "tensor 'x' held 1 NaN and 0 infinities");
  images[3][5] = 3e38f; /* a sum of products of this is beyond f32 */
  ig_store_entry *filter = ig_store_find(env.store, "conv1.weight");
  assert_non_null(filter);
  ((float *)filter->data)[4] = 1e30f;
  refuse(g, &env, IMAGES, IG_ERR_INPUT, "conv1");
  images[3][5] = before;
  ig_graph_destroy(g);
  run_env_close(&env);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sees_what_is_there),
      cmocka_unit_test(ranks_see_what_one_process_sees),
      cmocka_unit_test(averages_are_of_the_last_batches),
      cmocka_unit_test(bad_data_is_refused),
  };
  return cmocka_run_group_tests(tests, set_up, NULL);
}
