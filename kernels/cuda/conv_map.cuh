/* Convolutions as matrix products without the matrix. Both directions are the same product of gathered
 * pixels and packed weights, out[pixel][o] = sum over taps and channels of in[pixel's source at the
 * tap][c] * packed[o][tap][c], over maps that are affine in rows and columns:
 *
 *   forward    the source of dst row p at kernel index i is p * stride + i * dilation - pad
 *   backward   src rows h = r + stride * h' of one residue r meet only the kernel indices i with
 *              (r + pad - i * dilation) % stride == 0, which are i0 + t * step; the source in dst is
 *              h' - t * (step * dilation / stride) + (r + pad - i0 * dilation) / stride
 *
 * so that a strided gradient is one launch for each residue, and multiplies no zeros. */
#ifndef IG_KERNELS_CUDA_CONV_MAP_CUH
#define IG_KERNELS_CUDA_CONV_MAP_CUH

#include "kernels/cuda/image.cuh"
extern "C" {
#include "kernels/conv.h"
}

/* One axis. `count` rows of the output from `begin` in steps of `by`; row k of these meets, at tap t
 * of `taps`, source row k * step + t * tap + first; tap t is kernel index index0 + t * index_step. */
struct conv_axis {
  int count, begin, by;
  int step, tap, first;
  int taps, index0, index_step;
  int source; /* extent; rows outside are zero */
};

struct conv_map {
  conv_axis h, w;
  ig_image in, out; /* strides in elements */
  int in_c, out_c;  /* per group */
  int k, k_padded;  /* taps * in_c, and that in whole chunks of sixteen bytes */
  int64_t pixels;
};

/* Packed weights [group][out_c][k_padded] from [dst, src / groups, kh, kw]. */
struct conv_weights {
  int dst_per_group, src_per_group, kernel_h, kernel_w;
  bool backward;
};

static inline conv_axis conv_axis_forward(const ig_conv *s, int axis) {
  return {(int)s->dst[2 + axis], 0, 1, (int)s->stride[axis], (int)s->dilation[axis],
          (int)-s->pad_begin[axis], (int)s->kernel[axis], 0, 1, (int)s->src[2 + axis]};
}

static inline conv_axis conv_axis_backward(const ig_conv *s, int axis, int64_t residue) {
  int64_t stride = s->stride[axis], dilation = s->dilation[axis];
  int64_t extent = s->src[2 + axis], at = residue + s->pad_begin[axis];
  conv_axis a = {0};
  a.count = residue < extent ? (int)((extent - residue + stride - 1) / stride) : 0;
  a.begin = (int)residue;
  a.by = (int)stride;
  a.step = 1;
  a.index_step = 1;
  a.source = (int)s->dst[2 + axis];
  while ((int64_t)a.index_step * dilation % stride != 0) a.index_step++;
  while (a.index0 < a.index_step && (at - a.index0 * dilation) % stride != 0) a.index0++;
  if (a.index0 >= a.index_step || a.index0 >= s->kernel[axis]) return a; /* no tap */
  a.taps = (int)((s->kernel[axis] - a.index0 + a.index_step - 1) / a.index_step);
  a.tap = (int)-(a.index_step * dilation / stride);
  a.first = (int)((at - a.index0 * dilation) / stride);
  return a;
}

/* The map of the forward direction, or backward of the residues h and w. */
static inline conv_map conv_map_of(const ig_conv *s, bool backward, int64_t h, int64_t w) {
  conv_map m = {};
  int64_t per_chunk = 16 / (int64_t)ig_dtype_size(s->dtype);
  ig_image src = ig_image_strides(s->src_layout, s->src);
  ig_image dst = ig_image_strides(s->dst_layout, s->dst);
  m.h = backward ? conv_axis_backward(s, 0, h) : conv_axis_forward(s, 0);
  m.w = backward ? conv_axis_backward(s, 1, w) : conv_axis_forward(s, 1);
  m.in = backward ? dst : src;
  m.out = backward ? src : dst;
  m.in_c = (int)((backward ? s->dst[1] : s->src[1]) / s->groups);
  m.out_c = (int)((backward ? s->src[1] : s->dst[1]) / s->groups);
  m.k = m.h.taps * m.w.taps * m.in_c;
  m.k_padded = (int)((m.k + per_chunk - 1) / per_chunk * per_chunk);
  m.pixels = s->src[0] * m.h.count * m.w.count;
  return m;
}

/* The sample, and row and column within the launch, of a pixel. */
struct conv_pixel {
  int n, h, w;
};

__device__ static inline conv_pixel conv_pixel_of(const conv_map &m, uint32_t pixel) {
  uint32_t row = pixel / (uint32_t)m.w.count;
  return {(int)(row / (uint32_t)m.h.count), (int)(row % (uint32_t)m.h.count),
          (int)(pixel % (uint32_t)m.w.count)};
}

/* A place along k: tap and channel, walked forward. */
struct conv_place {
  int h, w, c;
};

__device__ static inline void conv_advance(const conv_map &m, conv_place &at, int by) {
  at.c += by;
  while (at.c >= m.in_c) {
    at.c -= m.in_c;
    if (++at.w == m.w.taps) {
      at.w = 0;
      at.h++;
    }
  }
}

#endif
