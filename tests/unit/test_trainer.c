/* The trainer on small data in memory: its updates against a recurrence in double, gradient
 * accumulation against one large batch, resuming against never stopping (bit for bit), and how it
 * ends: early, on a signal, on a number that is not finite. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/memory.h"
#include "engine/base/rng.h"
#include "engine/models/model.h"
#include "engine/train/trainer.h"

#define SAMPLES 50
#define FEATURES 6
#define CLASSES 3

static float features[SAMPLES][FEATURES];
static int64_t labels[SAMPLES];
static float targets[SAMPLES];

/* Three noisy clusters, and a linear target. */
static void make_data(void) {
  ig_rng rng = ig_rng_stream(9, IG_RNG_TEST, 0, 0);
  for (int i = 0; i < SAMPLES; i++) {
    labels[i] = i % CLASSES;
    ig_rng_normals(&rng, (uint64_t)i * 8, FEATURES, features[i]);
    features[i][labels[i]] += 3;
    targets[i] = 2 * features[i][0] - features[i][1] + 0.5f;
  }
}

static ig_dataset *classes_of_arrays(void) {
  ig_field fields[2] = {{.name = "x", .dtype = IG_F32, .shape = IG_SHAPE(FEATURES)},
                        {.name = "y", .kind = IG_FIELD_CLASS, .dtype = IG_I64, .n_classes = CLASSES}};
  ig_dataset *data;
  assert_int_equal(
      ig_dataset_from_arrays(SAMPLES, 2, fields, (const void *[]){features, labels}, &data), IG_OK);
  return data;
}

static ig_dataset *line_of_arrays(void) {
  ig_field fields[2] = {
      {.name = "x", .dtype = IG_F32, .shape = IG_SHAPE(FEATURES)},
      {.name = "y", .kind = IG_FIELD_TARGETS, .dtype = IG_F32, .shape = IG_SHAPE(1)}};
  ig_dataset *data;
  assert_int_equal(
      ig_dataset_from_arrays(SAMPLES, 2, fields, (const void *[]){features, targets}, &data), IG_OK);
  return data;
}

static ig_train_options usual_options(void) {
  return (ig_train_options){.task = IG_TASK_CLASSIFICATION,
                            .optimizer = ig_optimizer_default(IG_OPT_ADAMW),
                            .lr = 0.01,
                            .epochs = 3,
                            .batch = 8,
                            .accumulate = 1,
                            .seed = 42,
                            .workers = 1};
}

/* One training run and all that it borrows. */
typedef struct run {
  ig_graph *model;
  ig_dataset *data;
  ig_trainer *trainer;
  double losses[200];
  int n_losses, stop_at, checkpoints;
  double best;
} run;

static ig_status record(void *context, const ig_train_step *step) {
  run *r = context;
  if (r->n_losses < 200) r->losses[r->n_losses++] = step->loss;
  return IG_OK;
}

static ig_status count_checkpoint(void *context, const ig_train_step *step, bool best, bool last) {
  IG_UNUSED(step);
  IG_UNUSED(best);
  IG_UNUSED(last);
  ((run *)context)->checkpoints++;
  return IG_OK;
}

static int stop_when_asked(void *context) {
  const run *r = context;
  return r->stop_at > 0 && r->n_losses + 1 >= r->stop_at ? 15 : 0;
}

static void open_run(run *r, ig_backend *backend, const char *model, int64_t outputs,
                     ig_dataset *data, const ig_train_options *options) {
  *r = (run){.data = data};
  ig_model_spec spec = {.input = IG_SHAPE(FEATURES), .n_outputs = outputs};
  assert_int_equal(ig_model_build(model, &spec, &r->model), IG_OK);
  ig_train_observer observer = {.context = r,
                                .on_step = record,
                                .on_checkpoint = count_checkpoint,
                                .interrupted = stop_when_asked};
  ig_status status = ig_trainer_create(r->model, backend, NULL, data, data, 0, NULL, options,
                                       &observer, &r->trainer);
  if (status != IG_OK) print_error("%s\n", ig_last_error());
  assert_int_equal(status, IG_OK);
}

