/* The trainer: plans by batch size and step kind over one store, a feeder, and the loop. Training
 * state is (store, progress) alone, which is why a snapshot of the two resumes bit for bit. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "engine/train/moments.h"
#include "engine/train/round.h"
#include "engine/train/trainer_parts.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- creation -------------------------------------------------------------------------------- */

static bool is_power_of_two(int n) { return n > 0 && (n & (n - 1)) == 0; }

/* What would let the number of ranks into the sums. */
static ig_status check_elastic(const ig_train_options *o) {
  int size = o->parallel.size;
  IG_CHECK(is_power_of_two(o->elastic) && o->elastic < 1 << IG_MOST_LEVELS, IG_ERR_USAGE,
           "elastic: %d logical shards, expected a power of two up to %d", o->elastic,
           1 << (IG_MOST_LEVELS - 1));
  IG_CHECK(is_power_of_two(size) && size <= o->elastic, IG_ERR_USAGE,
           "elastic: %d ranks do not divide %d logical shards evenly", size, o->elastic);
  IG_CHECK(o->accumulate == 1, IG_ERR_USAGE,
           "elastic: its shards are computed one after the other already, as accumulation does: "
           "instead of accumulating %d batches of %lld, take a batch of %lld and more shards than %d",
           o->accumulate, (long long)o->batch, (long long)(o->batch * o->accumulate), o->elastic);
  IG_CHECK(o->parallel.grad_dtype != IG_BF16, IG_ERR_USAGE,
           "elastic: gradients in bf16 would be rounded once a rank; they have to travel in f32");
  IG_CHECK(!o->parallel.sync_batch_norm, IG_ERR_USAGE,
           "elastic: batch statistics are those of a logical shard, and cannot be synchronised");
  bool norms = o->optimizer.clip_norm > 0 || o->optimizer.kind == IG_OPT_LAMB;
  IG_CHECK(o->parallel.shard == IG_SHARD_NONE || !norms, IG_ERR_USAGE,
           "elastic: a sharded optimizer sums norms rank by rank, which clipping and LAMB depend on");
  return IG_OK;
}

/* Copies in 16 bits are what is rounded. */
static ig_status check_rounding(const ig_train_options *o) {
  IG_CHECK(ig_precision_dtype(o->precision) != IG_F32, IG_ERR_USAGE,
           "stochastic rounding: no parameter has a copy in 16 bits: it needs precision bf16 or f16");
  IG_CHECK(o->parallel.shard == IG_SHARD_NONE || o->parallel.size == 1, IG_ERR_USAGE,
           "stochastic rounding: a sharded optimizer keeps no copies in 16 bits, which it would round");
  return IG_OK;
}

