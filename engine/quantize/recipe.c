/* Which layers a prepared graph has, and the names of formats. */
#include "engine/quantize/recipe.h"

#include <math.h>
#include <string.h>

#include "engine/passes/rewrite.h"
#include "engine/quantize/roles.h"

const char *ig_quant_format_name(ig_quant_format format) {
  static const char *const names[] = {
      [IG_QUANT_F32] = "f32",
      [IG_QUANT_F16] = "fp16",
      [IG_QUANT_BF16] = "bf16",
      [IG_QUANT_INT8] = "int8",
      [IG_QUANT_INT8_DYNAMIC] = "int8-dynamic",
      [IG_QUANT_INT8_WEIGHTS] = "int8-weights",
      [IG_QUANT_INT4_WEIGHTS] = "int4-weights",
      [IG_QUANT_FP8] = "fp8",
  };
  return format < IG_QUANT_FORMATS ? names[format] : "?";
}

ig_status ig_quant_format_parse(const char *name, ig_quant_format *out) {
  for (int f = 0; f < IG_QUANT_FORMATS; f++) {
    if (strcmp(name, ig_quant_format_name((ig_quant_format)f)) != 0) continue;
    *out = (ig_quant_format)f;
    return IG_OK;
  }
  return ig_fail(IG_ERR_USAGE, "'%s' is no format of quantization", name);
}

/* --- what each layer can be -------------------------------------------------------------------- */

static bool multiplies_codes(ig_quant_format format) {
  return format == IG_QUANT_INT8 || format == IG_QUANT_INT8_DYNAMIC || format == IG_QUANT_FP8;
}

/* Why a product cannot have the format, or NULL. */
static const char *reason_against(const ig_node *node, ig_quant_role role, ig_quant_format format) {
  if (role != IG_QUANT_PRODUCT || !multiplies_codes(format)) return NULL;
  if (ig_node_is(node, "ConvTranspose")) return "transposed convolutions multiply f32";
  if (ig_attr_int_of(node, "transA", 0)) return "its activations are transposed";
  if (ig_node_is(node, "MatMul") && node->inputs[1]->shape.rank != 2) {
    return "its weight has more than two dimensions";
  }
  return NULL;
}

/* Two activations, neither of which is known before running. */
static bool is_inner_product(const ig_node *node) {
  bool product = ig_node_is(node, "MatMul") || ig_node_is(node, "Gemm") || ig_node_is(node, "Conv");
  return product && node->inputs[1]->kind == IG_VALUE_RESULT;
}

static ig_status keep(ig_recipe *recipe, ig_quant_layer *layer) {
  bool weighted = layer->weight != NULL;
  layer->node = ig_arena_strdup(recipe->arena, layer->node);
  if (layer->weight) layer->weight = ig_arena_strdup(recipe->arena, layer->weight);
  IG_CHECK(layer->node && (layer->weight || !weighted), IG_ERR_MEMORY, "recipe: out of memory");
  recipe->layers[recipe->n_layers++] = *layer;
  return IG_OK;
}

/* What cannot multiply codes has narrow weights all the same. */
static ig_status list_node(ig_recipe *recipe, const ig_quant_flow *flow, const ig_node *node) {
  ig_quant_format format = recipe->settings.format;
  ig_quant_layer layer = {.format = format,
                          .output_error = NAN,
                          .metric_drop = NAN,
                          .seconds_f32 = NAN,
                          .seconds = NAN};
  ig_quant_role role = ig_quant_role_of(node, &layer);
  if (role == IG_QUANT_PRODUCT || role == IG_QUANT_TABLE) {
    layer.why = reason_against(node, role, format);
    if (layer.why) layer.format = IG_QUANT_INT8_WEIGHTS;
    return keep(recipe, &layer);
  }
  if (multiplies_codes(format) && is_inner_product(node)) {
    layer.why = "a product of two activations";
    layer.format = IG_QUANT_F32;
    return keep(recipe, &layer);
  }
  bool alone = format == IG_QUANT_INT8_DYNAMIC || format == IG_QUANT_INT8_WEIGHTS ||
               format == IG_QUANT_INT4_WEIGHTS;
  return !alone && flow->coded[node->id] ? keep(recipe, &layer) : IG_OK;
}

static ig_status list_all(const ig_graph *graph, ig_recipe *recipe) {
  ig_quant_flow flow;
  IG_TRY(ig_quant_flow_create(graph, NULL, IG_QUANT_CODES, &flow));
  ig_status status = IG_OK;
  for (int32_t i = 0; i < graph->n_nodes && status == IG_OK; i++) {
    if (!flow.root[i]) status = list_node(recipe, &flow, graph->nodes[i]);
  }
  ig_quant_flow_release(&flow);
  IG_TRY(status);
  int weighted = 0;
  for (int i = 0; i < recipe->n_layers; i++) weighted += recipe->layers[i].weight != NULL;
  IG_CHECK(weighted > 0, IG_ERR_USAGE,
           "graph '%s': no layer to quantize: no product or table with a parameter of f32",
           graph->name);
  return IG_OK;
}

ig_status ig_recipe_create(const ig_graph *prepared, const ig_quant_settings *settings,
                           ig_recipe **out) {
  ig_arena *arena = ig_arena_create();
  IG_CHECK_ALLOC(arena);
  ig_recipe *recipe = ig_arena_alloc(arena, sizeof *recipe);
  ig_status status = recipe ? IG_OK : ig_fail(IG_ERR_MEMORY, "recipe: out of memory");
  if (recipe) {
    *recipe = (ig_recipe){.arena = arena, .settings = *settings};
    recipe->layers =
        ig_arena_alloc(arena, ((size_t)prepared->n_nodes + 1) * sizeof *recipe->layers);
    status = recipe->layers ? list_all(prepared, recipe)
                            : ig_fail(IG_ERR_MEMORY, "recipe: out of memory");
  }
  if (status != IG_OK) {
    ig_arena_destroy(arena);
    return status;
  }
  *out = recipe;
  return IG_OK;
}

void ig_recipe_destroy(ig_recipe *recipe) {
  if (recipe) ig_arena_destroy(recipe->arena);
}
