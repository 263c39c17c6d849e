/* Federated averaging against what it must equal: one local step on all of each client's data is one
 * step on the union of the data; the proximal term's updates against a recurrence in double; rounds of a
 * trainer against trainers of their own. */
#include "federation.h"

#include <math.h>

#include "engine/base/rng.h"
#include "engine/models/model.h"
#include "engine/train/round.h"

#define FEATURES 5
#define CLASSES 3
#define SAMPLES 60

static float features[SAMPLES][FEATURES];
static int64_t labels[SAMPLES];
static float targets[SAMPLES];

static void make_data(void) {
  ig_rng rng = ig_rng_stream(3, IG_RNG_TEST, 0, 0);
  for (int i = 0; i < SAMPLES; i++) {
    labels[i] = (i / 3) % CLASSES;
    ig_rng_normals(&rng, (uint64_t)i * 8, FEATURES, features[i]);
    features[i][labels[i]] += 2;
    targets[i] = features[i][0] - 2 * features[i][1];
  }
}

static ig_dataset *part(int first, int count, bool line) {
  ig_field fields[2] = {
      {.name = "x", .dtype = IG_F32, .shape = IG_SHAPE(FEATURES)},
      {.name = "y", .kind = IG_FIELD_CLASS, .dtype = IG_I64, .n_classes = CLASSES}};
  ig_field target = {.name = "y", .kind = IG_FIELD_TARGETS, .dtype = IG_F32, .shape = IG_SHAPE(1)};
  if (line) fields[1] = target;
  const void *y = line ? (const void *)(targets + first) : (const void *)(labels + first);
  ig_dataset *data;
  assert_int_equal(
      ig_dataset_from_arrays(count, 2, fields, (const void *[]){features[first], y}, &data), IG_OK);
  return data;
}

typedef struct client {
  ig_graph *model;
  ig_backend *backend;
  ig_dataset *data;
  ig_trainer *trainer;
} client;

static void open_client(client *c, const char *model, ig_dataset *data,
                        const ig_train_options *options) {
  ig_model_spec spec = {.input = IG_SHAPE(FEATURES),
                        .n_outputs = options->task == IG_TASK_REGRESSION ? 1 : CLASSES};
  c->data = data;
  assert_int_equal(ig_model_build(model, &spec, &c->model), IG_OK);
  assert_int_equal(ig_backend_open("cpu", 1, &c->backend), IG_OK);
  assert_int_equal(ig_trainer_create(c->model, c->backend, NULL, data, NULL, 0, NULL, options, NULL,
                                     &c->trainer),
                   IG_OK);
}

static void close_client(client *c) {
  ig_trainer_destroy(c->trainer);
  ig_backend_destroy(c->backend);
  ig_dataset_destroy(c->data);
  ig_graph_destroy(c->model);
}

static ig_train_options step_options(ig_task task, int64_t batch) {
  ig_optimizer sgd = ig_optimizer_default(IG_OPT_SGD);
  sgd.momentum = 0;
  return (ig_train_options){.task = task,
                            .optimizer = sgd,
                            .lr = 0.5,
                            .steps = 1,
                            .batch = batch,
                            .accumulate = 1,
                            .seed = 11,
                            .workers = 1};
}

/* Clients of 10, 20 and 30 samples, each one step on all of its own. */
static void test_one_step_is_centralised(void **state) {
  IG_UNUSED(state);
  static const int first[] = {0, 10, 30}, count[] = {10, 20, 30};
  for (int secure = 0; secure < 2; secure++) {
    client all, clients[3];
    federation w;
    ig_fed_round r;
    int64_t n;
    ig_train_options o = step_options(IG_TASK_CLASSIFICATION, SAMPLES);
    open_client(&all, "mlp:16", part(0, SAMPLES, false), &o);
    ig_store *store = ig_trainer_store(all.trainer);
    assert_int_equal(ig_flat_count(store, &n), IG_OK);
    ig_fed_server_options s = {.n_clients = 3,
                               .min_clients = 2,
                               .count = n,
                               .secure = secure,
                               .threshold = 0.5,
                               .round_timeout = 10};
    fed_open(&w, &s, true, 0);
    float *start = ig_alloc((size_t)n * sizeof *start), *end = ig_alloc((size_t)n * sizeof *end);
    assert_int_equal(ig_flat_read(store, start), IG_OK);
    assert_int_equal(ig_trainer_run(all.trainer), IG_OK);
    assert_int_equal(ig_flat_read(store, end), IG_OK);
    for (int c = 0; c < 3; c++) {
      o = step_options(IG_TASK_CLASSIFICATION, count[c]);
      open_client(&clients[c], "mlp:16", part(first[c], count[c], false), &o);
      ig_store *own = ig_trainer_store(clients[c].trainer);
      assert_true(ig_flat_layout(own) == ig_flat_layout(store));
      assert_int_equal(ig_flat_write(own, start), IG_OK);
      assert_int_equal(ig_trainer_begin_round(clients[c].trainer), IG_OK);
      assert_int_equal(ig_trainer_run_steps(clients[c].trainer, 1), IG_OK);
      assert_int_equal(ig_flat_read(own, w.ends[c + 1].update), IG_OK);
      for (int64_t i = 0; i < n; i++) w.ends[c + 1].update[i] -= start[i];
      w.ends[c + 1].weight = count[c];
    }
    assert_int_equal(fed_round(&w, 1, &r), IG_OK);
    double moved = 0;
    for (int64_t i = 0; i < n; i++) {
      /* f32 gradients of different sums, and the update's own rounding when it is taken from w. */
      assert_true(fabs((double)start[i] + (double)r.mean[i] - (double)end[i]) < 5e-7);
      moved = IG_MAX(moved, fabs((double)end[i] - (double)start[i]));
    }
    assert_true(moved > 0.01);
    for (int c = 0; c < 3; c++) close_client(&clients[c]);
    close_client(&all);
    ig_free(start);
    ig_free(end);
    fed_close(&w);
  }
}

