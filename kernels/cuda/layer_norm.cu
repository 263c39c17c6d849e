/* Row normalisation, forward. Statistics in f32, in two passes over the row, which is in registers
 * where it fits. Memory-bound: x, a residual, the sum and y pass memory once each; 8 flops an
 * element. */
#include "kernels/cuda/rows.cuh"
extern "C" {
#include "kernels/layer_norm.h"
}

#define THREADS 256

template <typename T> struct forward_operands {
  const T *x, *residual, *scale, *bias;
  T *sum, *y;
  float *mean, *invstd;
};

template <typename T>
__device__ static inline void store_stats(const forward_operands<T> &t, int64_t row, float mean,
                                          float invstd) {
  if (threadIdx.x != 0) return;
  if (t.mean) t.mean[row] = mean;
  if (t.invstd) t.invstd[row] = invstd;
}

template <typename T>
__global__ void __launch_bounds__(1024)
    row_norm_held_kernel(int64_t rows, int n, bool center, float epsilon, forward_operands<T> t) {
  IG_SHARED(float, partial, [64]);
  int64_t row = (int64_t)blockIdx.x * blockDim.y + threadIdx.y, at = row * n;
  bool present = row < rows;
  float v[IG_HELD], other[IG_HELD], total = 0, mean = 0;
  ig_held_load(t.x + at, n, present, 0, v);
  if (t.residual) {
    ig_held_load(t.residual + at, n, present, 0, other);
#pragma unroll
    for (int k = 0; k < IG_HELD; k++) v[k] = ig_to_f32(ig_from_f32<T>(v[k] + other[k]));
    if (t.sum) ig_held_store(t.sum + at, n, present, v);
  }
  if (center) {
#pragma unroll
    for (int k = 0; k < IG_HELD; k++) total += v[k];
    mean = ig_row_reduce<ig_sum>(total, partial) / (float)n;
  }
  total = 0;
#pragma unroll
  for (int k = 0; k < IG_HELD; k++) {
    float d = ig_held_at<T>(k) < n ? v[k] - mean : 0.0f;
    total += d * d;
  }
  float variance = ig_row_reduce<ig_sum>(total, partial + 32) / (float)n;
  float invstd = 1.0f / sqrtf(variance + epsilon);
  ig_held_load(t.scale, n, present, 0, other);
#pragma unroll
  for (int k = 0; k < IG_HELD; k++) v[k] = (v[k] - mean) * invstd * other[k];
  if (t.bias) {
    ig_held_load(t.bias, n, present, 0, other);
#pragma unroll
    for (int k = 0; k < IG_HELD; k++) v[k] += other[k];
  }
  ig_held_store(t.y + at, n, present, v);
  if (present) store_stats(t, row, mean, invstd);
}

/* Without a place for the sum, y holds it until it is overwritten. */
template <typename T>
__global__ void __launch_bounds__(1024)
    row_norm_streamed_kernel(int64_t rows, int64_t n, bool center, float epsilon,
                             forward_operands<T> t) {
  IG_SHARED(float, partial, [64]);
  int64_t row = (int64_t)blockIdx.x * blockDim.y + threadIdx.y, at = row * n;
  int64_t count = row < rows ? n : 0;
  int thread = threadIdx.x, width = blockDim.x;
  const T *x = t.x + at;
  float total = 0, mean = 0;
  if (t.residual) {
    T *sum = (t.sum ? t.sum : t.y) + at;
    ig_row_map2(x, t.residual + at, sum, count, thread, width,
                [&](int64_t, float a, float b) { return a + b; });
    x = sum;
    __syncthreads(); /* where the rows lie differently, other threads read what this one wrote */
  }
  if (center) {
    ig_row_each(x, count, thread, width, [&](int64_t, float v) { total += v; });
    mean = ig_row_reduce<ig_sum>(total, partial) / (float)n;
  }
  total = 0;
  ig_row_each(x, count, thread, width, [&](int64_t, float v) { total += (v - mean) * (v - mean); });
  float variance = ig_row_reduce<ig_sum>(total, partial + 32) / (float)n;
  float invstd = 1.0f / sqrtf(variance + epsilon);
  ig_row_map(x, t.y + at, count, thread, width, [&](int64_t i, float v) {
    float y = (v - mean) * invstd * ig_to_f32(t.scale[i]);
    return t.bias ? y + ig_to_f32(t.bias[i]) : y;
  });
  if (count) store_stats(t, row, mean, invstd);
}

ig_status ig_cuda_row_norm(ig_dtype dtype, const ig_row_norm *shape, const ig_row_norm_forward *t,
                           void *stream) {
  int64_t rows = shape->rows, n = shape->columns;
  if (rows == 0) return IG_OK;
  ig_row_grid grid = ig_row_grid_of(rows, n, THREADS, IG_ROW_BLOCKS);
  bool aligned = ig_aligned16(t->x) && ig_aligned16(t->residual) && ig_aligned16(t->scale) &&
                 ig_aligned16(t->bias) && ig_aligned16(t->sum) && ig_aligned16(t->y);
  float epsilon = (float)shape->epsilon;
  IG_FOR_FLOAT(dtype, "row normalisation", {
    forward_operands<T> operands = {(const T *)t->x,     (const T *)t->residual,
                                    (const T *)t->scale, (const T *)t->bias,
                                    (T *)t->sum,         (T *)t->y,
                                    (float *)t->mean,    (float *)t->invstd};
    if (aligned && ig_row_held(n, sizeof(T))) {
      return IG_LAUNCH(row_norm_held_kernel<T>, grid.blocks, grid.block, 0, stream, rows, (int)n,
                       shape->center, epsilon, operands);
    }
    return IG_LAUNCH(row_norm_streamed_kernel<T>, grid.blocks, grid.block, 0, stream, rows, n,
                     shape->center, epsilon, operands);
  })
}
