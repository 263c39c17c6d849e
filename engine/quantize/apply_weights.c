/* Parameters in narrow types: codes under the parameter's name, scales under "NAME.scale", both frozen, since
 * training changes neither. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "engine/quantize/apply_parts.h"

#define F8E4M3_MOST 448.0f

static ig_status numbers_f32(const ig_applying *a, const ig_value *old, float **out) {
  double *numbers;
  int64_t n = ig_value_count(old);
  IG_TRY(ig_rebuild_numbers(&a->r, old, &numbers));
  float *narrowed = ig_alloc((size_t)n * sizeof *narrowed);
  for (int64_t i = 0; i < n && narrowed; i++) narrowed[i] = (float)numbers[i];
  ig_free(numbers);
  IG_CHECK_ALLOC(narrowed);
  *out = narrowed;
  return IG_OK;
}

static ig_narrow_leaf *find_leaf(const ig_applying *a, const ig_value *old, ig_quant_format format,
                                 int channel_axis) {
  for (ig_narrow_leaf *leaf = a->leaves; leaf; leaf = leaf->next) {
    if (leaf->old == old && leaf->format == format && leaf->channel_axis == channel_axis) return leaf;
  }
  return NULL;
}

static ig_status new_leaf(ig_applying *a, const ig_value *old, ig_quant_format format,
                          int channel_axis, ig_narrow_leaf **out) {
  ig_narrow_leaf *leaf = ig_arena_alloc(a->r.graph->arena, sizeof *leaf);
  IG_CHECK_ALLOC(leaf);
  *leaf = (ig_narrow_leaf){
      .old = old, .format = format, .channel_axis = channel_axis, .next = a->leaves};
  a->leaves = leaf;
  *out = leaf;
  return IG_OK;
}

static int64_t group_of(const ig_applying *a, ig_quant_format format, const ig_quant_layer *layer,
                        const ig_shape *shape) {
  bool alone = format == IG_QUANT_INT8_WEIGHTS || format == IG_QUANT_INT4_WEIGHTS;
  int64_t group = a->recipe->settings.group;
  return alone && group > 0 ? IG_MIN(group, shape->dims[layer->sum_axis]) : 0;
}

/* One number, one by channel, or one for each group at every other place. */
static ig_shape scale_shape(const ig_applying *a, ig_quant_format format,
                            const ig_quant_layer *layer, const ig_shape *weight, int64_t count) {
  int64_t group = group_of(a, format, layer, weight);
  if (!group) return count == 1 ? IG_SCALAR : IG_SHAPE(count);
  ig_shape shape = *weight;
  int64_t *dim = &shape.dims[layer->sum_axis];
  *dim = (*dim + group - 1) / group;
  return shape;
}

/* --- codes --------------------------------------------------------------------------------------- */

/* As integers are scaled, but that 448 is the largest number. */
static ig_status quantize_f8(const ig_applying *a, const ig_quant_layer *layer, const ig_shape *shape,
                             const float *weight, ig_quant_weight *out) {
  int64_t n = ig_shape_count(shape), channels = shape->dims[layer->channel_axis];
  int64_t inner = ig_shape_span(shape, layer->channel_axis + 1, shape->rank);
  *out = (ig_quant_weight){.scales = a->recipe->settings.per_tensor ? 1 : channels};
  out->scale = ig_alloc_zero((size_t)out->scales, sizeof *out->scale);
  out->codes = ig_alloc((size_t)n);
  if (!out->scale || !out->codes) {
    ig_quant_weight_release(out);
    return ig_fail(IG_ERR_MEMORY, "layer '%s': out of memory", layer->node);
  }
  bool finite = true;
  for (int64_t i = 0; i < n; i++) {
    float *scale = &out->scale[i / inner % out->scales];
    finite = finite && fabsf(weight[i]) <= FLT_MAX;
    *scale = fmaxf(*scale, fabsf(weight[i]) / F8E4M3_MOST);
  }
  for (int64_t c = 0; c < out->scales; c++) {
    out->scale[c] = out->scale[c] == 0 ? 1 : fmaxf(out->scale[c], FLT_MIN);
  }
  for (int64_t i = 0; i < n; i++) {
    uint8_t code = ig_f32_to_f8e4m3(weight[i] / out->scale[i / inner % out->scales]);
    memcpy(&out->codes[i], &code, 1);
  }
  if (finite) return IG_OK;
  ig_quant_weight_release(out);
  return ig_fail(IG_ERR_INPUT, "layer '%s': weight '%s' holds NaN or infinities", layer->node,
                 layer->weight);
}

