/* Convolutions of volumes from their definition, as kernels/cpu/conv.c has them for planes: for any float
 * dtype, row-major, with sums in double. */
#include "kernels/conv.h"
#include "kernels/cpu/parallel.h"

/* Positions of a volume, and of a place within a filter. */
typedef struct place {
  int64_t d, h, w;
} place;

static place place_at(int64_t i, int64_t height, int64_t width) {
  return (place){i / width / height, i / width % height, i % width};
}

static int64_t source(const ig_conv *s, int axis, int64_t p, int64_t i) {
  int64_t at = p * s->stride[axis] + i * s->dilation[axis] - s->pad_begin[axis];
  return at >= 0 && at < s->src[2 + axis] ? at : -1;
}

static int64_t taps(const ig_conv *s) {
  return s->depth.kernel * s->kernel[0] * s->kernel[1];
}

static int64_t src_volume(const ig_conv *s) {
  return s->depth.src * s->src[2] * s->src[3];
}

static int64_t dst_volume(const ig_conv *s) {
  return s->depth.dst * s->dst[2] * s->dst[3];
}

/* Where in its channel's volume tap `k` of the window at `p` lies, or -1. */
static int64_t source_place(const ig_conv *s, place p, int64_t k) {
  place tap = place_at(k, s->kernel[0], s->kernel[1]);
  int64_t d = ig_depth_source(&s->depth, p.d, tap.d);
  int64_t h = source(s, 0, p.h, tap.h), w = source(s, 1, p.w, tap.w);
  return d < 0 || h < 0 || w < 0 ? -1 : (d * s->src[2] + h) * s->src[3] + w;
}

static double window_sum(const ig_conv *s, const void *src, const void *weights, int64_t n,
                         int64_t oc, place p) {
  int64_t per_group = s->src[1] / s->groups, first = oc / (s->dst[1] / s->groups) * per_group;
  double sum = 0;
  for (int64_t k = 0; k < taps(s); k++) {
    int64_t at = source_place(s, p, k);
    for (int64_t c = 0; c < per_group && at >= 0; c++) {
      sum += ig_load_f64(s->dtype, src, (n * s->src[1] + first + c) * src_volume(s) + at) *
             ig_load_f64(s->dtype, weights, (oc * per_group + c) * taps(s) + k);
    }
  }
  return sum;
}

void ig_cpu_conv_volume(const ig_conv *spec, const void *src, const void *weights, const void *bias,
                        void *dst) {
  const ig_conv *s = spec;
  IG_PARALLEL_FOR(true)
  for (int64_t nc = 0; nc < s->dst[0] * s->dst[1]; nc++) {
    int64_t n = nc / s->dst[1], oc = nc % s->dst[1];
    for (int64_t i = 0; i < dst_volume(s); i++) {
      double y = window_sum(s, src, weights, n, oc, place_at(i, s->dst[2], s->dst[3]));
      if (s->bias) y += ig_load_f64(s->dtype, bias, oc);
      if (s->sum) y += ig_load_f64(s->dtype, dst, nc * dst_volume(s) + i);
      ig_store_f64(s->dtype, dst, nc * dst_volume(s) + i, ig_activate(&s->activation, y));
    }
  }
}

/* The dst index whose kernel index `i` meets src index `at`, or -1. */
static int64_t target(int64_t at, int64_t begin, int64_t i, int64_t dilation, int64_t stride,
                      int64_t extent) {
  int64_t scaled = at + begin - i * dilation;
  if (scaled < 0 || scaled % stride != 0) return -1;
  return scaled / stride < extent ? scaled / stride : -1;
}

static int64_t target_place(const ig_conv *s, place at, int64_t k) {
  place tap = place_at(k, s->kernel[0], s->kernel[1]);
  const ig_depth *z = &s->depth;
  int64_t d = target(at.d, z->begin, tap.d, z->dilation, z->stride, z->dst);
  int64_t h = target(at.h, s->pad_begin[0], tap.h, s->dilation[0], s->stride[0], s->dst[2]);
  int64_t w = target(at.w, s->pad_begin[1], tap.w, s->dilation[1], s->stride[1], s->dst[3]);
  return d < 0 || h < 0 || w < 0 ? -1 : (d * s->dst[2] + h) * s->dst[3] + w;
}

static double used_by_sum(const ig_conv *s, const void *dst_grad, const void *weights, int64_t n,
                          int64_t ic, place at) {
  int64_t in_group = s->src[1] / s->groups, per_group = s->dst[1] / s->groups;
  int64_t first = ic / in_group * per_group;
  double sum = 0;
  for (int64_t k = 0; k < taps(s); k++) {
    int64_t to = target_place(s, at, k);
    for (int64_t oc = first; oc < first + per_group && to >= 0; oc++) {
      sum += ig_load_f64(s->dtype, dst_grad, (n * s->dst[1] + oc) * dst_volume(s) + to) *
             ig_load_f64(s->dtype, weights, (oc * in_group + ic % in_group) * taps(s) + k);
    }
  }
  return sum;
}

void ig_cpu_conv_volume_src(const ig_conv *spec, const void *dst_grad, const void *weights,
                            const void *bias, void *src_grad) {
  const ig_conv *s = spec;
  IG_PARALLEL_FOR(true)
  for (int64_t nc = 0; nc < s->src[0] * s->src[1]; nc++) {
    int64_t n = nc / s->src[1], ic = nc % s->src[1];
    for (int64_t i = 0; i < src_volume(s); i++) {
      double dx = used_by_sum(s, dst_grad, weights, n, ic, place_at(i, s->src[2], s->src[3]));
      if (bias) dx += ig_load_f64(s->dtype, bias, ic);
      ig_store_f64(s->dtype, src_grad, nc * src_volume(s) + i, dx);
    }
  }
}

static double weight_sum(const ig_conv *s, const void *src, const void *dst_grad, int64_t oc,
                         int64_t ic, int64_t k) {
  double sum = 0;
  for (int64_t n = 0; n < s->dst[0]; n++) {
    for (int64_t i = 0; i < dst_volume(s); i++) {
      int64_t at = source_place(s, place_at(i, s->dst[2], s->dst[3]), k);
      if (at < 0) continue;
      sum += ig_load_f64(s->dtype, src, (n * s->src[1] + ic) * src_volume(s) + at) *
             ig_load_f64(s->dtype, dst_grad, (n * s->dst[1] + oc) * dst_volume(s) + i);
    }
  }
  return sum;
}

void ig_cpu_conv_volume_weights(const ig_conv *spec, const void *src, const void *dst_grad,
                                void *weights_grad, void *bias_grad) {
  const ig_conv *s = spec;
  int64_t per_group = s->src[1] / s->groups;
  IG_PARALLEL_FOR(true)
  for (int64_t oc = 0; oc < s->dst[1]; oc++) {
    int64_t first = oc / (s->dst[1] / s->groups) * per_group;
    for (int64_t i = 0; i < per_group * taps(s); i++) {
      double dw = weight_sum(s, src, dst_grad, oc, first + i / taps(s), i % taps(s));
      ig_store_f64(s->dtype, weights_grad, oc * per_group * taps(s) + i, dw);
    }
    double sum = 0;
    for (int64_t n = 0; n < s->dst[0] && s->bias; n++) {
      for (int64_t i = 0; i < dst_volume(s); i++) {
        sum += ig_load_f64(s->dtype, dst_grad, (n * s->dst[1] + oc) * dst_volume(s) + i);
      }
    }
    if (s->bias) ig_store_f64(s->dtype, bias_grad, oc, sum);
  }
}
