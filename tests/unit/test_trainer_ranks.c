/* The trainer and the evaluator on several ranks, which are threads: losses and parameters of one
 * process, the same bits on any number of ranks with `elastic`, metrics of one process, and one end for
 * all, whichever rank is the reason. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/eval/evaluator.h"
#include "graph_run.h"
#include "thread_comm.h"
#include "training.h"

enum { SAMPLES = 90, SIDE = 32, MOST_STEPS = 64 };

/* Three channels of noise around a picture of the class; a class a sample. */
static float pictures[SAMPLES][3 * SIDE * SIDE];
static int64_t labels[SAMPLES];
static float wanted[SAMPLES][4];

static void make_data(void) {
  ig_rng rng = ig_rng_stream(9, IG_RNG_TEST, 0, 0);
  for (int i = 0; i < SAMPLES; i++) {
    labels[i] = i % 4;
    ig_rng_normals(&rng, (uint64_t)i << 14, 3 * SIDE * SIDE, pictures[i]);
    for (int p = 0; p < 3 * SIDE * SIDE; p++) {
      pictures[i][p] +=
          0.7f * ig_rng_normal(&rng, (1u << 24) + (uint64_t)(labels[i] << 14) + (uint64_t)p);
    }
    for (int k = 0; k < 4; k++) wanted[i][k] = pictures[i][k] + (float)k;
  }
}

static ig_dataset *open_pictures(bool numbers) {
  ig_field fields[2] = {
      {.name = "x", .kind = IG_FIELD_IMAGE, .dtype = IG_F32, .shape = IG_SHAPE(3, SIDE, SIDE)},
      {.name = "y", .kind = IG_FIELD_CLASS, .dtype = IG_I64, .n_classes = 4}};
  if (numbers) {
    fields[1] =
        (ig_field){.name = "y", .kind = IG_FIELD_TARGETS, .dtype = IG_F32, .shape = IG_SHAPE(4)};
  }
  const void *y = numbers ? (const void *)wanted : labels;
  ig_dataset *data;
  assert_int_equal(ig_dataset_from_arrays(SAMPLES, 2, fields, (const void *[]){pictures, y}, &data),
                   IG_OK);
  return data;
}

static ig_train_options usual_options(void) {
  return (ig_train_options){.task = IG_TASK_CLASSIFICATION,
                            .optimizer = ig_optimizer_default(IG_OPT_ADAMW),
                            .lr = 0.003,
                            .epochs = 2,
                            .batch = 32, /* the last of an epoch has 26 */
                            .accumulate = 1,
                            .seed = 42,
                            .workers = 1};
}

/* What all ranks of a job are told, and what each found. */
typedef struct job {
  const char *model;
  ig_train_options options;
  const ig_snapshot *resume;
  int64_t stop_at; /* a signal is seen on `odd_rank` once that step has ended */
  int odd_rank;
  bool poisoned; /* the reader of odd_rank gives a NaN in a picture from the second epoch on */
  bool broken;   /* the reader of odd_rank fails then */
  bool any_order; /* the communicator does not promise the tree */
  int threads[THREAD_RANKS]; /* 0: one */
  double losses[THREAD_RANKS][MOST_STEPS], norms[THREAD_RANKS][MOST_STEPS];
  int64_t steps[THREAD_RANKS];
  ig_metrics validation[THREAD_RANKS]; /* the last */
  ig_snapshot *snapshot[THREAD_RANKS];
  ig_status status[THREAD_RANKS]; /* how it ended */
  char message[THREAD_RANKS][512];
} job;

/* A data set that reads through another until it goes bad. */
typedef struct odd_dataset {
  ig_dataset base;
  ig_dataset *of;
  const job *job;
  int64_t read;
} odd_dataset;

static ig_status odd_read(ig_dataset *dataset, const int64_t *indices, int64_t count,
                          void *const *buffers) {
  odd_dataset *d = (odd_dataset *)dataset;
  IG_TRY(ig_dataset_read(d->of, indices, count, buffers));
  int64_t before = __atomic_fetch_add(&d->read, count, __ATOMIC_RELAXED);
  if (before < SAMPLES) return IG_OK;
  IG_CHECK(!d->job->broken, IG_ERR_IO, "pictures: sample %lld cannot be read",
           (long long)indices[0]);
  if (d->job->poisoned && buffers[0]) ((float *)buffers[0])[5] = NAN;
  return IG_OK;
}