static void close_run(run *r) {
  ig_trainer_destroy(r->trainer);
  ig_graph_destroy(r->model);
  ig_dataset_destroy(r->data);
}

static void same_parameters(ig_trainer *a, ig_trainer *b, double tolerance) {
  ig_store *x = ig_trainer_store(a), *y = ig_trainer_store(b);
  for (int64_t i = 0; i < ig_store_count(x); i++) {
    const ig_store_entry *e = ig_store_entry_at(x, i), *f = ig_store_find(y, e->name);
    if (e->role != IG_ROLE_PARAMETER && tolerance > 0) continue;
    assert_non_null(f);
    size_t bytes = ig_shape_bytes(&e->shape, e->dtype);
    if (tolerance == 0) {
      assert_memory_equal(e->data, f->data, bytes);
      continue;
    }
    for (int64_t k = 0; k < ig_shape_count(&e->shape); k++) {
      double p = ig_load_f64(e->dtype, e->data, k), q = ig_load_f64(f->dtype, f->data, k);
      assert_true(fabs(p - q) <= tolerance);
    }
  }
}

/* --- tests ----------------------------------------------------------------------------------- */

/* y = W x + b under SGD with momentum, in double; each batch is the whole set. */
static void sgd_follows_the_recurrence(void **state) {
  ig_train_options options = usual_options();
  options.task = IG_TASK_REGRESSION;
  options.optimizer = ig_optimizer_default(IG_OPT_SGD);
  options.optimizer.momentum = 0.9;
  options.optimizer.weight_decay = 0;
  options.lr = 0.02;
  options.batch = SAMPLES; /* the whole set: the order does not matter */
  options.epochs = 7;
  run r;
  open_run(&r, *state, "linear", 1, line_of_arrays(), &options);
  ig_store *store = ig_trainer_store(r.trainer);
  const ig_store_entry *w = NULL, *b = NULL;
  for (int64_t i = 0; i < ig_store_count(store); i++) {
    const ig_store_entry *e = ig_store_entry_at(store, i);
    if (ig_shape_count(&e->shape) == FEATURES) w = e;
    if (ig_shape_count(&e->shape) == 1) b = e;
  }
  assert_true(w && b);
  double p[FEATURES + 1], v[FEATURES + 1] = {0};
  for (int k = 0; k < FEATURES; k++) p[k] = (double)((float *)w->data)[k];
  p[FEATURES] = (double)((float *)b->data)[0];
  assert_int_equal(ig_trainer_run(r.trainer), IG_OK);
  for (int step = 0; step < 7; step++) {
    double g[FEATURES + 1] = {0}, loss = 0;
    for (int i = 0; i < SAMPLES; i++) {
      double error = p[FEATURES] - (double)targets[i];
      for (int k = 0; k < FEATURES; k++) error += p[k] * (double)features[i][k];
      loss += error * error / SAMPLES;
      for (int k = 0; k < FEATURES; k++) g[k] += 2 * error * (double)features[i][k] / SAMPLES;
      g[FEATURES] += 2 * error / SAMPLES;
    }
    assert_true(fabs(loss - r.losses[step]) <= 1e-5 * (1 + loss));
    for (int k = 0; k <= FEATURES; k++) {
      v[k] = 0.9 * v[k] + g[k];
      p[k] -= 0.02 * v[k];
    }
  }
  for (int k = 0; k < FEATURES; k++) {
    assert_true(fabs(p[k] - (double)((float *)w->data)[k]) < 1e-5);
  }
  close_run(&r);
}

static void clusters_are_learned(void **state) {
  ig_train_options options = usual_options();
  options.epochs = 30;
  run r;
  open_run(&r, *state, "mlp:16", CLASSES, classes_of_arrays(), &options);
  assert_int_equal(ig_trainer_run(r.trainer), IG_OK);
  assert_int_equal(ig_trainer_total_steps(r.trainer), 30 * 7);
  assert_true(r.losses[199] < 0.3 * r.losses[0]);
  assert_true(r.checkpoints >= 30);
  close_run(&r);
}

