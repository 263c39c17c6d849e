/* Convolutions from their definition, for any layout, stride, dilation and number of groups: what the
 * other kernels are measured against, and the code for what they decline. Sums in f32. One thread
 * makes one element of dst or src, a warp one weight; operands are read from memory again for every
 * product, 2 flops each. */
#include "kernels/cuda/functions.cuh"
#include "kernels/cuda/image.cuh"
#include "kernels/cuda/reduce.cuh"
extern "C" {
#include "kernels/conv.h"
}

#define THREADS 128

/* The description with what every thread would compute again. */
struct conv {
  ig_conv s;
  ig_image src, dst;
  int64_t src_per_group, dst_per_group;
};

static conv conv_of(const ig_conv *s) {
  return {*s, ig_image_strides(s->src_layout, s->src), ig_image_strides(s->dst_layout, s->dst),
          s->src[1] / s->groups, s->dst[1] / s->groups};
}

/* The src row (axis 0) or column (axis 1) that kernel index `i` meets at dst index `p`, or -1. */
__device__ static inline int64_t source(const ig_conv &s, int axis, int64_t p, int64_t i) {
  int64_t at = p * s.stride[axis] + i * s.dilation[axis] - s.pad_begin[axis];
  return at >= 0 && at < s.src[2 + axis] ? at : -1;
}

/* The dst index whose kernel index `i` meets src index `at`, or -1. */
__device__ static inline int64_t target(const ig_conv &s, int axis, int64_t at, int64_t i) {
  int64_t scaled = at + s.pad_begin[axis] - i * s.dilation[axis];
  if (scaled < 0 || scaled % s.stride[axis] != 0) return -1;
  int64_t p = scaled / s.stride[axis];
  return p < s.dst[2 + axis] ? p : -1;
}

__device__ static inline int64_t weight_offset(const conv &c, int64_t oc, int64_t ic, int64_t i,
                                               int64_t j) {
  return ((oc * c.src_per_group + ic) * c.s.kernel[0] + i) * c.s.kernel[1] + j;
}

template <typename T>
__global__ void conv_kernel(conv c, const T *src, const T *weights, const T *bias, const T *sum,
                            T *dst, int64_t count) {
  int64_t element = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (element >= count) return;
  const ig_conv &s = c.s;
  ig_image_at at =
      ig_image_split(s.dst_layout, element, (int)s.dst[1], (int)s.dst[2], (int)s.dst[3]);
  int64_t first = at.c / c.dst_per_group * c.src_per_group;
  float y = 0;
  for (int64_t ic = 0; ic < c.src_per_group; ic++) {
    for (int64_t i = 0; i < s.kernel[0]; i++) {
      int64_t h = source(s, 0, at.h, i);
      for (int64_t j = 0; j < s.kernel[1] && h >= 0; j++) {
        int64_t w = source(s, 1, at.w, j);
        if (w < 0) continue;
        int64_t from = at.n * c.src.n + (first + ic) * c.src.c + h * c.src.h + w * c.src.w;
        y += ig_to_f32(src[from]) * ig_to_f32(weights[weight_offset(c, at.c, ic, i, j)]);
      }
    }
  }
  if (s.bias) y += ig_to_f32(bias[at.c]);
  if (s.sum) y += ig_to_f32(sum[element]);
  if (s.activation.on) y = ig_unary_f32(s.activation.kind, y, s.activation.a, s.activation.b);
  dst[element] = ig_from_f32<T>(y);
}

ig_status ig_cuda_conv_reference(const ig_conv *spec, const void *src, const void *weights,
                                 const void *bias, const void *sum, void *dst, void *stream) {
  int64_t count = ig_layout_count(spec->dst_layout, spec->dst);
  if (count == 0) return IG_OK;
  IG_FOR_FLOAT(spec->dtype, "convolution", {
    return IG_LAUNCH(conv_kernel<T>, ig_blocks(count, THREADS), THREADS, 0, stream, conv_of(spec),
                     (const T *)src, (const T *)weights, (const T *)bias, (const T *)sum, (T *)dst,
                     count);
  })
}

