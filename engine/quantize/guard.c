/* What 16 bits cannot hold: f16 ends at 65504, and has nothing between 0 and 2^-24. */
#include <math.h>
#include <string.h>

#include "engine/quantize/calibrate.h"

#define F16_MOST 65504.0
#define F16_LEAST 0x1p-25 /* rounds to 0 */

static ig_status keep(ig_recipe *recipe, ig_quant_layer *layer, const char *why) {
  IG_CHECK_ALLOC(why);
  layer->format = IG_QUANT_F32;
  layer->why = ig_arena_strdup(recipe->arena, why);
  IG_CHECK_ALLOC(layer->why);
  return IG_OK;
}

static ig_status check_weight(ig_recipe *recipe, ig_quant_layer *layer, const ig_store *store) {
  const ig_store_entry *entry = ig_store_find(store, layer->weight);
  IG_CHECK(entry && entry->dtype == IG_F32, IG_ERR_INTERNAL, "layer '%s': no weight '%s'", layer->node,
           layer->weight);
  int64_t n = ig_shape_count(&entry->shape), lost = 0, held = 0;
  float *w = ig_alloc((size_t)n * sizeof *w), most = 0;
  IG_CHECK_ALLOC(w);
  ig_status status = ig_store_read(store, entry, w);
  for (int64_t i = 0; i < n && status == IG_OK; i++) {
    most = fmaxf(most, fabsf(w[i]));
    held += w[i] != 0;
    lost += w[i] != 0 && fabs((double)w[i]) <= F16_LEAST;
  }
  ig_free(w);
  IG_TRY(status);
  if ((double)most > F16_MOST) {
    return keep(recipe, layer, ig_arena_format(recipe->arena, "its weight reaches %.4g", (double)most));
  }
  return 2 * lost > held ? keep(recipe, layer, "most of its weight would become 0") : IG_OK;
}

static ig_status check_value(ig_recipe *recipe, ig_quant_layer *layer, const ig_value *value,
                             const ig_calibration *calibration) {
  const ig_seen *seen = value ? ig_calibration_find(calibration, value->name) : NULL;
  if (!seen || layer->format != IG_QUANT_F16) return IG_OK;
  double most = fmax(fabs((double)seen->least), fabs((double)seen->most));
  if (most <= F16_MOST) return IG_OK;
  return keep(recipe, layer, ig_arena_format(recipe->arena, "'%s' reaches %.4g", value->name, most));
}

static const ig_node *find_node(const ig_graph *graph, const char *name) {
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    if (strcmp(graph->nodes[i]->name, name) == 0) return graph->nodes[i];
  }
  return NULL;
}

ig_status ig_recipe_guard_f16(ig_recipe *recipe, const ig_graph *prepared, const ig_store *store,
                              const ig_calibration *calibration) {
  for (int i = 0; i < recipe->n_layers; i++) {
    ig_quant_layer *layer = &recipe->layers[i];
    if (layer->format != IG_QUANT_F16) continue;
    if (layer->weight) IG_TRY(check_weight(recipe, layer, store));
    const ig_node *node = find_node(prepared, layer->node);
    for (int k = 0; calibration && node && k < node->n_inputs; k++) {
      IG_TRY(check_value(recipe, layer, node->inputs[k], calibration));
    }
    for (int k = 0; calibration && node && k < node->n_outputs; k++) {
      IG_TRY(check_value(recipe, layer, node->outputs[k], calibration));
    }
  }
  return IG_OK;
}
