/* Tensor-core products of a warp, and how their operands are fetched from shared memory: thin
 * wrappers of the instructions, each with an equivalent in plain code for the emulator. All 32 lanes
 * call.
 *
 * Who holds what, with g = lane / 4 and t = lane % 4 (PTX ISA, "Matrix fragments for mma"):
 *   d of 16 x 8        d[0], d[1]: row g, columns 2t, 2t + 1;  d[2], d[3]: row g + 8
 *   16-bit, k = 16     a[i]: row g + 8 (i % 2), columns 2t, 2t + 1 of half i / 2 (8 columns);
 *                      b[i]: rows 2t, 2t + 1 of half i, column g
 *   tf32, k = 8        a[i]: row g + 8 (i % 2), column t + 4 (i / 2);  b[i]: row t + 4 i, column g
 *   8-bit, k = 32      as 16-bit, with four elements 4t ... 4t + 3 of each half (16) in a register
 * The lower bits of a register hold the element of the lower index. */
#ifndef IG_KERNELS_CUDA_MMA_CUH
#define IG_KERNELS_CUDA_MMA_CUH

#include "kernels/cuda/device.cuh"

__host__ __device__ static inline uint32_t ig_bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

__host__ __device__ static inline float ig_float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Two elements in a register. */
template <typename T> __device__ static inline uint32_t ig_pair(T low, T high) {
  static_assert(sizeof(T) == 2, "16-bit types");
  struct {
    T low, high;
  } pair = {low, high};
  uint32_t bits;
  memcpy(&bits, &pair, sizeof bits);
  return bits;
}
template <typename T> __device__ static inline uint32_t ig_pair_from_f32(float low, float high) {
  return ig_pair<T>(ig_from_f32<T>(low), ig_from_f32<T>(high));
}

#ifdef __CUDACC__

template <typename T>
__device__ static inline void ig_mma(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
template <>
__device__ inline void ig_mma<ig_bf16>(float (&d)[4], const uint32_t (&a)[4],
                                       const uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
template <>
__device__ inline void ig_mma<ig_f16>(float (&d)[4], const uint32_t (&a)[4],
                                      const uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ static inline void ig_mma_tf32(float (&d)[4], const uint32_t (&a)[4],
                                          const uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ static inline void ig_mma_i8(int32_t (&d)[4], const uint32_t (&a)[4],
                                        const uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* f32 rounded to tf32 (10 bits of fraction, ties away from zero). */
__device__ static inline uint32_t ig_to_tf32(float x) {
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}

__device__ static inline uint32_t ig_shared_address(const void *pointer) {
  return (uint32_t)__cvta_generic_to_shared(pointer);
}

/* N matrices of 8 x 8 16-bit elements from shared memory: lanes 8 i ... 8 i + 7 give the addresses
 * of the rows of matrix i, each 16-byte aligned. r[i] gets the elements 2t, 2t + 1 of row g of it;
 * transposed, of column g. */
template <int N> __device__ static inline void ig_ldmatrix(uint32_t (&r)[N], const void *row) {
  uint32_t from = ig_shared_address(row);
  if constexpr (N == 1) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];"
                 : "=r"(r[0])
                 : "r"(from)
                 : "memory");
  } else if constexpr (N == 2) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(from)
                 : "memory");
  } else {
    static_assert(N == 4, "1, 2 or 4 matrices");
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(from)
                 : "memory");
  }
}
template <int N>
__device__ static inline void ig_ldmatrix_transposed(uint32_t (&r)[N], const void *row) {
  uint32_t from = ig_shared_address(row);
  if constexpr (N == 1) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];"
                 : "=r"(r[0])
                 : "r"(from)
                 : "memory");
  } else if constexpr (N == 2) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(from)
                 : "memory");
  } else {
    static_assert(N == 4, "1, 2 or 4 matrices");
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(from)
                 : "memory");
  }
}

#else /* the same in plain code */

