/* Between a quantized template and its trainable form. Parameters keep their ig_value and with it their name:
 * only type and flags change, and the bytes in the new store. */
#include "engine/quantize/fake.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/passes/rewrite.h"
#include "engine/quantize/roles.h"

#define QUANTIZE "QuantizeLinear"
#define DEQUANTIZE "DequantizeLinear"
#define FAKE "ingot.FakeQuantize"

/* Scales are two orders below weights, and Adam's steps are as long for both. */
#define SCALE_LEARNING_RATE 0.1f

/* --- stores ------------------------------------------------------------------------------------ */

/* The first `count` numbers of a scale, in `store` or constant; "one number" where there are fewer. */
static ig_status read_scale(const ig_store *store, const ig_value *value, ig_shape *shape,
                            float **out) {
  const ig_store_entry *entry = ig_value_is_const(value) ? NULL : ig_store_find(store, value->name);
  IG_CHECK(ig_value_is_const(value) || entry, IG_ERR_INPUT,
           "'%s' is a scale, expected a constant or a parameter", value->name);
  *shape = entry ? entry->shape : value->shape;
  IG_CHECK(value->dtype == IG_F32, IG_ERR_INPUT, "scale '%s' is %s, expected f32", value->name,
           ig_dtype_name(value->dtype));
  float *numbers = ig_alloc(ig_shape_bytes(shape, IG_F32) + sizeof *numbers);
  IG_CHECK_ALLOC(numbers);
  ig_status status = IG_OK;
  if (entry) status = ig_store_read(store, entry, numbers);
  else memcpy(numbers, value->data, ig_shape_bytes(shape, IG_F32));
  if (status != IG_OK) ig_free(numbers);
  else *out = numbers;
  return status;
}

/* Puts bytes under the name of a parameter of the graph. */
static ig_status put(ig_store *store, const ig_value *param, const void *bytes) {
  ig_store_entry *entry;
  IG_TRY(ig_store_get(store, param->name, IG_ROLE_PARAMETER, param->dtype, &param->shape, &entry));
  return ig_store_write(store, entry, bytes);
}

static ig_status copy_entry(ig_store *to, const ig_store *from, const ig_store_entry *entry) {
  ig_store_entry *made;
  IG_TRY(ig_store_get(to, entry->name, entry->role, entry->dtype, &entry->shape, &made));
  void *host = ig_alloc(ig_shape_bytes(&entry->shape, entry->dtype) + 1);
  IG_CHECK_ALLOC(host);
  ig_status status = ig_store_read(from, entry, host);
  if (status == IG_OK) status = ig_store_write(to, made, host);
  ig_free(host);
  return status;
}

/* What the new store lacks of the graph, from the first of two that has it in the same type. */
static ig_status fill(ig_store *to, const ig_graph *graph, const ig_store *first,
                      const ig_store *second) {
  const ig_store *const from[] = {first, second};
  for (int32_t i = 0; i < graph->n_values; i++) {
    const ig_value *v = graph->values[i];
    bool kept = v->kind == IG_VALUE_PARAM || v->kind == IG_VALUE_STATE;
    if (!kept || v->n_uses == 0 || ig_store_find(to, v->name)) continue;
    const ig_store_entry *entry = NULL;
    int s = 0;
    for (; s < 2 && (!entry || entry->dtype != v->dtype); s++) {
      entry = from[s] ? ig_store_find(from[s], v->name) : NULL;
    }
    IG_CHECK(entry && entry->dtype == v->dtype, IG_ERR_INPUT, "parameter '%s' has no values", v->name);
    IG_TRY(copy_entry(to, from[s - 1], entry));
  }
  return IG_OK;
}

/* --- quantized to trainable -------------------------------------------------------------------- */

/* Activations' scales that became parameters. */
typedef struct fake {
  ig_graph *graph;
  const ig_store *store;
  ig_store *out;
  ig_value **of; /* by the id of the scale's value */
  int32_t n_values;
  int changed;
} fake;

/* The parameter for an activation's scale: one for each value that is a scale. */
static ig_status scale_param(fake *f, const ig_value *scale, const char *name, ig_value **out) {
  bool known = scale->id < f->n_values;
  if (known && f->of[scale->id]) {
    *out = f->of[scale->id];
    return IG_OK;
  }
  ig_shape shape;
  float *numbers;
  char *full = ig_format("%s.scale", name);
  IG_CHECK_ALLOC(full);
  ig_status status = read_scale(f->store, scale, &shape, &numbers);
  if (status == IG_OK) {
    ig_init init = {.kind = IG_INIT_CONSTANT, .value = numbers[0]};
    *out = ig_graph_param(f->graph, full, IG_F32, IG_SCALAR, init, false);
    status = *out ? put(f->out, *out, numbers) : ig_graph_status(f->graph);
    if (status == IG_OK) (*out)->lr_scale = SCALE_LEARNING_RATE;
    if (status == IG_OK && known) f->of[scale->id] = *out;
    ig_free(numbers);
  }
  ig_free(full);
  return status;
}

