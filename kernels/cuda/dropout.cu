/* Dropout and its gradient. A thread draws its sample's stream once (two Philox calls) and then a
 * block of four numbers for every four elements: about 130 integer operations beside 4 elements read
 * and 4 with their mask written, which memory still bounds. */
#include "kernels/cuda/number.cuh"
#include "kernels/cuda/philox.cuh"
extern "C" {
#include "kernels/dropout.h"
}

#define THREADS 256
#define TURNS 4 /* groups of four elements a thread */

__device__ static inline bool is_training(const ig_dropout_scalars &s) {
  return s.training && *s.training;
}

__device__ static inline double ratio_of(const ig_dropout_scalars &s) {
  double ratio = s.ratio ? ig_load_number(s.ratio_dtype, s.ratio, 0) : 0.5;
  return ratio >= 0 && ratio < 1 ? ratio : (double)NAN;
}

/* Kept are the numbers not below this. */
__device__ static inline uint32_t threshold_of(double ratio) {
  if (ratio != ratio) return 0;
  double bound = ratio * 4294967296.0 + 0.5;
  return bound >= 4294967296.0 ? 0xffffffffu : (uint32_t)bound;
}

/* A block of the grid handles `parts` of a sample in turn. */
template <typename T>
__global__ void dropout_kernel(ig_dropout_scalars s, uint64_t salt, int64_t parts, int64_t elements,
                               const T *x, T *y, uint8_t *mask) {
  int64_t sample = blockIdx.x / parts, group = (blockIdx.x % parts) * TURNS * THREADS + threadIdx.x;
  bool training = is_training(s), aligned = elements % 4 == 0;
  double ratio = training ? ratio_of(s) : 0;
  uint32_t threshold = threshold_of(ratio);
  float scale = (float)(1 / (1 - ratio));
  ig_rng rng = ig_device_rng_stream(*s.seed ^ salt, IG_RNG_DROPOUT, *s.step,
                                    *s.first_sample + (uint64_t)sample);
  for (int turn = 0; turn < TURNS; turn++, group += THREADS) {
    int64_t first = group * 4, at = sample * elements + first;
    if (first >= elements) return;
    uint32_t bits[4];
    ig_device_rng_block(rng, (uint64_t)group, bits);
    ig_pack<T, 4> v = {};
    ig_pack<uint8_t, 4> kept;
    if (aligned) v = ig_load_pack<T, 4>(x + at);
    for (int k = 0; k < 4; k++) {
      if (!aligned && first + k < elements) v.v[k] = x[at + k];
      kept.v[k] = !training || bits[k] >= threshold;
      if (training) v.v[k] = ig_from_f32<T>(kept.v[k] ? ig_to_f32(v.v[k]) * scale : 0.0f);
    }
    if (aligned) {
      ig_store_pack(y + at, v);
      if (mask) ig_store_pack(mask + at, kept);
      continue;
    }
    for (int k = 0; k < 4 && first + k < elements; k++) {
      y[at + k] = v.v[k];
      if (mask) mask[at + k] = kept.v[k];
    }
  }
}

template <typename T>
__global__ void dropout_grad_kernel(ig_dropout_scalars s, const T *x, const uint8_t *mask,
                                    int64_t count, T *y) {
  const int wide = IG_PACK(T);
  int64_t i = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * wide;
  float scale = is_training(s) ? (float)(1 / (1 - ratio_of(s))) : 1.0f;
  if (i + wide <= count) {
    ig_pack<T, IG_PACK(T)> v = ig_load_pack<T, IG_PACK(T)>(x + i);
    ig_pack<uint8_t, IG_PACK(T)> kept = ig_load_pack<uint8_t, IG_PACK(T)>(mask + i);
    for (int k = 0; k < wide; k++) {
      v.v[k] = ig_from_f32<T>(kept.v[k] ? ig_to_f32(v.v[k]) * scale : 0.0f);
    }
    ig_store_pack(y + i, v);
    return;
  }
  for (; i < count; i++) y[i] = ig_from_f32<T>(mask[i] ? ig_to_f32(x[i]) * scale : 0.0f);
}

ig_status ig_cuda_dropout(ig_dtype dtype, const ig_dropout_scalars *scalars, uint64_t salt,
                          int64_t samples, int64_t sample_elements, const void *x, void *y,
                          uint8_t *mask, void *stream) {
  if (samples * sample_elements == 0) return IG_OK;
  int64_t a_block = (int64_t)THREADS * TURNS * 4;
  int64_t parts = (sample_elements + a_block - 1) / a_block;
  IG_FOR_FLOAT(dtype, "dropout", {
    return IG_LAUNCH(dropout_kernel<T>, ig_blocks(samples * parts, 1), THREADS, 0, stream, *scalars,
                     salt, parts, sample_elements, (const T *)x, (T *)y, mask);
  })
}

ig_status ig_cuda_dropout_grad(ig_dtype dtype, const ig_dropout_scalars *scalars, const void *x,
                               const uint8_t *mask, int64_t count, void *y, void *stream) {
  if (count == 0) return IG_OK;
  IG_FOR_FLOAT(dtype, "dropout gradient", {
    return IG_LAUNCH(dropout_grad_kernel<T>, ig_blocks(count, THREADS * IG_PACK(T)), THREADS, 0,
                     stream, *scalars, (const T *)x, mask, count, (T *)y);
  })
}