static ig_dtype codes_dtype(ig_quant_format format) {
  if (format == IG_QUANT_FP8) return IG_F8E4M3;
  return format == IG_QUANT_INT4_WEIGHTS ? IG_I4 : IG_I8;
}

static ig_status put_codes(ig_applying *a, const ig_quant_layer *layer, const ig_quant_weight *w,
                           ig_narrow_leaf *leaf) {
  ig_arena *arena = a->r.graph->arena;
  const ig_value *old = leaf->old;
  ig_shape scales = scale_shape(a, leaf->format, layer, &old->shape, w->scales);
  const char *name = ig_arena_format(arena, "%s.scale", old->name);
  leaf->n_scales = w->scales;
  leaf->scales = ig_arena_copy(arena, w->scale, (size_t)w->scales * sizeof *w->scale);
  IG_CHECK(name && leaf->scales, IG_ERR_MEMORY, "layer '%s': out of memory", layer->node);
  IG_TRY(ig_rebuild_param(&a->r, old->name, codes_dtype(leaf->format), &old->shape, w->codes, true,
                          &leaf->codes));
  return ig_rebuild_param(&a->r, name, IG_F32, &scales, w->scale, true, &leaf->scale);
}

ig_status ig_apply_weight(ig_applying *a, const ig_quant_layer *layer, const ig_value *old,
                          ig_quant_format format, ig_narrow_leaf **out) {
  ig_quant_format key = format == IG_QUANT_INT8_DYNAMIC ? IG_QUANT_INT8 : format;
  *out = find_leaf(a, old, key, layer->channel_axis);
  if (*out) return IG_OK;
  float *numbers;
  ig_quant_weight w;
  ig_quant_layer as = *layer;
  as.format = format;
  IG_TRY(numbers_f32(a, old, &numbers));
  ig_status status = format == IG_QUANT_FP8
                         ? quantize_f8(a, &as, &old->shape, numbers, &w)
                         : ig_quantize_weight(&as, &a->recipe->settings, &old->shape, numbers, &w);
  ig_free(numbers);
  IG_TRY(status);
  status = new_leaf(a, old, key, layer->channel_axis, out);
  if (status == IG_OK) status = put_codes(a, layer, &w, *out);
  ig_quant_weight_release(&w);
  return status;
}

ig_status ig_apply_dequantized(ig_applying *a, const ig_quant_layer *layer, ig_narrow_leaf *leaf,
                               ig_value **out) {
  if (!leaf->dequantized) {
    int64_t group = group_of(a, leaf->format, layer, &leaf->old->shape);
    ig_attr attrs[] = {IG_INT("axis", group ? layer->sum_axis : layer->channel_axis),
                       IG_INT("block_size", group)};
    const char *name = ig_arena_format(a->r.graph->arena, "%s.dequantize", leaf->old->name);
    leaf->dequantized = ig_op1(a->r.graph, "DequantizeLinear", name,
                               IG_INS(leaf->codes, leaf->scale), group ? 2 : 1, attrs);
    IG_TRY(ig_graph_status(a->r.graph));
  }
  *out = leaf->dequantized;
  return IG_OK;
}

/* --- biases -------------------------------------------------------------------------------------- */

/* False where a number is beyond i32. */
static bool round_bias(const double *bias, int64_t n, const float *scale, int64_t n_scales,
                       int32_t *codes) {
  for (int64_t i = 0; i < n; i++) {
    double code = nearbyint(bias[i] / (double)scale[n_scales == 1 ? 0 : i]);
    if (!(fabs(code) <= (double)INT32_MAX)) return false;
    codes[i] = (int32_t)code;
  }
  return true;
}

