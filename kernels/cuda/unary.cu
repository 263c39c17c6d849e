/* Functions of one element over a tensor, and their gradients. Memory-bound: an element is read and
 * written once, 16 bytes at a time; at most 40 flops an element. */
#include "kernels/cuda/functions.cuh"
#include "kernels/cuda/number.cuh"

#define THREADS 256

/* The numbers a function takes: given, or bounds in device memory. */
template <typename T> struct numbers {
  float a, b;
  const T *low, *high;
};

template <typename T>
__device__ static inline void resolve(const numbers<T> &of, float *a, float *b) {
  *a = of.low ? ig_to_f32(*of.low) : of.a;
  *b = of.high ? ig_to_f32(*of.high) : of.b;
}

template <typename T>
__global__ void unary_kernel(ig_unary kind, const T *x, T *y, int64_t n, numbers<T> given) {
  const int wide = IG_PACK(T);
  int64_t i = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * wide;
  float a, b;
  resolve(given, &a, &b);
  if (i + wide <= n) {
    ig_pack<T, IG_PACK(T)> in = ig_load_pack<T, IG_PACK(T)>(x + i), out;
    for (int k = 0; k < wide; k++) {
      out.v[k] = ig_from_f32<T>(ig_unary_f32(kind, ig_to_f32(in.v[k]), a, b));
    }
    ig_store_pack(y + i, out);
    return;
  }
  for (; i < n; i++) y[i] = ig_from_f32<T>(ig_unary_f32(kind, ig_to_f32(x[i]), a, b));
}

/* Integers are counters and indices: few, so one at a time will do. */
template <typename T>
__global__ void unary_whole_kernel(ig_unary kind, const T *x, T *y, int64_t n, const T *low,
                                   const T *high) {
  int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (i >= n) return;
  int64_t a = low ? (int64_t)*low : INT64_MIN, b = high ? (int64_t)*high : INT64_MAX;
  y[i] = (T)ig_unary_i64(kind, (int64_t)x[i], a, b);
}

template <typename T>
__global__ void unary_grad_kernel(ig_unary kind, const T *dy, const T *x, T *dx, int64_t n,
                                  numbers<T> given) {
  const int wide = IG_PACK(T);
  int64_t i = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * wide;
  float a, b;
  resolve(given, &a, &b);
  if (i + wide <= n) {
    ig_pack<T, IG_PACK(T)> d = ig_load_pack<T, IG_PACK(T)>(dy + i);
    ig_pack<T, IG_PACK(T)> in = ig_load_pack<T, IG_PACK(T)>(x + i), out;
    for (int k = 0; k < wide; k++) {
      float slope = ig_unary_slope_f32(kind, ig_to_f32(in.v[k]), a, b);
      out.v[k] = ig_from_f32<T>(ig_to_f32(d.v[k]) * slope);
    }
    ig_store_pack(dx + i, out);
    return;
  }
  for (; i < n; i++) {
    float slope = ig_unary_slope_f32(kind, ig_to_f32(x[i]), a, b);
    dx[i] = ig_from_f32<T>(ig_to_f32(dy[i]) * slope);
  }
}

ig_status ig_cuda_unary(ig_unary kind, ig_dtype dtype, const void *x, void *y, int64_t n, float a,
                        float b, void *stream) {
  if (n == 0) return IG_OK;
  IG_FOR_FLOAT(dtype, "unary", {
    numbers<T> given = {a, b, NULL, NULL};
    return IG_LAUNCH(unary_kernel<T>, ig_blocks(n, THREADS * IG_PACK(T)), THREADS, 0, stream, kind,
                     (const T *)x, (T *)y, n, given);
  })
}

ig_status ig_cuda_unary_bounded(ig_unary kind, ig_dtype dtype, const void *x, const void *low,
                                const void *high, void *y, int64_t n, void *stream) {
  if (n == 0) return IG_OK;
  if (dtype == IG_F32 || dtype == IG_BF16 || dtype == IG_F16) {
    IG_FOR_FLOAT(dtype, "unary", {
      numbers<T> given = {-INFINITY, INFINITY, (const T *)low, (const T *)high};
      return IG_LAUNCH(unary_kernel<T>, ig_blocks(n, THREADS * IG_PACK(T)), THREADS, 0, stream,
                       kind, (const T *)x, (T *)y, n, given);
    })
  }
  IG_FOR_WHOLE(dtype, "unary", {
    return IG_LAUNCH(unary_whole_kernel<T>, ig_blocks(n, THREADS), THREADS, 0, stream, kind,
                     (const T *)x, (T *)y, n, (const T *)low, (const T *)high);
  })
}

ig_status ig_cuda_unary_grad(ig_unary kind, ig_dtype dtype, const void *dy, const void *x, void *dx,
                             int64_t n, float a, const void *low, const void *high, void *stream) {
  if (n == 0) return IG_OK;
  if (kind == IG_UNARY_CLIP && !low) a = -INFINITY;
  IG_FOR_FLOAT(dtype, "unary gradient", {
    numbers<T> given = {a, INFINITY, (const T *)low, (const T *)high};
    return IG_LAUNCH(unary_grad_kernel<T>, ig_blocks(n, THREADS * IG_PACK(T)), THREADS, 0, stream,
                     kind, (const T *)dy, (const T *)x, (T *)dx, n, given);
  })
}
