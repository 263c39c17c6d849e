/* Quantizing to 8-bit floats. A block takes 128 x 128 elements: a thread reads pieces of 4 rows by 8
 * columns, keeps their maximum, and writes them as they lie; turned, they go through shared memory in
 * words of four rows, so that both directions are written in whole sectors. Bytes: an element of x read
 * once, one written for each orientation.
 * Three launches: the block maxima in front, which return at once unless the history is empty; the
 * quantization; and one warp that makes the next history of the block maxima. */
#include <cuda_fp8.h>

#include "kernels/cuda/reduce.cuh"
extern "C" {
#include "kernels/fp8.h"
}

#define THREADS 256
#define TILE 128
#define ROWS 4 /* of a thread's piece */
#define COLS 8
#define PIECES (TILE / ROWS * (TILE / COLS) / THREADS)
#define PITCH (TILE / ROWS + 1) /* words of a turned row: one more, for the banks */

static_assert(IG_FP8_MULTIPLE % ROWS == 0 && IG_FP8_MULTIPLE % COLS == 0, "pieces are whole");

struct fp8_work {
  int64_t rows, cols;
  const float *history;
  float *first; /* block maxima, taken in front */
  float *most;  /* block maxima, taken when quantizing */
  uint8_t *plain, *turned;
  float *inverse, *next;
};

/* NaN for what is not finite as well. */
__device__ static inline float size_of(float x) {
  return x - x == 0 ? fabsf(x) : NAN;
}

__device__ static inline float past_maximum(const float *history) {
  float most = 0;
  for (int i = 0; i < IG_FP8_HISTORY; i++) most = fmaxf(most, history[i]);
  return most;
}

/* Largest / amax as a power of two, and its inverse, of which both are normal numbers. */
__device__ static inline float scale_of(__nv_fp8_interpretation_t format, float amax,
                                        float *inverse) {
  int exponent = IG_FP8_MOST_EXPONENT;
  if (amax > 0) {
    float ratio = (format == __NV_E4M3 ? 448.0f : 57344.0f) / amax;
    exponent = (int)(__float_as_uint(ratio) >> 23) - 127;
    exponent = max(min(exponent, IG_FP8_MOST_EXPONENT), -IG_FP8_MOST_EXPONENT);
  }
  *inverse = __uint_as_float((unsigned)(127 - exponent) << 23);
  return __uint_as_float((unsigned)(127 + exponent) << 23);
}

/* Where piece number `k` of a thread begins. A warp has 8 pieces side by side down, 4 across, which
 * meets every bank of the turned tile once. */
__device__ static inline void piece_at(int k, int *row, int *col) {
  int lane = (int)threadIdx.x % IG_WARP,
      warp = (int)threadIdx.x / IG_WARP + k * (THREADS / IG_WARP);
  *row = (warp / (TILE / COLS / 4) * 8 + lane / 4) * ROWS;
  *col = (warp % (TILE / COLS / 4) * 4 + lane % 4) * COLS;
}

/* Maximum of a block's elements; NaN once one is not finite. */
template <typename T> __global__ void fp8_maximum_kernel(fp8_work w, const T *x) {
  IG_SHARED(float, partial, [IG_WARP]);
  if (past_maximum(w.history) > 0) return;
  int64_t row0 = (int64_t)blockIdx.y * TILE, col0 = (int64_t)blockIdx.x * TILE;
  float most = 0;
  for (int k = 0; k < PIECES; k++) {
    int r, c;
    piece_at(k, &r, &c);
    if (row0 + r >= w.rows || col0 + c >= w.cols) continue;
    for (int i = 0; i < ROWS; i++) {
      ig_pack<T, COLS> in = ig_load_pack<T, COLS>(x + (row0 + r + i) * w.cols + col0 + c);
      for (int j = 0; j < COLS; j++) most = ig_most::join(most, size_of(ig_to_f32(in.v[j])));
    }
  }
  most = ig_block_reduce<ig_most>(most, partial);
  if (threadIdx.x == 0) w.first[(int64_t)blockIdx.y * gridDim.x + blockIdx.x] = most;
}

/* Of all blocks, by a whole block. */
__device__ static inline float maximum_of(const float *parts, int64_t n, float *partial) {
  float most = 0;
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) most = ig_most::join(most, parts[i]);
  return ig_block_reduce<ig_most>(most, partial);
}

template <__nv_fp8_interpretation_t Format, typename T>
__device__ static inline float quantize_piece(const fp8_work &w, const T *x, float scale,
                                              int64_t row, int64_t col, uint32_t turned[COLS]) {
  float most = 0;
  for (int j = 0; j < COLS; j++) turned[j] = 0;
  for (int i = 0; i < ROWS; i++) {
    int64_t at = (row + i) * w.cols + col;
    ig_pack<T, COLS> in = ig_load_pack<T, COLS>(x + at);
    ig_pack<uint16_t, COLS / 2> q;
    for (int j = 0; j < COLS; j += 2) { /* the instruction converts two */
      float2 v = {ig_to_f32(in.v[j]), ig_to_f32(in.v[j + 1])};
      float left = size_of(v.x), right = size_of(v.y);
      most = ig_most::join(ig_most::join(most, left), right);
      v.x = left == left ? v.x * scale : NAN;
      v.y = right == right ? v.y * scale : NAN;
      uint32_t pair = __nv_cvt_float2_to_fp8x2(v, __NV_SATFINITE, Format);
      q.v[j / 2] = (uint16_t)pair;
      turned[j] |= (pair & 0xff) << (8 * i);
      turned[j + 1] |= (pair >> 8) << (8 * i);
    }
    if (w.plain) ig_store_pack(reinterpret_cast<uint16_t *>(w.plain + at), q);
  }
  return most;
}

