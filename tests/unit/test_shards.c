/* Checkpoints of a sharded optimizer: the same tensors as those of a whole one, and any division goes on
 * from any other. */
#include "graph_run.h"
#include "snapshot_drop.h"
#include "thread_comm.h"
#include "training.h"

static const subject text = {.model = "gpt:layers=1,heads=2,embd=32,ctx=16",
                             .task = IG_TASK_LANGUAGE,
                             .spec = {.input = {1, {16}}, .n_outputs = TRAINING_TOKENS}};

enum { STEPS = 5 }; /* of each part of a run */

/* How one part of a run is divided. */
typedef struct division {
  int size;
  ig_shard shard;
  int accumulate;
  size_t bucket_bytes;
} division;

typedef struct part {
  division by;
  int64_t until; /* step */
  const ig_snapshot *from;
  const ig_graph *model;
  ig_dataset *data[THREAD_RANKS];
  ig_snapshot *to[THREAD_RANKS];
} part;

static ig_status train_on(part *p, ig_comm *comm, ig_backend *backend, ig_trainer **trainer) {
  int rank = ig_comm_rank(comm);
  ig_train_options o = {.task = text.task,
                        .optimizer = ig_optimizer_default(IG_OPT_ADAMW),
                        .lr = 0.01,
                        .steps = p->until,
                        .batch = 24 / p->by.accumulate,
                        .accumulate = p->by.accumulate,
                        .seed = 3,
                        .parallel = {.shard = p->by.shard, .bucket_bytes = p->by.bucket_bytes}};
  o.optimizer.ema = 0.9;
  o.optimizer.epsilon = 1e-3; /* or gradients of almost nothing amplify how they were rounded */
  IG_TRY(ig_trainer_create(p->model, backend, comm, p->data[rank], NULL, 0, NULL, &o, NULL, trainer));
  if (p->from) IG_TRY(ig_trainer_resume(*trainer, p->from));
  IG_TRY(ig_trainer_run(*trainer));
  return ig_trainer_snapshot(*trainer, &p->to[rank]);
}

static ig_status body(ig_comm *comm, void *context) {
  ig_backend *backend;
  ig_trainer *trainer = NULL;
  IG_TRY(ig_backend_cpu_create(1, &backend));
  ig_status status = train_on(context, comm, backend, &trainer);
  ig_trainer_destroy(trainer);
  ig_backend_destroy(backend);
  return status;
}

/* Trains up to step `until`; rank 0's snapshot. */
static ig_snapshot *train(const division *by, int64_t until, const ig_snapshot *from) {
  thread_run runs[THREAD_RANKS];
  ig_graph *model;
  training_data data[THREAD_RANKS];
  part p = {.by = *by, .until = until, .from = from};
  GOOD(ig_model_build(text.model, &text.spec, &model));
  p.model = model;
  thread_group *group = thread_group_create(by->size);
  assert_non_null(group);
  for (int r = 0; r < by->size; r++) {
    data[r] = training_data_create(&text);
    p.data[r] = data[r].dataset;
  }
  thread_ranks_run(group, body, &p, runs);
  for (int r = 0; r < by->size; r++) {
    if (runs[r].status != IG_OK) fail_msg("%d ranks, rank %d: %s", by->size, r, runs[r].message);
    if (r > 0) ig_snapshot_destroy(p.to[r]);
    training_data_destroy(&data[r]);
  }
  thread_group_destroy(group);
  ig_graph_destroy(model);
  return p.to[0];
}

/* The largest difference of any element; names, roles and shapes are the same. */
static double distance(const ig_snapshot *a, const ig_snapshot *b) {
  double worst = 0;
  assert_int_equal(a->n_tensors, b->n_tensors);
  for (int64_t i = 0; i < a->n_tensors; i++) {
    const ig_tensor *x = &a->tensors[i], *y = ig_snapshot_find(b, x->role, x->name);
    if (!y) fail_msg("only one snapshot has '%s'", x->name);
    assert_true(ig_shape_equal(&x->shape, &y->shape) && x->dtype == y->dtype);
    for (int64_t k = 0; k < ig_shape_count(&x->shape); k++) {
      double d = ig_load_f64(x->dtype, x->data, k) - ig_load_f64(y->dtype, y->data, k);
      worst = d < 0 ? (-d > worst ? -d : worst) : d > worst ? d : worst;
      assert_true(d == d);
    }
  }
  return worst;
}

static void snapshots_are_the_same(void **state) {
  IG_UNUSED(state);
  const division whole = {2, IG_SHARD_NONE, 1, 2000};
  ig_snapshot *plain = train(&whole, STEPS, NULL);
  for (int shard = IG_SHARD_OPTIMIZER; shard <= IG_SHARD_GRADIENTS; shard++) {
    ig_snapshot *parts = train(&(division){2, (ig_shard)shard, 1, 2000}, STEPS, NULL);
    assert_true(distance(plain, parts) == 0);
    ig_snapshot_destroy(parts);
  }
  ig_snapshot_destroy(plain);
}

