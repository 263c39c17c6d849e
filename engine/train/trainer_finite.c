/* What to do about a loss or gradient that is not finite: the step's batches run again, this rank's
 * alone and without the others, with every result checked, and the first node that makes a NaN or Inf is
 * named. The updates of such a step were withheld, so the parameters are still those it ran with. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/train/trainer_parts.h"
#include "kernels/optimizer.h"

/* What a rank found; `batch` counts within the step, -1 for nothing. */
typedef struct finding {
  int64_t batch;
  char node[256];
} finding;

static void describe(const ig_node *node, finding *out, int64_t batch) {
  const ig_node *shown = node->forward ? node->forward : node;
  out->batch = batch;
  snprintf(out->node, sizeof out->node, "%s of node '%s' (%s)",
           node->forward ? "gradient" : "output", shown->name, shown->op->name);
}

static ig_status run_checked(ig_trainer *t, ig_step_kind kind, finding *out) {
  const ig_progress *before = &t->result.before;
  ig_progress now = t->progress;
  IG_TRY(ig_feeder_seek(t->feeder, before->epoch, before->epoch_samples));
  t->progress.step = before->step;
  ig_status status = IG_OK;
  int64_t done = 0;
  for (int64_t i = 0; done < t->result.samples && status == IG_OK; i++) {
    const ig_batch *batch;
    ig_plan *plan;
    status = ig_feeder_next(t->feeder, &batch);
    if (status == IG_OK) {
      t->weight = (float)((double)batch->share / (double)t->result.samples);
      status = ig_trainer_submit(t, batch, kind, &plan);
    }
    if (status == IG_OK) status = ig_plan_wait(plan, 0);
    if (status != IG_OK) break;
    const ig_node *node = ig_plan_first_nonfinite(plan);
    if (node) describe(node, out, i);
    if (node) break;
    if (batch->part - t->first_part + 1 == t->n_parts) done += batch->total;
  }
  t->progress = now;
  return status;
}

/* Runs the batches through plans that only make gradients, with no word to other ranks; a step of one
 * batch of one process as it was. */
static void find_culprit(ig_trainer *t, finding *out) {
  ig_plan_options options = {.seed = t->options.seed,
                             .tf32 = t->options.precision == IG_PRECISION_TF32,
                             .check_finite = true};
  bool simple = !t->comm && !t->options.elastic && t->result.samples <= t->options.batch;
  ig_step_kind kind = simple ? IG_STEP_UPDATE : IG_STEP_PART;
  ig_step_plans context = {.trainer = t, .kind = kind, .alone = true};
  ig_plan_cache *usual = t->plans[kind].cache;
  ig_plan *full = t->full_plan;
  if (ig_plan_cache_create(t->model, t->backend, t->store, &options, ig_trainer_prepare_step,
                           &context, &t->plans[kind].cache) == IG_OK) {
    if (run_checked(t, kind, out) != IG_OK) ig_clear_error();
    ig_plan_cache_destroy(t->plans[kind].cache);
  }
  t->plans[kind].cache = usual;
  t->full_plan = full;
}

static ig_status report(const ig_trainer *t, ig_status status, const char *where) {
  const ig_step_result *r = &t->result;
  return ig_fail(status,
                 "step %lld: %s is not finite (loss %g, gradient norm %g): first in the %s; the "
                 "last good step is %lld",
                 (long long)r->progress.step, isfinite(r->loss) ? "the gradient" : "the loss",
                 r->loss, r->norm, where, (long long)r->progress.step - 1);
}

/* All ranks see all findings, and name the earliest batch of the lowest rank. */
static ig_status report_together(ig_trainer *t, const finding *mine, finding *all) {
  int first = -1;
  char where[512] = "sum over the ranks, each of whose own is finite";
  IG_TRY(ig_comm_exchange(t->comm, mine, sizeof *mine, all));
  for (int r = 0; r < t->comm->size; r++) {
    if (all[r].batch >= 0 && (first < 0 || all[r].batch < all[first].batch)) first = r;
  }
  if (first >= 0) {
    snprintf(where, sizeof where, "%s on rank %d on %s", all[first].node, first,
             t->comm->hosts[first]);
  }
  return report(t, IG_ERR_PEER, where);
}

ig_status ig_trainer_check_result(ig_trainer *t) {
  const ig_step_result *r = &t->result;
  if (isfinite(r->loss) && isfinite(r->norm)) return IG_OK;
  /* The scale was too large: no parameter changed, and the next step has a smaller one. */
  if (isfinite(r->loss) && r->loss_scale > (double)IG_LOSS_SCALE_LEAST) return IG_OK;
  finding mine = {.batch = -1, .node = "a node that could not be found again"};
  if (t->pending.plan) IG_TRY(ig_plan_wait(t->pending.plan, 0));
  find_culprit(t, &mine);
  if (!t->comm) return report(t, IG_ERR_NUMERIC, mine.node);
  finding *all = ig_alloc((size_t)t->comm->size * sizeof *all);
  IG_CHECK_ALLOC(all);
  ig_status status = report_together(t, &mine, all);
  ig_free(all);
  return status;
}
