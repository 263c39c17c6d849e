/* The effect of each layer's quantization, measured with it alone quantized: everything else stays as it was,
 * so that errors do not hide behind one another. */
#include "engine/quantize/sensitivity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES ((int64_t)256 << 20)

/* Two runs over the same batches: the first keeps what comes out, later ones are compared with it. */
struct ig_quant_outputs {
  ig_backend *backend;
  ig_dataset *data;
  ig_eval_options options;
  float *kept; /* heap */
  int64_t n, capacity;
  int64_t at; /* of a comparison */
  double difference, size;
};

static ig_status run(ig_quant_outputs *o, const ig_graph *graph, ig_store *store, ig_eval_sink sink) {
  ig_evaluator *evaluator;
  ig_metrics unused;
  IG_TRY(ig_evaluator_create(graph, o->backend, store, o->data, &o->options, &evaluator));
  ig_status status = ig_evaluator_run(evaluator, sink, o, &unused);
  ig_evaluator_destroy(evaluator);
  return status;
}

/* Numbers of output `i` for the samples that count. */
static int64_t numbers_of(const ig_batch *batch, const ig_plan *plan, int i) {
  const ig_value *y = ig_plan_graph(plan)->outputs[i];
  int64_t n = ig_value_count(y);
  bool by_sample = y->shape.rank > 0 && y->shape.dims[0] >= batch->count;
  return y->dtype != IG_F32 ? 0 : by_sample ? n / y->shape.dims[0] * batch->count : n;
}

static ig_status keep(void *context, const ig_batch *batch, const ig_plan *plan) {
  ig_quant_outputs *o = context;
  for (int i = 0; i < ig_plan_graph(plan)->n_outputs; i++) {
    int64_t n = numbers_of(batch, plan, i);
    void *block = o->kept;
    IG_CHECK(ig_grow(&block, &o->capacity, o->n + n + 1, sizeof *o->kept), IG_ERR_MEMORY,
             "no memory for the model's results");
    o->kept = block;
    memcpy(o->kept + o->n, ig_plan_output(plan, i), (size_t)n * sizeof *o->kept);
    o->n += n;
  }
  return IG_OK;
}

static ig_status compare(void *context, const ig_batch *batch, const ig_plan *plan) {
  ig_quant_outputs *o = context;
  for (int i = 0; i < ig_plan_graph(plan)->n_outputs; i++) {
    int64_t n = numbers_of(batch, plan, i);
    const float *y = ig_plan_output(plan, i), *want = o->kept + o->at;
    IG_CHECK(o->at + n <= o->n, IG_ERR_INTERNAL, "the quantized model gives more numbers than before");
    for (int64_t k = 0; k < n; k++) {
      double d = (double)y[k] - (double)want[k];
      o->difference += d * d;
      o->size += (double)want[k] * (double)want[k];
    }
    o->at += n;
  }
  return IG_OK;
}

/* Samples whose results are kept: not more than fit. */
static int64_t affordable(const ig_graph *graph, int64_t samples, int64_t available) {
  int64_t each = 1;
  for (int32_t i = 0; i < graph->n_outputs && !graph->deferred; i++) {
    const ig_shape *shape = &graph->outputs[i]->shape;
    each += ig_shape_count(shape) / IG_MAX(shape->rank > 0 ? shape->dims[0] : 1, 1);
  }
  int64_t most = IG_MAX(MOST_BYTES / (each * (int64_t)sizeof(float)), 1);
  return IG_MIN(samples > 0 ? IG_MIN(samples, available) : available, most);
}

ig_status ig_quant_outputs_create(const ig_graph *graph, ig_backend *backend, ig_store *store,
                                  ig_dataset *data, const ig_calibration_options *options,
                                  int64_t samples, ig_quant_outputs **out) {
  ig_quant_outputs *o = ig_alloc_zero(1, sizeof *o);
  IG_CHECK_ALLOC(o);
  o->backend = backend;
  o->data = data;
  int64_t limit = affordable(graph, samples, data->n_samples);
  o->options = (ig_eval_options){.task = IG_TASK_REGRESSION,
                                 .batch = IG_MAX(IG_MIN(options->batch, limit), 1),
                                 .limit = limit,
                                 .no_metrics = true,
                                 .frozen = true,
                                 .workers = options->workers,
                                 .n_normalizations = options->n_normalizations,
                                 .normalizations = options->normalizations,
                                 .memory_limit = options->memory_limit};
  ig_status status = run(o, graph, store, keep);
  if (status == IG_OK) *out = o;
  else ig_quant_outputs_destroy(o);
  return status;
}