/* Stopped under one division and gone on under another: equal bits where sums have the same order. */
static void any_division_goes_on(void **state) {
  IG_UNUSED(state);
  const struct {
    division first, then;
    double tolerance;
  } cases[] = {
      {{2, IG_SHARD_OPTIMIZER, 1, 2000}, {2, IG_SHARD_NONE, 1, 5000}, 0},
      {{2, IG_SHARD_NONE, 1, 2000}, {2, IG_SHARD_GRADIENTS, 1, 900}, 0},
      {{2, IG_SHARD_OPTIMIZER, 1, 0}, {4, IG_SHARD_OPTIMIZER, 1, 3000}, 1e-4},
      {{4, IG_SHARD_GRADIENTS, 3, 3000}, {3, IG_SHARD_OPTIMIZER, 2, 3000}, 1e-4},
      {{3, IG_SHARD_GRADIENTS, 1, 3000}, {1, IG_SHARD_OPTIMIZER, 1, 0}, 1e-4},
      {{1, IG_SHARD_NONE, 1, 0}, {2, IG_SHARD_GRADIENTS, 2, 3000}, 1e-4},
  };
  ig_snapshot *through = train(&(division){2, IG_SHARD_NONE, 1, 2000}, 2 * STEPS, NULL);
  for (int i = 0; i < IG_COUNT(cases); i++) {
    ig_snapshot *half = train(&cases[i].first, STEPS, NULL);
    ig_snapshot *end = train(&cases[i].then, 2 * STEPS, half);
    double worst = distance(end, through);
    if (!(worst <= cases[i].tolerance)) fail_msg("case %d: off by %g", i, worst);
    ig_snapshot_destroy(half);
    ig_snapshot_destroy(end);
  }
  ig_snapshot_destroy(through);
}

/* Two ranks, which both refuse to go on; rank 0's line. */
static void refuses(const ig_snapshot *half, ig_shard shard, const char *const *words) {
  thread_run runs[THREAD_RANKS];
  ig_graph *model;
  GOOD(ig_model_build(text.model, &text.spec, &model));
  training_data data[2] = {training_data_create(&text), training_data_create(&text)};
  part p = {.by = {2, shard, 1, 2000},
            .until = 2 * STEPS,
            .from = half,
            .model = model,
            .data = {data[0].dataset, data[1].dataset}};
  thread_group *group = thread_group_create(2);
  assert_non_null(group);
  thread_ranks_run(group, body, &p, runs);
  for (int r = 0; r < 2; r++) {
    assert_int_not_equal(runs[r].status, IG_OK);
    training_data_destroy(&data[r]);
  }
  for (; *words; words++) {
    if (!strstr(runs[0].message, *words)) fail_msg("no '%s' in '%s'", *words, runs[0].message);
  }
  thread_group_destroy(group);
  ig_graph_destroy(model);
}

/* A checkpoint whose moment has another shape is refused, by name. */
static void a_strange_moment_is_named(void **state) {
  IG_UNUSED(state);
  ig_snapshot *half = train(&(division){2, IG_SHARD_OPTIMIZER, 1, 2000}, STEPS, NULL);
  int64_t at = 0;
  while (half->tensors[at].role != IG_ROLE_OPTIMIZER || half->tensors[at].shape.rank != 1) at++;
  half->tensors[at].shape.dims[0]--;
  refuses(half, IG_SHARD_OPTIMIZER, (const char *const[]){half->tensors[at].name, NULL});
  ig_snapshot_destroy(half);
}

/* And so is one that lacks a moment or an average, however it is divided. */
static void a_missing_moment_is_named(void **state) {
  IG_UNUSED(state);
  static const char *const names[] = {"optimizer.m.", "optimizer.v.", "ema."};
  for (int shard = IG_SHARD_NONE; shard <= IG_SHARD_GRADIENTS; shard++) {
    for (int i = 0; i < IG_COUNT(names); i++) {
      ig_snapshot *half = train(&(division){2, IG_SHARD_NONE, 1, 2000}, STEPS, NULL);
      char *name = snapshot_drop(half, names[i]);
      refuses(half, (ig_shard)shard, (const char *const[]){name, "checkpoint: expected", "step 5", NULL});
      ig_free(name);
      ig_snapshot_destroy(half);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(snapshots_are_the_same),
      cmocka_unit_test(any_division_goes_on),
      cmocka_unit_test(a_strange_moment_is_named),
      cmocka_unit_test(a_missing_moment_is_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
