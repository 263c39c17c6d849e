/* The search for the mix of formats: the more layers go back, worst first, the smaller the drop is taken to
 * be, so that bisection finds how many have to; what went back for nothing returns afterwards. */
#include <math.h>

#include "engine/quantize/sensitivity.h"

typedef struct search {
  const ig_graph *prepared;
  ig_store *store;
  ig_recipe *recipe;
  const ig_calibration *calibration;
  const ig_quant_judge *judge;
  ig_quant_format back;
  double max_drop;
  int n; /* layers that may go back, most damaging first: */
  int *order;
  ig_quant_format *wanted; /* by layer */
  ig_mix_result *result;
} search;

static void set_back(search *s, int layer, bool back) {
  ig_quant_layer *l = &s->recipe->layers[layer];
  l->format = back ? s->back : s->wanted[layer];
}

static ig_status measure(search *s, double *drop) {
  ig_graph *graph;
  ig_store *store;
  double metric;
  IG_TRY(ig_quantize_apply(s->prepared, s->store, s->recipe, s->calibration, &graph, &store));
  ig_status status = s->judge->metric(s->judge->context, graph, store, &metric);
  ig_graph_destroy(graph);
  ig_store_destroy(store);
  IG_TRY(status);
  s->result->tried++;
  s->result->metric = metric;
  *drop = s->result->metric_f32 - metric;
  if (isnan(*drop)) *drop = INFINITY;
  return IG_OK;
}

/* Stable for equal errors: by position. */
static void sort_by_damage(search *s) {
  for (int i = 1; i < s->n; i++) {
    int layer = s->order[i], k = i;
    double error = s->recipe->layers[layer].output_error;
    while (k > 0 && s->recipe->layers[s->order[k - 1]].output_error < error) {
      s->order[k] = s->order[k - 1];
      k--;
    }
    s->order[k] = layer;
  }
}

static void list_candidates(search *s) {
  for (int i = 0; i < s->recipe->n_layers; i++) {
    const ig_quant_layer *l = &s->recipe->layers[i];
    s->wanted[i] = l->format;
    bool measured = l->weight && l->format != s->back && l->format != IG_QUANT_F32;
    if (measured && !isnan(l->output_error)) s->order[s->n++] = i;
  }
  sort_by_damage(s);
}

static void send_back(search *s, int count) {
  for (int i = 0; i < s->n; i++) set_back(s, s->order[i], i < count);
}

/* The least count that will do, one layer staying quantized at least; without any, what came closest. `drop` is
 * that count's, and at first that of none. */
static ig_status bisect(search *s, int *count, double *drop) {
  int low = 0, high = s->n - 1; /* `low` will not do */
  double at_high;
  if (high == 0) return IG_OK;
  send_back(s, high);
  IG_TRY(measure(s, &at_high));
  s->result->met = at_high <= s->max_drop;
  if (!s->result->met && *drop <= at_high) {
    send_back(s, 0);
    return IG_OK;
  }
  while (s->result->met && high - low > 1) {
    int middle = low + (high - low) / 2;
    double at_middle;
    send_back(s, middle);
    IG_TRY(measure(s, &at_middle));
    if (at_middle <= s->max_drop) {
      high = middle;
      at_high = at_middle;
    } else {
      low = middle;
    }
  }
  send_back(s, high);
  *count = high;
  *drop = at_high;
  return IG_OK;
}

/* Of those that went back, the least damaging first: does it have to? */
static ig_status return_some(search *s, int count, double *drop) {
  int tries = IG_MIN(count, IG_QUANT_RETURNS);
  for (int k = 0; k < tries; k++) {
    int layer = s->order[count - 1 - k];
    double without;
    set_back(s, layer, false);
    IG_TRY(measure(s, &without));
    if (without <= s->max_drop) *drop = without;
    else set_back(s, layer, true);
  }
  return IG_OK;
}

static ig_status give_reasons(search *s) {
  for (int i = 0; i < s->recipe->n_layers; i++) {
    ig_quant_layer *l = &s->recipe->layers[i];
    if (l->format == s->wanted[i]) continue;
    l->why = ig_arena_format(s->recipe->arena,
                             "kept in %s: in %s alone it changes the output by %.2g of its size",
                             ig_quant_format_name(l->format), ig_quant_format_name(s->wanted[i]),
                             sqrt(l->output_error));
    IG_CHECK_ALLOC(l->why);
    s->result->kept_back++;
  }
  return IG_OK;
}

static ig_status find(search *s) {
  double drop;
  int count = 0;
  list_candidates(s);
  IG_TRY(s->judge->metric(s->judge->context, s->prepared, s->store, &s->result->metric_f32));
  IG_TRY(measure(s, &drop));
  s->result->met = drop <= s->max_drop;
  if (!s->result->met) {
    IG_TRY(bisect(s, &count, &drop));
    if (s->result->met) IG_TRY(return_some(s, count, &drop));
  }
  s->result->metric = s->result->metric_f32 - drop;
  return give_reasons(s);
}

ig_status ig_quantize_mix(const ig_graph *prepared, ig_store *store, ig_recipe *recipe,
                          const ig_calibration *calibration, const ig_quant_judge *judge,
                          double max_drop, ig_quant_format back, ig_mix_result *result) {
  size_t n = (size_t)recipe->n_layers + 1;
  *result = (ig_mix_result){.seconds_f32 = NAN, .seconds = NAN};
  search s = {.prepared = prepared,
              .store = store,
              .recipe = recipe,
              .calibration = calibration,
              .judge = judge,
              .back = back,
              .max_drop = max_drop,
              .order = ig_alloc_zero(n, sizeof *s.order),
              .wanted = ig_alloc_zero(n, sizeof *s.wanted),
              .result = result};
  ig_status status = s.order && s.wanted ? find(&s) : ig_fail(IG_ERR_MEMORY, "mix: out of memory");
  ig_free(s.order);
  ig_free(s.wanted);
  return status;
}
