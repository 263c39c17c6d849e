/* One pass of a graph over the calibration data, in plans of its own, for what added nodes collect. */
#include "engine/quantize/data_run.h"

#include <stdio.h>
#include <string.h>

#include "engine/passes/pass.h"
#include "engine/plan/plan.h"
#include "engine/train/match.h"

/* An observer reads any layout: a reorder that the layout pass put in front of it is for nothing. */
static ig_status drop_reorders(ig_graph *graph) {
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    if (!ig_node_is_live(node) || strcmp(node->op->name, "ingot.Observe") != 0) continue;
    ig_node *before = node->inputs[0]->producer;
    if (!before || strcmp(before->op->name, "ingot.Reorder") != 0) continue;
    IG_TRY(ig_node_set_input(graph, node, 0, before->inputs[0]));
    if (ig_value_use_count(graph, before->outputs[0]) == 0) ig_node_remove(graph, before);
  }
  IG_TRY(ig_graph_sort(graph));
  return ig_graph_compact(graph, false);
}

static ig_status prepare(ig_graph *graph, void *context) {
  const ig_data_run *run = context;
  const ig_pass_options passes = {.device = run->backend->vtable->device, .compute = IG_F32};
  IG_TRY(run->add(graph, run->context));
  IG_TRY(ig_passes_run(graph, ig_pipeline_inference, &passes));
  return drop_reorders(graph);
}

static ig_status run_batch(const ig_data_run *run, ig_plan_cache *plans, const ig_match *match,
                           const ig_batch *batch, int64_t count) {
  ig_shape shapes[IG_MAX_FIELDS];
  ig_plan *plan;
  for (int i = 0; i < match->n_inputs; i++) shapes[i] = ig_match_shape(match, run->data, i, count);
  IG_TRY(ig_plan_cache_get(plans, shapes, &plan));
  for (int i = 0; i < match->n_inputs; i++) {
    IG_TRY(ig_plan_bind_input(plan, i, batch->fields[match->inputs[i]]));
  }
  return ig_plan_run(plan, &(ig_rng_state){0});
}

static ig_status run_share(const ig_data_run *run, ig_plan_cache *plans, const ig_match *match,
                           ig_feeder *feeder, int64_t samples) {
  while (samples > 0) {
    const ig_batch *batch;
    IG_TRY(ig_feeder_next(feeder, &batch));
    if (!batch) return IG_OK;
    int64_t count = IG_MIN(batch->count, samples);
    IG_TRY(run_batch(run, plans, match, batch, count));
    samples -= count;
  }
  return IG_OK;
}

int64_t ig_data_run_samples(const ig_data_run *run) {
  int64_t samples = run->data->n_samples, most = run->options->samples;
  return most > 0 ? IG_MIN(samples, most) : samples;
}

ig_status ig_data_run_own(const ig_data_run *run) {
  const ig_calibration_options *options = run->options;
  int64_t samples = ig_data_run_samples(run);
  IG_CHECK(options->batch >= 1, IG_ERR_USAGE, "calibration: a batch of %lld samples",
           (long long)options->batch);
  IG_CHECK(samples > 0, IG_ERR_INPUT, "%s: no samples to calibrate with", run->data->path);
  ig_match match;
  IG_TRY(ig_match_fields(run->graph, run->data, &match));
  int64_t batches = samples / options->batch + (samples % options->batch != 0);
  int rank = ig_comm_rank(options->comm), size = ig_comm_size(options->comm);
  int64_t first = batches * rank / size * options->batch;
  int64_t last = IG_MIN(batches * (rank + 1) / size * options->batch, samples);
  if (first >= last) return IG_OK;
  const ig_plan_options plan = {.frozen_params = true, .memory_limit = options->memory_limit};
  const ig_feeder_options feed = {.batch = options->batch,
                                  .once = true,
                                  .start = first,
                                  .workers = IG_MAX(1, options->workers),
                                  .depth = 2,
                                  .n_normalizations = options->n_normalizations,
                                  .normalizations = options->normalizations};
  ig_plan_cache *plans;
  ig_feeder *feeder = NULL;
  ig_data_run context = *run;
  IG_TRY(
      ig_plan_cache_create(run->graph, run->backend, run->store, &plan, prepare, &context, &plans));
  ig_status status = ig_feeder_create(run->data, &feed, &feeder);
  if (status == IG_OK) status = run_share(run, plans, &match, feeder, last - first);
  ig_feeder_destroy(feeder);
  ig_plan_cache_destroy(plans);
  return status;
}

ig_value *ig_data_run_state(const ig_data_run *run, ig_graph *graph, const char *name,
                            ig_dtype dtype, const ig_shape *shape) {
  ig_store_entry *entry;
  char *full = ig_arena_format(graph->arena, IG_DATA_RUN_PREFIX "%s", name);
  ig_status status = full ? ig_store_get(run->store, full, IG_ROLE_SCRATCH, dtype, shape, &entry)
                          : ig_fail(IG_ERR_MEMORY, "calibration: out of memory");
  if (status != IG_OK) return ig_graph_fail(graph, status);
  return ig_graph_state(graph, full, dtype, *shape, (ig_init){IG_INIT_ZERO, 0});
}
