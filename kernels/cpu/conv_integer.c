/* Convolutions of 8-bit integers from their definition. */
#include "kernels/conv_integer.h"

#include "kernels/cpu/parallel.h"

static int32_t load(ig_dtype dtype, const void *x, int64_t i) {
  return dtype == IG_I8 ? ((const int8_t *)x)[i] : ((const uint8_t *)x)[i];
}

/* The source row (axis 0) or column that kernel index `i` meets at result index `p`, or -1. */
static int64_t source(const ig_conv *s, int axis, int64_t p, int64_t i) {
  int64_t at = p * s->stride[axis] + i * s->dilation[axis] - s->pad_begin[axis];
  return at >= 0 && at < s->src[2 + axis] ? at : -1;
}

/* The source plane of a volume; with no depth, the only one. */
static int64_t planes_source(const ig_conv *s, int64_t p, int64_t i) {
  return s->depth.kernel ? ig_depth_source(&s->depth, p, i) : 0;
}

/* Products wrap as their sum does. */
static uint32_t sum_at(const ig_conv_integer *spec, const ig_conv_integer_in *in,
                       const int64_t at[5]) {
  const ig_conv *s = &spec->conv;
  int64_t src_group = s->src[1] / s->groups, dst_group = s->dst[1] / s->groups;
  int64_t first = at[1] / dst_group * src_group;
  int32_t p = in->src_zero ? load(s->dtype, in->src_zero, 0) : 0, q = 0;
  if (in->weight_zero) q = load(spec->weights, in->weight_zero, spec->by_channel ? at[1] : 0);
  uint32_t sum = in->bias ? (uint32_t)in->bias[at[1]] : 0;
  int64_t planes = IG_MAX(s->depth.kernel, 1);
  for (int64_t ck = 0; ck < src_group * planes; ck++) {
    int64_t c = ck / planes, plane = planes_source(s, at[4], ck % planes);
    for (int64_t i = 0; i < s->kernel[0] && plane >= 0; i++) {
      int64_t h = source(s, 0, at[2], i);
      for (int64_t j = 0; j < s->kernel[1] && h >= 0; j++) {
        int64_t w = source(s, 1, at[3], j);
        if (w < 0) continue;
        int64_t from = s->depth.kernel
                           ? (((at[0] * s->src[1] + first + c) * s->depth.src + plane) * s->src[2] +
                              h) * s->src[3] + w
                           : ig_layout_offset(s->src_layout, s->src, at[0], first + c, h, w);
        int64_t weight = ((at[1] * src_group * planes + ck) * s->kernel[0] + i) * s->kernel[1] + j;
        sum += (uint32_t)((load(s->dtype, in->src, from) - p) *
                          (load(spec->weights, in->weights, weight) - q));
      }
    }
  }
  return sum;
}

void ig_cpu_conv_integer_reference(const ig_conv_integer *spec, const ig_conv_integer_in *in,
                                   int32_t *sums) {
  const int64_t *d = spec->conv.dst, planes = IG_MAX(spec->conv.depth.dst, 1), area = d[2] * d[3];
  IG_PARALLEL_FOR(ig_layout_count(spec->conv.dst_layout, d) * planes > 64)
  for (int64_t nc = 0; nc < d[0] * d[1]; nc++) {
    for (int64_t i = 0; i < planes * area; i++) {
      int64_t hw = i % area;
      const int64_t at[] = {nc / d[1], nc % d[1], hw / d[3], hw % d[3], i / area};
      int64_t to = spec->conv.depth.kernel ? nc * planes * area + i : ig_layout_offset(spec->conv.dst_layout, d, at[0], at[1], at[2], at[3]);
      sums[to] = (int32_t)sum_at(spec, in, at);
    }
  }
}
