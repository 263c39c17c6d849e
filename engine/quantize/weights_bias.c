/* Bias correction (Nagel et al. 2019, section 4.2): rounding a weight shifts the mean of what its layer makes
 * by (w^ - w) E[x], by output channel; the shift is taken out of the bias. E[x] is the mean of the layer's
 * input over the calibration data, by channel; the zeros that a convolution pads with are not counted. */
#include <string.h>

#include "engine/quantize/statistics.h"
#include "engine/quantize/weights_parts.h"

static ig_status correct(ig_layer_weights *l, const ig_quant_settings *settings, const float *mean,
                         ig_store *store) {
  ig_weight_slices slices;
  ig_quant_weight made;
  double *shift = ig_alloc_zero((size_t)l->n_out, sizeof *shift);
  IG_CHECK(shift, IG_ERR_MEMORY, "bias correction: out of memory");
  ig_status status = ig_weight_slices_of(l->layer, settings, &l->weight->shape, &slices);
  if (status == IG_OK) {
    status = ig_quantize_weight(l->layer, settings, &l->weight->shape, l->w, &made);
  }
  if (status != IG_OK) {
    ig_free(shift);
    return status;
  }
  for (int64_t i = 0; i < ig_value_count(l->weight); i++) {
    double scale = (double)made.scale[ig_weight_scale_index(&slices, i)];
    double change = (double)made.codes[i] * scale - (double)l->w[i];
    shift[ig_weight_out(l, i)] += change * (double)mean[ig_weight_in(l, i)];
  }
  for (int64_t c = 0; c < l->n_out; c++) l->b[c] = (float)((double)l->b[c] - shift[c]);
  ig_quant_weight_release(&made);
  ig_free(shift);
  return ig_store_write_floats(store, l->bias->name, l->b);
}

/* With `mean` NULL, only says whether the layer has a bias to correct, and of what to take the mean. */
static ig_status visit(const ig_graph *graph, ig_store *store, const ig_recipe *recipe, int index,
                       const ig_statistic *mean, ig_statistic *wanted, bool *usable) {
  ig_layer_weights l;
  const ig_quant_layer *layer = &recipe->layers[index];
  *usable = false;
  if (!ig_quant_has_codes(layer->format)) return IG_OK;
  IG_TRY(ig_layer_weights_open(graph, store, layer, &l, usable));
  if (!*usable) return IG_OK;
  ig_status status = IG_OK;
  *usable = l.bias != NULL;
  if (*usable && mean) {
    *usable = mean->size == l.n_in;
    if (*usable) status = correct(&l, &recipe->settings, mean->result, store);
  } else if (*usable) {
    bool conv = strcmp(l.node->op->name, "Conv") == 0;
    *wanted = (ig_statistic){
        .kind = IG_STATISTIC_MEAN, .value = l.node->inputs[0]->name, .axis = conv ? 1 : -1};
  }
  ig_layer_weights_close(&l);
  return status;
}

ig_status ig_quantize_correct_bias(const ig_graph *prepared, ig_backend *backend, ig_store *store,
                                   const ig_recipe *recipe, ig_dataset *data,
                                   const ig_calibration_options *options, int *layers) {
  size_t n = (size_t)recipe->n_layers + 1;
  int count = 0, *of = ig_alloc(n * sizeof *of);
  ig_statistic *means = ig_alloc_zero(n, sizeof *means);
  ig_status status = of && means ? IG_OK : ig_fail(IG_ERR_MEMORY, "bias correction: out of memory");
  bool usable = false;
  *layers = 0;
  for (int i = 0; i < recipe->n_layers && status == IG_OK; i++) {
    status = visit(prepared, store, recipe, i, NULL, &means[count], &usable);
    if (usable) of[count++] = i;
  }
  if (status == IG_OK && count > 0) {
    status = ig_quantize_statistics(prepared, backend, store, data, options, count, means);
    for (int i = 0; i < count && status == IG_OK; i++) {
      status = visit(prepared, store, recipe, of[i], &means[i], NULL, &usable);
      *layers += status == IG_OK && usable;
    }
    ig_statistics_release(count, means);
  }
  ig_free(of);
  ig_free(means);
  return status;
}