template <typename T>
__global__ void conv_src_kernel(conv c, const T *dst_grad, const T *weights, const T *bias,
                                T *src_grad, int64_t count) {
  int64_t element = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (element >= count) return;
  const ig_conv &s = c.s;
  ig_image_at at =
      ig_image_split(s.src_layout, element, (int)s.src[1], (int)s.src[2], (int)s.src[3]);
  int64_t ic = at.c % c.src_per_group, first = at.c / c.src_per_group * c.dst_per_group;
  float dx = 0;
  for (int64_t oc = first; oc < first + c.dst_per_group; oc++) {
    for (int64_t i = 0; i < s.kernel[0]; i++) {
      int64_t p = target(s, 0, at.h, i);
      for (int64_t j = 0; j < s.kernel[1] && p >= 0; j++) {
        int64_t q = target(s, 1, at.w, j);
        if (q < 0) continue;
        int64_t from = at.n * c.dst.n + oc * c.dst.c + p * c.dst.h + q * c.dst.w;
        dx += ig_to_f32(dst_grad[from]) * ig_to_f32(weights[weight_offset(c, oc, ic, i, j)]);
      }
    }
  }
  if (bias) dx += ig_to_f32(bias[at.c]);
  src_grad[element] = ig_from_f32<T>(dx);
}

ig_status ig_cuda_conv_src_reference(const ig_conv *spec, const void *dst_grad, const void *weights,
                                     const void *bias, void *src_grad, void *stream) {
  int64_t count = ig_layout_count(spec->src_layout, spec->src);
  if (count == 0) return IG_OK;
  IG_FOR_FLOAT(spec->dtype, "convolution", {
    return IG_LAUNCH(conv_src_kernel<T>, ig_blocks(count, THREADS), THREADS, 0, stream,
                     conv_of(spec), (const T *)dst_grad, (const T *)weights, (const T *)bias,
                     (T *)src_grad, count);
  })
}

/* Block x makes weight x; those behind the last weight make the bias' gradients. */
template <typename T>
__global__ void conv_weights_kernel(conv c, const T *src, const T *dst_grad, T *weights_grad,
                                    T *bias_grad, int64_t weights) {
  const ig_conv &s = c.s;
  int64_t number = blockIdx.x, pixels = s.dst[0] * s.dst[2] * s.dst[3];
  bool of_bias = number >= weights;
  int64_t j = number % s.kernel[1], i = number / s.kernel[1] % s.kernel[0];
  int64_t rest = number / (s.kernel[0] * s.kernel[1]);
  int64_t oc = of_bias ? number - weights : rest / c.src_per_group;
  int64_t ic = rest % c.src_per_group + oc / c.dst_per_group * c.src_per_group;
  float sum = 0;
  for (int64_t pixel = threadIdx.x; pixel < pixels; pixel += IG_WARP) {
    int64_t q = pixel % s.dst[3], p = pixel / s.dst[3] % s.dst[2];
    int64_t n = pixel / (s.dst[2] * s.dst[3]);
    int64_t at = n * c.dst.n + oc * c.dst.c + p * c.dst.h + q * c.dst.w;
    if (of_bias) {
      sum += ig_to_f32(dst_grad[at]);
      continue;
    }
    int64_t h = source(s, 0, p, i), w = source(s, 1, q, j);
    if (h < 0 || w < 0) continue;
    sum += ig_to_f32(dst_grad[at]) *
           ig_to_f32(src[n * c.src.n + ic * c.src.c + h * c.src.h + w * c.src.w]);
  }
  sum = ig_warp_reduce<ig_sum>(sum);
  if (threadIdx.x == 0) (of_bias ? bias_grad[oc] : weights_grad[number]) = ig_from_f32<T>(sum);
}

ig_status ig_cuda_conv_weights_reference(const ig_conv *spec, const void *src, const void *dst_grad,
                                         void *weights_grad, void *bias_grad, void *stream) {
  int64_t weights =
      spec->dst[1] * (spec->src[1] / spec->groups) * spec->kernel[0] * spec->kernel[1];
  int64_t blocks = weights + (spec->bias ? spec->dst[1] : 0);
  if (blocks == 0) return IG_OK;
  IG_FOR_FLOAT(spec->dtype, "convolution", {
    return IG_LAUNCH(conv_weights_kernel<T>, ig_blocks(blocks, 1), IG_WARP, 0, stream,
                     conv_of(spec), (const T *)src, (const T *)dst_grad, (T *)weights_grad,
                     (T *)bias_grad, weights);
  })
}
