/* Matrix products by hand, the readable way: tiles of both operands in shared memory, sums in f32
 * in the order of k. What runs where cuBLASLt is absent or takes no operands of this form; and the
 * spreading of an addend that cuBLASLt then adds to. A product of m x k by k x n costs 2 m n k
 * flops, and reads each operand once per 64 columns or rows of the other. */
#include "kernels/cuda/functions.cuh"
extern "C" {
#include "kernels/matmul.h"
}

#define TILE 64  /* rows and columns of the result by block */
#define DEPTH 16 /* of k at a time */
#define EACH 4   /* rows and columns of a thread */
#define THREADS (TILE / EACH * (TILE / EACH))
#define MAX_GRID 65535

/* With the strides at which the addend is read: 0 where it repeats. */
struct matmul_work {
  ig_matmul spec;
  int64_t addend_strides[IG_MAX_RANK];
  float beta;
};

/* Where batch `index` of the result lies in an operand. */
__device__ static inline int64_t batch_offset(const ig_matmul &s, int64_t index,
                                              const int64_t *dims, const int64_t *strides) {
  int64_t offset = 0;
  for (int d = s.rank - 3; d >= 0; d--) {
    if (dims[d] != 1) offset += index % s.c_dims[d] * strides[d];
    index /= s.c_dims[d];
  }
  return offset;
}

/* One tile of an operand, `along` (TILE rows of A, or columns of B) by DEPTH of k, zero beyond the
 * edges. Threads follow each other where memory does. */
template <typename T>
__device__ static inline void load_tile(const T *from, int64_t first, int64_t along,
                                        int64_t along_stride, int64_t k0, int64_t depth,
                                        int64_t k_stride, float (*tile)[TILE + 1]) {
  for (int e = threadIdx.x; e < TILE * DEPTH; e += THREADS) {
    int i = along_stride == 1 ? e % TILE : e / DEPTH, k = along_stride == 1 ? e / TILE : e % DEPTH;
    bool inside = first + i < along && k0 + k < depth;
    tile[k][i] = inside ? ig_to_f32(from[(first + i) * along_stride + (k0 + k) * k_stride]) : 0.0f;
  }
}

template <typename T>
__device__ static inline void store_result(const matmul_work &w, const T *addend, T *c,
                                           int64_t batch, int64_t i, int64_t j, float sum) {
  const ig_matmul &s = w.spec;
  int row = s.rank - 2, col = s.rank - 1;
  if (i >= s.c_dims[row] || j >= s.c_dims[col]) return;
  float value = s.alpha * sum;
  if (s.addend) {
    int64_t at = batch_offset(s, batch, s.addend_dims, w.addend_strides) +
                 i * w.addend_strides[row] + j * w.addend_strides[col];
    value += w.beta * ig_to_f32(addend[at]);
  }
  if (s.activation.on) {
    value = ig_unary_f32(s.activation.kind, value, s.activation.a, s.activation.b);
  }
  int64_t to =
      batch_offset(s, batch, s.c_dims, s.c_strides) + i * s.c_strides[row] + j * s.c_strides[col];
  c[to] = ig_from_f32<T>(value);
}

