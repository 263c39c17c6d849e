/* Rotary embedding. Memory-bound: x is read and y written once, the tables once for each head (they
 * stay in the cache); 6 flops a pair. A thread turns one pair, or copies two of the elements that
 * are not turned. */
#include "kernels/cuda/device.cuh"
extern "C" {
#include "kernels/rotary.h"
}

#define THREADS 256

/* A block takes rows (one head of one token each), as many as it has threads for. A position
 * outside the table gives NaN: a device cannot stop the step. */
template <typename T>
__global__ void rotary_kernel(const ig_rotary r, const T *x, const T *cosines, const T *sines,
                              const int64_t *rows, int64_t table, T *y, int per_row) {
  int64_t per_block = THREADS / per_row, count = r.batch * r.tokens * r.heads;
  int64_t at = blockIdx.x * per_block + threadIdx.x / per_row;
  if ((int)threadIdx.x / per_row >= per_block || at >= count) return;
  int64_t h = at % r.heads, t = at / r.heads, row = rows ? rows[t] : r.shared ? t % r.tokens : t;
  int64_t start = t / r.tokens * r.stride_b + h * r.stride_h + t % r.tokens * r.stride_s;
  bool known = row >= 0 && row < table;
  for (int64_t i = threadIdx.x % per_row; i < r.half; i += per_row) {
    int64_t first = start + (r.interleaved ? 2 * i : i);
    int64_t second = first + (r.interleaved ? 1 : r.half);
    float a = ig_to_f32(x[first]), b = ig_to_f32(x[second]);
    float c = known ? ig_to_f32(cosines[row * r.half + i]) : NAN;
    float s = known ? ig_to_f32(sines[row * r.half + i]) : NAN;
    y[first] = ig_from_f32<T>(a * c - b * s);
    y[second] = ig_from_f32<T>(a * s + b * c);
  }
  for (int64_t i = 2 * r.half + threadIdx.x % per_row; i < r.size; i += per_row) {
    y[start + i] = x[start + i];
  }
}

ig_status ig_cuda_rotary(ig_dtype dtype, const ig_rotary *shape, const void *x, const void *cosines,
                         const void *sines, const int64_t *rows, int64_t table, void *y,
                         void *stream) {
  int64_t count = shape->batch * shape->tokens * shape->heads;
  if (count == 0 || shape->size == 0) return IG_OK;
  int64_t pairs = (shape->size + 1) / 2;
  int per_row = pairs < THREADS ? (int)pairs : THREADS;
  IG_FOR_FLOAT(dtype, "rotary embedding", {
    return IG_LAUNCH(rotary_kernel<T>, ig_blocks(count, THREADS / per_row), THREADS, 0, stream,
                     *shape, (const T *)x, (const T *)cosines, (const T *)sines, rows, table,
                     (T *)y, per_row);
  })
}
