/* Kernels that work row by row on [rows, n], n contiguous. Two ways to hold a row: in the registers of
 * the threads that share it, where it is short and its rows are 16-byte aligned, or streamed from
 * memory once for each pass, later passes being served by the caches. In both, a thread meets the same
 * elements in every pass, so results may overwrite operands. */
#ifndef IG_KERNELS_CUDA_ROWS_CUH
#define IG_KERNELS_CUDA_ROWS_CUH

#include "kernels/cuda/reduce.cuh"

/* Elements of a row that one thread holds in registers, and the longest row so held. */
#define IG_HELD 8
#define IG_HELD_MOST (1024 * IG_HELD)

/* A block of `width` threads (whole warps) a row, `height` rows at once. */
typedef struct ig_row_grid {
  dim3 block;
  unsigned blocks;
} ig_row_grid;

static inline bool ig_row_held(int64_t n, size_t size) {
  return n <= IG_HELD_MOST && n * (int64_t)size % 16 == 0;
}

/* `threads` is what a block should have in all; `most_blocks` bounds the grid, whose blocks then take
 * several groups of rows in turn. Depends on the shape alone. */
static inline ig_row_grid ig_row_grid_of(int64_t rows, int64_t n, int threads,
                                         int64_t most_blocks) {
  int64_t width = (n + IG_WARP * IG_HELD - 1) / (IG_WARP * IG_HELD) * IG_WARP;
  width = width < IG_WARP ? IG_WARP : width > 1024 ? 1024 : width;
  int height = width >= threads ? 1 : threads / (int)width;
  int64_t blocks = (rows + height - 1) / height;
  ig_row_grid grid = {.block = dim3((unsigned)width, (unsigned)height, 1),
                      .blocks = (unsigned)(blocks < most_blocks ? blocks : most_blocks)};
  return grid;
}
#define IG_ROW_BLOCKS 0x7fffffff

/* Of all threads of this thread's row, in a block as ig_row_grid_of makes it: every thread of the block
 * calls. `partial` is shared memory for 32 floats, free again after the next barrier. */
template <typename Op> __device__ static inline float ig_row_reduce(float x, float *partial) {
  x = ig_warp_reduce<Op>(x);
  int warps = blockDim.x / IG_WARP;
  if (warps == 1) return x;
  int lane = threadIdx.x % IG_WARP, first = threadIdx.y * warps;
  if (lane == 0) partial[first + threadIdx.x / IG_WARP] = x;
  __syncthreads();
  return ig_warp_reduce<Op>(lane < warps ? partial[first + lane] : Op::empty());
}

/* Two sums by one barrier; `partial` for 64 floats. */
__device__ static inline float2 ig_row_sums(float2 x, float *partial) {
  x.x = ig_warp_reduce<ig_sum>(x.x);
  x.y = ig_warp_reduce<ig_sum>(x.y);
  int warps = blockDim.x / IG_WARP;
  if (warps == 1) return x;
  int lane = threadIdx.x % IG_WARP, first = threadIdx.y * warps;
  if (lane == 0) {
    partial[first + threadIdx.x / IG_WARP] = x.x;
    partial[32 + first + threadIdx.x / IG_WARP] = x.y;
  }
  __syncthreads();
  x.x = ig_warp_reduce<ig_sum>(lane < warps ? partial[first + lane] : 0.0f);
  x.y = ig_warp_reduce<ig_sum>(lane < warps ? partial[32 + first + lane] : 0.0f);
  return x;
}

/* --- a row in registers ------------------------------------------------------------------------ */

/* Element k of thread t is number ig_held_at<T>(k) of the row; a pack is present or absent as a whole,
 * since n is a multiple of the pack. */
template <typename T> __device__ static inline int ig_held_at(int k) {
  const int wide = IG_PACK(T);
  return ((k / wide) * (int)blockDim.x + (int)threadIdx.x) * wide + k % wide;
}

/* Absent elements become `otherwise`. */
template <typename T>
__device__ static inline void ig_held_load(const T *row, int n, bool present, float otherwise,
                                           float (&v)[IG_HELD]) {
  const int wide = IG_PACK(T);
#pragma unroll
  for (int k = 0; k < IG_HELD; k += wide) {
    int at = ig_held_at<T>(k);
    if (present && at < n) {
      ig_pack<T, IG_PACK(T)> in = ig_load_pack<T, IG_PACK(T)>(row + at);
#pragma unroll
      for (int j = 0; j < wide; j++) v[k + j] = ig_to_f32(in.v[j]);
    } else {
#pragma unroll
      for (int j = 0; j < wide; j++) v[k + j] = otherwise;
    }
  }
}

template <typename T>
__device__ static inline void ig_held_store(T *row, int n, bool present,
                                            const float (&v)[IG_HELD]) {
  const int wide = IG_PACK(T);
#pragma unroll
  for (int k = 0; k < IG_HELD; k += wide) {
    int at = ig_held_at<T>(k);
    if (!present || at >= n) continue;
    ig_pack<T, IG_PACK(T)> out;
#pragma unroll
    for (int j = 0; j < wide; j++) out.v[j] = ig_from_f32<T>(v[k + j]);
    ig_store_pack(row + at, out);
  }
}

/* --- a row streamed from memory ------------------------------------------------------------------ */

