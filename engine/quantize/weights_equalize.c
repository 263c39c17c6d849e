/* Two ways to move spread from where it costs accuracy to where it costs less, without changing what the
 * model computes. Cross-layer equalisation (Nagel et al. 2019, section 4.1): channel i of what lies between
 * two layers is divided by s_i in the first and multiplied by it in the second, so that the channel's weights
 * are equally wide in both (equation 11). SmoothQuant (Xiao et al. 2022, equation 4): channel j of what a
 * normalisation hands to products is divided by s_j in its gain, and multiplied in their weights. */
#include <math.h>
#include <string.h>

#include "engine/quantize/statistics.h"
#include "engine/quantize/weights_parts.h"

#define ROUNDS 20
#define SETTLED 0.01 /* of log s */
#define WIDEST 1024.0

static const ig_quant_layer *layer_of(const ig_recipe *recipe, const ig_node *node) {
  for (int i = 0; i < recipe->n_layers; i++) {
    if (recipe->layers[i].weight && strcmp(recipe->layers[i].node, node->name) == 0) {
      return &recipe->layers[i];
    }
  }
  return NULL;
}

/* f(x s) = f(x) s for positive s, and channels stay apart. */
static bool passes_factors(const ig_node *node) {
  static const char *const ops[] = {"Relu",        "LeakyRelu",         "MaxPool",
                                    "AveragePool", "GlobalAveragePool", "GlobalMaxPool"};
  for (int i = 0; i < IG_COUNT(ops); i++) {
    if (strcmp(node->op->name, ops[i]) == 0) return true;
  }
  return false;
}

/* The layer that alone reads what this one makes, through nothing but what passes factors on. */
static const ig_quant_layer *next_layer(const ig_graph *graph, const ig_recipe *recipe,
                                        const ig_layer_weights *first) {
  const ig_value *v = first->node->outputs[0];
  const ig_node *node = ig_only_reader(graph, v);
  bool product = strcmp(first->node->op->name, "MatMul") == 0;
  if (node && product && first->bias && strcmp(node->op->name, "Add") == 0) {
    v = node->outputs[0];
    node = ig_only_reader(graph, v);
  }
  while (node && passes_factors(node) && node->inputs[0] == v) {
    v = node->outputs[0];
    node = ig_only_reader(graph, v);
  }
  return node && node->inputs[0] == v ? layer_of(recipe, node) : NULL;
}

/* Greatest magnitudes by channel of output or input. */
static void widths(const ig_layer_weights *l, bool out, double *width) {
  int64_t count = ig_value_count(l->weight), n = out ? l->n_out : l->n_in;
  for (int64_t c = 0; c < n; c++) width[c] = 0;
  for (int64_t i = 0; i < count; i++) {
    int64_t c = out ? ig_weight_out(l, i) : ig_weight_in(l, i);
    width[c] = fmax(width[c], fabs((double)l->w[i]));
  }
}

static void scale_out(ig_layer_weights *l, const double *factor) {
  for (int64_t i = 0; i < ig_value_count(l->weight); i++) {
    l->w[i] = (float)((double)l->w[i] * factor[ig_weight_out(l, i)]);
  }
  for (int64_t c = 0; c < l->n_out && l->b; c++) l->b[c] = (float)((double)l->b[c] * factor[c]);
}

static void scale_in(ig_layer_weights *l, const double *factor) {
  for (int64_t i = 0; i < ig_value_count(l->weight); i++) {
    l->w[i] = (float)((double)l->w[i] * factor[ig_weight_in(l, i)]);
  }
}

/* One pair; *moved is the largest |log s|. */
static ig_status equalize_pair(ig_layer_weights *a, ig_layer_weights *b, double *moved) {
  int64_t n = a->n_out;
  double *first = ig_alloc((size_t)n * 2 * sizeof *first), *second = first + n;
  IG_CHECK(first, IG_ERR_MEMORY, "equalisation: out of memory");
  widths(a, true, first);
  widths(b, false, second);
  *moved = 0;
  for (int64_t c = 0; c < n; c++) {
    double s = first[c] > 0 && second[c] > 0 ? sqrt(first[c] / second[c]) : 1;
    s = fmin(fmax(isfinite(s) ? s : 1, 1 / WIDEST), WIDEST);
    *moved = fmax(*moved, fabs(log(s)));
    first[c] = 1 / s;
    second[c] = s;
  }
  scale_out(a, first);
  scale_in(b, second);
  ig_free(first);
  return IG_OK;
}