static void odd_destroy(ig_dataset *dataset) {
  IG_UNUSED(dataset);
}

typedef struct rank {
  job *job;
  ig_comm *comm;
  ig_trainer *trainer;
} rank;

static ig_status on_step(void *context, const ig_train_step *step) {
  rank *r = context;
  int at = ig_comm_rank(r->comm);
  int64_t i = r->job->steps[at]++;
  if (i < MOST_STEPS) r->job->losses[at][i] = step->loss;
  if (i < MOST_STEPS) r->job->norms[at][i] = step->grad_norm;
  if (step->validation) r->job->validation[at] = *step->validation;
  if (step->ranks && step->n_ranks != ig_comm_size(r->comm)) {
    return ig_fail(IG_ERR_INTERNAL, "rates of %d ranks", step->n_ranks);
  }
  return IG_OK;
}

static ig_status on_checkpoint(void *context, const ig_train_step *step, bool best, bool last) {
  rank *r = context;
  IG_UNUSED(step);
  IG_UNUSED(best);
  ig_snapshot *snapshot;
  IG_TRY(ig_trainer_snapshot(r->trainer, &snapshot));
  int at = ig_comm_rank(r->comm);
  ig_snapshot_destroy(r->job->snapshot[at]);
  r->job->snapshot[at] = last ? snapshot : NULL;
  if (!last) ig_snapshot_destroy(snapshot);
  return IG_OK;
}

static int interrupted(void *context) {
  const rank *r = context;
  int at = ig_comm_rank(r->comm);
  bool mine = r->job->stop_at > 0 && at == r->job->odd_rank;
  return mine && r->job->steps[at] + 1 >= r->job->stop_at ? 15 : 0;
}

static ig_status train_with(rank *r, ig_backend *backend, const ig_graph *model, ig_dataset *data,
                            ig_dataset *validation) {
  ig_train_observer observer = {
      .context = r, .on_step = on_step, .on_checkpoint = on_checkpoint, .interrupted = interrupted};
  IG_TRY(ig_trainer_create(model, backend, r->comm, data, validation, 0, NULL, &r->job->options,
                           &observer, &r->trainer));
  if (r->job->resume) IG_TRY(ig_trainer_resume(r->trainer, r->job->resume));
  return ig_trainer_run(r->trainer);
}

static ig_status body(ig_comm *comm, void *context) {
  rank r = {.job = context, .comm = comm};
  job *j = r.job;
  int at = ig_comm_rank(comm);
  if (comm) comm->any_order = j->any_order;
  bool numbers = j->options.task == IG_TASK_REGRESSION;
  ig_model_spec spec = {.input = IG_SHAPE(3, SIDE, SIDE), .n_outputs = 4};
  ig_backend *backend;
  ig_graph *model;
  IG_TRY(ig_backend_cpu_create(IG_MAX(j->threads[at], 1), &backend));
  IG_TRY(ig_model_build(j->model, &spec, &model));
  ig_dataset *data = open_pictures(numbers), *validation = open_pictures(numbers);
  odd_dataset odd = {.base = *data, .of = data, .job = j};
  static const ig_dataset_vtable odd_vtable = {.read = odd_read, .destroy = odd_destroy};
  odd.base.vtable = &odd_vtable;
  bool is_odd = (j->poisoned || j->broken) && at == j->odd_rank;
  ig_status status = train_with(&r, backend, model, is_odd ? &odd.base : data, validation);
  ig_trainer_destroy(r.trainer);
  ig_dataset_destroy(data);
  ig_dataset_destroy(validation);
  ig_graph_destroy(model);
  ig_backend_destroy(backend);
  j->status[at] = status;
  snprintf(j->message[at], sizeof j->message[at], "%s", status == IG_OK ? "" : ig_last_error());
  return IG_OK; /* the others' ends are their own */
}

/* Fails the test unless every rank ends with `expected`, and all with one message; returns it. */
static const char *run_job(job *j, int size, ig_status expected) {
  if (size == 0) { /* one process */
    body(NULL, j);
  } else {
    thread_group *group = thread_group_create(size);
    thread_run runs[THREAD_RANKS];
    assert_non_null(group);
    thread_ranks_run(group, body, j, runs);
    thread_group_destroy(group);
  }
  for (int r = 0; r < IG_MAX(size, 1); r++) {
    if (j->status[r] != expected) fail_msg("rank %d: %s", r, j->message[r]);
    assert_string_equal(j->message[r], j->message[0]);
  }
  return j->message[0];
}

