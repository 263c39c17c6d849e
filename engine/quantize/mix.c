/* The search for the mix of formats: layers are kept back in the order of the damage that each does alone. How
 * many must be is found by halving, as if more layers in f32 never cost accuracy; what that leaves too many of
 * is given back one by one, least damage first. The number of models measured is bounded by the logarithm of the
 * layers and MOST_RETURNS. */
#include <math.h>
#include <stdlib.h>

#include "engine/quantize/sensitivity.h"

#define MOST_RETURNS 16

/* A layer that may be kept back. */
typedef struct suspect {
  int layer; /* index in the recipe */
  double drop, damage;
} suspect;

typedef struct mix {
  const ig_graph *prepared;
  ig_store *store;
  ig_recipe *recipe;
  const ig_calibration *calibration;
  const ig_quant_judge *judge;
  double max_drop;
  int n;
  suspect *order;          /* quantized layers with weights, most damage first */
  ig_quant_format *asked;  /* of every layer, as the recipe came */
  ig_quant_format *best;   /* those of the best mix so far */
  double best_metric, best_seconds;
  bool best_met;
  ig_mix_result *result;
} mix;

/* --- measuring ---------------------------------------------------------------------------------- */

/* Whether this mix is better than the best: one within the drop beats one that is not; then the faster, or
 * the more accurate. */
static bool is_better(const mix *m, bool met, double metric, double seconds) {
  if (m->result->tried == 1) return true;
  if (met != m->best_met) return met;
  return met ? seconds < m->best_seconds : metric > m->best_metric;
}

/* The recipe as it stands. Not a number counts as no accuracy at all. */
static ig_status measure(mix *m, bool *met) {
  ig_graph *graph = NULL;
  ig_store *store = NULL;
  double metric = NAN, seconds = 0;
  IG_TRY(ig_quantize_apply(m->prepared, m->store, m->recipe, m->calibration, &graph, &store));
  ig_status status = m->judge->metric(m->judge->context, graph, store, &metric);
  if (status == IG_OK) status = m->judge->seconds(m->judge->context, graph, store, &seconds);
  ig_store_destroy(store);
  ig_graph_destroy(graph);
  IG_TRY(status);
  if (isnan(metric)) metric = -HUGE_VAL;
  *met = m->result->metric_f32 - metric <= m->max_drop;
  m->result->tried++;
  if (!is_better(m, *met, metric, seconds)) return IG_OK;
  m->best_met = *met;
  m->best_metric = metric;
  m->best_seconds = seconds;
  for (int i = 0; i < m->recipe->n_layers; i++) m->best[i] = m->recipe->layers[i].format;
  return IG_OK;
}

/* --- the search --------------------------------------------------------------------------------- */

static double damage(const ig_quant_layer *layer) {
  return isnan(layer->output_error) ? 0 : layer->output_error;
}

/* Most damage first: what it costs of the metric, where that is known of both, else of the output. */
static int by_damage(const void *a, const void *b) {
  const suspect *x = a, *y = b;
  bool drops = !isnan(x->drop) && !isnan(y->drop) && x->drop != y->drop;
  double p = drops ? x->drop : x->damage, q = drops ? y->drop : y->damage;
  return p > q ? -1 : p < q ? 1 : (x->layer > y->layer) - (x->layer < y->layer);
}

/* The first `count` layers of the order in `format`, the others as asked for. */
static void keep_back(mix *m, int count, ig_quant_format format) {
  for (int i = 0; i < m->recipe->n_layers; i++) m->recipe->layers[i].format = m->asked[i];
  for (int i = 0; i < count; i++) m->recipe->layers[m->order[i].layer].format = format;
}

/* The least number of layers to keep back; n when none will do. */
static ig_status find_count(mix *m, ig_quant_format format, int *count) {
  int low = 0, high = m->n; /* `low` is too few; n leaves nothing quantized and is not measured */
  while (high - low > 1) {
    int middle = low + (high - low) / 2;
    bool met;
    keep_back(m, middle, format);
    IG_TRY(measure(m, &met));
    if (met) high = middle;
    else low = middle;
  }
  *count = high;
  return IG_OK;
}