/* Rows of the turned tile, 16 bytes a thread. */
__device__ static inline void store_turned(const fp8_work &w, const uint32_t *tile, int64_t row0,
                                           int64_t col0) {
  const int across = TILE / 16;
  for (int i = threadIdx.x; i < TILE * across; i += THREADS) {
    int col = i / across, row = i % across * 16;
    if (row0 + row >= w.rows || col0 + col >= w.cols) continue;
    ig_pack<uint32_t, 4> out;
    for (int k = 0; k < 4; k++) out.v[k] = tile[col * PITCH + row / ROWS + k];
    ig_store_pack(reinterpret_cast<uint32_t *>(w.turned + (col0 + col) * w.rows + row0 + row), out);
  }
}

template <__nv_fp8_interpretation_t Format, typename T>
__global__ void fp8_quantize_kernel(fp8_work w, const T *x) {
  IG_SHARED(uint32_t, tile, [TILE * PITCH]);
  IG_SHARED(float, partial, [IG_WARP]);
  int64_t block = (int64_t)blockIdx.y * gridDim.x + blockIdx.x;
  int64_t row0 = (int64_t)blockIdx.y * TILE, col0 = (int64_t)blockIdx.x * TILE;
  float amax = past_maximum(w.history), inverse, most = 0;
  if (!(amax > 0)) {
    amax = maximum_of(w.first, (int64_t)gridDim.x * gridDim.y, partial);
    __syncthreads();
  }
  float scale = scale_of(Format, amax, &inverse);
  if (block == 0 && threadIdx.x == 0) *w.inverse = inverse;
  for (int k = 0; k < PIECES; k++) {
    int r, c;
    uint32_t turned[COLS];
    piece_at(k, &r, &c);
    if (row0 + r >= w.rows || col0 + c >= w.cols) continue;
    most = ig_most::join(most, quantize_piece<Format, T>(w, x, scale, row0 + r, col0 + c, turned));
    for (int j = 0; j < COLS && w.turned; j++) tile[(c + j) * PITCH + r / ROWS] = turned[j];
  }
  most = ig_block_reduce<ig_most>(most, partial);
  if (threadIdx.x == 0) w.most[block] = most;
  __syncthreads();
  if (w.turned) store_turned(w, tile, row0, col0);
}

/* One block: every thread has read the old history before the new one is written, perhaps over it. */
__global__ void fp8_history_kernel(fp8_work w, int64_t blocks) {
  IG_SHARED(float, partial, [IG_WARP]);
  int i = (int)threadIdx.x;
  float now = maximum_of(w.most, blocks, partial), value = 0;
  bool kept = now == now;
  if (i < IG_FP8_HISTORY) value = !kept ? w.history[i] : i == 0 ? now : w.history[i - 1];
  __syncthreads();
  if (i < IG_FP8_HISTORY) w.next[i] = value;
}

static dim3 tiles_of(const ig_fp8_cast *c) {
  return dim3(ig_blocks(c->cols, TILE), ig_blocks(c->rows, TILE));
}

size_t ig_cuda_fp8_scratch(const ig_fp8_cast *c) {
  dim3 grid = tiles_of(c);
  return 2 * sizeof(float) * (size_t)grid.x * grid.y;
}

template <typename T>
static ig_status quantize(const ig_fp8_cast *c, fp8_work w, const T *x, void *stream) {
  dim3 grid = tiles_of(c);
  int64_t blocks = (int64_t)grid.x * grid.y;
  w.most = w.first + blocks;
  IG_TRY(IG_LAUNCH((fp8_maximum_kernel<T>), grid, THREADS, 0, stream, w, x));
  if (c->to == IG_F8E4M3) {
    IG_TRY(IG_LAUNCH((fp8_quantize_kernel<__NV_E4M3, T>), grid, THREADS, 0, stream, w, x));
  } else {
    IG_TRY(IG_LAUNCH((fp8_quantize_kernel<__NV_E5M2, T>), grid, THREADS, 0, stream, w, x));
  }
  return IG_LAUNCH(fp8_history_kernel, 1, THREADS, 0, stream, w, blocks);
}

ig_status ig_cuda_fp8_quantize(const ig_fp8_cast *c, const void *x, const float *history,
                               const ig_fp8_results *out, void *scratch, void *stream) {
  fp8_work w = {.rows = c->rows,
                .cols = c->cols,
                .history = history,
                .first = (float *)scratch,
                .most = nullptr,
                .plain = out->plain,
                .turned = out->turned,
                .inverse = out->inverse,
                .next = out->next};
  IG_CHECK(tiles_of(c).y <= 65535, IG_ERR_UNSUPPORTED, "a matrix of %lld rows", (long long)c->rows);
  IG_FOR_FLOAT(c->from, "ingot.QuantizeFp8", return quantize(c, w, (const T *)x, stream);)
}
