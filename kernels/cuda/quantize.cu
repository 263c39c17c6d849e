/* Linear quantization. Memory-bound: a number is read (or written) 16 bytes at a time and its integer
 * once; a division (or multiplication) and three comparisons each. Scales are looked up once for each
 * run of elements that share one, and come from the cache. */
#include "kernels/cuda/index.cuh"
#include "kernels/cuda/number.cuh"
extern "C" {
#include "kernels/observe.h"
#include "kernels/quantize.h"
}

#define THREADS 256
#define PACKS 4 /* a thread's, to be in flight together */

/* Where the scale of each element is; see ig_quantize. */
struct scales {
  const void *scale, *zero;
  ig_dtype scale_dtype;
  int64_t count, n, inner, block, blocks;
  bool small; /* fewer than 2^31 elements */
  ig_divisor by_inner, by_n, by_block;
};

static scales scales_of(const ig_quantize *q, const void *scale, const void *zero) {
  scales s = {scale, zero, q->scale};
  s.count = q->outer * q->n * q->inner;
  s.n = q->n;
  s.inner = q->inner;
  s.block = q->block;
  s.blocks = q->block ? (q->n + q->block - 1) / q->block : q->n;
  s.small = s.count <= 0x7fffffff;
  s.by_inner = ig_divisor_of(q->inner);
  s.by_n = ig_divisor_of(q->n);
  s.by_block = ig_divisor_of(q->block);
  return s;
}

__device__ static inline int64_t quotient(bool small, int64_t a, int64_t b, ig_divisor by) {
  return small ? (int64_t)ig_divide((uint32_t)a, by) : a / b;
}

/* Walks over elements that follow one another. */
template <typename Whole> struct walk {
  const scales &s;
  int64_t outer, place, i, index;
  float scale;
  int64_t zero;

  __device__ walk(const scales &of, int64_t element) : s(of) {
    int64_t row = quotient(s.small, element, s.inner, s.by_inner);
    outer = quotient(s.small, row, s.n, s.by_n);
    place = row - outer * s.n;
    i = element - row * s.inner;
    load(find());
  }
  __device__ int64_t find() const {
    if (s.block == 0) return place;
    return (outer * s.blocks + quotient(s.small, place, s.block, s.by_block)) * s.inner + i;
  }
  __device__ void load(int64_t at) {
    index = at;
    scale = (float)ig_load_number(s.scale_dtype, s.scale, at);
    zero = s.zero ? (int64_t)((const Whole *)s.zero)[at] : 0;
  }
  /* To the next element, which exists. */
  __device__ void next() {
    if (++i == s.inner) {
      i = 0;
      if (++place == s.n) {
        place = 0;
        outer++;
      }
    }
    int64_t at = find();
    if (at != index) load(at);
  }
};

/* One element, either way. */
template <typename Whole, typename Real>
__device__ static inline void convert(const Real &x, Whole *y, const walk<Whole> &w) {
  *y = ig_quantized<Whole>(ig_to_f32(x), w.scale, (int)w.zero);
}
template <typename Whole, typename Real>
__device__ static inline void convert(const Whole &x, Real *y, const walk<Whole> &w) {
  *y = ig_from_f32<Real>((float)((int64_t)x - w.zero) * w.scale);
}

template <typename Whole, typename From, typename To, int N>
__global__ void convert_kernel(const From *x, To *y, scales s) {
  const int64_t step = (int64_t)THREADS * N;
  const int64_t first = (int64_t)blockIdx.x * step * PACKS + (int64_t)threadIdx.x * N;
  ig_pack<From, N> in[PACKS];
#pragma unroll
  for (int p = 0; p < PACKS; p++) {
    int64_t i = first + p * step;
    if (i + N <= s.count) in[p] = ig_load_pack<From, N>(x + i);
  }
#pragma unroll
  for (int p = 0; p < PACKS; p++) {
    int64_t i = first + p * step;
    if (i >= s.count) return;
    walk<Whole> w(s, i);
    if (i + N <= s.count) {
      ig_pack<To, N> out;
      for (int k = 0; k < N; k++) {
        if (k) w.next();
        convert(in[p].v[k], &out.v[k], w);
      }
      ig_store_pack(y + i, out);
    } else {
      convert(x[i], &y[i], w);
      while (++i < s.count) {
        w.next();
        convert(x[i], &y[i], w);
      }
    }
  }
}

/* `Real` sets the width of accesses: 16 bytes of it. */
template <typename Whole, typename Real, typename From, typename To>
static ig_status launch(const From *x, To *y, const scales &s, void *stream) {
  if (s.count == 0) return IG_OK;
  if (!ig_aligned16(x) || !ig_aligned16(y)) {
    return IG_LAUNCH((convert_kernel<Whole, From, To, 1>), ig_blocks(s.count, THREADS * PACKS),
                     THREADS, 0, stream, x, y, s);
  }
  return IG_LAUNCH((convert_kernel<Whole, From, To, IG_PACK(Real)>),
                   ig_blocks(s.count, THREADS * PACKS * IG_PACK(Real)), THREADS, 0, stream, x, y,
                   s);
}