/* Full-batch gradient descent of a linear model with the proximal term, in double. */
static void recurrence(int steps, double lr, double mu, double w[FEATURES + 1]) {
  double anchor[FEATURES + 1];
  memcpy(anchor, w, sizeof anchor);
  for (int s = 0; s < steps; s++) {
    double g[FEATURES + 1] = {0};
    for (int i = 0; i < SAMPLES; i++) {
      double error = w[FEATURES] - (double)targets[i];
      for (int k = 0; k < FEATURES; k++) error += w[k] * (double)features[i][k];
      for (int k = 0; k < FEATURES; k++) g[k] += 2 * error * (double)features[i][k] / SAMPLES;
      g[FEATURES] += 2 * error / SAMPLES;
    }
    for (int k = 0; k <= FEATURES; k++) w[k] -= lr * (g[k] + mu * (w[k] - anchor[k]));
  }
}

/* The vector of "linear" is weights and bias, in the order of the model's parameters. */
static void test_proximal_term(void **state) {
  IG_UNUSED(state);
  static const double mus[] = {0, 0.1, 1.5};
  static const int accumulate[] = {1, 3};
  for (int a = 0; a < 2; a++) {
    for (int m = 0; m < IG_COUNT(mus); m++) {
      client c;
      float vector[FEATURES + 1];
      double w[FEATURES + 1];
      ig_train_options o = step_options(IG_TASK_REGRESSION, SAMPLES / accumulate[a]);
      o.accumulate = accumulate[a];
      o.lr = 0.05;
      o.proximal = mus[m];
      open_client(&c, "linear", part(0, SAMPLES, true), &o);
      ig_store *store = ig_trainer_store(c.trainer);
      bool weights_first = ig_shape_count(&ig_store_entry_at(store, 0)->shape) == FEATURES;
      assert_int_equal(ig_flat_read(store, vector), IG_OK);
      for (int round = 0; round < 2; round++) {
        for (int k = 0; k < FEATURES; k++) w[k] = (double)vector[k + (weights_first ? 0 : 1)];
        w[FEATURES] = (double)vector[weights_first ? FEATURES : 0];
        assert_int_equal(ig_trainer_begin_round(c.trainer), IG_OK);
        assert_int_equal(ig_trainer_run_steps(c.trainer, 7), IG_OK);
        recurrence(7, o.lr, o.proximal, w);
        assert_int_equal(ig_flat_read(store, vector), IG_OK);
        for (int k = 0; k < FEATURES; k++) {
          assert_true(fabs((double)vector[k + (weights_first ? 0 : 1)] - w[k]) < 2e-6);
        }
        assert_true(fabs((double)vector[weights_first ? FEATURES : 0] - w[FEATURES]) < 2e-6);
      }
      close_client(&c);
    }
  }
}

/* A second round with moments is what a fresh trainer does from there. */
static void test_rounds_forget_moments(void **state) {
  IG_UNUSED(state);
  static const ig_optimizer_kind kinds[] = {IG_OPT_SGD, IG_OPT_ADAMW, IG_OPT_LAMB};
  for (int i = 0; i < IG_COUNT(kinds); i++) {
    client a, b;
    int64_t n;
    ig_train_options o = step_options(IG_TASK_CLASSIFICATION, SAMPLES);
    o.optimizer = ig_optimizer_default(kinds[i]);
    o.lr = 0.01;
    open_client(&a, "mlp:8", part(0, SAMPLES, false), &o);
    open_client(&b, "mlp:8", part(0, SAMPLES, false), &o);
    assert_int_equal(ig_flat_count(ig_trainer_store(a.trainer), &n), IG_OK);
    float *first = ig_alloc((size_t)n * sizeof *first),
          *second = ig_alloc((size_t)n * sizeof *second);
    assert_int_equal(ig_trainer_begin_round(a.trainer), IG_OK);
    assert_int_equal(ig_trainer_run_steps(a.trainer, 4), IG_OK);
    assert_int_equal(ig_flat_read(ig_trainer_store(a.trainer), first), IG_OK);
    assert_int_equal(ig_trainer_begin_round(a.trainer), IG_OK);
    assert_int_equal(ig_trainer_run_steps(a.trainer, 4), IG_OK);
    assert_int_equal(ig_flat_write(ig_trainer_store(b.trainer), first), IG_OK);
    assert_int_equal(ig_trainer_run_steps(b.trainer, 4), IG_OK);
    assert_int_equal(ig_flat_read(ig_trainer_store(a.trainer), first), IG_OK);
    assert_int_equal(ig_flat_read(ig_trainer_store(b.trainer), second), IG_OK);
    /* Batches of all data in another order: sums differ in their last bits. */
    for (int64_t k = 0; k < n; k++) assert_true(fabs((double)first[k] - (double)second[k]) < 1e-5);
    close_client(&a);
    close_client(&b);
    ig_free(first);
    ig_free(second);
  }
}

int main(void) {
  make_data();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_one_step_is_centralised),
      cmocka_unit_test(test_proximal_term),
      cmocka_unit_test(test_rounds_forget_moments),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
