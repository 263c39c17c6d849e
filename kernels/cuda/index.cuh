/* From the number of an element to where it lies in several operands: dimensions with a stride for
 * each operand. Quotients by the dimensions, which no thread may spend a division on, are
 * multiplications by a number that the host finds. */
#ifndef IG_KERNELS_CUDA_INDEX_CUH
#define IG_KERNELS_CUDA_INDEX_CUH

#include "kernels/cuda/device.cuh"

#define IG_BOX_RANK 8

/* n / by = (high 32 bits of n * multiplier + n) >> shift for 0 <= n < 2^31 (Granlund and Montgomery,
 * "Division by Invariant Integers using Multiplication", PLDI 1994, section 4). */
struct ig_divisor {
  uint32_t multiplier, shift;
};

static inline ig_divisor ig_divisor_of(int64_t by) {
  ig_divisor divisor = {1, 0};
  if (by <= 1 || by > 0x7fffffff) return divisor;
  while (((int64_t)1 << divisor.shift) < by) divisor.shift++;
  uint64_t excess = ((uint64_t)1 << divisor.shift) - (uint64_t)by;
  divisor.multiplier = (uint32_t)((excess << 32) / (uint64_t)by + 1);
  return divisor;
}

__device__ static inline uint32_t ig_divide(uint32_t n, ig_divisor by) {
  return (uint32_t)((((uint64_t)n * by.multiplier >> 32) + n) >> by.shift);
}

/* Row-major dimensions with the strides of K operands, in elements. `rank` is at least 1. */
template <int K> struct ig_box {
  int rank;
  bool small; /* fewer than 2^31 elements */
  int64_t count;
  int64_t dims[IG_BOX_RANK];
  ig_divisor by[IG_BOX_RANK];
  int64_t strides[K][IG_BOX_RANK];
};

/* Fills what follows from rank and dims. */
template <int K> static inline void ig_box_finish(ig_box<K> *box) {
  box->count = 1;
  for (int d = 0; d < box->rank; d++) {
    box->count *= box->dims[d];
    box->by[d] = ig_divisor_of(box->dims[d]);
  }
  box->small = box->count <= 0x7fffffff;
}

/* Adds to offset[k] where element i lies in operand k. */
template <int K>
__device__ static inline void ig_box_offsets(const ig_box<K> &box, int64_t i, int64_t offset[K]) {
  for (int d = box.rank - 1; d > 0; d--) {
    int64_t rest = box.small ? (int64_t)ig_divide((uint32_t)i, box.by[d]) : i / box.dims[d];
    int64_t index = i - rest * box.dims[d];
    for (int k = 0; k < K; k++) offset[k] += index * box.strides[k][d];
    i = rest;
  }
  for (int k = 0; k < K; k++) offset[k] += i * box.strides[k][0];
}

#endif