static ig_status give_back(mix *m, int count, ig_quant_format format) {
  keep_back(m, count, format);
  int last = IG_MAX(0, count - 1 - MOST_RETURNS);
  for (int i = count - 2; i >= last; i--) { /* without the last one of all it was not met */
    ig_quant_layer *layer = &m->recipe->layers[m->order[i].layer];
    bool met;
    layer->format = m->asked[m->order[i].layer];
    IG_TRY(measure(m, &met));
    if (!met) layer->format = format;
  }
  return IG_OK;
}

static ig_status search(mix *m) {
  ig_mix_result *r = m->result;
  IG_TRY(m->judge->metric(m->judge->context, m->prepared, m->store, &r->metric_f32));
  IG_TRY(m->judge->seconds(m->judge->context, m->prepared, m->store, &r->seconds_f32));
  bool met;
  IG_TRY(measure(m, &met));
  if (met || m->n < 2) return IG_OK;
  int count;
  IG_TRY(find_count(m, IG_QUANT_F32, &count));
  return count < m->n ? give_back(m, count, IG_QUANT_F32) : IG_OK;
}

/* --- the result --------------------------------------------------------------------------------- */

/* The kept-back layers in bf16, where that is faster and accurate enough too. */
static ig_status try_halves(mix *m) {
  if (!m->best_met || m->recipe->settings.format == IG_QUANT_BF16) return IG_OK;
  int kept = 0;
  bool met;
  for (int i = 0; i < m->recipe->n_layers; i++) {
    bool back = m->best[i] == IG_QUANT_F32 && m->asked[i] != IG_QUANT_F32;
    m->recipe->layers[i].format = back ? IG_QUANT_BF16 : m->best[i];
    kept += back;
  }
  return kept ? measure(m, &met) : IG_OK;
}

static ig_status explain(mix *m) {
  for (int i = 0; i < m->recipe->n_layers; i++) {
    ig_quant_layer *layer = &m->recipe->layers[i];
    layer->format = m->best[i];
    if (m->best[i] == m->asked[i]) continue;
    bool drops = !isnan(layer->metric_drop) && layer->metric_drop > 0;
    layer->why = drops ? ig_arena_format(m->recipe->arena, "alone it costs %.4g of the metric", layer->metric_drop)
                       : ig_arena_format(m->recipe->arena, "alone it changes the output by %.3g of its energy",
                                         damage(layer));
    IG_CHECK(layer->why, IG_ERR_MEMORY, "mix: out of memory");
    m->result->kept_back++;
  }
  m->result->metric = m->best_metric;
  m->result->seconds = m->best_seconds;
  m->result->met = m->best_met;
  return IG_OK;
}

ig_status ig_quantize_mix(const ig_graph *prepared, ig_store *store, ig_recipe *recipe,
                          const ig_calibration *calibration, const ig_quant_judge *judge,
                          double max_drop, ig_mix_result *result) {
  size_t n = (size_t)recipe->n_layers;
  *result = (ig_mix_result){0};
  mix m = {.prepared = prepared,
           .store = store,
           .recipe = recipe,
           .calibration = calibration,
           .judge = judge,
           .max_drop = max_drop,
           .result = result,
           .order = ig_alloc((n + 1) * sizeof *m.order),
           .asked = ig_alloc((n + 1) * sizeof *m.asked),
           .best = ig_alloc((n + 1) * sizeof *m.best)};
  ig_status status = IG_OK;
  if (!m.order || !m.asked || !m.best) status = ig_fail(IG_ERR_MEMORY, "mix: out of memory");
  for (int i = 0; i < recipe->n_layers && status == IG_OK; i++) {
    m.asked[i] = recipe->layers[i].format;
    const ig_quant_layer *layer = &recipe->layers[i];
    if (!layer->weight || layer->format == IG_QUANT_F32) continue;
    m.order[m.n++] = (suspect){i, layer->metric_drop, damage(layer)};
  }
  if (status == IG_OK) {
    qsort(m.order, (size_t)m.n, sizeof *m.order, by_damage);
    status = search(&m);
  }
  if (status == IG_OK) status = try_halves(&m);
  if (status == IG_OK) status = explain(&m);
  ig_free(m.order);
  ig_free(m.asked);
  ig_free(m.best);
  return status;
}
