/* Convolutions from their definition: the readable reference. With src index
 * h = p * stride + i * dilation - pad_begin for dst index p and kernel index i, every kernel here
 * visits all (p, i) whose h is inside, and differs in what it sums. */
#include "kernels/conv.h"

#include <string.h>

/* The src row (axis 0) or column (axis 1) that kernel index `i` meets at dst index `p`, or -1. */
static int64_t source(const ig_conv *s, int axis, int64_t p, int64_t i) {
  int64_t at = p * s->stride[axis] + i * s->dilation[axis] - s->pad_begin[axis];
  return at >= 0 && at < s->src[2 + axis] ? at : -1;
}

static int64_t weight_offset(const ig_conv *s, int64_t oc, int64_t ic, int64_t i, int64_t j) {
  int64_t per_group = s->src[1] / s->groups;
  return ((oc * per_group + ic % per_group) * s->kernel[0] + i) * s->kernel[1] + j;
}

static int64_t group_of_dst(const ig_conv *s, int64_t oc) {
  return oc / (s->dst[1] / s->groups);
}

static int64_t src_offset(const ig_conv *s, int64_t n, int64_t c, int64_t h, int64_t w) {
  return ig_layout_offset(s->src_layout, s->src, n, c, h, w);
}

static int64_t dst_offset(const ig_conv *s, int64_t n, int64_t c, int64_t h, int64_t w) {
  return ig_layout_offset(s->dst_layout, s->dst, n, c, h, w);
}

/* The product of one dst element with its window. */
static double window_sum(const ig_conv *s, const void *src, const void *weights, int64_t n,
                         int64_t oc, int64_t p, int64_t q) {
  int64_t per_group = s->src[1] / s->groups, first = group_of_dst(s, oc) * per_group;
  double sum = 0;
  for (int64_t ic = first; ic < first + per_group; ic++) {
    for (int64_t i = 0; i < s->kernel[0]; i++) {
      int64_t h = source(s, 0, p, i);
      for (int64_t j = 0; j < s->kernel[1] && h >= 0; j++) {
        int64_t w = source(s, 1, q, j);
        if (w < 0) continue;
        sum += ig_load_f64(s->dtype, src, src_offset(s, n, ic, h, w)) *
               ig_load_f64(s->dtype, weights, weight_offset(s, oc, ic, i, j));
      }
    }
  }
  return sum;
}

/* Lanes that a blocked layout adds stay zero. */
static void clear_padded(ig_dtype dtype, ig_layout layout, const int64_t dims[4], void *x) {
  if (layout == IG_LAYOUT_BLOCK16 && dims[1] % IG_LAYOUT_BLOCK != 0) {
    memset(x, 0, (size_t)ig_layout_count(layout, dims) * ig_dtype_size(dtype));
  }
}

void ig_cpu_conv_reference(const ig_conv *spec, const void *src, const void *weights,
                           const void *bias, void *dst) {
  const ig_conv *s = spec;
  if (!s->sum) clear_padded(s->dtype, s->dst_layout, s->dst, dst);
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t n = 0; n < s->dst[0]; n++) {
    for (int64_t oc = 0; oc < s->dst[1]; oc++) {
      for (int64_t p = 0; p < s->dst[2]; p++) {
        for (int64_t q = 0; q < s->dst[3]; q++) {
          int64_t at = dst_offset(s, n, oc, p, q);
          double y = window_sum(s, src, weights, n, oc, p, q);
          if (s->bias) y += ig_load_f64(s->dtype, bias, oc);
          if (s->sum) y += ig_load_f64(s->dtype, dst, at);
          ig_store_f64(s->dtype, dst, at, ig_activate(&s->activation, y));
        }
      }
    }
  }
}

/* The dst index whose kernel index `i` meets src index `at`, or -1. */
static int64_t target(const ig_conv *s, int axis, int64_t at, int64_t i) {
  int64_t scaled = at + s->pad_begin[axis] - i * s->dilation[axis];
  if (scaled < 0 || scaled % s->stride[axis] != 0) return -1;
  int64_t p = scaled / s->stride[axis];
  return p < s->dst[2 + axis] ? p : -1;
}

