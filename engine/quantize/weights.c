/* Weights in narrow integers, rounded to nearest. Which numbers share a scale is a matter of slices: a
 * channel, a group of numbers that are summed, or all; each slice is a walk of two nested loops through the
 * row-major weight. What was rounded before by another method (layer->rounded) is handed on as it is. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/quantize/weights_parts.h"

ig_status ig_weight_slices_of(const ig_quant_layer *layer, const ig_quant_settings *settings,
                              const ig_shape *shape, ig_weight_slices *out) {
  bool weights_alone =
      layer->format == IG_QUANT_INT8_WEIGHTS || layer->format == IG_QUANT_INT4_WEIGHTS;
  bool grouped = weights_alone && settings->group > 0;
  int axis = grouped ? layer->sum_axis : layer->channel_axis;
  int64_t count = ig_shape_count(shape);
  *out = (ig_weight_slices){.bits = layer->format == IG_QUANT_INT4_WEIGHTS ? 4 : 8};
  IG_CHECK(count > 0 && axis >= 0 && axis < shape->rank, IG_ERR_INTERNAL,
           "layer '%s': weight %s has no dimension %d to scale along", layer->node,
           IG_SHAPE_STR(shape), axis);
  if (settings->per_tensor && !grouped) {
    *out = (ig_weight_slices){.outer = 1, .length = 1, .inner = count, .count = 1, .bits = 8};
    if (layer->format == IG_QUANT_INT4_WEIGHTS) out->bits = 4;
    return IG_OK;
  }
  out->outer = out->inner = 1;
  for (int d = 0; d < axis; d++) out->outer *= shape->dims[d];
  for (int d = axis + 1; d < shape->rank; d++) out->inner *= shape->dims[d];
  out->length = shape->dims[axis];
  out->count = out->length;
  if (grouped) {
    out->group = IG_MIN(settings->group, out->length);
    out->groups = (out->length + out->group - 1) / out->group;
    out->count = out->outer * out->groups * out->inner;
  }
  return IG_OK;
}

ig_weight_slice ig_weight_slice_at(const ig_weight_slices *s, int64_t i) {
  if (!s->group) {
    return (ig_weight_slice){
        .base = i * s->inner, .n = {s->outer, s->inner}, .stride = {s->length * s->inner, 1}};
  }
  int64_t inner = i % s->inner, group = i / s->inner % s->groups, outer = i / s->inner / s->groups;
  int64_t first = group * s->group;
  return (ig_weight_slice){.base = (outer * s->length + first) * s->inner + inner,
                           .n = {IG_MIN(s->group, s->length - first), 1},
                           .stride = {s->inner, 1}};
}

/* Squared error of the slice at a scale; where that is over the bound already, whatever is. */
static double slice_error(const ig_weight_slice *slice, const float *weight, float scale,
                          float least, float most, double bound) {
  double sum = 0;
  for (int64_t i = 0; i < slice->n[0] && sum < bound; i++) {
    const float *w = weight + slice->base + i * slice->stride[0];
    for (int64_t k = 0; k < slice->n[1]; k++) {
      float x = w[k], q = fminf(fmaxf(rintf(x / scale), least), most);
      double d = (double)x - (double)q * (double)scale;
      sum += d * d;
    }
  }
  return sum;
}

/* 8 bits: the largest number is 127. 4 bits, where clipping a little pays: the best of some scales from
 * there down, with -8 at hand for negative numbers. */
static float scale_of(const ig_weight_slices *s, const ig_weight_slice *slice, const float *weight,
                      float size) {
  if (size == 0) return 1;
  float scale = fmaxf(size / (s->bits == 4 ? 7 : 127), FLT_MIN), best = scale;
  double least = INFINITY;
  for (int i = 0; i <= 12 && s->bits == 4; i++) {
    float tried = fmaxf(scale * (1 - (float)i / 32), FLT_MIN);
    double error = slice_error(slice, weight, tried, -8, 7, least);
    if (error >= least) continue;
    least = error;
    best = tried;
  }
  return best;
}

/* Whether all numbers are finite. */
static bool quantize_slice(const ig_weight_slices *s, int64_t i, const float *weight, float *scale,
                           int8_t *codes) {
  ig_weight_slice slice = ig_weight_slice_at(s, i);
  float size = 0, most = s->bits == 4 ? 7 : 127, least = s->bits == 4 ? -8 : -127;
  bool finite = true;
  for (int64_t a = 0; a < slice.n[0]; a++) {
    const float *w = weight + slice.base + a * slice.stride[0];
    for (int64_t k = 0; k < slice.n[1]; k++) {
      finite = finite && fabsf(w[k]) <= FLT_MAX;
      size = fmaxf(size, fabsf(w[k]));
    }
  }
  if (!finite) return false;
  scale[i] = scale_of(s, &slice, weight, size);
  for (int64_t a = 0; a < slice.n[0]; a++) {
    int64_t at = slice.base + a * slice.stride[0];
    for (int64_t k = 0; k < slice.n[1]; k++) {
      codes[at + k] = (int8_t)fminf(fmaxf(rintf(weight[at + k] / scale[i]), least), most);
    }
  }
  return true;
}

ig_status ig_quant_weight_create(const ig_weight_slices *s, const ig_shape *shape,
                                 ig_quant_weight *out) {
  *out = (ig_quant_weight){.scales = s->count};
  out->scale = ig_alloc((size_t)s->count * sizeof *out->scale);
  out->codes = ig_alloc((size_t)ig_shape_count(shape));
  if (out->scale && out->codes) return IG_OK;
  ig_quant_weight_release(out);
  return ig_fail(IG_ERR_MEMORY, "no memory for a quantized weight %s", IG_SHAPE_STR(shape));
}

void ig_quant_weight_release(ig_quant_weight *weight) {
  ig_free(weight->scale);
  ig_free(weight->codes);
  *weight = (ig_quant_weight){0};
}

ig_status ig_quantize_nearest(const ig_quant_layer *layer, const ig_weight_slices *s,
                              const ig_shape *shape, const float *weight, ig_quant_weight *out) {
  IG_TRY(ig_quant_weight_create(s, shape, out));
  int64_t bad = 0;
#pragma omp parallel for schedule(static) reduction(+ : bad) if (ig_shape_count(shape) > 1 << 15)
  for (int64_t i = 0; i < s->count; i++) {
    bad += !quantize_slice(s, i, weight, out->scale, out->codes);
  }
  if (bad == 0) return IG_OK;
  ig_quant_weight_release(out);
  return ig_fail(IG_ERR_INPUT, "layer '%s': weight '%s' holds NaN or infinities", layer->node,
                 layer->weight ? layer->weight : "?");
}

ig_status ig_quantize_weight(const ig_quant_layer *layer, const ig_quant_settings *settings,
                             const ig_shape *shape, const float *weight, ig_quant_weight *out) {
  ig_weight_slices slices;
  IG_TRY(ig_weight_slices_of(layer, settings, shape, &slices));
  const ig_quant_rounded *made = layer->rounded;
  if (!made || made->format != layer->format) {
    return ig_quantize_nearest(layer, &slices, shape, weight, out);
  }
  IG_TRY(ig_quant_weight_create(&slices, shape, out));
  memcpy(out->scale, made->scale, (size_t)slices.count * sizeof *out->scale);
  memcpy(out->codes, made->codes, (size_t)ig_shape_count(shape));
  return IG_OK;
}
