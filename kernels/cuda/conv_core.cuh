/* The arithmetic of a block of 128 threads on one pair of tiles: 16-bit types, 8-bit integers, and f32
 * where it may be rounded to tf32, on tensor cores, a warp's share 16 x 8 at a time; other f32 by
 * multiply-adds of a thread's own rows and columns. Four warps stand two by two over BM x BN results. Operands lie in shared memory with k innermost ("across"), or
 * with rows or columns innermost ("along"), in lines that sixteen bytes lengthen, so that the eight
 * rows that are read together lie in different banks. */
#ifndef IG_KERNELS_CUDA_CONV_CORE_CUH
#define IG_KERNELS_CUDA_CONV_CORE_CUH

#include "kernels/cuda/mma.cuh"

#define CONV_THREADS 128
#define CONV_CHUNKS 4 /* of sixteen bytes along k in a tile */

template <typename T> struct conv_sum { typedef float type; };
template <> struct conv_sum<int8_t> { typedef int32_t type; };

/* TF32 is for f32 alone. */
template <typename T, int BM, int BN, bool TF32> struct conv_core {
  enum {
    CHUNK = 16 / (int)sizeof(T),
    STEP = 2 * CHUNK, /* along k, of one instruction */
    BK = CONV_CHUNKS * CHUNK,
    PITCH = BK + CHUNK, /* of a line of k */
    PITCH_M = BM + 8,
    PITCH_N = BN + 8,
    MT = BM / 32, /* 16 x 8 results of a warp, down and across */
    NT = BN / 16
  };
  typedef typename conv_sum<T>::type sum_type;
  sum_type sum[MT][NT][4];
  int warp_m, warp_n, lane;

  __device__ inline conv_core() {
    int warp = threadIdx.x / IG_WARP;
    warp_m = warp / 2 * (BM / 2);
    warp_n = warp % 2 * (BN / 2);
    lane = threadIdx.x % IG_WARP;
#pragma unroll
    for (int i = 0; i < MT; i++) {
#pragma unroll
      for (int j = 0; j < NT; j++) {
#pragma unroll
        for (int e = 0; e < 4; e++) sum[i][j][e] = 0;
      }
    }
  }

  __device__ static inline void multiply(sum_type (&d)[4], const uint32_t (&a)[4],
                                         const uint32_t (&b)[2]) {
    if constexpr (sizeof(T) == 1) {
      ig_mma_i8(d, a, b);
    } else if constexpr (TF32) {
      ig_mma_tf32(d, a, b);
    } else {
      ig_mma<T>(d, a, b);
    }
  }

  /* Registers as they are multiplied. */
  __device__ static inline void round(uint32_t (&r)[4]) {
    if constexpr (TF32) {
#pragma unroll
      for (int i = 0; i < 4; i++) r[i] = ig_to_tf32(ig_float_of(r[i]));
    }
  }

  /* One step along k, with a (16 x STEP each) and b (two of STEP x 8 each) fetched. */
  template <typename A, typename B>
  __device__ inline void step(const A &fetch_a, const B &fetch_b) {
    uint32_t b[NT / 2][4];
#pragma unroll
    for (int j = 0; j < NT / 2; j++) {
      fetch_b(b[j], j);
      round(b[j]);
    }
#pragma unroll
    for (int i = 0; i < MT; i++) {
      uint32_t a[4];
      fetch_a(a, i);
      round(a);
#pragma unroll
      for (int j = 0; j < NT; j++) {
        uint32_t pair[2] = {b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]};
        multiply(sum[i][j], a, pair);
      }
    }
  }

  /* a is [BM][PITCH], b [BN][PITCH]. A row of eight 16-bit elements is one of four f32. */
  __device__ inline void across(const T *a, const T *b) {
    int row = lane % 8, low = lane / 8 % 2, high = lane / 16;
#pragma unroll
    for (int k = 0; k < BK; k += STEP) {
      step(
          [&](uint32_t(&r)[4], int i) {
            ig_ldmatrix(r, a + (warp_m + i * 16 + low * 8 + row) * PITCH + k + high * CHUNK);
          },
          [&](uint32_t(&r)[4], int j) {
            ig_ldmatrix(r, b + (warp_n + j * 16 + high * 8 + row) * PITCH + k + low * CHUNK);
          });
    }
  }

  /* a is [BK][PITCH_M], b [BK][PITCH_N]. */
  __device__ inline void along(const T *a, const T *b) {
#pragma unroll
    for (int k = 0; k < BK; k += STEP) {
      if constexpr (TF32) {
        /* Lines are eight banks apart: the lanes' 4 x 8 elements lie in 32 of them. */
        int column = lane / 4, line = k + lane % 4;
        step(
            [&](uint32_t(&r)[4], int i) {
              const T *from = a + line * PITCH_M + warp_m + i * 16 + column;
#pragma unroll
              for (int e = 0; e < 4; e++) r[e] = ig_bits_of(from[e / 2 * 4 * PITCH_M + e % 2 * 8]);
            },
            [&](uint32_t(&r)[4], int j) {
              const T *from = b + line * PITCH_N + warp_n + j * 16 + column;
#pragma unroll
              for (int e = 0; e < 4; e++) r[e] = ig_bits_of(from[e % 2 * 4 * PITCH_N + e / 2 * 8]);
            });
      } else {
        int row = lane % 8, low = lane / 8 % 2, high = lane / 16;
        step(
            [&](uint32_t(&r)[4], int i) {
              ig_ldmatrix_transposed(r, a + (k + high * 8 + row) * PITCH_M + warp_m + i * 16 +
                                            low * 8);
            },
            [&](uint32_t(&r)[4], int j) {
              ig_ldmatrix_transposed(r, b + (k + low * 8 + row) * PITCH_N + warp_n + j * 16 +
                                            high * 8);
            });
      }
    }
  }

  /* Half of the rows lie in BM / 2 slots: where a row of either half goes, and what is there. */
  __device__ static inline int slot_of(int row) {
    return row / (BM / 2) * (BM / 4) + row % (BM / 4);
  }
  __device__ static inline int row_of(int half, int slot) {
    return slot / (BM / 4) * (BM / 2) + half * (BM / 4) + slot % (BM / 4);
  }

  /* Calls put(row, column, value) for the results of this thread in one half of the rows. */
  template <typename Put> __device__ inline void each(int half, const Put &put) const {
#pragma unroll
    for (int i = 0; i < MT; i++) {
      if (i / (MT / 2) != half) continue;
#pragma unroll
      for (int j = 0; j < NT; j++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          put(warp_m + i * 16 + lane / 4 + e / 2 * 8, warp_n + j * 8 + lane % 4 * 2 + e % 2,
              sum[i][j][e]);
        }
      }
    }
  }
};

