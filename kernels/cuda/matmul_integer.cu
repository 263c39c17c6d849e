/* Products of matrices of 8-bit integers: tiles of 64 x 64 results a block, 4 x 4 a thread, by the
 * instruction that multiplies four pairs of bytes and adds up. Unsigned bytes less 128 are signed ones,
 * and their zero points less 128 make up for it; what lies beyond k is 0 in both operands, and zero
 * points come in at the end with the sums of rows and columns:
 *   sum (a - p)(b - q) = sum a b - q sum a - p sum b + k p q.
 * 2 m n k operations; each operand is read once for each tile of 64 of the other. */
#include "kernels/cuda/index.cuh"
extern "C" {
#include "kernels/matmul_integer.h"
}

#define SIDE 64  /* of a tile */
#define WORDS 16 /* of four bytes, along k, at a time */
#define THREADS 256
#define OWN 4 /* a thread's results lie 16 apart in both directions */

struct operand {
  const uint8_t *data, *zero;
  uint8_t flip; /* 0x80 for u8: as i8, less 128 */
  bool many;    /* zero points */
};

__device__ static inline int zero_at(const operand &x, int64_t i) {
  return x.zero ? (int8_t)(x.zero[x.many ? i : 0] ^ x.flip) : (int8_t)x.flip;
}

/* Four bytes along k, at `step` from one another, of which `left` exist. */
__device__ static inline int load_word(const operand &x, int64_t at, int64_t step, int64_t left) {
  unsigned word = 0;
  for (int l = 0; l < 4 && l < left; l++) {
    word |= (unsigned)(uint8_t)(x.data[at + l * step] ^ x.flip) << (8 * l);
  }
  return (int)word;
}

/* Rows of a tile along k, whether they are rows of a or columns of b. */
__device__ static inline void load_tile(const operand &x, int64_t first, int64_t rows,
                                        int64_t row_step, int64_t k_first, int64_t k,
                                        int64_t k_step, int tile[SIDE][WORDS + 1]) {
  /* Neighbouring threads read neighbouring bytes. */
  const bool along_k = k_step == 1;
  for (int i = threadIdx.x; i < SIDE * WORDS; i += THREADS) {
    int row = along_k ? i / WORDS : i % SIDE, word = along_k ? i % WORDS : i / SIDE;
    int64_t at = k_first + 4 * word;
    bool in = first + row < rows && at < k;
    tile[row][word] = in ? load_word(x, (first + row) * row_step + at * k_step, k_step, k - at) : 0;
  }
}

__global__ void __launch_bounds__(THREADS)
    multiply_kernel(operand a, operand b, int64_t m, int64_t n, int64_t k, ig_box<2> batch,
                    int32_t *c) {
  IG_SHARED(int, a_tile, [SIDE][WORDS + 1]);
  IG_SHARED(int, b_tile, [SIDE][WORDS + 1]);
  const int64_t column = (int64_t)blockIdx.x * SIDE, row = (int64_t)blockIdx.y * SIDE;
  const int x = threadIdx.x % 16, y = threadIdx.x / 16, ones = 0x01010101;
  int64_t matrix[2] = {0, 0};
  int sums[OWN][OWN] = {{0}}, a_sums[OWN] = {0}, b_sums[OWN] = {0};
  ig_box_offsets(batch, blockIdx.z, matrix);
  a.data += matrix[0] * m * k;
  b.data += matrix[1] * k * n;
  for (int64_t at = 0; at < k; at += 4 * WORDS) {
    load_tile(a, row, m, k, at, k, 1, a_tile);
    load_tile(b, column, n, 1, at, k, n, b_tile);
    __syncthreads();
    for (int word = 0; word < WORDS; word++) {
      int left[OWN], right[OWN];
      for (int i = 0; i < OWN; i++) {
        left[i] = a_tile[y + 16 * i][word];
        right[i] = b_tile[x + 16 * i][word];
        a_sums[i] = __dp4a(left[i], ones, a_sums[i]);
        b_sums[i] = __dp4a(right[i], ones, b_sums[i]);
      }
      for (int i = 0; i < OWN; i++) {
        for (int j = 0; j < OWN; j++) sums[i][j] = __dp4a(left[i], right[j], sums[i][j]);
      }
    }
    __syncthreads();
  }
  for (int i = 0; i < OWN; i++) {
    for (int j = 0; j < OWN; j++) {
      int64_t r = row + y + 16 * i, s = column + x + 16 * j;
      if (r >= m || s >= n) continue;
      unsigned p = (unsigned)zero_at(a, r), q = (unsigned)zero_at(b, s);
      c[((int64_t)blockIdx.z * m + r) * n + s] =
          (int)((unsigned)sums[i][j] - q * (unsigned)a_sums[i] - p * (unsigned)b_sums[j] +
                (unsigned)k * p * q);
    }
  }
}

ig_status ig_cuda_matmul_integer(const ig_matmul_integer *s, const void *a, const void *b,
                                 const void *a_zero, const void *b_zero, int32_t *c, void *stream) {
  ig_box<2> batch = {};
  batch.rank = s->batch.rank > 0 ? s->batch.rank : 1;
  batch.dims[0] = 1;
  for (int d = 0; d < s->batch.rank; d++) {
    batch.dims[d] = s->batch.dims[d];
    batch.strides[0][d] = s->a_step[d];
    batch.strides[1][d] = s->b_step[d];
  }
  ig_box_finish(&batch);
  if (batch.count == 0 || s->m == 0 || s->n == 0) return IG_OK;
  const operand left = {(const uint8_t *)a, (const uint8_t *)a_zero,
                        (uint8_t)(s->a == IG_U8 ? 0x80 : 0), s->a_zero_rows};
  const operand right = {(const uint8_t *)b, (const uint8_t *)b_zero,
                         (uint8_t)(s->b == IG_U8 ? 0x80 : 0), s->b_zero_columns};
  const dim3 grid(ig_blocks(s->n, SIDE), ig_blocks(s->m, SIDE), (unsigned)batch.count);
  return IG_LAUNCH(multiply_kernel, grid, THREADS, 0, stream, left, right, s->m, s->n, s->k, batch,
                   c);
}
