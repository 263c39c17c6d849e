/* One training step: its micro-batches are submitted one after the other, and the results of each are
 * read when the next has been submitted, so that a device with a queue always has work. On the CPU a
 * submitted micro-batch has ended, and nothing is left for later. */
#include "engine/train/trainer_parts.h"

/* The cache gives the specialised model; what is added to it depends on the step kind. */
ig_status ig_trainer_prepare_step(ig_graph *graph, void *context) {
  const ig_step_plans *plans = context;
  const ig_trainer *t = plans->trainer;
  ig_train_options options = t->options;
  if (plans->alone) {
    options.elastic = 0;
    options.parallel = (ig_parallel){.size = 1};
  }
  return ig_step_build(graph, &options, t->backend->vtable->device, plans->kind);
}

/* Where the device has no products of 16 bits, nothing has a copy to be rounded. */
static ig_status check_rounding(const ig_trainer *t) {
  if (!t->options.optimizer.stochastic_rounding) return IG_OK;
  for (int64_t i = 0; i < ig_store_count(t->store); i++) {
    if (ig_store_entry_at(t->store, i)->role == IG_ROLE_COPY) return IG_OK;
  }
  return ig_fail(IG_ERR_USAGE,
                 "stochastic rounding: no parameter has a copy in 16 bits on this device (%s)",
                 t->backend->vtable->name);
}

ig_status ig_trainer_plan_for(ig_trainer *t, int64_t count, ig_step_kind kind, ig_plan **out) {
  ig_shape shapes[IG_MAX_FIELDS];
  for (int i = 0; i < t->match.n_inputs; i++) {
    shapes[i] = ig_match_shape(&t->match, t->data, i, count);
  }
  ig_status status = ig_plan_cache_get(t->plans[kind].cache, shapes, out);
  if (status == IG_ERR_MEMORY) return ig_trainer_explain_memory(t, kind, count);
  IG_TRY(status);
  if (count == t->full_count && ig_step_updates(kind)) t->full_plan = *out;
  if (!t->shards && ig_step_updates(kind)) {
    IG_TRY(check_rounding(t));
    IG_TRY(ig_shards_create(ig_plan_graph(*out), &t->shards));
  }
  return IG_OK;
}

static ig_status bind_named(ig_plan *plan, const char *name, const void *data) {
  int index = ig_step_input(ig_plan_graph(plan), name);
  return index < 0 ? IG_OK : ig_plan_bind_input(plan, index, data);
}

static float scalar_output(const ig_plan *plan, const char *name) {
  int index = ig_step_output(ig_plan_graph(plan), name);
  const float *value = index < 0 ? NULL : ig_plan_output(plan, index);
  return value ? *value : 0.0f;
}

ig_status ig_trainer_submit(ig_trainer *t, const ig_batch *batch, ig_step_kind kind,
                            ig_plan **out) {
  ig_plan *plan;
  IG_TRY(ig_trainer_plan_for(t, batch->count, kind, &plan));
  for (int i = 0; i < t->match.n_inputs; i++) {
    IG_TRY(ig_plan_bind_input(plan, i, batch->fields[t->match.inputs[i]]));
  }
  IG_TRY(bind_named(plan, "target", batch->fields[t->match.target]));
  IG_TRY(bind_named(plan, "lr", &t->lr));
  IG_TRY(bind_named(plan, "step", &t->step_number));
  IG_TRY(bind_named(plan, "weight", &t->weight));
  ig_rng_state rng = {.seed = t->options.seed,
                      .step = (uint64_t)t->progress.step,
                      .first_sample = (uint64_t)(batch->epoch_samples + batch->first)};
  *out = plan;
  return ig_plan_submit(plan, &rng);
}

/* Adds the pending micro-batch to t->result. `successor` is the plan submitted after it, or NULL. */
static ig_status read_pending(ig_trainer *t, const ig_plan *successor) {
  ig_micro *m = &t->pending;
  ig_step_result *r = &t->result;
  IG_TRY(ig_plan_wait(m->plan, successor == m->plan ? 1 : 0));
  if (m->begins_step) *r = (ig_step_result){0};
  r->samples += m->samples;
  r->lr = m->lr;
  r->before = m->before;
  r->progress = m->progress;
  if (ig_step_updates(m->kind)) {
    r->loss = (double)scalar_output(m->plan, "loss"); /* of all micro-batches, parts and ranks */
    r->norm = (double)scalar_output(m->plan, "grad_norm");
    r->loss_scale = (double)scalar_output(m->plan, "loss_scale");
  }
  m->plan = NULL;
  return IG_OK;
}

/* Samples of the step that starts at `epoch_samples`: a full group of micro-batches, or what the
 * epoch has left. */
static int64_t step_samples(const ig_trainer *t) {
  int64_t left = t->data->n_samples - t->progress.epoch_samples;
  int64_t full = t->options.batch * t->options.accumulate;
  return IG_MIN(left, full);
}

static void move_on(ig_progress *progress, int64_t samples, int64_t epoch) {
  progress->step++;
  progress->epoch_samples += samples;
  if (progress->epoch_samples < epoch) return;
  progress->epoch++;
  progress->epoch_samples = 0;
}

/* `done` samples of the step's `total` are in front of the batch that this is a part of. */
static ig_step_kind kind_of(const ig_trainer *t, const ig_batch *batch, int64_t done,
                            int64_t total) {
  if (t->options.elastic > 0) {
    return ig_step_kind_of_part(&t->options, batch->part - t->first_part);
  }
  if (batch->total == total) return IG_STEP_UPDATE;
  return done + batch->total == total ? IG_STEP_UPDATE_FROM_SUM : IG_STEP_ACCUMULATE;
}

ig_status ig_trainer_submit_step(ig_trainer *t, bool *ended) {
  int64_t total = step_samples(t), done = 0;
  t->lr = (float)(t->options.lr * ig_schedule_factor(&t->options.schedule, t->progress.step));
  t->step_number = (float)(t->progress.step - t->round_start + 1);
  if (t->comm) t->comm->step = t->progress.step + 1;
  *ended = false;
  ig_progress after = t->progress;
  move_on(&after, total, t->data->n_samples);
  for (bool begins = true; done < total; begins = false) {
    const ig_batch *batch;
    IG_TRY(ig_feeder_next(t->feeder, &batch));
    IG_CHECK(batch && batch->count > 0 && batch->total <= total - done, IG_ERR_INTERNAL,
             "step %lld: the feeder's batches do not add up", (long long)t->progress.step + 1);
    t->weight = (float)((double)batch->share / (double)total);
    ig_step_kind kind = kind_of(t, batch, done, total);
    ig_plan *plan;
    IG_TRY(ig_trainer_submit(t, batch, kind, &plan));
    if (t->pending.plan) {
      *ended = ig_step_updates(t->pending.kind);
      IG_TRY(read_pending(t, plan));
    }
    bool whole = batch->part - t->first_part + 1 == t->n_parts; /* this rank's part of it */
    t->pending = (ig_micro){.plan = plan,
                            .kind = kind,
                            .begins_step = begins,
                            .lr = (double)t->lr,
                            .samples = whole ? batch->total : 0,
                            .before = t->progress,
                            .progress = after};
    if (whole) done += batch->total;
    /* Without a queue the next run would write over these results. */
    if (done < total && !t->backend->vtable->queue) IG_TRY(read_pending(t, NULL));
  }
  t->progress = after;
  return IG_OK;
}

ig_status ig_trainer_settle(ig_trainer *t) {
  return read_pending(t, NULL);
}