/* Elements before the first that is 16-byte aligned. */
template <typename T> __device__ static inline int64_t ig_row_head(const T *row, int64_t n) {
  int64_t head = (int64_t)(((16 - ((uintptr_t)row & 15)) & 15) / sizeof(T));
  return head < n ? head : n;
}

/* f(i, x) for this thread's share of the row. `width` is more than a pack. */
template <typename T, typename F>
__device__ static inline void ig_row_each(const T *x, int64_t n, int thread, int width, F f) {
  const int wide = IG_PACK(T);
  int64_t head = ig_row_head(x, n), packs = (n - head) / wide;
  if (thread < head) f((int64_t)thread, ig_to_f32(x[thread]));
  for (int64_t p = thread; p < packs; p += width) {
    int64_t at = head + p * wide;
    ig_pack<T, IG_PACK(T)> in = ig_load_pack<T, IG_PACK(T)>(x + at);
#pragma unroll
    for (int j = 0; j < wide; j++) f(at + j, ig_to_f32(in.v[j]));
  }
  int64_t i = head + packs * wide + thread;
  if (i < n) f(i, ig_to_f32(x[i]));
}

/* Whether the rows lie alike to 16 bytes: then packs of both begin at the same element. */
__device__ static inline bool ig_rows_alike(const void *a, const void *b) {
  return (((uintptr_t)a ^ (uintptr_t)b) & 15) == 0;
}

/* f(i, x, y) over two rows, and y[i] = f(i, x) below: packs where the rows lie alike. */
template <typename T, typename F>
__device__ static inline void ig_row_each2(const T *x, const T *y, int64_t n, int thread, int width,
                                           F f) {
  if (!ig_rows_alike(x, y)) {
    for (int64_t i = thread; i < n; i += width) f(i, ig_to_f32(x[i]), ig_to_f32(y[i]));
    return;
  }
  const int wide = IG_PACK(T);
  int64_t head = ig_row_head(x, n), packs = (n - head) / wide;
  if (thread < head) f((int64_t)thread, ig_to_f32(x[thread]), ig_to_f32(y[thread]));
  for (int64_t p = thread; p < packs; p += width) {
    int64_t at = head + p * wide;
    ig_pack<T, IG_PACK(T)> a = ig_load_pack<T, IG_PACK(T)>(x + at);
    ig_pack<T, IG_PACK(T)> b = ig_load_pack<T, IG_PACK(T)>(y + at);
#pragma unroll
    for (int j = 0; j < wide; j++) f(at + j, ig_to_f32(a.v[j]), ig_to_f32(b.v[j]));
  }
  int64_t i = head + packs * wide + thread;
  if (i < n) f(i, ig_to_f32(x[i]), ig_to_f32(y[i]));
}

template <typename T, typename F>
__device__ static inline void ig_row_map(const T *x, T *y, int64_t n, int thread, int width, F f) {
  if (!ig_rows_alike(x, y)) {
    for (int64_t i = thread; i < n; i += width) y[i] = ig_from_f32<T>(f(i, ig_to_f32(x[i])));
    return;
  }
  const int wide = IG_PACK(T);
  int64_t head = ig_row_head(x, n), packs = (n - head) / wide;
  if (thread < head) y[thread] = ig_from_f32<T>(f((int64_t)thread, ig_to_f32(x[thread])));
  for (int64_t p = thread; p < packs; p += width) {
    int64_t at = head + p * wide;
    ig_pack<T, IG_PACK(T)> in = ig_load_pack<T, IG_PACK(T)>(x + at), out;
#pragma unroll
    for (int j = 0; j < wide; j++) out.v[j] = ig_from_f32<T>(f(at + j, ig_to_f32(in.v[j])));
    ig_store_pack(y + at, out);
  }
  int64_t i = head + packs * wide + thread;
  if (i < n) y[i] = ig_from_f32<T>(f(i, ig_to_f32(x[i])));
}

/* z[i] = f(i, x, y). */
template <typename T, typename F>
__device__ static inline void ig_row_map2(const T *x, const T *y, T *z, int64_t n, int thread,
                                          int width, F f) {
  if (!ig_rows_alike(x, y) || !ig_rows_alike(x, z)) {
    for (int64_t i = thread; i < n; i += width) {
      z[i] = ig_from_f32<T>(f(i, ig_to_f32(x[i]), ig_to_f32(y[i])));
    }
    return;
  }
  const int wide = IG_PACK(T);
  int64_t head = ig_row_head(x, n), packs = (n - head) / wide;
  if (thread < head) {
    z[thread] = ig_from_f32<T>(f((int64_t)thread, ig_to_f32(x[thread]), ig_to_f32(y[thread])));
  }
  for (int64_t p = thread; p < packs; p += width) {
    int64_t at = head + p * wide;
    ig_pack<T, IG_PACK(T)> a = ig_load_pack<T, IG_PACK(T)>(x + at), out;
    ig_pack<T, IG_PACK(T)> b = ig_load_pack<T, IG_PACK(T)>(y + at);
#pragma unroll
    for (int j = 0; j < wide; j++) {
      out.v[j] = ig_from_f32<T>(f(at + j, ig_to_f32(a.v[j]), ig_to_f32(b.v[j])));
    }
    ig_store_pack(z + at, out);
  }
  int64_t i = head + packs * wide + thread;
  if (i < n) z[i] = ig_from_f32<T>(f(i, ig_to_f32(x[i]), ig_to_f32(y[i])));
}

#endif