/* The bounds of an 8-bit type around a zero point. */
static ig_status bounds_of(const ig_value *zero, ig_attr out[2]) {
  bool natural = !zero || zero->dtype == IG_U8; /* QuantizeLinear's type without a zero point */
  double z = 0;
  IG_CHECK(!zero || zero->dtype == IG_U8 || zero->dtype == IG_I8, IG_ERR_UNSUPPORTED,
           "activations are %s: trained with 8-bit integers alone", ig_dtype_name(zero->dtype));
  IG_TRY(ig_value_const_scalar(zero, "a zero point", 0, &z));
  out[0] = IG_INT("low", (natural ? 0 : -128) - (int64_t)z);
  out[1] = IG_INT("high", (natural ? 255 : 127) - (int64_t)z);
  return IG_OK;
}

/* The scale that moved numbers were rounded with before they were moved; NULL where they were not. */
static ig_value *scale_before_moves(const ig_value *x, const ig_attr bounds[2]) {
  ig_quant_layer unused;
  const ig_node *node = x->producer;
  while (node && ig_quant_role_of(node, &unused) == IG_QUANT_MOVE) node = node->inputs[0]->producer;
  bool same = node && ig_node_is(node, FAKE) && ig_attr_int_of(node, "low", -128) == bounds[0].i &&
              ig_attr_int_of(node, "high", 127) == bounds[1].i;
  return same ? node->inputs[1] : NULL;
}

/* QuantizeLinear with the DequantizeLinear nodes that read it. */
static ig_status fake_activation(fake *f, ig_node *quantize) {
  ig_value *x = quantize->inputs[0];
  ig_attr bounds[2];
  IG_TRY(bounds_of(quantize->n_inputs > 2 ? quantize->inputs[2] : NULL, bounds));
  ig_value *scale = scale_before_moves(x, bounds);
  if (!scale) IG_TRY(scale_param(f, quantize->inputs[1], x->name, &scale));
  ig_value *y = ig_op1(f->graph, FAKE, NULL, IG_INS(x, scale), 2, bounds);
  IG_TRY(ig_graph_status(f->graph));
  ig_value *codes = quantize->outputs[0];
  while (codes->n_uses > 0) {
    ig_node *reader = codes->uses[codes->n_uses - 1].node;
    IG_CHECK(ig_node_is(reader, DEQUANTIZE), IG_ERR_UNSUPPORTED,
             "'%s' (%s) reads integers: only graphs of QuantizeLinear and DequantizeLinear are trained",
             reader->name, reader->op->name);
    IG_TRY(ig_value_replace(f->graph, reader->outputs[0], y));
    ig_node_remove(f->graph, reader);
  }
  ig_node_remove(f->graph, quantize);
  f->changed++;
  return IG_OK;
}

/* A parameter in narrow integers is again what it was; weights are rounded as they are read. */
static ig_status fake_weight(fake *f, ig_node *dequantize) {
  ig_value *weight = dequantize->inputs[0], *scale = dequantize->inputs[1], *y = weight;
  bool bias = weight->dtype == IG_I32, again = weight->dtype == IG_F32; /* of another reader */
  IG_CHECK(bias || again || weight->dtype == IG_I8, IG_ERR_UNSUPPORTED,
           "parameter '%s' is %s: trained with 8-bit integers alone", weight->name,
           ig_dtype_name(weight->dtype));
  weight->dtype = IG_F32;
  weight->frozen = false;
  weight->decay = weight->shape.rank > 1;
  if (!bias) {
    IG_CHECK(scale->kind == IG_VALUE_PARAM, IG_ERR_UNSUPPORTED,
             "the scales of parameter '%s' are no parameter", weight->name);
    scale->frozen = false;
    scale->lr_scale = SCALE_LEARNING_RATE;
    y = ig_op1(f->graph, FAKE, NULL, IG_INS(weight, scale),
               IG_ATTRS(IG_INT("axis", ig_attr_int_of(dequantize, "axis", 1)), IG_INT("low", -127),
                        IG_INT("high", 127)));
    IG_TRY(ig_graph_status(f->graph));
  }
  IG_TRY(ig_value_replace(f->graph, dequantize->outputs[0], y));
  ig_node_remove(f->graph, dequantize);
  f->changed++;
  return IG_OK;
}

