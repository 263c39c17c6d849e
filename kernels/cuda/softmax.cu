/* Softmax, its logarithm and their gradients. Rows along the last dimension are held in registers where
 * they fit (one read, one write), else streamed: twice, the second time mostly from the L2 cache.
 * Along another dimension a thread takes a whole row, neighbours in memory side by side. Memory-bound:
 * an element is read once (the gradient: two) and written once; 5 flops and an exponential each. */
#include "kernels/cuda/softmax.cuh"
extern "C" {
#include "kernels/softmax.h"
}

#define THREADS 256

template <typename T>
__global__ void __launch_bounds__(1024)
    softmax_held_kernel(bool log, int64_t rows, int n, const T *x, T *y) {
  IG_SHARED(float, partial, [64]);
  int64_t row = (int64_t)blockIdx.x * blockDim.y + threadIdx.y;
  bool present = row < rows;
  float v[IG_HELD], most = -INFINITY, total = 0;
  ig_held_load(x + row * n, n, present, -INFINITY, v);
#pragma unroll
  for (int k = 0; k < IG_HELD; k++) most = ig_most::join(most, v[k]);
  most = ig_row_reduce<ig_most>(most, partial);
#pragma unroll
  for (int k = 0; k < IG_HELD; k++) {
    float e = ig_held_at<T>(k) < n ? expf(v[k] - most) : 0.0f;
    v[k] = log ? v[k] - most : e;
    total += e;
  }
  total = ig_row_reduce<ig_sum>(total, partial + 32);
  float inverse = 1.0f / total, log_total = logf(total);
#pragma unroll
  for (int k = 0; k < IG_HELD; k++) v[k] = log ? v[k] - log_total : v[k] * inverse;
  ig_held_store(y + row * n, n, present, v);
}

template <typename T>
__global__ void __launch_bounds__(1024)
    softmax_streamed_kernel(bool log, int64_t rows, int64_t n, const T *x, T *y) {
  IG_SHARED(float, partial, [64]);
  int64_t row = (int64_t)blockIdx.x * blockDim.y + threadIdx.y;
  int64_t count = row < rows ? n : 0;
  ig_exponents mine;
  ig_row_each(x + row * n, count, threadIdx.x, blockDim.x, [&](int64_t, float v) { mine.add(v); });
  ig_exponents all = ig_row_exponents(mine, partial);
  float most = all.most, inverse = 1.0f / all.total, log_total = logf(all.total);
  ig_row_map(x + row * n, y + row * n, count, threadIdx.x, blockDim.x, [&](int64_t, float v) {
    return log ? v - most - log_total : expf(v - most) * inverse;
  });
}

template <typename T>
__global__ void softmax_strided_kernel(bool log, int64_t rows, int64_t n, int64_t inner, const T *x,
                                       T *y) {
  int64_t row = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (row >= rows) return;
  int64_t first = row / inner * n * inner + row % inner;
  ig_exponents all;
  for (int64_t i = 0; i < n; i++) all.add(ig_to_f32(x[first + i * inner]));
  float inverse = 1.0f / all.total, log_total = logf(all.total);
  for (int64_t i = 0; i < n; i++) {
    float v = ig_to_f32(x[first + i * inner]) - all.most;
    y[first + i * inner] = ig_from_f32<T>(log ? v - log_total : expf(v) * inverse);
  }
}

ig_status ig_cuda_softmax(bool log, ig_dtype dtype, const ig_rows *rows, const void *x, void *y,
                          void *stream) {
  int64_t count = rows->outer * rows->inner, n = rows->n;
  if (count == 0 || n == 0) return IG_OK;
  ig_row_grid grid = ig_row_grid_of(count, n, THREADS, IG_ROW_BLOCKS);
  IG_FOR_FLOAT(dtype, "softmax", {
    const T *from = (const T *)x;
    T *to = (T *)y;
    if (rows->inner > 1) {
      return IG_LAUNCH(softmax_strided_kernel<T>, ig_blocks(count, THREADS), THREADS, 0, stream,
                       log, count, n, rows->inner, from, to);
    }
    if (ig_row_held(n, sizeof(T)) && ig_aligned16(x) && ig_aligned16(y)) {
      return IG_LAUNCH(softmax_held_kernel<T>, grid.blocks, grid.block, 0, stream, log, count,
                       (int)n, from, to);
    }
    return IG_LAUNCH(softmax_streamed_kernel<T>, grid.blocks, grid.block, 0, stream, log, count, n,
                     from, to);
  })
}

