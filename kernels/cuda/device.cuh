/* What every kernel file stands on: launching, shared memory, element types, 16-byte accesses. The
 * same sources compile with nvcc for a GPU, and with the host's compiler against an emulator whose
 * cuda_runtime.h defines the three macros below in its own way; so kernels launch, and take shared
 * memory, through these macros alone. */
#ifndef IG_KERNELS_CUDA_DEVICE_CUH
#define IG_KERNELS_CUDA_DEVICE_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

extern "C" {
#include "engine/base/dtype.h"
#include "engine/base/status.h"
}
#include "kernels/cuda/status.h"

#ifdef __CUDACC__
/* Launches and evaluates to an ig_status: IG_TRY(IG_LAUNCH(kernel, grid, block, bytes, stream,
 * arguments...)). A template's name with commas goes in parentheses. `bytes` of dynamic shared
 * memory; above 48 KiB the kernel must have been given leave with IG_ALLOW_SHARED. */
#define IG_LAUNCH(kernel, grid, block, bytes, stream, ...)                                         \
  (kernel<<<(grid), (block), (bytes), (cudaStream_t)(stream)>>>(__VA_ARGS__),                      \
   ig_cuda_status(cudaPeekAtLastError(), #kernel))
/* IG_SHARED(float, tile, [32][33]); declares shared memory of a fixed size, 16-byte aligned. */
#define IG_SHARED(type, name, extents) __shared__ __align__(16) type name extents
/* IG_DYNAMIC_SHARED(float, name); a pointer to what the launch asked for, 16-byte aligned. */
#define IG_DYNAMIC_SHARED(type, name)                                                              \
  extern __shared__ __align__(16) unsigned char ig_dynamic_shared[];                               \
  type *name = reinterpret_cast<type *>(ig_dynamic_shared)
#endif

#define IG_ALLOW_SHARED(kernel, bytes)                                                             \
  ig_cuda_status(cudaFuncSetAttribute((const void *)(kernel),                                      \
                                      cudaFuncAttributeMaxDynamicSharedMemorySize, (int)(bytes)),  \
                 #kernel)

#define IG_WARP 32
#define IG_FULL_WARP 0xffffffffu

typedef __nv_bfloat16 ig_bf16;
typedef __half ig_f16;

/* --- element types: arithmetic is in f32 (f64 for f64), memory in T ---------------------------- */

__host__ __device__ static inline float ig_to_f32(float x) { return x; }
__host__ __device__ static inline float ig_to_f32(double x) { return (float)x; }
__host__ __device__ static inline float ig_to_f32(ig_bf16 x) { return __bfloat162float(x); }
__host__ __device__ static inline float ig_to_f32(ig_f16 x) { return __half2float(x); }

template <typename T> __host__ __device__ static inline T ig_from_f32(float x);
template <> __host__ __device__ inline float ig_from_f32<float>(float x) { return x; }
template <> __host__ __device__ inline double ig_from_f32<double>(float x) { return x; }
template <> __host__ __device__ inline ig_bf16 ig_from_f32<ig_bf16>(float x) {
  return __float2bfloat16_rn(x);
}
template <> __host__ __device__ inline ig_f16 ig_from_f32<ig_f16>(float x) {
  return __float2half_rn(x);
}

/* N elements that move as one access: 16 bytes with N = IG_PACK(T). Pointers must be so aligned. */
template <typename T, int N> struct alignas(sizeof(T) * N) ig_pack {
  T v[N];
};
#define IG_PACK(T) ((int)(16 / sizeof(T)))

template <typename T, int N> __device__ static inline ig_pack<T, N> ig_load_pack(const T *from) {
  return *reinterpret_cast<const ig_pack<T, N> *>(from);
}
template <typename T, int N>
__device__ static inline void ig_store_pack(T *to, const ig_pack<T, N> &value) {
  *reinterpret_cast<ig_pack<T, N> *>(to) = value;
}

static inline bool ig_aligned16(const void *pointer) { return ((uintptr_t)pointer & 15) == 0; }

/* Blocks of `per_block` that cover n > 0. */
static inline unsigned ig_blocks(int64_t n, int64_t per_block) {
  int64_t blocks = (n + per_block - 1) / per_block;
  return (unsigned)(blocks < 1 ? 1 : blocks > 0x7fffffff ? 0x7fffffff : blocks);
}

/* Runs the statements with T as the element type of `dtype`; other types are an error. */
#define IG_FOR_FLOAT(dtype, what, ...)                                                             \
  switch (dtype) {                                                                                 \
  case IG_F32: { typedef float T; __VA_ARGS__ } break;                                             \
  case IG_BF16: { typedef ig_bf16 T; __VA_ARGS__ } break;                                          \
  case IG_F16: { typedef ig_f16 T; __VA_ARGS__ } break;                                            \
  default: return ig_fail(IG_ERR_UNSUPPORTED, "%s: no kernel for %s", what, ig_dtype_name(dtype)); \
  }

#endif