/* Eight threads down and sixteen across; each has BM / 8 rows and BN / 16 columns. */
template <int BM, int BN> struct conv_core<float, BM, BN, false> {
  enum {
    CHUNK = 4,
    BK = CONV_CHUNKS * CHUNK,
    PITCH = BK + CHUNK,
    PITCH_M = BM + CHUNK,
    PITCH_N = BN + CHUNK,
    RM = BM / 8,
    RN = BN / 16
  };
  float sum[RM][RN];
  int down, over;
  bool is_along;

  __device__ inline conv_core() {
    int warp = threadIdx.x / IG_WARP, lane = threadIdx.x % IG_WARP;
    down = warp / 2 * 4 + lane / 8;
    over = warp % 2 * 8 + lane % 8;
    is_along = false;
#pragma unroll
    for (int i = 0; i < RM; i++) {
#pragma unroll
      for (int j = 0; j < RN; j++) sum[i][j] = 0;
    }
  }

  /* A thread has rows down, down + 8 ... and columns over, over + 16 ... */
  __device__ inline void across(const float *a, const float *b) {
#pragma unroll
    for (int k = 0; k < BK; k += CHUNK) {
      ig_pack<float, 4> right[RN];
#pragma unroll
      for (int j = 0; j < RN; j++) {
        right[j] = ig_load_pack<float, 4>(b + (over + 16 * j) * PITCH + k);
      }
#pragma unroll
      for (int i = 0; i < RM; i++) {
        ig_pack<float, 4> left = ig_load_pack<float, 4>(a + (down + 8 * i) * PITCH + k);
#pragma unroll
        for (int j = 0; j < RN; j++) {
#pragma unroll
          for (int e = 0; e < 4; e++) sum[i][j] += left.v[e] * right[j].v[e];
        }
      }
    }
  }

  /* A thread has runs of four rows and columns, 32 rows and 64 columns apart. */
  __device__ inline void along(const float *a, const float *b) {
    is_along = true;
#pragma unroll
    for (int k = 0; k < BK; k++) {
      ig_pack<float, 4> right[RN / 4];
#pragma unroll
      for (int j = 0; j < RN / 4; j++) {
        right[j] = ig_load_pack<float, 4>(b + k * PITCH_N + over * 4 + j * 64);
      }
#pragma unroll
      for (int i = 0; i < RM / 4; i++) {
        ig_pack<float, 4> left = ig_load_pack<float, 4>(a + k * PITCH_M + down * 4 + i * 32);
#pragma unroll
        for (int j = 0; j < RN; j++) {
#pragma unroll
          for (int e = 0; e < 4; e++) sum[i * 4 + e][j] += left.v[e] * right[j / 4].v[j % 4];
        }
      }
    }
  }

  __device__ static inline int slot_of(int row) {
    return row % (BM / 2);
  }
  __device__ static inline int row_of(int half, int slot) {
    return half * (BM / 2) + slot;
  }

  template <typename Put> __device__ inline void each(int half, const Put &put) const {
#pragma unroll
    for (int i = 0; i < RM; i++) {
      if (i / (RM / 2) != half) continue;
#pragma unroll
      for (int j = 0; j < RN; j++) {
        int row = is_along ? i / 4 * 32 + down * 4 + i % 4 : down + 8 * i;
        int column = is_along ? j / 4 * 64 + over * 4 + j % 4 : over + 16 * j;
        put(row, column, sum[i][j]);
      }
    }
  }
};

#endif
