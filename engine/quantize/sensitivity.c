/* What each layer's quantization costs: the model with this layer alone quantized, against the model as it is,
 * over the same data. The outputs of the latter are kept, so much of them as a bound allows. */
#include "engine/quantize/sensitivity.h"

#include <math.h>
#include <string.h>

/* Of outputs, on each rank; what lies behind is not compared. */
#define MOST_KEPT ((int64_t)64 << 20)

/* Outputs of the model in f32, one after the other in the order of batches, and where a run stands in them. */
typedef struct outputs {
  float *kept;
  int64_t n, capacity, at;
  bool compares;
  double error, energy; /* sums of (y - kept)^2 and kept^2 */
} outputs;

static ig_status keep(outputs *o, const float *y, int64_t count) {
  if ((o->n + count) * (int64_t)sizeof(float) > MOST_KEPT && o->n > 0) return IG_OK;
  IG_CHECK(ig_grow((void **)&o->kept, &o->capacity, o->n + count, sizeof(float)), IG_ERR_MEMORY,
           "sensitivity: no memory for %lld numbers of outputs", (long long)(o->n + count));
  memcpy(o->kept + o->n, y, (size_t)count * sizeof(float));
  o->n += count;
  return IG_OK;
}

static void compare(outputs *o, const float *y, int64_t count) {
  count = IG_MIN(count, o->n - o->at);
  for (int64_t i = 0; i < count; i++) {
    double want = (double)o->kept[o->at + i], off = (double)y[i] - want;
    o->error += off * off;
    o->energy += want * want;
  }
  o->at += count;
}

static ig_status take_outputs(void *context, const ig_batch *batch, const ig_plan *plan) {
  outputs *o = context;
  const ig_graph *graph = ig_plan_graph(plan);
  IG_UNUSED(batch);
  for (int32_t i = 0; i < graph->n_outputs; i++) {
    if (graph->outputs[i]->dtype != IG_F32) continue;
    const float *y = ig_plan_output(plan, i);
    int64_t count = ig_value_count(graph->outputs[i]);
    if (o->compares) compare(o, y, count);
    else IG_TRY(keep(o, y, count));
  }
  return IG_OK;
}

typedef struct study {
  const ig_graph *prepared;
  ig_backend *backend;
  ig_store *store;
  ig_recipe *recipe;
  const ig_calibration *calibration;
  ig_dataset *data;
  const ig_calibration_options *options;
  const ig_quant_judge *judge;
  outputs outputs;
  double metric; /* of the model as it is */
} study;

/* One pass of a model over the data, into s->outputs. */
static ig_status run_model(study *s, const ig_graph *graph, ig_store *store) {
  const ig_calibration_options *o = s->options;
  const ig_eval_options options = {.batch = o->batch,
                                   .limit = o->samples,
                                   .no_metrics = true,
                                   .frozen = true,
                                   .workers = o->workers,
                                   .n_normalizations = o->n_normalizations,
                                   .normalizations = o->normalizations,
                                   .memory_limit = o->memory_limit,
                                   .comm = o->comm};
  ig_evaluator *evaluator;
  IG_TRY(ig_evaluator_create(graph, s->backend, store, s->data, &options, &evaluator));
  ig_status status = ig_evaluator_run(evaluator, take_outputs, &s->outputs, NULL);
  ig_evaluator_destroy(evaluator);
  return status;
}

/* Error over energy of all ranks; infinite where the quantized model gives what is not finite. */
static ig_status relative_error(study *s, double *out) {
  ig_comm *comm = s->options->comm;
  double mine[2] = {s->outputs.error, s->outputs.energy}, sum[2] = {0, 0};
  int ranks = ig_comm_size(comm);
  double *all = ig_alloc((size_t)ranks * sizeof mine);
  ig_status status = all ? IG_OK : ig_fail(IG_ERR_MEMORY, "sensitivity: out of memory");
  status = ig_comm_settle(comm, status);
  if (status == IG_OK && ranks > 1) status = ig_comm_exchange(comm, mine, sizeof mine, all);
  else if (status == IG_OK) memcpy(all, mine, sizeof mine);
  for (int i = 0; i < 2 * ranks && status == IG_OK; i++) sum[i % 2] += all[i];
  ig_free(all);
  if (status != IG_OK) return status;
  *out = isfinite(sum[0]) ? (sum[1] > 0 ? sum[0] / sum[1] : sum[0]) : (double)INFINITY;
  return IG_OK;
}

static ig_status judge_layer(study *s, ig_quant_layer *layer, const ig_graph *graph, ig_store *store) {
  s->outputs.at = 0;
  s->outputs.error = s->outputs.energy = 0;
  s->outputs.compares = true;
  IG_TRY(run_model(s, graph, store));
  IG_TRY(relative_error(s, &layer->output_error));
  if (!s->judge || !s->judge->metric) return IG_OK;
  double metric;
  IG_TRY(s->judge->metric(s->judge->context, graph, store, &metric));
  layer->metric_drop = s->metric - metric;
  return IG_OK;
}

/* The model with layer `index` alone in the format asked for. */
static ig_status study_layer(study *s, int index) {
  ig_recipe *recipe = s->recipe;
  ig_quant_format *formats = ig_alloc((size_t)recipe->n_layers * sizeof *formats);
  IG_CHECK(formats, IG_ERR_MEMORY, "sensitivity: out of memory");
  for (int i = 0; i < recipe->n_layers; i++) {
    formats[i] = recipe->layers[i].format;
    recipe->layers[i].format = i == index ? recipe->settings.format : IG_QUANT_F32;
  }
  ig_graph *graph = NULL;
  ig_store *store = NULL;
  ig_status status = ig_quantize_apply(s->prepared, s->store, recipe, s->calibration, &graph, &store);
  for (int i = 0; i < recipe->n_layers; i++) recipe->layers[i].format = formats[i];
  ig_free(formats);
  status = ig_comm_settle(s->options->comm, status);
  if (status == IG_OK) status = judge_layer(s, &recipe->layers[index], graph, store);
  ig_store_destroy(store);
  ig_graph_destroy(graph);
  if (status == IG_OK) return IG_OK;
  return ig_fail_in(status, "layer '%s'", recipe->layers[index].node);
}

static ig_status run_study(study *s) {
  IG_TRY(run_model(s, s->prepared, s->store));
  if (s->judge && s->judge->metric) {
    IG_TRY(s->judge->metric(s->judge->context, s->prepared, s->store, &s->metric));
  }
  for (int i = 0; i < s->recipe->n_layers; i++) {
    const ig_quant_layer *layer = &s->recipe->layers[i];
    if (layer->weight && layer->format != IG_QUANT_F32) IG_TRY(study_layer(s, i));
  }
  return IG_OK;
}

ig_status ig_quantize_sensitivity(const ig_graph *prepared, ig_backend *backend, ig_store *store,
                                  ig_recipe *recipe, const ig_calibration *calibration,
                                  ig_dataset *data, const ig_calibration_options *options,
                                  const ig_quant_judge *judge) {
  study s = {.prepared = prepared,
             .backend = backend,
             .store = store,
             .recipe = recipe,
             .calibration = calibration,
             .data = data,
             .options = options,
             .judge = judge};
  ig_status status = run_study(&s);
  ig_free(s.outputs.kept);
  return status;
}