template <typename Whole>
static ig_status quantize(const ig_quantize *q, const void *x, void *y, const scales &s,
                          void *stream) {
  IG_FOR_FLOAT(q->real, "quantization",
               IG_TRY((launch<Whole, T>((const T *)x, (Whole *)y, s, stream)));)
  return IG_OK;
}

template <typename Whole>
static ig_status dequantize(const ig_quantize *q, const void *x, void *y, const scales &s,
                            void *stream) {
  IG_FOR_FLOAT(q->real, "dequantization",
               IG_TRY((launch<Whole, T>((const Whole *)x, (T *)y, s, stream)));)
  return IG_OK;
}

ig_status ig_cuda_quantize(const ig_quantize *q, const void *x, const void *scale, const void *zero,
                           void *y, void *stream) {
  const scales s = scales_of(q, scale, zero);
  return q->whole == IG_I8 ? quantize<int8_t>(q, x, y, s, stream)
                           : quantize<uint8_t>(q, x, y, s, stream);
}

ig_status ig_cuda_dequantize(const ig_quantize *q, const void *x, const void *scale,
                             const void *zero, void *y, void *stream) {
  const scales s = scales_of(q, scale, zero);
  if (q->whole == IG_I8) return dequantize<int8_t>(q, x, y, s, stream);
  if (q->whole == IG_U8) return dequantize<uint8_t>(q, x, y, s, stream);
  return dequantize<int32_t>(q, x, y, s, stream);
}

/* --- sums of products ------------------------------------------------------------------------- */

struct steps {
  const void *a, *b, *y;
  ig_dtype dtype;
};

/* Five bytes an element; what belongs to rows and columns comes from the cache. */
template <typename Whole>
__global__ void requantize_kernel(ig_requantize r, const int32_t *sums, steps scale,
                                  const Whole *y_zero, Whole *y) {
  const float y_step = (float)ig_load_number(scale.dtype, scale.y, 0);
  const int64_t count = r.rows * r.n, threads = (int64_t)gridDim.x * THREADS;
  for (int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += threads) {
    int64_t row = i / r.n;
    float a_step = (float)ig_load_number(scale.dtype, scale.a, r.by_row ? row % r.m : 0);
    float b_step = (float)ig_load_number(scale.dtype, scale.b, r.by_column ? i - row * r.n : 0);
    float value = (float)sums[i] * (a_step * b_step / y_step);
    y[i] = ig_quantized<Whole>(value, 1.0f, (int)*y_zero);
  }
}

ig_status ig_cuda_requantize(const ig_requantize *r, const int32_t *sums, const void *a_scale,
                             const void *b_scale, const void *y_scale, const void *y_zero, void *y,
                             void *stream) {
  const steps scale = {a_scale, b_scale, y_scale, r->scale};
  const int64_t count = r->rows * r->n;
  if (count == 0) return IG_OK;
  if (r->whole == IG_I8) {
    return IG_LAUNCH(requantize_kernel<int8_t>, ig_blocks(count, THREADS), THREADS, 0, stream, *r,
                     sums, scale, (const int8_t *)y_zero, (int8_t *)y);
  }
  return IG_LAUNCH(requantize_kernel<uint8_t>, ig_blocks(count, THREADS), THREADS, 0, stream, *r,
                   sums, scale, (const uint8_t *)y_zero, (uint8_t *)y);
}

/* --- by its own range ------------------------------------------------------------------------- */

__global__ void forget_kernel(ig_extremes *seen) {
  seen->most = 0;
  seen->most_negated = 0;
}

/* As ig_order_value; 0 where that is less, or nothing was seen. */
__device__ static inline float above_zero(uint32_t key) {
  return key >> 31 ? __uint_as_float(key & 0x7fffffffu) : 0.0f;
}

/* As ig_quantize_range. */
__global__ void range_kernel(const ig_extremes *seen, float *scale, uint8_t *zero) {
  float above = above_zero(seen->most), below = above_zero(seen->most_negated);
  float step = above + below > 0.0f ? (above + below) / 255.0f : 1.0f;
  *scale = step;
  *zero = ig_quantized<uint8_t>(below, step, 0);
}

ig_status ig_cuda_quantize_dynamic(const float *x, int64_t count, uint8_t *y, float *scale,
                                   uint8_t *zero, void *workspace, void *stream) {
  static_assert(sizeof(ig_extremes) <= IG_CUDA_QUANTIZE_DYNAMIC, "the workspace is too small");
  ig_extremes *seen = (ig_extremes *)workspace;
  IG_TRY(IG_LAUNCH(forget_kernel, 1, 1, 0, stream, seen));
  IG_TRY(ig_cuda_extremes(IG_F32, x, count, seen, stream));
  IG_TRY(IG_LAUNCH(range_kernel, 1, 1, 0, stream, seen, scale, zero));
  const ig_quantize q = {IG_F32, IG_F32, IG_U8, 1, 1, count, 0};
  return ig_cuda_quantize(&q, x, scale, zero, y, stream);
}
