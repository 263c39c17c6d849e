/* Resampling along one dimension. The map comes from the host as kernel arguments, a few hundred
 * entries a launch, into tables in device memory: so it may be recorded and replayed. Memory-bound:
 * an element of the result is written once, and its taps are read, mostly from cache. The transpose
 * gathers: every element of the input visits the stretch of results that may hold it, in order. */
#include "kernels/cuda/device.cuh"
extern "C" {
#include "kernels/resize.h"
}

#define THREADS 256
#define ENTRIES 448 /* of a launch: 3.5 KiB of arguments */

/* Bytes of either sign: cut to integers, and at the ends of their range. */
__host__ __device__ static inline float ig_to_f32(int8_t x) { return x; }
__host__ __device__ static inline float ig_to_f32(uint8_t x) { return x; }
template <> __host__ __device__ inline int8_t ig_from_f32<int8_t>(float x) {
  return (int8_t)fminf(fmaxf(x, -128), 127);
}
template <> __host__ __device__ inline uint8_t ig_from_f32<uint8_t>(float x) {
  return (uint8_t)fminf(fmaxf(x, 0), 255);
}

struct entries {
  int index[ENTRIES];
  float weight[ENTRIES];
};

/* The tables: index and weight by result and tap, then the stretch of results by input. */
struct tables {
  int64_t in, out, taps;
  int *index;
  float *weight;
  int2 *stretch;
};

__global__ void write_kernel(entries from, int count, int *index, float *weight) {
  for (int i = threadIdx.x; i < count; i += THREADS) {
    index[i] = from.index[i];
    weight[i] = from.weight[i];
  }
}

/* First and last result that has a tap at input `p`. */
__global__ void stretch_kernel(tables t) {
  int64_t p = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (p >= t.in) return;
  int2 stretch = make_int2(0, -1);
  for (int64_t k = 0; k < t.out * t.taps; k++) {
    if (t.index[k] != p || t.index[k / t.taps * t.taps] < 0) continue;
    if (stretch.y < 0) stretch.x = (int)(k / t.taps);
    stretch.y = (int)(k / t.taps);
  }
  t.stretch[p] = stretch;
}

template <typename X, typename Y>
__global__ void resample_kernel(tables t, float outside, int64_t inner, const X *x, Y *y,
                                int64_t count) {
  int64_t element = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (element >= count) return;
  int64_t i = element % inner, line = element / inner, j = line % t.out;
  const X *from = x + line / t.out * t.in * inner + i;
  const int *index = t.index + j * t.taps;
  float sum = index[0] < 0 ? outside : 0.0f;
  for (int64_t k = 0; k < t.taps && index[0] >= 0; k++) {
    sum += t.weight[j * t.taps + k] * ig_to_f32(from[index[k] * inner]);
  }
  y[element] = ig_from_f32<Y>(sum);
}

template <typename X, typename Y>
__global__ void resample_grad_kernel(tables t, int64_t inner, const X *dy, Y *dx, int64_t count) {
  int64_t element = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (element >= count) return;
  int64_t i = element % inner, line = element / inner, p = line % t.in;
  const X *from = dy + line / t.in * t.out * inner + i;
  int2 stretch = t.stretch[p];
  float sum = 0;
  for (int64_t j = stretch.x; j <= stretch.y; j++) {
    if (t.index[j * t.taps] < 0) continue;
    for (int64_t k = j * t.taps; k < (j + 1) * t.taps; k++) {
      if (t.index[k] == p) sum += t.weight[k] * ig_to_f32(from[j * inner]);
    }
  }
  dx[element] = ig_from_f32<Y>(sum);
}

static size_t table_bytes(int64_t out, int64_t taps) {
  return ((size_t)(out * taps) * (sizeof(int) + sizeof(float)) + 63) / 64 * 64;
}

size_t ig_cuda_resample_workspace(int64_t in, int64_t out, int64_t taps) {
  return table_bytes(out, taps) + ((size_t)in * sizeof(int2) + 63) / 64 * 64;
}

static ig_status write_tables(const ig_resample *axis, const tables *t, void *stream) {
  int64_t count = t->out * t->taps;
  for (int64_t at = 0; at < count; at += ENTRIES) {
    entries some = {};
    int n = (int)(count - at < ENTRIES ? count - at : ENTRIES);
    for (int i = 0; i < n; i++) {
      some.index[i] = (int)axis->index[at + i];
      some.weight[i] = (float)axis->weight[at + i];
    }
    IG_TRY(IG_LAUNCH(write_kernel, 1, THREADS, 0, stream, some, n, t->index + at, t->weight + at));
  }
  return IG_OK;
}

template <typename X, typename Y>
static ig_status resample(const ig_resample *axis, const tables *t, bool transposed, int64_t outer,
                          int64_t inner, const void *x, void *y, void *stream) {
  int64_t count = outer * inner * (transposed ? t->in : t->out);
  if (transposed) {
    return IG_LAUNCH((resample_grad_kernel<X, Y>), ig_blocks(count, THREADS), THREADS, 0, stream,
                     *t, inner, (const X *)x, (Y *)y, count);
  }
  return IG_LAUNCH((resample_kernel<X, Y>), ig_blocks(count, THREADS), THREADS, 0, stream, *t,
                   (float)axis->outside, inner, (const X *)x, (Y *)y, count);
}

template <typename X>
static ig_status resample_from(const ig_resample *axis, const tables *t, bool transposed,
                               ig_dtype to, int64_t outer, int64_t inner, const void *x, void *y,
                               void *stream) {
  if (to == IG_I8) {
    return resample<X, int8_t>(axis, t, transposed, outer, inner, x, y, stream);
  }
  if (to == IG_U8) {
    return resample<X, uint8_t>(axis, t, transposed, outer, inner, x, y, stream);
  }
  IG_FOR_FLOAT(to, "resize", {
    return resample<X, T>(axis, t, transposed, outer, inner, x, y, stream);
  })
}

ig_status ig_cuda_resample(const ig_resample *axis, bool transposed, ig_dtype from, ig_dtype to,
                           int64_t outer, int64_t inner, const void *x, void *y, void *workspace,
                           void *stream) {
  tables t = {axis->in, axis->out, axis->taps, (int *)workspace, NULL, NULL};
  t.weight = (float *)(t.index + t.out * t.taps);
  t.stretch = (int2 *)((char *)workspace + table_bytes(t.out, t.taps));
  if (outer * inner * t.in * t.out == 0) return IG_OK;
  IG_TRY(write_tables(axis, &t, stream));
  if (transposed) {
    IG_TRY(IG_LAUNCH(stretch_kernel, ig_blocks(t.in, THREADS), THREADS, 0, stream, t));
  }
  if (from == IG_I8) {
    return resample_from<int8_t>(axis, &t, transposed, to, outer, inner, x, y, stream);
  }
  if (from == IG_U8) {
    return resample_from<uint8_t>(axis, &t, transposed, to, outer, inner, x, y, stream);
  }
  IG_FOR_FLOAT(from, "resize", {
    return resample_from<T>(axis, &t, transposed, to, outer, inner, x, y, stream);
  })
}