/* All dst elements that used one src element, each times its weight. */
static double used_by_sum(const ig_conv *s, const void *dst_grad, const void *weights, int64_t n,
                          int64_t ic, int64_t h, int64_t w) {
  int64_t per_group = s->dst[1] / s->groups, first = ic / (s->src[1] / s->groups) * per_group;
  double sum = 0;
  for (int64_t oc = first; oc < first + per_group; oc++) {
    for (int64_t i = 0; i < s->kernel[0]; i++) {
      int64_t p = target(s, 0, h, i);
      for (int64_t j = 0; j < s->kernel[1] && p >= 0; j++) {
        int64_t q = target(s, 1, w, j);
        if (q < 0) continue;
        sum += ig_load_f64(s->dtype, dst_grad, dst_offset(s, n, oc, p, q)) *
               ig_load_f64(s->dtype, weights, weight_offset(s, oc, ic, i, j));
      }
    }
  }
  return sum;
}

void ig_cpu_conv_src_reference(const ig_conv *spec, const void *dst_grad, const void *weights,
                               const void *bias, void *src_grad) {
  const ig_conv *s = spec;
  clear_padded(s->dtype, s->src_layout, s->src, src_grad);
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t n = 0; n < s->src[0]; n++) {
    for (int64_t ic = 0; ic < s->src[1]; ic++) {
      for (int64_t h = 0; h < s->src[2]; h++) {
        for (int64_t w = 0; w < s->src[3]; w++) {
          double dx = used_by_sum(s, dst_grad, weights, n, ic, h, w);
          if (bias) dx += ig_load_f64(s->dtype, bias, ic);
          ig_store_f64(s->dtype, src_grad, src_offset(s, n, ic, h, w), dx);
        }
      }
    }
  }
}

/* One weight's part in every dst element. */
static double weight_sum(const ig_conv *s, const void *src, const void *dst_grad, int64_t oc,
                         int64_t ic, int64_t i, int64_t j) {
  double sum = 0;
  for (int64_t n = 0; n < s->dst[0]; n++) {
    for (int64_t p = 0; p < s->dst[2]; p++) {
      int64_t h = source(s, 0, p, i);
      for (int64_t q = 0; q < s->dst[3] && h >= 0; q++) {
        int64_t w = source(s, 1, q, j);
        if (w < 0) continue;
        sum += ig_load_f64(s->dtype, src, src_offset(s, n, ic, h, w)) *
               ig_load_f64(s->dtype, dst_grad, dst_offset(s, n, oc, p, q));
      }
    }
  }
  return sum;
}

static double channel_sum(const ig_conv *s, const void *dst_grad, int64_t oc) {
  double sum = 0;
  for (int64_t n = 0; n < s->dst[0]; n++) {
    for (int64_t p = 0; p < s->dst[2]; p++) {
      for (int64_t q = 0; q < s->dst[3]; q++) {
        sum += ig_load_f64(s->dtype, dst_grad, dst_offset(s, n, oc, p, q));
      }
    }
  }
  return sum;
}

void ig_cpu_conv_weights_reference(const ig_conv *spec, const void *src, const void *dst_grad,
                                   void *weights_grad, void *bias_grad) {
  const ig_conv *s = spec;
  int64_t per_group = s->src[1] / s->groups;
#pragma omp parallel for schedule(static)
  for (int64_t oc = 0; oc < s->dst[1]; oc++) {
    int64_t first = group_of_dst(s, oc) * per_group;
    for (int64_t ic = first; ic < first + per_group; ic++) {
      for (int64_t i = 0; i < s->kernel[0]; i++) {
        for (int64_t j = 0; j < s->kernel[1]; j++) {
          double dw = weight_sum(s, src, dst_grad, oc, ic, i, j);
          ig_store_f64(s->dtype, weights_grad, weight_offset(s, oc, ic, i, j), dw);
        }
      }
    }
    if (s->bias) ig_store_f64(s->dtype, bias_grad, oc, channel_sum(s, dst_grad, oc));
  }
}

void ig_cpu_channel_add(ig_layout layout, const int64_t dims[4], const float *bias, float *x) {
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t n = 0; n < dims[0]; n++) {
    for (int64_t c = 0; c < dims[1]; c++) {
      for (int64_t h = 0; h < dims[2]; h++) {
        for (int64_t w = 0; w < dims[3]; w++) {
          x[ig_layout_offset(layout, dims, n, c, h, w)] += bias[c];
        }
      }
    }
  }
}