static ig_status make_fake(fake *f, const ig_store *prepared) {
  const int32_t n = f->graph->n_nodes;
  for (int32_t i = 0; i < n; i++) {
    ig_node *node = f->graph->nodes[i];
    if (!ig_node_is_live(node)) continue;
    if (ig_node_is(node, QUANTIZE)) IG_TRY(fake_activation(f, node));
    else if (ig_node_is(node, DEQUANTIZE) && node->inputs[0]->kind == IG_VALUE_PARAM)
      IG_TRY(fake_weight(f, node));
  }
  IG_CHECK(f->changed > 0, IG_ERR_USAGE, "nothing in graph '%s' is quantized", f->graph->name);
  IG_TRY(ig_graph_sort(f->graph));
  IG_TRY(ig_graph_compact(f->graph, true));
  return fill(f->out, f->graph, prepared, f->store);
}

ig_status ig_quantize_fake(ig_graph *graph, const ig_store *store, const ig_store *prepared,
                           ig_store **out) {
  fake f = {.graph = graph, .store = store, .n_values = graph->n_values};
  IG_TRY(ig_store_create(ig_store_backend(store), &f.out));
  f.of = ig_alloc_zero((size_t)graph->n_values + 1, sizeof(ig_value *));
  ig_status status = f.of ? make_fake(&f, prepared) : ig_fail(IG_ERR_MEMORY, "no memory to train quantized");
  ig_free(f.of);
  if (status != IG_OK) ig_store_destroy(f.out);
  else *out = f.out;
  return status;
}

bool ig_graph_is_fake_quantized(const ig_graph *graph) {
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    if (ig_node_is(graph->nodes[i], FAKE)) return true;
  }
  return false;
}

/* --- trainable to quantized -------------------------------------------------------------------- */

typedef struct settling {
  ig_graph *graph;
  const ig_store *store;
  ig_store *out;
} settling;

/* A scale as the kernels take it. */
static float size_of(float scale) {
  float s = fabsf(scale);
  return isfinite(s) && s > 0x1p-100f ? s : 0x1p-100f;
}

/* How many numbers along the axis, and how many stand in a row behind it. */
static void axis_sizes(const ig_node *node, const ig_shape *x, const ig_shape *scale, int64_t *n,
                       int64_t *inner) {
  int axis = ig_shape_axis(x, ig_attr_int_of(node, "axis", 0));
  *n = 1;
  *inner = ig_shape_count(x);
  if (scale->rank == 0) return;
  *n = x->dims[axis];
  *inner = ig_shape_span(x, axis + 1, x->rank);
}

static ig_status read_param(const settling *s, const ig_value *param, float **out) {
  ig_shape shape;
  IG_TRY(read_scale(s->store, param, &shape, out));
  for (int64_t i = 0; i < ig_shape_count(&shape); i++) {
    if (isfinite((*out)[i])) continue;
    ig_free(*out);
    return ig_fail(IG_ERR_INPUT, "parameter '%s' is not finite", param->name);
  }
  return IG_OK;
}

