/* Sums and maxima over a warp and a block, in one fixed order. */
#ifndef IG_KERNELS_CUDA_REDUCE_CUH
#define IG_KERNELS_CUDA_REDUCE_CUH

#include "kernels/cuda/device.cuh"

struct ig_sum {
  __device__ static inline float empty() { return 0.0f; }
  __device__ static inline float join(float a, float b) { return a + b; }
};
struct ig_most {
  __device__ static inline float empty() { return -INFINITY; }
  __device__ static inline float join(float a, float b) { return a > b || a != a ? a : b; }
};

/* Every lane gets the result. All lanes of the warp must call. */
template <typename Op> __device__ static inline float ig_warp_reduce(float x) {
  for (int step = IG_WARP / 2; step > 0; step /= 2) {
    x = Op::join(x, __shfl_xor_sync(IG_FULL_WARP, x, step));
  }
  return x;
}

/* Every thread of a one-dimensional block of whole warps gets the result. `partial` is shared memory
 * for 32 floats, and may be used again after the next barrier of the caller's. */
template <typename Op> __device__ static inline float ig_block_reduce(float x, float *partial) {
  int lane = threadIdx.x % IG_WARP, warp = threadIdx.x / IG_WARP, warps = blockDim.x / IG_WARP;
  x = ig_warp_reduce<Op>(x);
  if (warps == 1) return x;
  if (lane == 0) partial[warp] = x;
  __syncthreads();
  return ig_warp_reduce<Op>(lane < warps ? partial[lane] : Op::empty());
}

#endif
