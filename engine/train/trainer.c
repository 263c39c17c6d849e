/* The trainer: plans by batch size and step kind over one store, a feeder, and the loop. Training
 * state is (store, progress) alone, which is why a snapshot of the two resumes bit for bit. */
#include "engine/train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/eval/evaluator.h"
#include "engine/train/match.h"
#include "engine/train/step.h"

#define N_KINDS 3

/* Plans of one step kind, by batch size. */
typedef struct step_plans {
  ig_trainer *trainer;
  ig_step_kind kind;
  ig_plan_cache *cache;
} step_plans;

struct ig_trainer {
  const ig_graph *model;
  ig_backend *backend;
  ig_dataset *data, *validation;
  ig_match match; /* fields of `data` by model input */
  ig_train_options options;
  ig_train_observer observer;
  int n_normalizations;
  const ig_normalization *normalizations;
  ig_store *store;
  step_plans plans[N_KINDS];
  ig_plan *full_plan; /* of a full batch; borrowed from the cache */
  ig_feeder *feeder;
  ig_evaluator *evaluator;
  ig_store *ema_store; /* averaged parameters under their plain names, for validation */
  int64_t steps_per_epoch, total_steps;
  ig_progress progress;
  float lr, step_number, weight; /* bound as inputs */
  double started;                /* of this part of the run */
  double rate;                   /* samples per second, smoothed */
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- creation -------------------------------------------------------------------------------- */

static ig_status check_options(const ig_train_options *o) {
  IG_CHECK(o->batch >= 1, IG_ERR_USAGE, "batch: expected at least 1, found %lld",
           (long long)o->batch);
  IG_CHECK(o->accumulate >= 1, IG_ERR_USAGE, "accumulate: expected at least 1, found %d",
           o->accumulate);
  IG_CHECK(o->epochs > 0 || o->steps > 0, IG_ERR_USAGE,
           "epochs and steps: one of them must be positive");
  IG_CHECK(isfinite(o->lr) && o->lr >= 0, IG_ERR_USAGE, "lr: expected at least 0, found %g", o->lr);
  IG_CHECK(o->precision == IG_F32 || o->precision == IG_BF16, IG_ERR_USAGE,
           "precision: expected f32 or bf16, found %s", ig_dtype_name(o->precision));
  return IG_OK;
}

static int64_t div_up(int64_t a, int64_t b) { return a / b + (a % b != 0); }

static void count_steps(ig_trainer *t) {
  const ig_train_options *o = &t->options;
  t->steps_per_epoch = div_up(div_up(t->data->n_samples, o->batch), o->accumulate);
  int64_t by_epochs = INT64_MAX;
  if (o->epochs > 0 && o->epochs < INT64_MAX / t->steps_per_epoch) {
    by_epochs = o->epochs * t->steps_per_epoch;
  }
  t->total_steps = o->steps > 0 ? IG_MIN(o->steps, by_epochs) : by_epochs;
  t->options.schedule.total = t->total_steps;
}

/* The cache gives the specialised model; what is added to it depends on the step kind. */
static ig_status prepare_step(ig_graph *graph, void *context) {
  const step_plans *plans = context;
  const ig_trainer *t = plans->trainer;
  return ig_step_build(graph, &t->options, t->backend->vtable->device, plans->kind);
}

static ig_status create_plans(ig_trainer *t) {
  ig_plan_options options = {.seed = t->options.seed, .memory_limit = t->options.memory_limit};
  for (int kind = 0; kind < N_KINDS; kind++) {
    t->plans[kind] = (step_plans){.trainer = t, .kind = (ig_step_kind)kind};
    IG_TRY(ig_plan_cache_create(t->model, t->backend, t->store, &options, prepare_step,
                                &t->plans[kind], &t->plans[kind].cache));
  }
  return IG_OK;
}

static ig_status create_feeder(ig_trainer *t) {
  ig_feeder_options options = {.batch = t->options.batch,
                               .seed = t->options.seed,
                               .shuffle = true,
                               .augment = t->options.augment,
                               .workers = t->options.workers,
                               .depth = 4,
                               .n_normalizations = t->n_normalizations,
                               .normalizations = t->normalizations,
                               .rank = 0,
                               .size = 1};
  return ig_feeder_create(t->data, &options, &t->feeder);
}

static ig_status create_evaluator(ig_trainer *t) {
  if (!t->validation) return IG_OK;
  ig_eval_options options = {.task = t->options.task,
                             .batch = t->options.batch,
                             .limit = t->options.eval_limit,
                             .workers = t->options.workers,
                             .n_normalizations = t->n_normalizations,
                             .normalizations = t->normalizations};
  ig_store *store = t->store;
  if (t->options.optimizer.ema > 0) {
    IG_TRY(ig_store_create(t->backend, &t->ema_store));
    store = t->ema_store;
  }
  return ig_evaluator_create(t->model, t->backend, store, t->validation, &options, &t->evaluator);
}

static ig_status create_parts(ig_trainer *t) {
  IG_TRY(check_options(&t->options));
  IG_CHECK(t->data->n_samples > 0, IG_ERR_INPUT, "%s: no samples", t->data->path);
  IG_TRY(ig_match_fields(t->model, t->data, &t->match));
  IG_CHECK(t->match.target >= 0, IG_ERR_SHAPE, "%s: has no target besides the model's %d inputs",
           t->data->path, t->match.n_inputs);
  count_steps(t);
  t->progress.seed = t->options.seed;
  t->progress.best_metric = NAN;
  IG_TRY(ig_store_create(t->backend, &t->store));
  IG_TRY(ig_store_add_graph(t->store, t->model, t->options.seed));
  IG_TRY(create_plans(t));
  IG_TRY(create_feeder(t));
  return create_evaluator(t);
}

ig_status ig_trainer_create(const ig_graph *model, ig_backend *backend, ig_comm *comm,
                            ig_dataset *train, ig_dataset *validation, int n_normalizations,
                            const ig_normalization *normalizations,
                            const ig_train_options *options, const ig_train_observer *observer,
                            ig_trainer **out) {
  IG_CHECK(!comm || comm->size == 1, IG_ERR_UNSUPPORTED,
           "training on %d ranks: this build trains on one", comm->size);
  ig_trainer *t = ig_alloc_zero(1, sizeof *t);
  IG_CHECK_ALLOC(t);
  t->model = model;
  t->backend = backend;
  t->data = train;
  t->validation = validation;
  t->options = *options;
  if (observer) t->observer = *observer;
  t->n_normalizations = n_normalizations;
  t->normalizations = normalizations;
  ig_status status = create_parts(t);
  if (status != IG_OK) {
    ig_trainer_destroy(t);
    return status;
  }
  *out = t;
  return IG_OK;
}

void ig_trainer_destroy(ig_trainer *t) {
  if (!t) return;
  ig_feeder_destroy(t->feeder);
  ig_evaluator_destroy(t->evaluator);
  for (int kind = 0; kind < N_KINDS; kind++) ig_plan_cache_destroy(t->plans[kind].cache);
  ig_store_destroy(t->ema_store);
  ig_store_destroy(t->store);
  ig_free(t);
}

/* --- plans ----------------------------------------------------------------------------------- */

static ig_status plan_for(ig_trainer *t, int64_t count, ig_step_kind kind, ig_plan **out) {
  ig_shape shapes[IG_MAX_FIELDS];
  for (int i = 0; i < t->match.n_inputs; i++) {
    shapes[i] = ig_match_shape(&t->match, t->data, i, count);
  }
  IG_TRY(ig_plan_cache_get(t->plans[kind].cache, shapes, out));
  if (count == t->options.batch && kind != IG_STEP_ACCUMULATE) t->full_plan = *out;
  return IG_OK;
}

static ig_status bind_named(ig_plan *plan, const char *name, const void *data) {
  int index = ig_step_input(ig_plan_graph(plan), name);
  return index < 0 ? IG_OK : ig_plan_bind_input(plan, index, data);
}

/* --- one step -------------------------------------------------------------------------------- */

typedef struct step_result {
  double loss, norm;
  int64_t samples;
} step_result;

static float scalar_output(const ig_plan *plan, const char *name) {
  int index = ig_step_output(ig_plan_graph(plan), name);
  const float *value = index < 0 ? NULL : ig_plan_output(plan, index);
  return value ? *value : 0.0f;
}

static ig_status run_micro(ig_trainer *t, const ig_batch *batch, ig_step_kind kind, int64_t before,
                           step_result *result) {
  ig_plan *plan;
  IG_TRY(plan_for(t, batch->count, kind, &plan));
  for (int i = 0; i < t->match.n_inputs; i++) {
    IG_TRY(ig_plan_bind_input(plan, i, batch->fields[t->match.inputs[i]]));
  }
  IG_TRY(bind_named(plan, "target", batch->fields[t->match.target]));
  IG_TRY(bind_named(plan, "lr", &t->lr));
  IG_TRY(bind_named(plan, "step", &t->step_number));
  IG_TRY(bind_named(plan, "weight", &t->weight));
  ig_rng_state rng = {.seed = t->options.seed,
                      .step = (uint64_t)t->progress.step,
                      .first_sample = (uint64_t)before};
  IG_TRY(ig_plan_run(plan, &rng));
  double share = kind == IG_STEP_UPDATE ? 1.0 : (double)t->weight;
  result->loss += share * (double)scalar_output(plan, "loss");
  result->norm = (double)scalar_output(plan, "grad_norm");
  result->samples += batch->count;
  return IG_OK;
}

/* Runs the failing batch again with every result checked. The updates of a step with a gradient that
 * is not finite were withheld, so the parameters are still those of the last good step. */
static const char *find_culprit(ig_trainer *t, const ig_batch *batch, ig_step_kind kind) {
  ig_plan_options options = {.seed = t->options.seed, .check_finite = true};
  step_plans context = {.trainer = t, .kind = kind};
  ig_plan_cache *usual = t->plans[kind].cache;
  ig_status status = ig_plan_cache_create(t->model, t->backend, t->store, &options, prepare_step,
                                          &context, &t->plans[kind].cache);
  static _Thread_local char name[256];
  name[0] = '\0';
  if (status == IG_OK) {
    step_result ignored = {0};
    ig_plan *plan = NULL, *full = t->full_plan;
    status = run_micro(t, batch, kind, 0, &ignored);
    if (status == IG_OK) status = plan_for(t, batch->count, kind, &plan);
    const ig_node *node = status == IG_OK ? ig_plan_first_nonfinite(plan) : NULL;
    if (node) {
      const ig_node *shown = node->forward ? node->forward : node;
      snprintf(name, sizeof name, "%s of node '%s' (%s)",
               node->forward ? "gradient" : "output", shown->name, shown->op->name);
    }
    t->full_plan = full;
    ig_plan_cache_destroy(t->plans[kind].cache);
  }
  t->plans[kind].cache = usual;
  return name[0] ? name : "a node that could not be found again";
}

static ig_status fail_nonfinite(ig_trainer *t, const ig_batch *batch, ig_step_kind kind,
                                const step_result *result) {
  const char *culprit = find_culprit(t, batch, kind);
  return ig_fail(IG_ERR_NUMERIC,
                 "step %lld: %s is not finite (loss %g, gradient norm %g): first in the %s; the "
                 "last good step is %lld",
                 (long long)t->progress.step + 1, isfinite(result->loss) ? "the gradient" : "the loss",
                 result->loss, result->norm, culprit, (long long)t->progress.step);
}

/* Samples of the step that starts at `epoch_samples`: a full group of micro-batches, or what the
 * epoch has left. */
static int64_t step_samples(const ig_trainer *t) {
  int64_t left = t->data->n_samples - t->progress.epoch_samples;
  int64_t full = t->options.batch * t->options.accumulate;
  return IG_MIN(left, full);
}

static ig_status run_one_step(ig_trainer *t, step_result *result) {
  *result = (step_result){0};
  int64_t total = step_samples(t), done = 0;
  t->lr = (float)(t->options.lr * ig_schedule_factor(&t->options.schedule, t->progress.step));
  t->step_number = (float)(t->progress.step + 1);
  const ig_batch *batch = NULL;
  ig_step_kind kind = IG_STEP_UPDATE;
  while (done < total) {
    IG_TRY(ig_feeder_next(t->feeder, &batch));
    IG_CHECK(batch && batch->count > 0 && batch->count <= total - done, IG_ERR_INTERNAL,
             "step %lld: the feeder's batches do not add up", (long long)t->progress.step + 1);
    t->weight = (float)batch->count / (float)total;
    bool whole = batch->count == total, last = done + batch->count == total;
    kind = whole ? IG_STEP_UPDATE : last ? IG_STEP_UPDATE_FROM_SUM : IG_STEP_ACCUMULATE;
    IG_TRY(run_micro(t, batch, kind, t->progress.epoch_samples + done, result));
    done += batch->count;
    if (!isfinite(result->loss)) break;
  }
  if (!isfinite(result->loss) || !isfinite(result->norm)) {
    return fail_nonfinite(t, batch, kind, result);
  }
  t->progress.step++;
  t->progress.epoch_samples += done;
  if (t->progress.epoch_samples >= t->data->n_samples) {
    t->progress.epoch++;
    t->progress.epoch_samples = 0;
  }
  return IG_OK;
}

/* --- validation ------------------------------------------------------------------------------ */

/* Copies the averaged parameters, and the statistics as they are, under their plain names. */
static ig_status refresh_ema(ig_trainer *t) {
  for (int64_t i = 0; i < ig_store_count(t->store); i++) {
    const ig_store_entry *entry = ig_store_entry_at(t->store, i);
    if (entry->role != IG_ROLE_PARAMETER && entry->role != IG_ROLE_STATE) continue;
    char *name = ig_format("ema.%s", entry->name);
    IG_CHECK_ALLOC(name);
    const ig_store_entry *average = ig_store_find(t->store, name);
    ig_free(name);
    ig_store_entry *target;
    IG_TRY(ig_store_get(t->ema_store, entry->name, entry->role, entry->dtype, &entry->shape,
                        &target));
    IG_TRY(t->backend->vtable->copy(t->backend, target->data,
                                    average ? average->data : entry->data,
                                    ig_shape_bytes(&entry->shape, entry->dtype)));
  }
  return IG_OK;
}

static ig_status validate(ig_trainer *t, ig_metrics *metrics, bool *best) {
  if (t->ema_store) IG_TRY(refresh_ema(t));
  IG_TRY(ig_evaluator_run(t->evaluator, NULL, NULL, metrics));
  double score = ig_metrics_score(metrics);
  *best = isfinite(score) && !(score <= t->progress.best_metric);
  if (*best) {
    t->progress.best_metric = score;
    t->progress.best_step = t->progress.step;
    t->progress.stale_evals = 0;
  } else {
    t->progress.stale_evals++;
  }
  return IG_OK;
}

/* --- the loop -------------------------------------------------------------------------------- */

static bool due(int64_t step, int64_t every, bool epoch_ended) {
  return every > 0 ? step % every == 0 : epoch_ended;
}

static void fill_report(const ig_trainer *t, const step_result *result, ig_train_step *report) {
  const ig_progress *p = &t->progress;
  double elapsed = now() - t->started;
  *report = (ig_train_step){
      .step = p->step,
      .epoch = p->epoch,
      .total_steps = t->total_steps,
      .steps_per_epoch = t->steps_per_epoch,
      .fraction = (double)p->epoch_samples / (double)t->data->n_samples,
      .loss = result->loss,
      .lr = (double)t->lr,
      .grad_norm = result->norm,
      .seconds = p->seconds,
      .samples_per_second = t->rate,
      .waited = elapsed > 0 ? ig_feeder_waited(t->feeder) / elapsed : 0,
  };
}

/* After step `t->progress.step`: validation, report, checkpoint. *stop ends the loop. */
static ig_status after_step(ig_trainer *t, const step_result *result, int *signal_number,
                            bool *stop) {
  ig_train_step report;
  ig_metrics metrics;
  bool epoch_ended = t->progress.epoch_samples == 0;
  bool last = t->progress.step >= t->total_steps;
  fill_report(t, result, &report);
  bool measured = t->evaluator && (last || due(t->progress.step, t->options.eval_every, epoch_ended));
  if (measured) {
    IG_TRY(validate(t, &metrics, &report.best));
    report.validation = &metrics;
    bool patient = t->options.patience <= 0 || t->progress.stale_evals < t->options.patience;
    last = last || !patient;
  }
  *signal_number = t->observer.interrupted ? t->observer.interrupted(t->observer.context) : 0;
  last = last || *signal_number;
  if (t->observer.on_step) IG_TRY(t->observer.on_step(t->observer.context, &report));
  bool save = last || report.best || due(t->progress.step, t->options.checkpoint_every, epoch_ended);
  if (save && t->observer.on_checkpoint) {
    IG_TRY(t->observer.on_checkpoint(t->observer.context, &report, report.best, last));
  }
  *stop = last;
  return IG_OK;
}

ig_status ig_trainer_run(ig_trainer *t) {
  IG_TRY(ig_feeder_seek(t->feeder, t->progress.epoch, t->progress.epoch_samples));
  t->started = now();
  double before = t->started;
  bool stop = t->progress.step >= t->total_steps;
  int signal_number = 0;
  while (!stop) {
    step_result result;
    IG_TRY(run_one_step(t, &result));
    double after = now(), took = after - before;
    t->progress.seconds += took;
    before = after;
    double rate = (double)result.samples / IG_MAX(took, 1e-9);
    double keep = exp(-took); /* forgets over about a second */
    t->rate = t->rate > 0 ? keep * t->rate + (1 - keep) * rate : rate;
    IG_TRY(after_step(t, &result, &signal_number, &stop));
    before = now(); /* validation and checkpoints are not training time */
  }
  IG_CHECK(signal_number == 0, IG_ERR_INTERRUPTED, "stopped by signal %d after step %lld",
           signal_number, (long long)t->progress.step);
  return IG_OK;
}

/* --- snapshots ------------------------------------------------------------------------------- */

ig_status ig_trainer_snapshot(ig_trainer *t, ig_snapshot **out) {
  ig_snapshot *snapshot;
  IG_TRY(ig_snapshot_create(&snapshot));
  ig_status status = ig_store_to_snapshot(t->store, snapshot);
  if (status != IG_OK) {
    ig_snapshot_destroy(snapshot);
    return status;
  }
  snapshot->progress = t->progress;
  snapshot->task = ig_task_name(t->options.task);
  *out = snapshot;
  return IG_OK;
}

ig_status ig_trainer_resume(ig_trainer *t, const ig_snapshot *snapshot) {
  const ig_progress *p = &snapshot->progress;
  IG_CHECK(p->seed == t->options.seed, IG_ERR_INPUT,
           "checkpoint: its run had seed %llu, this one has %llu", (unsigned long long)p->seed,
           (unsigned long long)t->options.seed);
  IG_CHECK(p->epoch >= 0 && p->step >= 0 && p->epoch_samples >= 0 &&
               p->epoch_samples < t->data->n_samples,
           IG_ERR_INPUT, "checkpoint: position epoch %lld, sample %lld is outside %s of %lld samples",
           (long long)p->epoch, (long long)p->epoch_samples, t->data->path,
           (long long)t->data->n_samples);
  ig_plan *plan; /* makes the optimizer's entries, so that they can be loaded */
  int64_t count = IG_MIN(t->options.batch, t->data->n_samples);
  bool sums = t->options.accumulate > 1 && t->data->n_samples > t->options.batch;
  IG_TRY(plan_for(t, count, sums ? IG_STEP_UPDATE_FROM_SUM : IG_STEP_UPDATE, &plan));
  IG_TRY(ig_store_from_snapshot(t->store, snapshot));
  t->progress = *p;
  return IG_OK;
}

ig_store *ig_trainer_store(ig_trainer *t) { return t->store; }

ig_plan *ig_trainer_plan(ig_trainer *t) { return t->full_plan; }

int64_t ig_trainer_steps_per_epoch(const ig_trainer *t) { return t->steps_per_epoch; }

int64_t ig_trainer_total_steps(const ig_trainer *t) { return t->total_steps; }