/* The bias of a layer whose source and weights are rounded: i32 with the product of both scales. */
static ig_status settle_bias(settling *s, ig_node *layer) {
  if ((!ig_node_is(layer, "Conv") && !ig_node_is(layer, "Gemm")) || layer->n_inputs < 3) return IG_OK;
  ig_value *bias = layer->inputs[2];
  ig_node *x = layer->inputs[0]->producer, *w = layer->inputs[1]->producer;
  bool whole = bias && bias->kind == IG_VALUE_PARAM && bias->dtype == IG_F32 && bias->n_uses == 1 &&
               bias->shape.rank == 1 && x && w && ig_node_is(x, FAKE) && ig_node_is(w, FAKE) &&
               w->inputs[0]->kind == IG_VALUE_PARAM && x->inputs[1]->shape.rank == 0;
  if (!whole) return IG_OK;
  ig_shape shape;
  int64_t n = bias->shape.dims[0];
  float *numbers = NULL, *x_scale = NULL, *w_scale = NULL;
  int32_t *codes = ig_alloc((size_t)n * sizeof *codes + 1);
  ig_status status = codes ? read_param(s, bias, &numbers) : ig_fail(IG_ERR_MEMORY, "no memory for a bias");
  if (status == IG_OK) status = read_scale(s->store, x->inputs[1], &shape, &x_scale);
  if (status == IG_OK) status = read_scale(s->store, w->inputs[1], &shape, &w_scale);
  for (int64_t i = 0; i < n && status == IG_OK; i++) {
    float scale = size_of(x_scale[0]) * size_of(w_scale[ig_shape_count(&shape) == n ? i : 0]);
    scale = scale > 0 ? scale : 0x1p-126f;
    double code = nearbyint((double)numbers[i] / (double)scale);
    codes[i] = (int32_t)fmin(fmax(code, -2147483647.0), 2147483647.0);
    numbers[i] = scale;
  }
  if (status == IG_OK) {
    char *name = ig_format("%s.scale", bias->name);
    ig_init zero = {.kind = IG_INIT_ZERO};
    ig_value *scale = ig_graph_param(s->graph, name, IG_F32, bias->shape, zero, false);
    bias->dtype = IG_I32;
    bias->frozen = true;
    ig_value *real = ig_op1(s->graph, DEQUANTIZE, NULL, IG_INS(bias, scale), IG_ATTRS(IG_INT("axis", 0)));
    ig_free(name);
    status = ig_graph_status(s->graph);
    if (status == IG_OK) status = ig_node_set_input(s->graph, layer, 2, real);
    if (status == IG_OK) scale->frozen = true;
    if (status == IG_OK) status = put(s->out, bias, codes);
    if (status == IG_OK) status = put(s->out, scale, numbers);
  }
  ig_free(codes);
  ig_free(numbers);
  ig_free(x_scale);
  ig_free(w_scale);
  return status;
}

/* The codes of a weight and the scales as they were read, into the new store. */
static ig_status round_weight(settling *s, const ig_node *node, ig_value *weight, ig_value *scale) {
  int64_t n, inner, count = ig_value_count(weight);
  double low = (double)ig_attr_int_of(node, "low", -128), high = (double)ig_attr_int_of(node, "high", 127);
  ig_shape shape;
  float *numbers = NULL, *scales = NULL;
  axis_sizes(node, &weight->shape, &scale->shape, &n, &inner);
  int8_t *codes = ig_alloc((size_t)count + 1);
  ig_status status = codes ? read_param(s, weight, &numbers) : ig_fail(IG_ERR_MEMORY, "no memory for weights");
  if (status == IG_OK) status = read_scale(s->store, scale, &shape, &scales);
  for (int64_t i = 0; i < ig_shape_count(&scale->shape) && status == IG_OK; i++) scales[i] = size_of(scales[i]);
  for (int64_t i = 0; i < count && status == IG_OK; i++) {
    double v = (double)(numbers[i] / scales[i / inner % n]); /* of f32, as training rounded it */
    codes[i] = (int8_t)nearbyint(fmin(fmax(v, low), high));
  }
  if (status == IG_OK) {
    weight->dtype = IG_I8;
    status = put(s->out, weight, codes);
  }
  if (status == IG_OK) status = put(s->out, scale, scales);
  ig_free(codes);
  ig_free(numbers);
  ig_free(scales);
  return status;
}

static ig_status settle_weight(settling *s, ig_node *node) {
  ig_value *weight = node->inputs[0], *scale = node->inputs[1];
  if (weight->dtype != IG_I8) IG_TRY(round_weight(s, node, weight, scale)); /* by its first reader */
  weight->frozen = scale->frozen = true;
  weight->decay = false;
  scale->lr_scale = 0;
  ig_value *real = ig_op1(s->graph, DEQUANTIZE, NULL, IG_INS(weight, scale),
                          IG_ATTRS(IG_INT("axis", ig_attr_int_of(node, "axis", 0))));
  IG_TRY(ig_graph_status(s->graph));
  IG_TRY(ig_value_replace(s->graph, node->outputs[0], real));
  ig_node_remove(s->graph, node);
  return IG_OK;
}