/* Whether there was a pair. */
static ig_status visit_pair(ig_graph *graph, ig_store *store, const ig_recipe *recipe,
                            const ig_quant_layer *layer, bool *pair, double *moved) {
  ig_layer_weights a, b;
  bool usable = false;
  *pair = false;
  IG_TRY(ig_layer_weights_open(graph, store, layer, &a, &usable));
  if (!usable) return IG_OK;
  const ig_quant_layer *next = next_layer(graph, recipe, &a);
  ig_status status = next ? ig_layer_weights_open(graph, store, next, &b, &usable) : IG_OK;
  if (next && usable && status == IG_OK) {
    *pair = a.n_out == b.n_in;
    if (*pair) status = equalize_pair(&a, &b, moved);
    if (*pair && status == IG_OK) status = ig_layer_weights_save(&a, store);
    if (*pair && status == IG_OK) status = ig_layer_weights_save(&b, store);
    ig_layer_weights_close(&b);
  }
  ig_layer_weights_close(&a);
  return status;
}

ig_status ig_quantize_equalize(ig_graph *prepared, ig_store *store, const ig_recipe *recipe,
                               int *pairs) {
  double moved = INFINITY;
  for (int round = 0; round < ROUNDS && moved > SETTLED; round++) {
    moved = 0;
    *pairs = 0;
    for (int i = 0; i < recipe->n_layers; i++) {
      bool pair;
      double by = 0;
      IG_TRY(visit_pair(prepared, store, recipe, &recipe->layers[i], &pair, &by));
      *pairs += pair;
      moved = fmax(moved, by);
    }
  }
  return IG_OK;
}

/* --- SmoothQuant --------------------------------------------------------------------------------- */

/* A normalisation with a gain, and a bias or none, all of whose readers are products with weights of their
 * own: the layers of the recipe, `n` of them at `layers`. 0 where it is not so. */
static int64_t smoothable(const ig_graph *graph, const ig_recipe *recipe, const ig_node *node,
                          const ig_quant_layer **layers) {
  bool norm = strcmp(node->op->name, "LayerNormalization") == 0 ||
              strcmp(node->op->name, "RMSNormalization") == 0;
  if (!norm) return 0;
  const ig_value *out = node->outputs[0];
  if (out->n_uses < 1 || ig_value_use_count(graph, out) != out->n_uses) return 0;
  for (int i = 1; i < node->n_inputs; i++) {
    const ig_value *v = node->inputs[i];
    bool own = v && v->kind == IG_VALUE_PARAM && v->dtype == IG_F32 && v->shape.rank == 1 &&
               ig_value_use_count(graph, v) == 1;
    if (v ? !own : i == 1) return 0;
  }
  for (int32_t u = 0; u < out->n_uses; u++) {
    layers[u] = out->uses[u].input == 0 ? layer_of(recipe, out->uses[u].node) : NULL;
    if (!layers[u]) return 0;
  }
  return out->n_uses;
}

/* Divides gain and bias. */
static ig_status divide_norm(ig_store *store, const ig_node *node, const double *s) {
  for (int i = 1; i < IG_MIN(node->n_inputs, 3); i++) {
    if (!node->inputs[i]) continue;
    float *host;
    IG_TRY(ig_store_read_floats(store, node->inputs[i]->name, &host));
    for (int64_t c = 0; c < ig_value_count(node->inputs[i]); c++) {
      host[c] = (float)((double)host[c] / s[c]);
    }
    ig_status status = ig_store_write_floats(store, node->inputs[i]->name, host);
    ig_free(host);
    IG_TRY(status);
  }
  return IG_OK;
}