/* Micro-batches of 4, 12 to a step (the last of 2, in a last step of 2) are batches of 48 and 2. */
static void accumulation_is_one_large_batch(void **state) {
  ig_train_options options = usual_options();
  options.optimizer.clip_norm = 0.5;
  options.batch = 48;
  run large, small;
  open_run(&large, *state, "mlp:8", CLASSES, classes_of_arrays(), &options);
  assert_int_equal(ig_trainer_run(large.trainer), IG_OK);
  options.batch = 4;
  options.accumulate = 12;
  open_run(&small, *state, "mlp:8", CLASSES, classes_of_arrays(), &options);
  assert_int_equal(ig_trainer_run(small.trainer), IG_OK);
  assert_int_equal(large.n_losses, small.n_losses);
  for (int i = 0; i < large.n_losses; i++) {
    assert_true(fabs(large.losses[i] - small.losses[i]) < 1e-5);
  }
  same_parameters(large.trainer, small.trainer, 1e-5);
  close_run(&large);
  close_run(&small);
}

static void resumes(void **state, ig_train_options options) {
  options.optimizer.ema = 0.9;
  options.accumulate = 2;
  options.epochs = 6;
  run whole, first, second;
  open_run(&whole, *state, "mlp:8", CLASSES, classes_of_arrays(), &options);
  assert_int_equal(ig_trainer_run(whole.trainer), IG_OK);
  for (int stop = 1; stop < 10; stop += 2) { /* some in the middle of an epoch */
    open_run(&first, *state, "mlp:8", CLASSES, classes_of_arrays(), &options);
    first.stop_at = stop;
    assert_int_equal(ig_trainer_run(first.trainer), IG_ERR_INTERRUPTED);
    ig_snapshot *snapshot;
    assert_int_equal(ig_trainer_snapshot(first.trainer, &snapshot), IG_OK);
    assert_int_equal(snapshot->progress.step, stop);
    close_run(&first);
    open_run(&second, *state, "mlp:8", CLASSES, classes_of_arrays(), &options);
    assert_int_equal(ig_trainer_resume(second.trainer, snapshot), IG_OK);
    ig_snapshot_destroy(snapshot);
    assert_int_equal(ig_trainer_run(second.trainer), IG_OK);
    for (int i = 0; i < second.n_losses; i++) {
      assert_memory_equal(&second.losses[i], &whole.losses[stop + i], sizeof(double));
    }
    same_parameters(whole.trainer, second.trainer, 0);
    close_run(&second);
  }
  close_run(&whole);
}

static void resuming_is_never_having_stopped(void **state) {
  resumes(state, usual_options());
}

/* Copies in 16 bits are in no snapshot, but drawn again. */
static void resuming_rounds_alike(void **state) {
  ig_train_options options = usual_options();
  options.precision = IG_PRECISION_BF16;
  options.optimizer.stochastic_rounding = true;
  if (!ig_mixed_precision_pays(IG_CPU, IG_BF16)) {
    print_message("no products of bf16 here\n");
    skip();
  }
  resumes(state, options);
}

static void a_resume_that_does_not_fit_is_refused(void **state) {
  ig_train_options options = usual_options();
  run r;
  open_run(&r, *state, "mlp:8", CLASSES, classes_of_arrays(), &options);
  ig_snapshot *snapshot;
  assert_int_equal(ig_trainer_snapshot(r.trainer, &snapshot), IG_OK);
  close_run(&r);
  options.seed = 43;
  open_run(&r, *state, "mlp:8", CLASSES, classes_of_arrays(), &options);
  assert_int_equal(ig_trainer_resume(r.trainer, snapshot), IG_ERR_INPUT);
  assert_string_equal(ig_last_error(), "checkpoint: its run had seed 42, this one has 43");
  close_run(&r);
  options.seed = 42;
  open_run(&r, *state, "mlp:9", CLASSES, classes_of_arrays(), &options);
  ig_status status = ig_trainer_resume(r.trainer, snapshot);
  assert_int_equal(status, IG_ERR_SHAPE);
  close_run(&r);
  ig_snapshot_destroy(snapshot);
}