/* --- the gradient ------------------------------------------------------------------------------ */

/* What is summed along the row, and dx from that sum. */
__device__ static inline float summed(bool log, float dy, float y) {
  return log ? dy : dy * y;
}
__device__ static inline float grad_of(bool log, float dy, float y, float sum) {
  return log ? dy - expf(y) * sum : y * (dy - sum);
}

template <typename T>
__global__ void __launch_bounds__(1024)
    softmax_grad_held_kernel(bool log, int64_t rows, int n, const T *dy, const T *y, T *dx) {
  IG_SHARED(float, partial, [32]);
  int64_t row = (int64_t)blockIdx.x * blockDim.y + threadIdx.y;
  bool present = row < rows;
  float g[IG_HELD], v[IG_HELD], sum = 0;
  ig_held_load(dy + row * n, n, present, 0, g);
  ig_held_load(y + row * n, n, present, 0, v);
#pragma unroll
  for (int k = 0; k < IG_HELD; k++) sum += summed(log, g[k], v[k]);
  sum = ig_row_reduce<ig_sum>(sum, partial);
#pragma unroll
  for (int k = 0; k < IG_HELD; k++) v[k] = grad_of(log, g[k], v[k], sum);
  ig_held_store(dx + row * n, n, present, v);
}

template <typename T>
__global__ void __launch_bounds__(1024)
    softmax_grad_streamed_kernel(bool log, int64_t rows, int64_t n, const T *dy, const T *y,
                                 T *dx) {
  IG_SHARED(float, partial, [32]);
  int64_t row = (int64_t)blockIdx.x * blockDim.y + threadIdx.y, at = row * n;
  int64_t count = row < rows ? n : 0;
  float sum = 0;
  ig_row_each2(dy + at, y + at, count, threadIdx.x, blockDim.x,
               [&](int64_t, float g, float v) { sum += summed(log, g, v); });
  sum = ig_row_reduce<ig_sum>(sum, partial);
  ig_row_map2(dy + at, y + at, dx + at, count, threadIdx.x, blockDim.x,
              [&](int64_t, float g, float v) { return grad_of(log, g, v, sum); });
}

template <typename T>
__global__ void softmax_grad_strided_kernel(bool log, int64_t rows, int64_t n, int64_t inner,
                                            const T *dy, const T *y, T *dx) {
  int64_t row = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (row >= rows) return;
  int64_t first = row / inner * n * inner + row % inner;
  float sum = 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t at = first + i * inner;
    sum += summed(log, ig_to_f32(dy[at]), ig_to_f32(y[at]));
  }
  for (int64_t i = 0; i < n; i++) {
    int64_t at = first + i * inner;
    dx[at] = ig_from_f32<T>(grad_of(log, ig_to_f32(dy[at]), ig_to_f32(y[at]), sum));
  }
}

ig_status ig_cuda_softmax_grad(bool log, ig_dtype dtype, const ig_rows *rows, const void *dy,
                               const void *y, void *dx, void *stream) {
  int64_t count = rows->outer * rows->inner, n = rows->n;
  if (count == 0 || n == 0) return IG_OK;
  ig_row_grid grid = ig_row_grid_of(count, n, THREADS, IG_ROW_BLOCKS);
  IG_FOR_FLOAT(dtype, "softmax gradient", {
    const T *given = (const T *)dy, *result = (const T *)y;
    T *to = (T *)dx;
    if (rows->inner > 1) {
      return IG_LAUNCH(softmax_grad_strided_kernel<T>, ig_blocks(count, THREADS), THREADS, 0,
                       stream, log, count, n, rows->inner, given, result, to);
    }
    if (ig_row_held(n, sizeof(T)) && ig_aligned16(dy) && ig_aligned16(y) && ig_aligned16(dx)) {
      return IG_LAUNCH(softmax_grad_held_kernel<T>, grid.blocks, grid.block, 0, stream, log, count,
                       (int)n, given, result, to);
    }
    return IG_LAUNCH(softmax_grad_streamed_kernel<T>, grid.blocks, grid.block, 0, stream, log,
                     count, n, given, result, to);
  })
}