static ig_status check_options(const ig_train_options *o, const ig_dataset *data) {
  IG_CHECK(o->batch >= 1, IG_ERR_USAGE, "batch: expected at least 1, found %lld",
           (long long)o->batch);
  IG_CHECK(o->accumulate >= 1, IG_ERR_USAGE, "accumulate: expected at least 1, found %d",
           o->accumulate);
  IG_CHECK(o->epochs > 0 || o->steps > 0, IG_ERR_USAGE,
           "epochs and steps: one of them must be positive");
  IG_CHECK(isfinite(o->lr) && o->lr >= 0, IG_ERR_USAGE, "lr: expected at least 0, found %g", o->lr);
  if (o->elastic != 0) IG_TRY(check_elastic(o));
  if (o->optimizer.stochastic_rounding) IG_TRY(check_rounding(o));
  int parts = IG_MAX(o->elastic, o->parallel.size);
  const char *what = o->elastic ? "logical shards" : "ranks";
  IG_CHECK(data->n_samples >= parts, IG_ERR_INPUT, "%s: %lld samples for %d %s", data->path,
           (long long)data->n_samples, parts, what);
  IG_CHECK(o->batch >= parts, IG_ERR_USAGE,
           "batch: %lld samples for %d %s: expected at least one for each", (long long)o->batch,
           parts, what);
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

/* Parts of a batch are logical shards, or ranks; they are cut by the feeder. */
static void find_parts(ig_trainer *t) {
  int parts = IG_MAX(t->options.elastic, t->options.parallel.size);
  t->n_parts = ig_step_parts(&t->options);
  t->first_part = t->options.parallel.rank * t->n_parts;
  int64_t batch = IG_MIN(t->options.batch, t->data->n_samples), last = t->first_part + t->n_parts;
  t->full_count = batch * last / parts - batch * (last - 1) / parts;
}

static ig_status create_plans(ig_trainer *t) {
  ig_plan_options options = {.seed = t->options.seed,
                             .tf32 = t->options.precision == IG_PRECISION_TF32,
                             .memory_limit = t->options.memory_limit,
                             .comm = t->comm,
                             .fixed_sums = t->options.elastic > 0};
  for (int kind = 0; kind < IG_STEP_KINDS; kind++) {
    t->plans[kind] = (ig_step_plans){.trainer = t, .kind = (ig_step_kind)kind};
    IG_TRY(ig_plan_cache_create(t->model, t->backend, t->store, &options, ig_trainer_prepare_step,
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
                               .parts = IG_MAX(t->options.elastic, t->options.parallel.size),
                               .first_part = t->first_part,
                               .n_parts = t->n_parts,
                               .n_normalizations = t->n_normalizations,
                               .normalizations = t->normalizations};
  return ig_feeder_create(t->data, &options, &t->feeder);
}

static ig_status create_evaluator(ig_trainer *t) {
  if (!t->validation) return IG_OK;
  ig_eval_options options = {.task = t->options.task,
                             .batch = t->options.batch,
                             .limit = t->options.eval_limit,
                             .mirror = t->options.eval_mirror,
                             .workers = t->options.workers,
                             .n_normalizations = t->n_normalizations,
                             .normalizations = t->normalizations,
                             .comm = t->comm,
                             .fixed_sums = t->options.elastic > 0};
  ig_store *store = t->store;
  if (t->options.optimizer.ema > 0) {
    IG_TRY(ig_store_create(t->backend, &t->ema_store));
    store = t->ema_store;
  }
  return ig_evaluator_create(t->model, t->backend, store, t->validation, &options, &t->evaluator);
}

/* Ranks would need the largest of their maxima, and logical shards to have none of their own. */
static ig_status check_fp8(const ig_trainer *t) {
  IG_CHECK(t->options.parallel.size <= 1 && t->options.elastic == 0, IG_ERR_USAGE,
           "precision: fp8 trains in one process and without elastic shards, found %d ranks",
           t->options.parallel.size);
  return ig_backend_check_fp8(t->backend);
}

static ig_status create_parts(ig_trainer *t) {
  IG_TRY(check_options(&t->options, t->data));
  IG_CHECK(!t->options.elastic || !t->comm || !t->comm->any_order, IG_ERR_USAGE,
           "elastic: %s sums in an order of its own; --comm staged keeps to the tree",
           t->comm->vtable->name);
  if (t->options.precision == IG_PRECISION_FP8) IG_TRY(check_fp8(t));
  IG_CHECK(t->data->n_samples > 0, IG_ERR_INPUT, "%s: no samples", t->data->path);
  IG_TRY(ig_match_fields(t->model, t->data, &t->match));
  IG_CHECK(t->match.target >= 0, IG_ERR_SHAPE, "%s: has no target besides the model's %d inputs",
           t->data->path, t->match.n_inputs);
  count_steps(t);
  find_parts(t);
  IG_TRY(ig_trainer_ranks_create(t));
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
  ig_trainer *t = ig_alloc_zero(1, sizeof *t);
  IG_CHECK_ALLOC(t);
  t->model = model;
  t->backend = backend;
  t->data = train;
  t->validation = validation;
  t->options = *options;
  t->comm = ig_comm_size(comm) > 1 ? comm : NULL;
  t->options.parallel.rank = ig_comm_rank(t->comm);
  t->options.parallel.size = ig_comm_size(t->comm);
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
  ig_trainer_ranks_destroy(t);
  for (int kind = 0; kind < IG_STEP_KINDS; kind++) ig_plan_cache_destroy(t->plans[kind].cache);
  ig_shards_destroy(t->shards);
  ig_store_destroy(t->ema_store);
  ig_store_destroy(t->store);
  ig_free(t);
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

ig_status ig_trainer_validate(ig_trainer *t, ig_metrics *metrics, bool *best) {
  if (t->ema_store) IG_TRY(refresh_ema(t));
  ig_status status = ig_evaluator_run(t->evaluator, NULL, NULL, metrics);
  if (status != IG_OK && status != IG_ERR_PEER && t->comm) { /* all ranks have the same failure */
    return ig_fail_in(IG_ERR_PEER, "validation after step %lld", (long long)t->result.progress.step);
  }
  IG_TRY(status);
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

static bool validation_due(const ig_trainer *t, const ig_progress *p) {
  return t->evaluator && (p->step >= t->total_steps ||
                          due(p->step, t->options.eval_every, p->epoch_samples == 0));
}

static bool checkpoint_due(const ig_trainer *t, const ig_progress *p) {
  return p->step >= t->total_steps ||
         due(p->step, t->options.checkpoint_every, p->epoch_samples == 0);
}

/* Whether the results of the step just submitted may be read after the next one: it ends nothing, and
 * nobody looks at the parameters after it. */
static bool may_run_ahead(const ig_trainer *t) {
  return t->backend->vtable->queue && t->options.accumulate == 1 &&
         !validation_due(t, &t->progress) && !checkpoint_due(t, &t->progress);
}

static void fill_report(const ig_trainer *t, ig_train_step *report) {
  const ig_progress *p = &t->result.progress;
  double elapsed = now() - t->started;
  *report = (ig_train_step){
      .step = p->step,
      .epoch = p->epoch,
      .total_steps = t->total_steps,
      .steps_per_epoch = t->steps_per_epoch,
      .fraction = (double)p->epoch_samples / (double)t->data->n_samples,
      .loss = t->result.loss,
      .lr = t->result.lr,
      .grad_norm = t->result.norm,
      .seconds = t->progress.seconds,
      .samples_per_second = t->rate,
      .waited = elapsed > 0 ? ig_feeder_waited(t->feeder) / elapsed : 0,
      .n_ranks = t->options.parallel.size,
      .ranks = t->ranks.known ? t->ranks.rates : NULL,
  };
}

/* After the step of t->result: validation, report, checkpoint. `end` forces the last two, and then
 * nothing is under way. *stop ends the loop. */
static ig_status after_step(ig_trainer *t, bool end, bool *stop) {
  ig_train_step report;
  ig_metrics metrics;
  const ig_progress *p = &t->result.progress;
  bool last = end || p->step >= t->total_steps;
  fill_report(t, &report);
  if (validation_due(t, p)) {
    IG_TRY(ig_trainer_validate(t, &metrics, &report.best));
    report.validation = &metrics;
    bool patient = t->options.patience <= 0 || t->progress.stale_evals < t->options.patience;
    last = last || !patient;
  }
  if (t->observer.on_step) IG_TRY(t->observer.on_step(t->observer.context, &report));
  if ((last || report.best || checkpoint_due(t, p)) && t->observer.on_checkpoint) {
    IG_TRY(t->observer.on_checkpoint(t->observer.context, &report, report.best, last));
  }
  *stop = last;
  return IG_OK;
}

/* The step of t->result has ended. */
static ig_status finish_step(ig_trainer *t, double *before, bool end, bool *stop) {
  IG_TRY(ig_trainer_check_result(t));
  double after = now(), took = after - *before;
  t->progress.seconds += took;
  ig_trainer_ranks_took(t, took);
  double rate = (double)t->result.samples / IG_MAX(took, 1e-9);
  double keep = exp(-took); /* forgets over about a second */
  t->rate = t->rate > 0 ? keep * t->rate + (1 - keep) * rate : rate;
  IG_TRY(after_step(t, end, stop));
  *before = now(); /* validation and checkpoints are not training time */
  return IG_OK;
}

/* Parameters may have been written since their copies were made. Those of a resumed run are rounded as the
 * step before rounded them. */
static ig_status refresh_copies(ig_trainer *t) {
  const ig_rng_state before = {.seed = t->options.seed, .step = (uint64_t)t->progress.step - 1};
  bool drawn = t->options.optimizer.stochastic_rounding && t->progress.step > 0;
  return ig_store_refresh_copies(t->store, drawn ? &before : NULL);
}

static ig_status run_steps(ig_trainer *t) {
  IG_TRY(refresh_copies(t));
  IG_TRY(ig_feeder_seek(t->feeder, t->progress.epoch, t->progress.epoch_samples));
  t->started = now();
  double before = t->started;
  bool stop = t->progress.step >= t->total_steps;
  t->signal_number = 0;
  while (!stop) {
    bool ended;
    IG_TRY(ig_trainer_submit_step(t, &ended));
    if (ended) IG_TRY(finish_step(t, &before, false, &stop));
    IG_TRY(ig_trainer_agree(t));
    if (!t->signal_number && may_run_ahead(t)) continue;
    IG_TRY(ig_trainer_settle(t));
    IG_TRY(finish_step(t, &before, t->signal_number != 0, &stop));
  }
  IG_CHECK(t->signal_number == 0, IG_ERR_INTERRUPTED, "stopped by signal %d after step %lld",
           t->signal_number, (long long)t->progress.step);
  return IG_OK;
}

ig_status ig_trainer_run(ig_trainer *t) {
  return ig_trainer_leave(t, run_steps(t));
}

/* --- snapshots ------------------------------------------------------------------------------- */

ig_status ig_trainer_snapshot(ig_trainer *t, ig_snapshot **out) {
  ig_snapshot *snapshot;
  IG_TRY(ig_snapshot_create(&snapshot));
  ig_status status = ig_store_to_snapshot(t->store, snapshot);
  bool keeps = ig_comm_rank(t->comm) == 0;
  if (status == IG_OK && t->shards)
    status = ig_shards_gather(t->shards, t->store, t->comm, keeps ? snapshot : NULL);
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
  bool sums = t->options.accumulate > 1 && t->data->n_samples > t->options.batch;
  ig_step_kind kind = t->options.elastic ? IG_STEP_UPDATE_FROM_PARTS
                      : sums             ? IG_STEP_UPDATE_FROM_SUM
                                         : IG_STEP_UPDATE;
  IG_TRY(ig_trainer_plan_for(t, t->full_count, kind, &plan));
  if (p->step > 0) IG_TRY(ig_moments_check(t->store, snapshot)); /* before, there are none */
  IG_TRY(ig_store_from_snapshot(t->store, snapshot));
  if (t->shards && p->step > 0)
    IG_TRY(ig_shards_scatter(t->shards, t->store, ig_comm_rank(t->comm), snapshot));
  t->progress = *p;
  return IG_OK;
}

ig_store *ig_trainer_store(ig_trainer *t) { return t->store; }

ig_plan *ig_trainer_plan(ig_trainer *t) { return t->full_plan; }

int ig_trainer_signal(const ig_trainer *t) { return t->signal_number; }

int64_t ig_trainer_steps_per_epoch(const ig_trainer *t) { return t->steps_per_epoch; }

int64_t ig_trainer_total_steps(const ig_trainer *t) { return t->total_steps; }