static ig_status put_bias(ig_applying *a, const ig_value *old, const int32_t *codes, const float *scale,
                          int64_t n_scales, ig_value **out) {
  ig_value *made, *scales;
  ig_shape shape = n_scales == 1 ? IG_SCALAR : IG_SHAPE(n_scales);
  const char *name = ig_arena_format(a->r.graph->arena, "%s.scale", old->name);
  const char *node = ig_arena_format(a->r.graph->arena, "%s.dequantize", old->name);
  IG_CHECK(name && node, IG_ERR_MEMORY, "'%s': out of memory", old->name);
  IG_TRY(ig_rebuild_param(&a->r, old->name, IG_I32, &old->shape, codes, true, &made));
  IG_TRY(ig_rebuild_param(&a->r, name, IG_F32, &shape, scale, true, &scales));
  *out = ig_op1(a->r.graph, "DequantizeLinear", node, IG_INS(made, scales),
                IG_ATTRS(IG_INT("axis", 0)));
  return ig_graph_status(a->r.graph);
}

ig_status ig_apply_bias(ig_applying *a, const ig_value *old, float x_scale,
                        const ig_narrow_leaf *weight, ig_value **out) {
  int64_t n = ig_value_count(old);
  bool fits = old->shape.rank == 1 && (weight->n_scales == 1 || weight->n_scales == n) &&
              weight->format == IG_QUANT_INT8;
  if (!fits) return ig_apply_value(a, old, out);
  double *bias;
  IG_TRY(ig_rebuild_numbers(&a->r, old, &bias));
  float *scale = ig_alloc((size_t)weight->n_scales * sizeof *scale);
  int32_t *codes = ig_alloc((size_t)n * sizeof *codes);
  ig_status status = scale && codes ? IG_OK : ig_fail(IG_ERR_MEMORY, "'%s': out of memory", old->name);
  if (status == IG_OK) {
    bool normal = true;
    for (int64_t i = 0; i < weight->n_scales; i++) {
      scale[i] = x_scale * weight->scales[i];
      normal = normal && scale[i] >= FLT_MIN;
    }
    status = normal && round_bias(bias, n, scale, weight->n_scales, codes)
                 ? put_bias(a, old, codes, scale, weight->n_scales, out)
                 : ig_apply_value(a, old, out);
  }
  ig_free(bias);
  ig_free(scale);
  ig_free(codes);
  return status;
}

/* --- 16 bits ------------------------------------------------------------------------------------- */

ig_status ig_apply_half_leaf(ig_applying *a, const ig_value *old, ig_dtype dtype, ig_value **out) {
  ig_quant_format format = dtype == IG_F16 ? IG_QUANT_F16 : IG_QUANT_BF16;
  ig_narrow_leaf *leaf = find_leaf(a, old, format, 0);
  if (leaf) {
    *out = leaf->codes;
    return IG_OK;
  }
  float *numbers;
  IG_TRY(numbers_f32(a, old, &numbers));
  int64_t n = ig_value_count(old);
  uint16_t *halves = ig_alloc((size_t)n * sizeof *halves);
  ig_status status = halves ? new_leaf(a, old, format, 0, &leaf)
                            : ig_fail(IG_ERR_MEMORY, "'%s': out of memory", old->name);
  if (status == IG_OK) {
    ig_convert(IG_F32, numbers, dtype, halves, n);
    if (old->kind == IG_VALUE_CONST) {
      leaf->codes = ig_graph_const(a->r.graph, old->name, dtype, old->shape, halves);
      status = ig_graph_status(a->r.graph);
    } else {
      status = ig_rebuild_param(&a->r, old->name, dtype, &old->shape, halves, true, &leaf->codes);
    }
  }
  ig_free(numbers);
  ig_free(halves);
  if (status == IG_OK) *out = leaf->codes;
  return status;
}
