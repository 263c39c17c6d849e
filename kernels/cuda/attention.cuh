/* What the attention kernels share: the description as kernels get it, who sees whom, and
 * scores. */
#ifndef IG_KERNELS_CUDA_ATTENTION_CUH
#define IG_KERNELS_CUDA_ATTENTION_CUH

#include "kernels/cuda/device.cuh"
extern "C" {
#include "kernels/attention.h"
}

#define IG_LOG2E 1.4426950408889634f
#define IG_LN2 0.6931471805599453f

struct attention_work {
  ig_attention a;
  ig_attention_inputs in;
};

__host__ __device__ static inline int64_t row_offset(const ig_rows &rows, int64_t b, int64_t h,
                                                     int64_t t) {
  return b * rows.batch + h * rows.head + t * rows.row;
}

__device__ static inline int64_t group_of(const ig_attention &a, int64_t h) {
  return h / (a.heads / a.kv_heads);
}

/* Keys from here on are not visible to any query of batch entry b. */
__device__ static inline int64_t key_limit(const attention_work &w, int64_t b) {
  int64_t limit = w.a.mask_keys;
  if (w.in.lengths && w.in.lengths[b] < limit) limit = w.in.lengths[b];
  return limit < 0 ? 0 : limit;
}

/* Keys before the first query of batch entry b. */
__device__ static inline int64_t past_of(const attention_work &w, int64_t b) {
  return w.a.last ? w.in.lengths[b] - w.a.queries : w.a.past;
}

/* Where key j of entry b lies, in a paged cache too; negative where the table names no page. */
__device__ static inline int64_t key_offset(const attention_work &w, const ig_rows &rows, int64_t b,
                                            int64_t group, int64_t j) {
  const ig_attention &a = w.a;
  if (a.page_shift == 0) return row_offset(rows, b, group, j);
  int64_t page = w.in.table[b * a.pages + (j >> a.page_shift)];
  if (page < 0 || page >= a.pool) return -1;
  return row_offset(rows, page, group, j & (((int64_t)1 << a.page_shift) - 1));
}

/* What the mask adds to a score. */
template <typename T>
__device__ static inline float mask_at(const attention_work &w, int64_t b, int64_t h, int64_t i,
                                       int64_t j) {
  const int64_t *stride = w.a.mask_strides;
  if (!w.in.mask) return 0.0f;
  int64_t at = b * stride[0] + h * stride[1] + i * stride[2] + j * stride[3];
  if (w.a.mask_dtype == IG_BOOL) return ((const bool *)w.in.mask)[at] ? 0.0f : -INFINITY;
  return ig_to_f32(((const T *)w.in.mask)[at]);
}

__device__ static inline bool sees(const attention_work &w, int64_t limit, int64_t i, int64_t j) {
  return j < limit && (!w.a.causal || j <= i + w.a.past);
}

#endif