/* The culprit is named, and the parameters stay those of the last good step. */
static void a_nan_names_its_node(void **state) {
  ig_train_options options = usual_options();
  run clean, broken;
  float kept = features[7][2];
  features[7][2] = 3e38f; /* finite, so that the feeder lets it in; its products overflow */
  open_run(&broken, *state, "mlp:8", CLASSES, classes_of_arrays(), &options);
  assert_int_equal(ig_trainer_run(broken.trainer), IG_ERR_NUMERIC);
  const char *line = ig_last_error();
  assert_non_null(strstr(line, "is not finite"));
  assert_non_null(strstr(line, "output of node '"));
  char last[64];
  snprintf(last, sizeof last, "the last good step is %d", broken.n_losses);
  assert_non_null(strstr(line, last));
  ig_snapshot *snapshot;
  assert_int_equal(ig_trainer_snapshot(broken.trainer, &snapshot), IG_OK);
  int good_steps = broken.n_losses;
  close_run(&broken); /* its feeder reads the data until here */
  features[7][2] = kept;
  open_run(&clean, *state, "mlp:8", CLASSES, classes_of_arrays(), &options);
  clean.stop_at = good_steps;
  if (good_steps > 0) assert_int_equal(ig_trainer_run(clean.trainer), IG_ERR_INTERRUPTED);
  ig_store *store = ig_trainer_store(clean.trainer);
  for (int64_t i = 0; i < ig_store_count(store); i++) {
    const ig_store_entry *e = ig_store_entry_at(store, i);
    const ig_tensor *t = ig_snapshot_find(snapshot, e->role, e->name);
    assert_non_null(t);
    assert_memory_equal(e->data, t->data, ig_shape_bytes(&e->shape, e->dtype));
  }
  close_run(&clean);
  ig_snapshot_destroy(snapshot);
}

static void patience_ends_training(void **state) {
  ig_train_options options = usual_options();
  options.lr = 0; /* nothing can improve */
  options.epochs = 100;
  options.patience = 3;
  run r;
  open_run(&r, *state, "mlp:8", CLASSES, classes_of_arrays(), &options);
  assert_int_equal(ig_trainer_run(r.trainer), IG_OK);
  assert_int_equal(r.n_losses, 4 * 7); /* the first validation is the best, then three in vain */
  close_run(&r);
}

static void bad_options_are_named(void **state) {
  ig_train_options options = usual_options();
  ig_model_spec spec = {.input = IG_SHAPE(FEATURES + 1), .n_outputs = CLASSES};
  ig_graph *model;
  assert_int_equal(ig_model_build("mlp:8", &spec, &model), IG_OK);
  ig_dataset *data = classes_of_arrays();
  ig_trainer *trainer = NULL;
  ig_status status =
      ig_trainer_create(model, *state, NULL, data, NULL, 0, NULL, &options, NULL, &trainer);
  assert_int_equal(status, IG_ERR_SHAPE);
  assert_non_null(strstr(ig_last_error(), "field 'x'"));
  options.batch = 0;
  status = ig_trainer_create(model, *state, NULL, data, NULL, 0, NULL, &options, NULL, &trainer);
  assert_int_equal(status, IG_ERR_USAGE);
  assert_string_equal(ig_last_error(), "batch: expected at least 1, found 0");
  ig_graph_destroy(model);
  ig_dataset_destroy(data);
}

static int open_backend(void **state) {
  make_data();
  return ig_backend_cpu_create(2, (ig_backend **)state) != IG_OK;
}

static int close_backend(void **state) {
  ig_backend_destroy(*state);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sgd_follows_the_recurrence),
      cmocka_unit_test(clusters_are_learned),
      cmocka_unit_test(accumulation_is_one_large_batch),
      cmocka_unit_test(resuming_is_never_having_stopped),
      cmocka_unit_test(resuming_rounds_alike),
      cmocka_unit_test(a_resume_that_does_not_fit_is_refused),
      cmocka_unit_test(a_nan_names_its_node),
      cmocka_unit_test(patience_ends_training),
      cmocka_unit_test(bad_options_are_named),
  };
  return cmocka_run_group_tests(tests, open_backend, close_backend);
}
