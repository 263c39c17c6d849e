/* Tiles of heads for tensor cores: their place in shared memory, fragments of them, and scores in
 * units of log 2, in which exp is one instruction. A tile is ROWS rows of D 16-bit elements (the
 * head size rounded up, zero beyond it), in chunks of 16 bytes that are permuted within a row, so
 * that neither the rows nor the columns of a fragment fall on the same banks. */
#ifndef IG_KERNELS_CUDA_ATTENTION_MMA_CUH
#define IG_KERNELS_CUDA_ATTENTION_MMA_CUH

#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/copy.cuh"
#include "kernels/cuda/mma.cuh"

/* Warps of a block, each with 16 rows of the block's own tile. */
#define ATTENTION_WARPS 8
#define ATTENTION_THREADS (ATTENTION_WARPS * IG_WARP)
#define ATTENTION_ROWS (ATTENTION_WARPS * 16)

/* Element at which chunk `chunk` of a row lies. */
template <int D> __device__ static inline int chunk_place(int row, int chunk) {
  int turn = D >= 64 ? row & 7 : row >> 1 & 3;
  return row * D + (chunk ^ turn) * 8;
}

/* Starts copying rows first ... first + ROWS - 1; zeros from row `limit` and element `size` on. */
template <typename T, int D, int ROWS>
__device__ static inline void copy_tile(T *tile, const T *from, int64_t stride, int first,
                                        int limit, int size) {
  for (int c = threadIdx.x; c < ROWS * (D / 8); c += ATTENTION_THREADS) {
    int row = c / (D / 8), chunk = c % (D / 8);
    bool valid = first + row < limit && chunk * 8 < size;
    ig_copy16(tile + chunk_place<D>(row, chunk),
              valid ? from + (int64_t)(first + row) * stride + chunk * 8 : from, valid);
  }
}

/* Rows `row` to row + 15, elements 16 step to 16 step + 15, as the left operand. */
template <typename T, int D>
__device__ static inline void left_of(uint32_t (&x)[4], const T *tile, int row, int step) {
  int lane = threadIdx.x % IG_WARP;
  ig_ldmatrix(x, tile + chunk_place<D>(row + lane % 16, step * 2 + lane / 16));
}

/* Rows `row` to row + 15 as 16 columns of the right operand, of elements 16 step to 16 step + 15:
 * x[0] and x[1] for the first 8 rows. */
template <typename T, int D>
__device__ static inline void right_of_rows(uint32_t (&x)[4], const T *tile, int row, int step) {
  int lane = threadIdx.x % IG_WARP;
  ig_ldmatrix(x, tile + chunk_place<D>(row + lane / 16 * 8 + lane % 8, step * 2 + lane / 8 % 2));
}

/* Rows `row` to row + 15 as rows of the right operand, elements 8 chunk to 8 chunk + 15 as
 * columns. */
template <typename T, int D>
__device__ static inline void right_of_columns(uint32_t (&x)[4], const T *tile, int row,
                                               int chunk) {
  int lane = threadIdx.x % IG_WARP;
  ig_ldmatrix_transposed(x, tile + chunk_place<D>(row + lane % 16, chunk + lane / 16));
}

template <typename T>
__device__ static inline void multiply_pair(float (&even)[4], float (&odd)[4],
                                            const uint32_t (&a)[4], const uint32_t (&b)[4]) {
  const uint32_t first[2] = {b[0], b[1]}, second[2] = {b[2], b[3]};
  ig_mma<T>(even, a, first);
  ig_mma<T>(odd, a, second);
}

/* sums[n] += (16 rows of `rows` from `row` on) (columns: the rows of `columns`)^T, over all of
 * D. */
template <typename T, int D, int N>
__device__ static inline void multiply_tiles(float (&sums)[N][4], const T *rows, int row,
                                             const T *columns) {
#pragma unroll
  for (int step = 0; step < D / 16; step++) {
    uint32_t a[4], b[4];
    left_of<T, D>(a, rows, row, step);
#pragma unroll
    for (int n = 0; n < N; n += 2) {
      right_of_rows<T, D>(b, columns, n * 8, step);
      multiply_pair<T>(sums[n], sums[n + 1], a, b);
    }
  }
}

