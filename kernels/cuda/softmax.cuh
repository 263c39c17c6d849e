/* The maximum of a row together with its sum of exponentials, made in one pass over the row. */
#ifndef IG_KERNELS_CUDA_SOFTMAX_CUH
#define IG_KERNELS_CUDA_SOFTMAX_CUH

#include "kernels/cuda/rows.cuh"

/* total = sum e^(x - most). Elements of -infinity add nothing; NaN makes the total NaN. */
struct ig_exponents {
  float most = -INFINITY, total = 0;
  __device__ inline void add(float x) {
    if (x > most) {
      total = total * expf(most - x) + 1.0f;
      most = x;
    } else if (x != -INFINITY) {
      total += expf(x - most);
    }
  }
};

/* The join over the threads of a row; every thread gets it. `partial` as for ig_row_sums. */
__device__ static inline ig_exponents ig_row_exponents(ig_exponents x, float *partial) {
  ig_exponents all;
  all.most = ig_row_reduce<ig_most>(x.most, partial);
  float share = x.most == all.most ? x.total : x.total * expf(x.most - all.most);
  all.total = ig_row_reduce<ig_sum>(x.most == -INFINITY ? x.total : share, partial + 32);
  return all;
}

#endif