static void free_job(job *j) {
  for (int r = 0; r < THREAD_RANKS; r++) ig_snapshot_destroy(j->snapshot[r]);
}

/* Largest difference relative to the tensor's largest element; -1 where names or shapes differ. */
static double difference(const ig_snapshot *a, const ig_snapshot *b) {
  double worst = a->n_tensors == b->n_tensors ? 0 : -1;
  for (int64_t i = 0; i < a->n_tensors && worst >= 0; i++) {
    const ig_tensor *x = &a->tensors[i], *y = ig_snapshot_find(b, x->role, x->name);
    if (!y || y->dtype != x->dtype || !ig_shape_equal(&x->shape, &y->shape)) return -1;
    double large = 1e-6, apart = 0;
    for (int64_t k = 0; k < ig_shape_count(&x->shape); k++) {
      double u = ig_load_f64(x->dtype, x->data, k), v = ig_load_f64(y->dtype, y->data, k);
      large = fmax(large, fabs(u));
      apart = fmax(apart, fabs(u - v));
    }
    if (x->role <= IG_ROLE_STATE) worst = fmax(worst, apart / large);
  }
  return worst;
}

static void assert_same_bits(const ig_snapshot *a, const ig_snapshot *b) {
  assert_int_equal(a->n_tensors, b->n_tensors);
  for (int64_t i = 0; i < a->n_tensors; i++) {
    const ig_tensor *x = &a->tensors[i], *y = ig_snapshot_find(b, x->role, x->name);
    if (!y || memcmp(x->data, y->data, ig_shape_bytes(&x->shape, x->dtype)) != 0) {
      fail_msg("'%s' differs", x->name);
    }
  }
}

/* --- one process and several ranks --------------------------------------------------------------- */

static void ranks_train_as_one_process(void **state) {
  IG_UNUSED(state);
  static const struct {
    const char *model;
    int accumulate;
    double clip;
  } cases[] = {{"mlp:24,dropout=0.2", 1, 0.5}, {"lenet", 1, 0}, {"mlp:16", 2, 0}};
  for (int c = 0; c < IG_COUNT(cases); c++) {
    job one = {.model = cases[c].model, .options = usual_options()};
    one.options.accumulate = cases[c].accumulate;
    one.options.optimizer.clip_norm = cases[c].clip;
    one.options.batch /= cases[c].accumulate;
    one.options.augment = (ig_augment){.flip = true, .crop_padding = 2};
    run_job(&one, 0, IG_OK);
    for (int size = 2; size <= 4; size++) {
      job many = {.model = one.model, .options = one.options};
      run_job(&many, size, IG_OK);
      assert_int_equal(many.steps[0], one.steps[0]);
      for (int r = 0; r < size; r++) {
        for (int64_t i = 0; i < one.steps[0]; i++) {
          assert_true(fabs(many.losses[r][i] - one.losses[0][i]) < 2e-4 * fabs(one.losses[0][i]));
          assert_true(fabs(many.norms[r][i] - one.norms[0][i]) < 2e-3 * one.norms[0][i]);
        }
        assert_same_bits(many.snapshot[r], many.snapshot[0]);
      }
      double apart = difference(one.snapshot[0], many.snapshot[0]);
      if (apart < 0 || apart > 5e-3) fail_msg("%s on %d ranks: %g", one.model, size, apart);
      free_job(&many);
    }
    free_job(&one);
  }
}

/* --- the same bits ------------------------------------------------------------------------------- */