static ig_status settle_activation(settling *s, ig_node *node) {
  float *numbers;
  int64_t low = ig_attr_int_of(node, "low", -128), high = ig_attr_int_of(node, "high", 127);
  bool natural = high - low == 255 && low != -128;
  IG_CHECK(natural || (low == -128 && high == 127), IG_ERR_UNSUPPORTED,
           "node '%s' has bounds %lld and %lld, expected those of an 8-bit integer", node->name,
           (long long)low, (long long)high);
  IG_TRY(read_param(s, node->inputs[1], &numbers));
  float step = size_of(numbers[0]);
  ig_free(numbers);
  uint8_t zero = natural ? (uint8_t)-low : 0;
  ig_graph *g = s->graph;
  ig_value *scale = ig_graph_const(g, NULL, IG_F32, IG_SCALAR, &step);
  ig_value *point = ig_graph_const(g, NULL, natural ? IG_U8 : IG_I8, IG_SCALAR, &zero);
  ig_value *codes = ig_op1(g, QUANTIZE, NULL, IG_INS(node->inputs[0], scale, point), IG_NO_ATTRS);
  ig_value *real = ig_op1(g, DEQUANTIZE, NULL, IG_INS(codes, scale, point), IG_NO_ATTRS);
  IG_TRY(ig_graph_status(g));
  IG_TRY(ig_value_replace(g, node->outputs[0], real));
  ig_node_remove(g, node);
  return IG_OK;
}

static ig_status settle(settling *s) {
  const int32_t n = s->graph->n_nodes;
  for (int32_t i = 0; i < n; i++) IG_TRY(settle_bias(s, s->graph->nodes[i]));
  int changed = 0;
  for (int32_t i = 0; i < n; i++) {
    ig_node *node = s->graph->nodes[i];
    if (!ig_node_is_live(node) || !ig_node_is(node, FAKE)) continue;
    bool weight = node->inputs[0]->kind == IG_VALUE_PARAM;
    IG_TRY(weight ? settle_weight(s, node) : settle_activation(s, node));
    changed++;
  }
  IG_CHECK(changed > 0, IG_ERR_USAGE, "graph '%s' was not trained quantized", s->graph->name);
  IG_TRY(ig_graph_sort(s->graph));
  IG_TRY(ig_graph_compact(s->graph, true));
  return fill(s->out, s->graph, s->store, NULL);
}

ig_status ig_quantize_settle(ig_graph *graph, const ig_store *store, ig_store **out) {
  settling s = {.graph = graph, .store = store};
  IG_TRY(ig_store_create(ig_store_backend(store), &s.out));
  ig_status status = settle(&s);
  if (status != IG_OK) ig_store_destroy(s.out);
  else *out = s.out;
  return status;
}

/* --- what was trained so ------------------------------------------------------------------------ */

static ig_status list_readers(ig_recipe *recipe, const ig_node *rounding) {
  const ig_value *rounded = rounding->outputs[0];
  for (int32_t i = 0; i < rounded->n_uses; i++) {
    const ig_node *node = rounded->uses[i].node;
    ig_quant_layer *layer = &recipe->layers[recipe->n_layers++];
    *layer = (ig_quant_layer){.node = ig_arena_strdup(recipe->arena, node->name),
                              .op = node->op->name,
                              .weight = ig_arena_strdup(recipe->arena, rounding->inputs[0]->name),
                              .weight_input = rounded->uses[i].input,
                              .format = IG_QUANT_INT8,
                              .output_error = NAN,
                              .metric_drop = NAN,
                              .seconds_f32 = NAN,
                              .seconds = NAN};
    IG_CHECK(layer->node && layer->weight, IG_ERR_MEMORY, "recipe: out of memory");
  }
  return IG_OK;
}

static bool rounds_weight(const ig_node *node) {
  return ig_node_is_live(node) && ig_node_is(node, FAKE) && node->inputs[0]->kind == IG_VALUE_PARAM;
}

ig_status ig_recipe_of_fake(const ig_graph *graph, const ig_quant_settings *settings,
                            ig_recipe **out) {
  size_t readers = 1;
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    if (rounds_weight(graph->nodes[i])) readers += (size_t)graph->nodes[i]->outputs[0]->n_uses;
  }
  ig_arena *arena = ig_arena_create();
  IG_CHECK_ALLOC(arena);
  ig_recipe *recipe = ig_arena_alloc(arena, sizeof *recipe);
  ig_status status = recipe ? IG_OK : ig_fail(IG_ERR_MEMORY, "recipe: out of memory");
  if (recipe) {
    *recipe = (ig_recipe){.arena = arena, .settings = *settings};
    recipe->layers = ig_arena_alloc(arena, readers * sizeof *recipe->layers);
    if (!recipe->layers) status = ig_fail(IG_ERR_MEMORY, "recipe: out of memory");
  }
  for (int32_t i = 0; i < graph->n_nodes && status == IG_OK; i++) {
    if (rounds_weight(graph->nodes[i])) status = list_readers(recipe, graph->nodes[i]);
  }
  if (status != IG_OK) ig_arena_destroy(arena);
  else *out = recipe;
  return status;
}
