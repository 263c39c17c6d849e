/* Convolutions of every channel by itself. Memory-bound: channels last, a thread takes sixteen bytes
 * of channels (or one) and reads each tap of them; neighbours share what lies in cache, so src comes
 * from memory once and dst goes there once; 2 flops for each tap. The gradient of the weights sums
 * over pixels in parts that the shapes alone decide, one tap at a time, and adds the parts in order. */
#include "kernels/cuda/functions.cuh"
#include "kernels/cuda/image.cuh"
extern "C" {
#include "kernels/conv.h"
}

#define THREADS 128
#define WARPS (THREADS / IG_WARP)
#define LEAST 256 /* pixels of a part */

struct depth {
  int n, c, h, w; /* of the tensor that is written; of dst for weights */
  int source_h, source_w;
  int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
  bool backward;
  ig_activation activation;
};

static depth depth_of(const ig_conv *s, bool backward) {
  const int64_t *to = backward ? s->src : s->dst, *from = backward ? s->dst : s->src;
  return {(int)to[0],           (int)to[1],           (int)to[2],
          (int)to[3],           (int)from[2],         (int)from[3],
          (int)s->kernel[0],    (int)s->kernel[1],    (int)s->stride[0],
          (int)s->stride[1],    (int)s->dilation[0],  (int)s->dilation[1],
          (int)s->pad_begin[0], (int)s->pad_begin[1], backward,
          backward ? ig_activation() : s->activation};
}

/* The source index of kernel index `i` at index `at` of what is written, or -1. */
__device__ static inline int source(bool backward, int at, int i, int stride, int dilation, int pad,
                                    int extent) {
  int from = backward ? at + pad - i * dilation : at * stride + i * dilation - pad;
  if (backward && stride > 1) {
    if (from < 0 || from % stride) return -1;
    from /= stride;
  }
  return from >= 0 && from < extent ? from : -1;
}

template <typename T, int N>
__global__ void depth_kernel(depth d, const T *in, const T *weights, const T *bias, const T *sum,
                             T *out, int64_t count) {
  int64_t element = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (element >= count) return;
  ig_image_at at = ig_image_split(IG_LAYOUT_NHWC, element, d.c / N, d.h, d.w);
  const T *image = in + at.n * d.source_h * d.source_w * d.c + at.c * N;
  int taps = d.kernel_h * d.kernel_w;
  float value[N];
  for (int l = 0; l < N; l++) value[l] = bias ? ig_to_f32(bias[at.c * N + l]) : 0.0f;
  for (int i = 0; i < d.kernel_h; i++) {
    int h = source(d.backward, at.h, i, d.stride_h, d.dilation_h, d.pad_h, d.source_h);
    for (int j = 0; j < d.kernel_w && h >= 0; j++) {
      int w = source(d.backward, at.w, j, d.stride_w, d.dilation_w, d.pad_w, d.source_w);
      if (w < 0) continue;
      ig_pack<T, N> x = ig_load_pack<T, N>(image + ((int64_t)h * d.source_w + w) * d.c);
      const T *tap = weights + (int64_t)at.c * N * taps + i * d.kernel_w + j;
      for (int l = 0; l < N; l++) value[l] += ig_to_f32(x.v[l]) * ig_to_f32(tap[l * taps]);
    }
  }
  ig_pack<T, N> more, result;
  if (sum) more = ig_load_pack<T, N>(sum + element * N);
  for (int l = 0; l < N; l++) {
    float v = value[l] + (sum ? ig_to_f32(more.v[l]) : 0.0f);
    if (d.activation.on) v = ig_unary_f32(d.activation.kind, v, d.activation.a, d.activation.b);
    result.v[l] = ig_from_f32<T>(v);
  }
  ig_store_pack(out + element * N, result);
}

/* Block (x, y, z): channels 32 x ..., tap y (the last is the bias), the pixels of part z. */
template <typename T>
__global__ void depth_weights_kernel(depth d, const T *src, const T *dst_grad, int64_t per_part,
                                     float *partial) {
  IG_SHARED(float, sums, [WARPS][IG_WARP]);
  int lane = threadIdx.x % IG_WARP, warp = threadIdx.x / IG_WARP;
  int c = blockIdx.x * IG_WARP + lane, tap = blockIdx.y, taps = d.kernel_h * d.kernel_w;
  int64_t pixels = (int64_t)d.n * d.h * d.w, end = (blockIdx.z + 1) * per_part;
  if (end > pixels) end = pixels;
  float sum = 0;
  for (int64_t p = blockIdx.z * per_part + warp; p < end && c < d.c; p += WARPS) {
    uint32_t row = (uint32_t)p / (uint32_t)d.w, column = (uint32_t)p % (uint32_t)d.w;
    float g = ig_to_f32(dst_grad[p * d.c + c]);
    if (tap == taps) {
      sum += g;
      continue;
    }
    int h = source(false, row % d.h, tap / d.kernel_w, d.stride_h, d.dilation_h, d.pad_h,
                   d.source_h);
    int w = source(false, column, tap % d.kernel_w, d.stride_w, d.dilation_w, d.pad_w, d.source_w);
    if (h < 0 || w < 0) continue;
    int64_t at = ((int64_t)(row / d.h) * d.source_h + h) * d.source_w + w;
    sum += g * ig_to_f32(src[at * d.c + c]);
  }
  sums[warp][lane] = sum;
  __syncthreads();
  if (warp > 0 || c >= d.c) return;
  for (int i = 1; i < WARPS; i++) sum += sums[i][lane];
  partial[((int64_t)blockIdx.z * gridDim.y + tap) * d.c + c] = sum;
}