static void elastic_gives_the_same_bits(void **state) {
  IG_UNUSED(state);
  static const char *const models[] = {"mlp:24,dropout=0.2", "airbench:8,8,8"};
  for (int c = 0; c < IG_COUNT(models); c++) {
    job one = {.model = models[c], .options = usual_options(), .threads = {2}};
    one.options.elastic = 8;
    one.options.optimizer.clip_norm = 1;
    one.options.batch = 20; /* parts of 2 and 3, and a last batch of 10 */
    one.options.epochs = 0;
    one.options.steps = 6; /* the fifth ends the epoch */
    one.options.augment = (ig_augment){.flip = true, .crop_padding = 2, .cutout = 4};
    run_job(&one, 0, IG_OK);
    for (int size = 2; size <= 8; size *= 2) {
      job many = {.model = one.model, .options = one.options, .threads = {1, 2}};
      run_job(&many, size, IG_OK);
      for (int64_t i = 0; i < one.steps[0]; i++) {
        if (many.losses[0][i] != one.losses[0][i] || many.norms[0][i] != one.norms[0][i]) {
          fail_msg("%s on %d ranks: step %d", one.model, size, (int)i);
        }
      }
      for (int r = 0; r < size; r++) assert_same_bits(many.snapshot[r], one.snapshot[0]);
      assert_true(memcmp(&many.validation[0].loss, &one.validation[0].loss, sizeof(double)) == 0);
      free_job(&many);
    }
    free_job(&one);
  }
}

/* Stopped by a signal on one rank of four, in the middle of an epoch, and resumed on two. */
static void elastic_jobs_change_their_size(void **state) {
  IG_UNUSED(state);
  job whole = {.model = "mlp:24,dropout=0.2", .options = usual_options()};
  whole.options.elastic = 4;
  run_job(&whole, 0, IG_OK);
  job first = {.model = whole.model, .options = whole.options, .stop_at = 1, .odd_rank = 2};
  run_job(&first, 4, IG_ERR_INTERRUPTED);
  int64_t stopped = first.steps[0];
  assert_true(stopped >= 1 && stopped < whole.steps[0]);
  for (int r = 0; r < 4; r++) assert_int_equal(first.steps[r], stopped);
  job second = {.model = whole.model, .options = whole.options, .resume = first.snapshot[0]};
  run_job(&second, 2, IG_OK);
  assert_int_equal(stopped + second.steps[0], whole.steps[0]);
  assert_same_bits(second.snapshot[1], whole.snapshot[0]);
  free_job(&whole);
  free_job(&first);
  free_job(&second);
}

static void what_cannot_be_elastic_is_refused(void **state) {
  IG_UNUSED(state);
  job j = {.model = "mlp:8", .options = usual_options()};
  j.options.elastic = 8;
  assert_non_null(strstr(run_job(&j, 3, IG_ERR_USAGE), "3 ranks do not divide 8"));
  j.options.accumulate = 2;
  assert_non_null(strstr(run_job(&j, 2, IG_ERR_USAGE), "more shards than 8"));
  j.options.accumulate = 1;
  j.options.elastic = 6;
  assert_non_null(strstr(run_job(&j, 2, IG_ERR_USAGE), "a power of two"));
  j.options.elastic = 8;
  j.any_order = true;
  assert_non_null(strstr(run_job(&j, 2, IG_ERR_USAGE), "sums in an order of its own"));
  j.any_order = false;
  j.options.elastic = 0;
  j.options.batch = 2;
  assert_non_null(strstr(run_job(&j, 3, IG_ERR_USAGE), "2 samples for 3 ranks"));
}

/* --- evaluation ---------------------------------------------------------------------------------- */

typedef struct measuring {
  ig_task task;
  int64_t batch, limit;
  double figures[THREAD_RANKS][16];
  int64_t confusion[THREAD_RANKS][16];
} measuring;

static ig_status measure(ig_comm *comm, void *context) {
  measuring *m = context;
  int at = ig_comm_rank(comm);
  ig_model_spec spec = {.input = IG_SHAPE(3, SIDE, SIDE), .n_outputs = 4};
  ig_backend *backend;
  ig_graph *model;
  ig_store *store;
  ig_evaluator *evaluator;
  ig_metrics got;
  IG_TRY(ig_backend_cpu_create(1, &backend));
  IG_TRY(ig_model_build("lenet", &spec, &model));
  IG_TRY(ig_store_create(backend, &store));
  IG_TRY(ig_store_add_graph(store, model, 7));
  ig_dataset *data = open_pictures(m->task != IG_TASK_CLASSIFICATION);
  ig_eval_options options = {
      .task = m->task, .batch = m->batch, .limit = m->limit, .detailed = true, .comm = comm};
  IG_TRY(ig_evaluator_create(model, backend, store, data, &options, &evaluator));
  for (int i = 0; i < 2; i++) IG_TRY(ig_evaluator_run(evaluator, NULL, NULL, &got));
  double figures[] = {got.loss,
                      got.accuracy,
                      got.precision,
                      got.recall,
                      got.f1,
                      got.auc,
                      got.mse,
                      got.mae,
                      got.r2,
                      got.ece,
                      got.bin_confidence[7],
                      (double)got.samples};
  memcpy(m->figures[at], figures, sizeof figures);
  if (got.confusion) memcpy(m->confusion[at], got.confusion, sizeof m->confusion[at]);
  ig_evaluator_destroy(evaluator);
  ig_dataset_destroy(data);
  ig_store_destroy(store);
  ig_graph_destroy(model);
  ig_backend_destroy(backend);
  return IG_OK;
}