/* Two neighbouring blocks of results as a left operand of 16 columns. */
template <typename T>
__device__ static inline void left_of_results(uint32_t (&a)[4], const float (&even)[4],
                                              const float (&odd)[4]) {
  a[0] = ig_pair_from_f32<T>(even[0], even[1]);
  a[1] = ig_pair_from_f32<T>(even[2], even[3]);
  a[2] = ig_pair_from_f32<T>(odd[0], odd[1]);
  a[3] = ig_pair_from_f32<T>(odd[2], odd[3]);
}

/* sums += (weights, rounded to T) (the tile's elements from 8 chunk on), over the tile's 8 N
 * rows. */
template <typename T, int D, int N, int M>
__device__ static inline void multiply_results(float (&sums)[M][4], const float (&weights)[N][4],
                                               const T *tile, int chunk) {
#pragma unroll
  for (int n = 0; n < N; n += 2) {
    uint32_t a[4], b[4];
    left_of_results<T>(a, weights[n], weights[n + 1]);
#pragma unroll
    for (int m = 0; m < M; m += 2) {
      right_of_columns<T, D>(b, tile, n * 8, chunk + m);
      multiply_pair<T>(sums[m], sums[m + 1], a, b);
    }
  }
}

/* Writes a warp's 16 rows of results, times their factors, through its rows of `stage`, so that
 * memory is written 16 bytes at a time. Row r of the warp goes to `to` + r * stride where r < rows.
 * Since these rows of `stage` were last read, the warp passed a barrier. */
template <typename T, int D, int M>
__device__ static inline void store_rows(const float (&sums)[M][4], float first, float second,
                                         T *stage, T *to, int64_t stride, int rows, int size) {
  int lane = threadIdx.x % IG_WARP, row = threadIdx.x / IG_WARP * 16;
#pragma unroll
  for (int m = 0; m < M; m++) {
    uint32_t up = ig_pair_from_f32<T>(sums[m][0] * first, sums[m][1] * first);
    uint32_t down = ig_pair_from_f32<T>(sums[m][2] * second, sums[m][3] * second);
    memcpy((void *)(stage + chunk_place<D>(row + lane / 4, m) + lane % 4 * 2), &up, sizeof up);
    memcpy((void *)(stage + chunk_place<D>(row + lane / 4 + 8, m) + lane % 4 * 2), &down,
           sizeof down);
  }
  __syncwarp();
  for (int c = lane; c < 16 * M; c += IG_WARP) {
    int r = c / M, chunk = c % M;
    if (r < rows && chunk * 8 < size) {
      ig_store_pack(to + (int64_t)r * stride + chunk * 8,
                    ig_load_pack<T, 8>(stage + chunk_place<D>(row + r, chunk)));
    }
  }
}

/* A product of query and key as a score over log 2. */
__device__ static inline float capped_score(const ig_attention &a, float product) {
  if (a.softcap > 0) return a.softcap * IG_LOG2E * tanhf(product * a.scale / a.softcap);
  return product * (a.scale * IG_LOG2E);
}

/* The same with the mask; -inf where query i does not see key j. What is added stays finite. */
template <typename T>
__device__ static inline float masked_score(const attention_work &w, int limit, int b, int h, int i,
                                            int j, float product) {
  if (i >= w.a.queries || !sees(w, limit, i, j)) return -INFINITY;
  float mask = mask_at<T>(w, b, h, i, j);
  if (mask == -INFINITY) return mask;
  return capped_score(w.a, product) + fmaxf(mask, -1e38f) * IG_LOG2E;
}

/* The smallest D that holds heads of both sizes. */
static inline int tile_width(const ig_attention *a) {
  int64_t size = a->size > a->v_size ? a->size : a->v_size;
  return size <= 32 ? 32 : size <= 64 ? 64 : size <= 128 ? 128 : 256;
}

#endif