/* Adds to width[] what the layers' weights have by input channel, or (factor) multiplies them. */
static ig_status through_layers(const ig_graph *graph, ig_store *store,
                                const ig_quant_layer **layers, int64_t n, int64_t channels,
                                double *width, const double *factor, bool *fits) {
  double *own = ig_alloc((size_t)channels * sizeof *own);
  IG_CHECK(own, IG_ERR_MEMORY, "SmoothQuant: out of memory");
  ig_status status = IG_OK;
  *fits = true;
  for (int64_t i = 0; i < n && *fits && status == IG_OK; i++) {
    ig_layer_weights l;
    bool usable;
    status = ig_layer_weights_open(graph, store, layers[i], &l, &usable);
    if (status != IG_OK) break;
    *fits = usable && l.n_in == channels && l.groups == 1;
    if (*fits && factor) {
      scale_in(&l, factor);
      status = ig_layer_weights_save(&l, store);
    } else if (*fits) {
      widths(&l, false, own);
      for (int64_t c = 0; c < channels; c++) width[c] = fmax(width[c], own[c]);
    }
    if (usable) ig_layer_weights_close(&l);
  }
  ig_free(own);
  return status;
}

/* One normalisation; *done is how many layers follow it. */
static ig_status smooth_one(const ig_graph *graph, ig_store *store, const ig_node *node,
                            const ig_quant_layer **layers, int64_t n, const ig_statistic *most,
                            double alpha, int *done) {
  int64_t channels = most->size;
  bool fits = ig_value_count(node->inputs[1]) == channels;
  if (channels < 1 || !fits) return IG_OK;
  double *s = ig_alloc_zero((size_t)channels, sizeof *s);
  IG_CHECK(s, IG_ERR_MEMORY, "SmoothQuant: out of memory");
  ig_status status = through_layers(graph, store, layers, n, channels, s, NULL, &fits);
  for (int64_t c = 0; c < channels && status == IG_OK && fits; c++) {
    double x = (double)most->result[c], w = s[c];
    s[c] = x > 0 && w > 0 ? pow(x, alpha) / pow(w, 1 - alpha) : 1;
    s[c] = fmin(fmax(isfinite(s[c]) ? s[c] : 1, 1 / WIDEST), WIDEST);
  }
  if (status == IG_OK && fits) {
    status = through_layers(graph, store, layers, n, channels, NULL, s, &fits);
    if (status == IG_OK) status = divide_norm(store, node, s);
    *done += (int)n;
  }
  ig_free(s);
  return status;
}

typedef struct smoothed {
  int64_t n;
  ig_node **nodes;
  ig_statistic *most;
  const ig_quant_layer **layers;
} smoothed;

static ig_status smooth_all(const ig_graph *graph, ig_store *store, const ig_recipe *recipe,
                            const smoothed *all, int *layers) {
  for (int64_t i = 0; i < all->n; i++) {
    int64_t n = smoothable(graph, recipe, all->nodes[i], all->layers);
    IG_TRY(smooth_one(graph, store, all->nodes[i], all->layers, n, &all->most[i],
                      recipe->settings.smooth, layers));
  }
  return IG_OK;
}

ig_status ig_quantize_smooth(ig_graph *prepared, ig_backend *backend, ig_store *store,
                             const ig_recipe *recipe, ig_dataset *data,
                             const ig_calibration_options *options, int *layers) {
  size_t nodes = (size_t)prepared->n_nodes + 1;
  smoothed all = {.nodes = ig_alloc_zero(nodes, sizeof *all.nodes),
                  .most = ig_alloc_zero(nodes, sizeof *all.most),
                  .layers = ig_alloc_zero(nodes, sizeof *all.layers)};
  ig_status status = all.nodes && all.most && all.layers
                         ? IG_OK
                         : ig_fail(IG_ERR_MEMORY, "SmoothQuant: out of memory");
  *layers = 0;
  for (int32_t i = 0; i < prepared->n_nodes && status == IG_OK; i++) {
    ig_node *node = prepared->nodes[i];
    if (!ig_node_is_live(node) || !smoothable(prepared, recipe, node, all.layers)) continue;
    all.most[all.n] =
        (ig_statistic){.kind = IG_STATISTIC_ABS_MOST, .value = node->outputs[0]->name, .axis = -1};
    all.nodes[all.n++] = node;
  }
  if (status == IG_OK && all.n > 0) {
    status = ig_quantize_statistics(prepared, backend, store, data, options, (int)all.n, all.most);
    if (status == IG_OK) status = smooth_all(prepared, store, recipe, &all, layers);
    ig_statistics_release((int)all.n, all.most);
  }
  ig_free(all.nodes);
  ig_free(all.most);
  ig_free(all.layers);
  return status;
}