/* d of each lane += A B, where element(lane's a or b, i) is element i of what the lane holds, K
 * of a row of A, and every lane holds K / 4 elements of a and K / 8 of b in halves of K / 2
 * columns. */
template <int K, typename D, typename Element>
static inline void ig_plain_mma(D (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                                const Element &element) {
  enum { PER = K / 8 }; /* elements of a register */
  struct shown {
    D *d;
    const uint32_t *a, *b;
  } mine = {d, a, b};
  ig_warp_together(
      mine,
      [&element](shown *(&lanes)[32]) {
        D left[16][K], right[8][K];
        for (int lane = 0; lane < 32; lane++) {
          int g = lane / 4, t = lane % 4;
          for (int i = 0; i < 4; i++) {
            for (int e = 0; e < PER; e++) {
              int k = i / 2 * (K / 2) + PER * t + e;
              left[g + i % 2 * 8][k] = element(lanes[lane]->a[i], e);
              if (i < 2) right[g][i * (K / 2) + PER * t + e] = element(lanes[lane]->b[i], e);
            }
          }
        }
        for (int lane = 0; lane < 32; lane++) {
          for (int i = 0; i < 4; i++) {
            const D *x = left[lane / 4 + i / 2 * 8], *y = right[lane % 4 * 2 + i % 2];
            D sum = 0;
            for (int k = 0; k < K; k++) sum += x[k] * y[k];
            lanes[lane]->d[i] += sum;
          }
        }
      },
      "mma");
}

template <typename T>
static inline void ig_mma(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  ig_plain_mma<16>(d, a, b, [](uint32_t bits, int e) {
    T pair[2];
    memcpy(static_cast<void *>(pair), &bits, sizeof pair);
    return ig_to_f32(pair[e]);
  });
}

/* The instruction reads no more than tf32's bits. */
static inline void ig_mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  ig_plain_mma<8>(d, a, b, [](uint32_t bits, int) {
    float x;
    bits &= 0xffffe000u;
    memcpy(&x, &bits, sizeof x);
    return x;
  });
}

static inline void ig_mma_i8(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  ig_plain_mma<32>(d, a, b,
                   [](uint32_t bits, int e) { return (int32_t)(int8_t)(bits >> (8 * e)); });
}

static inline uint32_t ig_to_tf32(float x) {
  uint32_t bits = ig_bits_of(x);
  return (bits & 0x7fffffffu) > 0x7f800000u ? bits : (bits + 0x1000u) & 0xffffe000u;
}

template <int N, bool TRANSPOSED>
static inline void ig_plain_ldmatrix(uint32_t (&r)[N], const void *row) {
  struct shown {
    uint32_t *r;
    const void *row;
  } mine = {r, row};
  if ((uintptr_t)row % 16)
    ig_emu_stop("ldmatrix: a row is not 16-byte aligned", {"ldmatrix", __FILE__, __LINE__});
  ig_warp_together(
      mine,
      [](shown *(&lanes)[32]) {
        for (int lane = 0; lane < 32; lane++) {
          int g = lane / 4, t = lane % 4;
          for (int i = 0; i < N; i++) {
            uint16_t pair[2];
            for (int e = 0; e < 2; e++) {
              int of = TRANSPOSED ? 2 * t + e : g, at = TRANSPOSED ? g : 2 * t + e;
              memcpy(&pair[e], static_cast<const uint16_t *>(lanes[8 * i + of]->row) + at, 2);
            }
            memcpy(&lanes[lane]->r[i], pair, sizeof pair);
          }
        }
      },
      "ldmatrix");
}
template <int N> static inline void ig_ldmatrix(uint32_t (&r)[N], const void *row) {
  ig_plain_ldmatrix<N, false>(r, row);
}
template <int N> static inline void ig_ldmatrix_transposed(uint32_t (&r)[N], const void *row) {
  ig_plain_ldmatrix<N, true>(r, row);
}

#endif

#endif
