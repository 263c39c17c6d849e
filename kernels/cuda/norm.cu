/* Norms over many tensors at once. A launch takes a list of tensors, cuts each into pieces of a fixed
 * length, and gives a block's sum of squares for each; one block then adds those in f64, in order.
 * Every element is read once, 16 bytes at a time, for two flops. */
#include "kernels/cuda/reduce.cuh"
extern "C" {
#include "kernels/optimizer.h"
}

#define THREADS 256
#define PIECE 16384 /* elements of a block */

struct pieces {
  ig_norm_list list;
  int first[IG_NORM_TENSORS + 1]; /* piece of each tensor */
};

template <typename T> __device__ static inline float sum_piece(const T *x, int64_t n) {
  const int wide = IG_PACK(T);
  float sum[IG_PACK(T)] = {0};
#pragma unroll 4
  for (int i = (int)threadIdx.x * wide; i + wide <= n; i += THREADS * wide) {
    ig_pack<T, IG_PACK(T)> v = ig_load_pack<T, IG_PACK(T)>(x + i);
    for (int k = 0; k < wide; k++) sum[k] += ig_to_f32(v.v[k]) * ig_to_f32(v.v[k]);
  }
  for (int64_t i = n / wide * wide + threadIdx.x; i < n; i += THREADS) {
    sum[0] += ig_to_f32(x[i]) * ig_to_f32(x[i]);
  }
  for (int k = 1; k < wide; k++) sum[0] += sum[k];
  return sum[0];
}

__global__ void sum_squares_kernel(pieces all, float *partial) {
  IG_SHARED(float, shared, [IG_WARP]);
  int low = 0, high = all.list.n, block = (int)blockIdx.x;
  while (high - low > 1) { /* the last tensor that begins at this piece or before, and has any */
    int middle = (low + high) / 2;
    if (all.first[middle] <= block)
      low = middle;
    else
      high = middle;
  }
  int64_t begin = (int64_t)(block - all.first[low]) * PIECE, left = all.list.count[low] - begin;
  int64_t n = left < PIECE ? left : PIECE;
  float sum;
  switch (all.list.dtype[low]) {
  case IG_F32: sum = sum_piece((const float *)all.list.data[low] + begin, n); break;
  case IG_BF16: sum = sum_piece((const ig_bf16 *)all.list.data[low] + begin, n); break;
  default: sum = sum_piece((const ig_f16 *)all.list.data[low] + begin, n);
  }
  sum = ig_block_reduce<ig_sum>(sum, shared);
  if (threadIdx.x == 0) partial[block] = sum;
}

/* One block. */
__global__ void finish_kernel(const float *partial, int64_t parts, float *norm) {
  IG_SHARED(double, sums, [THREADS]);
  double sum = 0;
  for (int64_t i = threadIdx.x; i < parts; i += THREADS) sum += (double)partial[i];
  sums[threadIdx.x] = sum;
  for (int step = THREADS / 2; step > 0; step /= 2) {
    __syncthreads();
    if ((int)threadIdx.x < step) sums[threadIdx.x] += sums[threadIdx.x + step];
  }
  if (threadIdx.x == 0) *norm = (float)sqrt(sums[0]);
}

__global__ void clip_factor_kernel(const float *norm, float max_norm, float *factor) {
  float value = *norm;
  *factor = isfinite(value) ? fminf(max_norm / (value + 1e-6f), 1.0f) : NAN;
}

int64_t ig_cuda_norm_parts(int64_t count) {
  return (count + PIECE - 1) / PIECE;
}

ig_status ig_cuda_sum_squares(const ig_norm_list *list, float *partial, void *stream) {
  pieces all = {};
  all.list = *list;
  for (int i = 0; i < list->n; i++) {
    int64_t next = all.first[i] + ig_cuda_norm_parts(list->count[i]);
    IG_CHECK(next <= INT32_MAX, IG_ERR_UNSUPPORTED, "global norm: %d tensors of too many elements",
             list->n);
    all.first[i + 1] = (int)next;
  }
  int blocks = all.first[list->n];
  if (blocks == 0) return IG_OK;
  return IG_LAUNCH(sum_squares_kernel, blocks, THREADS, 0, stream, all, partial);
}

ig_status ig_cuda_norm_finish(const float *partial, int64_t parts, float *norm, void *stream) {
  return IG_LAUNCH(finish_kernel, 1, THREADS, 0, stream, partial, parts, norm);
}

ig_status ig_cuda_clip_factor(const float *norm, float max_norm, float *factor, void *stream) {
  return IG_LAUNCH(clip_factor_kernel, 1, 1, 0, stream, norm, max_norm, factor);
}