static void metrics_are_those_of_one_process(void **state) {
  IG_UNUSED(state);
  static const measuring cases[] = {{IG_TASK_CLASSIFICATION, 8, 0, {{0}}, {{0}}},
                                    {IG_TASK_CLASSIFICATION, 8, 61, {{0}}, {{0}}},
                                    {IG_TASK_REGRESSION, 7, 0, {{0}}, {{0}}},
                                    {IG_TASK_MULTILABEL, 7, 0, {{0}}, {{0}}},
                                    {IG_TASK_CLASSIFICATION, 64, 0, {{0}}, {{0}}}}; /* 2 batches */
  for (int c = 0; c < IG_COUNT(cases); c++) {
    measuring one = cases[c];
    assert_int_equal(measure(NULL, &one), IG_OK);
    assert_true(one.figures[0][11] == (one.limit ? (double)one.limit : SAMPLES));
    for (int size = 2; size <= 4; size++) {
      measuring many = cases[c];
      thread_group *group = thread_group_create(size);
      thread_run runs[THREAD_RANKS];
      thread_ranks_run(group, measure, &many, runs);
      for (int r = 0; r < size; r++) {
        if (runs[r].status != IG_OK) fail_msg("%s", runs[r].message);
        assert_memory_equal(many.figures[r], one.figures[0], sizeof one.figures[0]);
        assert_memory_equal(many.confusion[r], one.confusion[0], sizeof one.confusion[0]);
      }
      thread_group_destroy(group);
    }
  }
}

/* --- how it ends --------------------------------------------------------------------------------- */

static void a_signal_on_one_rank_stops_all_after_one_step(void **state) {
  IG_UNUSED(state);
  job j = {.model = "mlp:8", .options = usual_options(), .stop_at = 3, .odd_rank = 1};
  j.options.epochs = 0;
  j.options.steps = 1 << 20;
  run_job(&j, 3, IG_ERR_INTERRUPTED);
  assert_true(j.steps[0] >= 3 && j.steps[0] < 1 << 20);
  for (int r = 0; r < 3; r++) {
    assert_int_equal(j.steps[r], j.steps[0]);
    assert_int_equal(j.snapshot[r]->progress.step, j.steps[0]);
  }
  free_job(&j);
}

static void a_number_that_is_not_finite_is_found_on_its_rank(void **state) {
  IG_UNUSED(state);
  job j = {.model = "mlp:8", .options = usual_options(), .poisoned = true, .odd_rank = 2};
  j.options.epochs = 30;
  const char *message = run_job(&j, 4, IG_ERR_PEER);
  if (!strstr(message, "is not finite") || !strstr(message, "of node '") ||
      !strstr(message, "on rank 2 on here") || !strstr(message, "step ")) {
    fail_msg("%s", message);
  }
  free_job(&j);
}

static void a_reader_that_fails_on_one_rank_ends_all(void **state) {
  IG_UNUSED(state);
  job j = {.model = "mlp:8", .options = usual_options(), .broken = true, .odd_rank = 1};
  j.options.epochs = 30;
  const char *message = run_job(&j, 3, IG_ERR_PEER);
  if (!strstr(message, "rank 1") || !strstr(message, "cannot be read")) fail_msg("%s", message);
  free_job(&j);
}

int main(void) {
  make_data();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ranks_train_as_one_process),
      cmocka_unit_test(elastic_gives_the_same_bits),
      cmocka_unit_test(elastic_jobs_change_their_size),
      cmocka_unit_test(what_cannot_be_elastic_is_refused),
      cmocka_unit_test(metrics_are_those_of_one_process),
      cmocka_unit_test(a_signal_on_one_rank_stops_all_after_one_step),
      cmocka_unit_test(a_number_that_is_not_finite_is_found_on_its_rank),
      cmocka_unit_test(a_reader_that_fails_on_one_rank_ends_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