/* A block takes one tile of the result, of every gridDim.y-th batch. */
template <typename T>
__global__ void __launch_bounds__(THREADS)
    matmul_kernel(const matmul_work w, const T *a, const T *b, const T *addend, T *c,
                  int64_t batches) {
  IG_SHARED(float, left, [DEPTH][TILE + 1]);
  IG_SHARED(float, right, [DEPTH][TILE + 1]);
  const ig_matmul &s = w.spec;
  int row = s.rank - 2, col = s.rank - 1;
  int64_t depth = s.a_dims[col], tiles = (s.c_dims[col] + TILE - 1) / TILE;
  int64_t i0 = blockIdx.x / tiles * TILE, j0 = blockIdx.x % tiles * TILE;
  int ti = threadIdx.x / (TILE / EACH), tj = threadIdx.x % (TILE / EACH);
  for (int64_t batch = blockIdx.y; batch < batches; batch += gridDim.y) {
    const T *a0 = a + batch_offset(s, batch, s.a_dims, s.a_strides);
    const T *b0 = b + batch_offset(s, batch, s.b_dims, s.b_strides);
    float sum[EACH][EACH] = {{0}};
    for (int64_t k0 = 0; k0 < depth; k0 += DEPTH) {
      load_tile(a0, i0, s.c_dims[row], s.a_strides[row], k0, depth, s.a_strides[col], left);
      load_tile(b0, j0, s.c_dims[col], s.b_strides[col], k0, depth, s.b_strides[row], right);
      __syncthreads();
      for (int k = 0; k < DEPTH; k++) {
        for (int i = 0; i < EACH; i++) {
          for (int j = 0; j < EACH; j++) {
            sum[i][j] += left[k][ti + i * (TILE / EACH)] * right[k][tj + j * (TILE / EACH)];
          }
        }
      }
      __syncthreads();
    }
    for (int i = 0; i < EACH; i++) {
      for (int j = 0; j < EACH; j++) {
        store_result(w, addend, c, batch, i0 + ti + i * (TILE / EACH), j0 + tj + j * (TILE / EACH),
                     sum[i][j]);
      }
    }
  }
}

static matmul_work work_of(const ig_matmul *spec, float beta) {
  matmul_work w = {*spec, {0}, beta};
  int64_t stride = 1;
  for (int d = spec->rank - 1; spec->addend && d >= 0; d--) {
    w.addend_strides[d] = spec->addend_dims[d] == 1 ? 0 : stride;
    stride *= spec->addend_dims[d];
  }
  return w;
}

static int64_t batches_of(const ig_matmul *spec) {
  int64_t batches = 1;
  for (int d = 0; d < spec->rank - 2; d++) batches *= spec->c_dims[d];
  return batches;
}

ig_status ig_cuda_matmul(const ig_matmul *spec, const void *a, const void *b, const void *addend,
                         float beta, void *c, void *stream) {
  int64_t m = spec->c_dims[spec->rank - 2], n = spec->c_dims[spec->rank - 1];
  int64_t batches = batches_of(spec);
  if (m == 0 || n == 0 || batches == 0) return IG_OK;
  matmul_work w = work_of(spec, beta);
  dim3 grid(ig_blocks((m + TILE - 1) / TILE * ((n + TILE - 1) / TILE), 1),
            (unsigned)(batches < MAX_GRID ? batches : MAX_GRID));
  IG_FOR_FLOAT(spec->dtype, "matrix product", {
    return IG_LAUNCH(matmul_kernel<T>, grid, THREADS, 0, stream, w, (const T *)a, (const T *)b,
                     (const T *)addend, (T *)c, batches);
  })
}

/* c = the addend, repeated where it broadcasts: reads it and writes c once. A block takes rows. */
template <typename T>
__global__ void spread_kernel(const matmul_work w, const T *addend, T *c, int64_t rows) {
  const ig_matmul &s = w.spec;
  int row = s.rank - 2, col = s.rank - 1;
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    int64_t batch = r / s.c_dims[row], i = r % s.c_dims[row];
    const T *from = addend + batch_offset(s, batch, s.addend_dims, w.addend_strides) +
                    i * w.addend_strides[row];
    T *to = c + batch_offset(s, batch, s.c_dims, s.c_strides) + i * s.c_strides[row];
    for (int64_t j = threadIdx.x; j < s.c_dims[col]; j += blockDim.x) {
      to[j * s.c_strides[col]] = from[j * w.addend_strides[col]];
    }
  }
}

ig_status ig_cuda_matmul_spread(const ig_matmul *spec, const void *addend, void *c, void *stream) {
  int64_t rows = batches_of(spec) * spec->c_dims[spec->rank - 2];
  if (rows == 0) return IG_OK;
  matmul_work w = work_of(spec, 1);
  IG_FOR_FLOAT(spec->c_dtype, "addend", {
    return IG_LAUNCH(spread_kernel<T>, ig_blocks(rows, 1), THREADS, 0, stream, w, (const T *)addend,
                     (T *)c, rows);
  })
}
