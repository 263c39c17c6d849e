/* One training step: its micro-batches are submitted one after the other, and the results of each are
 * read when the next has been submitted, so that a device with a queue always has work. On the CPU a
 * submitted micro-batch has ended, and nothing is left for later. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/train/trainer_parts.h"
#include "kernels/optimizer.h"

/* The cache gives the specialised model; what is added to it depends on the step kind. */
ig_status ig_trainer_prepare_step(ig_graph *graph, void *context) {
  const ig_step_plans *plans = context;
  const ig_trainer *t = plans->trainer;
  return ig_step_build(graph, &t->options, t->backend->vtable->device, plans->kind);
}

ig_status ig_trainer_plan_for(ig_trainer *t, int64_t count, ig_step_kind kind, ig_plan **out) {
  ig_shape shapes[IG_MAX_FIELDS];
  for (int i = 0; i < t->match.n_inputs; i++) {
    shapes[i] = ig_match_shape(&t->match, t->data, i, count);
  }
  ig_status status = ig_plan_cache_get(t->plans[kind].cache, shapes, out);
  if (status == IG_ERR_MEMORY) return ig_trainer_explain_memory(t, kind, count);
  IG_TRY(status);
  if (count == t->options.batch && kind != IG_STEP_ACCUMULATE) t->full_plan = *out;
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

/* `before`: samples of the epoch in front of the batch. */
static ig_status submit(ig_trainer *t, const ig_batch *batch, ig_step_kind kind, int64_t before,
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
                      .first_sample = (uint64_t)before};
  *out = plan;
  return ig_plan_submit(plan, &rng);
}

static bool ends_step(ig_step_kind kind) { return kind != IG_STEP_ACCUMULATE; }

/* Adds the pending micro-batch to t->result. `successor` is the plan submitted after it, or NULL. */
static ig_status read_pending(ig_trainer *t, const ig_plan *successor) {
  ig_micro *m = &t->pending;
  ig_step_result *r = &t->result;
  IG_TRY(ig_plan_wait(m->plan, successor == m->plan ? 1 : 0));
  if (m->begins_step) *r = (ig_step_result){0};
  bool finite = isfinite(r->loss);
  r->loss += m->share * (double)scalar_output(m->plan, "loss");
  if (finite) {
    r->epoch = m->epoch;
    r->epoch_samples = m->epoch_samples;
    r->kind = m->kind;
  }
  r->samples += m->samples;
  r->lr = m->lr;
  r->progress = m->progress;
  if (ends_step(m->kind)) {
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

ig_status ig_trainer_submit_step(ig_trainer *t, bool *ended) {
  int64_t total = step_samples(t), done = 0;
  t->lr = (float)(t->options.lr * ig_schedule_factor(&t->options.schedule, t->progress.step));
  t->step_number = (float)(t->progress.step - t->round_start + 1);
  *ended = false;
  ig_progress after = t->progress;
  move_on(&after, total, t->data->n_samples);
  while (done < total) {
    const ig_batch *batch;
    IG_TRY(ig_feeder_next(t->feeder, &batch));
    IG_CHECK(batch && batch->count > 0 && batch->count <= total - done, IG_ERR_INTERNAL,
             "step %lld: the feeder's batches do not add up", (long long)t->progress.step + 1);
    t->weight = (float)batch->count / (float)total;
    bool whole = batch->count == total, last = done + batch->count == total;
    ig_step_kind kind =
        whole ? IG_STEP_UPDATE : last ? IG_STEP_UPDATE_FROM_SUM : IG_STEP_ACCUMULATE;
    ig_plan *plan;
    IG_TRY(submit(t, batch, kind, t->progress.epoch_samples + done, &plan));
    if (t->pending.plan) {
      *ended = ends_step(t->pending.kind);
      IG_TRY(read_pending(t, plan));
    }
    t->pending = (ig_micro){.plan = plan,
                            .kind = kind,
                            .begins_step = done == 0,
                            .share = whole ? 1.0 : (double)t->weight,
                            .lr = (double)t->lr,
                            .samples = batch->count,
                            .epoch = batch->epoch,
                            .epoch_samples = batch->epoch_samples,
                            .progress = after};
    done += batch->count;
    /* Without a queue the next run would write over these results. */
    if (!last && !t->backend->vtable->queue) IG_TRY(read_pending(t, NULL));
  }
  t->progress = after;
  return IG_OK;
}

ig_status ig_trainer_settle(ig_trainer *t) {
  return read_pending(t, NULL);
}

/* --- what is not finite ---------------------------------------------------------------------- */

/* Runs the failing batch again with every result checked. The updates of a step with a gradient that
 * is not finite were withheld, so the parameters are still good. */
static ig_status run_checked(ig_trainer *t, char *name, size_t size) {
  const ig_step_result *r = &t->result;
  ig_plan *plan;
  const ig_batch *batch;
  IG_TRY(ig_feeder_seek(t->feeder, r->epoch, r->epoch_samples));
  IG_TRY(ig_feeder_next(t->feeder, &batch));
  IG_CHECK(batch, IG_ERR_INTERNAL, "the batch is not there any more");
  IG_TRY(submit(t, batch, r->kind, r->epoch_samples, &plan));
  IG_TRY(ig_plan_wait(plan, 0));
  const ig_node *node = ig_plan_first_nonfinite(plan);
  if (!node) return IG_OK;
  const ig_node *shown = node->forward ? node->forward : node;
  snprintf(name, size, "%s of node '%s' (%s)", node->forward ? "gradient" : "output", shown->name,
           shown->op->name);
  return IG_OK;
}

static void find_culprit(ig_trainer *t, char *name, size_t size) {
  ig_plan_options options = {.seed = t->options.seed,
                             .tf32 = t->options.precision == IG_PRECISION_TF32,
                             .check_finite = true};
  ig_step_kind kind = t->result.kind;
  ig_step_plans context = {.trainer = t, .kind = kind};
  ig_plan_cache *usual = t->plans[kind].cache;
  ig_plan *full = t->full_plan;
  snprintf(name, size, "a node that could not be found again");
  if (ig_plan_cache_create(t->model, t->backend, t->store, &options, ig_trainer_prepare_step,
                           &context, &t->plans[kind].cache) == IG_OK) {
    if (run_checked(t, name, size) != IG_OK) ig_clear_error();
    ig_plan_cache_destroy(t->plans[kind].cache);
  }
  t->plans[kind].cache = usual;
  t->full_plan = full;
}

ig_status ig_trainer_check_result(ig_trainer *t) {
  const ig_step_result *r = &t->result;
  if (isfinite(r->loss) && isfinite(r->norm)) return IG_OK;
  /* The scale was too large: no parameter changed, and the next step has a smaller one. */
  if (isfinite(r->loss) && r->loss_scale > (double)IG_LOSS_SCALE_LEAST) return IG_OK;
  char culprit[256];
  if (t->pending.plan) IG_TRY(ig_plan_wait(t->pending.plan, 0));
  find_culprit(t, culprit, sizeof culprit);
  return ig_fail(IG_ERR_NUMERIC,
                 "step %lld: %s is not finite (loss %g, gradient norm %g): first in the %s; the "
                 "last good step is %lld",
                 (long long)r->progress.step, isfinite(r->loss) ? "the gradient" : "the loss",
                 r->loss, r->norm, culprit, (long long)r->progress.step - 1);
}