void ig_quant_outputs_destroy(ig_quant_outputs *outputs) {
  if (!outputs) return;
  free(outputs->kept); /* ig_grow's */
  ig_free(outputs);
}

ig_status ig_quant_outputs_error(ig_quant_outputs *o, const ig_graph *graph, ig_store *store,
                                 double *error) {
  o->at = 0;
  o->difference = o->size = 0;
  IG_TRY(run(o, graph, store, compare));
  *error = o->size > 0 ? o->difference / o->size : o->difference;
  return IG_OK;
}

/* --- layers ------------------------------------------------------------------------------------ */

typedef struct probe {
  const ig_graph *prepared;
  ig_store *store;
  ig_recipe one; /* all f32 but one layer */
  const ig_calibration *calibration;
} probe;

/* The model with that layer alone in its format. */
static ig_status apply_one(probe *p, const ig_recipe *recipe, int layer, ig_graph **graph,
                           ig_store **store) {
  for (int i = 0; i < recipe->n_layers; i++) {
    p->one.layers[i] = recipe->layers[i];
    if (i != layer) p->one.layers[i].format = IG_QUANT_F32;
  }
  return ig_quantize_apply(p->prepared, p->store, &p->one, p->calibration, graph, store);
}

static ig_status measure_error(probe *p, ig_recipe *recipe, int layer, ig_quant_outputs *outputs) {
  ig_graph *graph;
  ig_store *store;
  IG_TRY(apply_one(p, recipe, layer, &graph, &store));
  ig_status status =
      ig_quant_outputs_error(outputs, graph, store, &recipe->layers[layer].output_error);
  ig_graph_destroy(graph);
  ig_store_destroy(store);
  return status;
}

static ig_status measure_drop(probe *p, ig_recipe *recipe, int layer, const ig_quant_judge *judge,
                              double metric_f32) {
  ig_graph *graph;
  ig_store *store;
  double metric;
  IG_TRY(apply_one(p, recipe, layer, &graph, &store));
  ig_status status = judge->metric(judge->context, graph, store, &metric);
  if (status == IG_OK) recipe->layers[layer].metric_drop = metric_f32 - metric;
  ig_graph_destroy(graph);
  ig_store_destroy(store);
  return status;
}

/* The layer with the largest error among those whose drop is not known; -1 when none is left. */
static int worst_unjudged(const ig_recipe *recipe) {
  int worst = -1;
  for (int i = 0; i < recipe->n_layers; i++) {
    const ig_quant_layer *l = &recipe->layers[i];
    if (isnan(l->output_error) || !isnan(l->metric_drop)) continue;
    if (worst < 0 || l->output_error > recipe->layers[worst].output_error) worst = i;
  }
  return worst;
}

static ig_status judge_worst(probe *p, ig_recipe *recipe, const ig_quant_judge *judge) {
  double metric_f32;
  IG_TRY(judge->metric(judge->context, p->prepared, p->store, &metric_f32));
  for (int k = 0; k < IG_QUANT_JUDGED; k++) {
    int layer = worst_unjudged(recipe);
    if (layer < 0) return IG_OK;
    IG_TRY(measure_drop(p, recipe, layer, judge, metric_f32));
  }
  return IG_OK;
}

ig_status ig_quantize_sensitivity(const ig_graph *prepared, ig_store *store, ig_recipe *recipe,
                                  const ig_calibration *calibration, ig_quant_outputs *outputs,
                                  const ig_quant_judge *judge) {
  probe p = {.prepared = prepared, .store = store, .one = *recipe, .calibration = calibration};
  p.one.layers = ig_alloc_zero((size_t)recipe->n_layers + 1, sizeof *p.one.layers);
  IG_CHECK_ALLOC(p.one.layers);
  ig_status status = IG_OK;
  for (int i = 0; i < recipe->n_layers && status == IG_OK; i++) {
    const ig_quant_layer *l = &recipe->layers[i];
    if (l->weight && l->format != IG_QUANT_F32) status = measure_error(&p, recipe, i, outputs);
  }
  if (status == IG_OK && judge && judge->metric) status = judge_worst(&p, recipe, judge);
  ig_free(p.one.layers);
  return status;
}