template <typename T>
__global__ void add_depth_kernel(const float *partial, int64_t parts, int taps, int lines,
                                 int channels, T *weights, T *bias) {
  int64_t element = (int64_t)blockIdx.x * THREADS + threadIdx.x, count = (int64_t)lines * channels;
  if (element >= count) return;
  float sum = 0;
  for (int64_t i = 0; i < parts; i++) sum += partial[i * count + element];
  int64_t tap = element / channels, c = element % channels;
  if (tap == taps) {
    bias[c] = ig_from_f32<T>(sum);
  } else {
    weights[c * taps + tap] = ig_from_f32<T>(sum);
  }
}

/* --- launching -------------------------------------------------------------------------------- */

const char *ig_cuda_conv_depthwise_declines(const ig_conv *s) {
  if (s->src[1] != s->groups || s->dst[1] != s->groups) return "not every channel by itself";
  if (s->src_layout != IG_LAYOUT_NHWC || s->dst_layout != IG_LAYOUT_NHWC) return "not channels last";
  if (s->kernel[0] * s->kernel[1] > 65534) return "too many taps";
  return NULL;
}

ig_status ig_cuda_conv_depthwise(const ig_conv *s, bool backward, const void *in,
                                 const void *weights, const void *bias, const void *sum, void *out,
                                 void *stream) {
  int64_t count = ig_layout_count(IG_LAYOUT_NHWC, backward ? s->src : s->dst);
  const depth d = depth_of(s, backward);
  if (count == 0) return IG_OK;
  IG_FOR_FLOAT(s->dtype, "convolution", {
    const T *x = (const T *)in, *w = (const T *)weights, *b = (const T *)bias;
    const T *more = (const T *)sum;
    if (d.c % IG_PACK(T) == 0 && ig_aligned16(in) && ig_aligned16(out) && ig_aligned16(sum)) {
      count /= IG_PACK(T);
      return IG_LAUNCH((depth_kernel<T, IG_PACK(T)>), ig_blocks(count, THREADS), THREADS, 0, stream,
                       d, x, w, b, more, (T *)out, count);
    }
    return IG_LAUNCH((depth_kernel<T, 1>), ig_blocks(count, THREADS), THREADS, 0, stream, d, x, w,
                     b, more, (T *)out, count);
  })
}

/* Lines of partial sums: one for each tap and one for the bias. */
static int lines_of(const ig_conv *s) {
  return (int)(s->kernel[0] * s->kernel[1]) + s->bias;
}

static int64_t parts_of(const ig_conv *s, int64_t *per_part) {
  int64_t pixels = s->dst[0] * s->dst[2] * s->dst[3];
  int64_t blocks = (s->dst[1] + IG_WARP - 1) / IG_WARP * lines_of(s), enough = 528;
  int64_t parts = (enough + blocks - 1) / (blocks ? blocks : 1), most = (pixels + LEAST - 1) / LEAST;
  if (parts > most) parts = most;
  if (parts < 1) parts = 1;
  *per_part = (pixels + parts - 1) / parts;
  return parts;
}

size_t ig_cuda_conv_depthwise_workspace(const ig_conv *s) {
  int64_t per_part;
  return (size_t)parts_of(s, &per_part) * (size_t)lines_of(s) * (size_t)s->dst[1] * sizeof(float);
}

ig_status ig_cuda_conv_depthwise_weights(const ig_conv *s, const void *src, const void *dst_grad,
                                         void *weights_grad, void *bias_grad, void *workspace,
                                         void *stream) {
  int64_t per_part, parts = parts_of(s, &per_part), lines = lines_of(s);
  const depth d = depth_of(s, false);
  float *partial = (float *)workspace;
  if (d.c == 0) return IG_OK;
  IG_FOR_FLOAT(s->dtype, "convolution", {
    dim3 grid(ig_blocks(d.c, IG_WARP), (unsigned)lines, (unsigned)parts);
    IG_TRY(IG_LAUNCH(depth_weights_kernel<T>, grid, THREADS, 0, stream, d, (const T *)src,
                     (const T *)dst_grad, per_part, partial));
    return IG_LAUNCH(add_depth_kernel<T>, ig_blocks(lines * d.c, THREADS), THREADS, 0, stream,
                     partial, parts, (int)(s->kernel[0] * s->kernel[1]), (int)lines, d.c,
                     (T *)weights_grad, (T *)bias_grad);
  })
}
