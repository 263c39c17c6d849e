/* Copies between strided boxes. Dimensions that both sides walk as one are merged, and runs become
 * words of up to 16 bytes; what is left is a contiguous copy, a transpose through tiles in shared
 * memory so that both sides are accessed in runs, or a word a thread. Every element is read and
 * written once. */
#include "kernels/cuda/index.cuh"
#include "kernels/cuda/number.cuh"
extern "C" {
#include "kernels/movement.h"
}

#define THREADS 256
#define TURNS 4     /* words a thread of a contiguous copy, so that enough are under way */
#define TILE_ROWS 8 /* of threads in a transpose */

template <typename T> __global__ void copy_kernel(const T *from, T *to, int64_t n) {
  int64_t i = (int64_t)blockIdx.x * THREADS * TURNS + threadIdx.x;
  T held[TURNS];
  for (int k = 0; k < TURNS; k++) {
    if (i + k * THREADS < n) held[k] = from[i + k * THREADS];
  }
  for (int k = 0; k < TURNS; k++) {
    if (i + k * THREADS < n) to[i + k * THREADS] = held[k];
  }
}

/* Operand 0 is read, operand 1 written. */
template <typename T> __global__ void box_kernel(ig_box<2> box, const T *from, T *to) {
  int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x, at[2] = {0, 0};
  if (i >= box.count) return;
  ig_box_offsets(box, i, at);
  to[at[1]] = from[at[0]];
}

/* `box` counts tiles: its last two dimensions are those of one transpose, along whose rows the source
 * runs and along whose columns the target does; strides are those of a tile. */
struct transpose_of {
  int64_t rows, columns; /* elements: the target runs along rows, the source along columns */
  int64_t from_stride, to_stride; /* of a row in the source, of a column in the target */
};

template <typename T, int TILE>
__global__ void transpose_kernel(ig_box<4> box, transpose_of of, const T *from, T *to) {
  IG_SHARED(T, tile, [TILE][TILE + 1]);
  /* Operands 2 and 3 of the box count rows and columns. */
  int64_t at[4] = {0, 0, 0, 0};
  ig_box_offsets(box, blockIdx.x, at);
  int rows = (int)(of.rows - at[2] < TILE ? of.rows - at[2] : TILE);
  int columns = (int)(of.columns - at[3] < TILE ? of.columns - at[3] : TILE);
  for (int r = threadIdx.y; r < TILE; r += TILE_ROWS) {
    for (int c = threadIdx.x; c < TILE; c += IG_WARP) {
      if (r < rows && c < columns) tile[r][c] = from[at[0] + r * of.from_stride + c];
    }
  }
  __syncthreads();
  for (int c = threadIdx.y; c < TILE; c += TILE_ROWS) {
    for (int r = threadIdx.x; r < TILE; r += IG_WARP) {
      if (r < rows && c < columns) to[at[1] + c * of.to_stride + r] = tile[r][c];
    }
  }
}

template <typename T> __global__ void fill_kernel(T value, T *to, int64_t n) {
  int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (i < n) to[i] = value;
}

struct written {
  uint8_t bytes[IG_WRITE_BYTES];
};

__global__ void write_kernel(written from, int size, uint8_t *to) {
  for (int i = (int)threadIdx.x; i < size; i += THREADS) to[i] = from.bytes[i];
}

/* --- on the host -------------------------------------------------------------------------------- */

/* The box without dimensions of one element, with dimensions merged that both sides walk as one. */
static ig_box<2> merge(int rank, const int64_t *dims, const int64_t *from, const int64_t *to) {
  ig_box<2> box = {};
  const int64_t *given[2] = {from, to};
  for (int d = 0; d < rank; d++) {
    if (dims[d] == 1) continue;
    bool merges = box.rank > 0;
    for (int k = 0; k < 2 && merges; k++) {
      merges = box.strides[k][box.rank - 1] == given[k][d] * dims[d];
    }
    int at = merges ? box.rank - 1 : box.rank++;
    box.dims[at] = merges ? box.dims[at] * dims[d] : dims[d];
    for (int k = 0; k < 2; k++) box.strides[k][at] = given[k][d];
  }
  if (box.rank == 0) {
    box.rank = box.dims[0] = 1;
    box.strides[0][0] = box.strides[1][0] = 1;
  }
  return box;
}

static bool runs(const ig_box<2> &box) {
  return box.strides[0][box.rank - 1] == 1 && box.strides[1][box.rank - 1] == 1;
}

/* Joins elements of runs to words, as large as addresses and strides allow. */
static size_t widen(ig_box<2> *box, size_t size, const void *from, const void *to) {
  int last = box->rank - 1;
  while (size < 16 && runs(*box)) {
    bool fits = box->dims[last] % 2 == 0 && ((uintptr_t)from | (uintptr_t)to) % (2 * size) == 0;
    for (int d = 0; d < last; d++) {
      fits = fits && box->strides[0][d] % 2 == 0 && box->strides[1][d] % 2 == 0;
    }
    if (!fits) break;
    box->dims[last] /= 2;
    for (int d = 0; d < last; d++) {
      box->strides[0][d] /= 2;
      box->strides[1][d] /= 2;
    }
    size *= 2;
  }
  return size;
}

/* The dimension that the source runs along when the target runs along the last; else -1. */
static int transposed(const ig_box<2> &box) {
  int last = box.rank - 1;
  if (runs(box) || box.strides[1][last] != 1 || box.dims[last] < 8) return -1;
  for (int d = 0; d < last; d++) {
    if (box.strides[0][d] == 1 && box.dims[d] >= 8) return d;
  }
  return -1;
}

template <typename T>
static ig_status transpose(const ig_box<2> &box, int along, const void *from, void *to,
                           void *stream) {
  const int tile = sizeof(T) <= 4 ? 64 : 32;
  int last = box.rank - 1;
  ig_box<4> tiles = {};
  tiles.rank = box.rank;
  for (int d = 0; d < box.rank; d++) {
    bool cut = d == along || d == last;
    tiles.dims[d] = cut ? (box.dims[d] + tile - 1) / tile : box.dims[d];
    for (int k = 0; k < 2; k++) tiles.strides[k][d] = box.strides[k][d] * (cut ? tile : 1);
  }
  tiles.strides[2][last] = tiles.strides[3][along] = tile;
  ig_box_finish(&tiles);
  transpose_of of = {box.dims[last], box.dims[along], box.strides[0][last], box.strides[1][along]};
  return IG_LAUNCH((transpose_kernel<T, tile>), ig_blocks(tiles.count, 1), dim3(IG_WARP, TILE_ROWS),
                   0, stream, tiles, of, (const T *)from, (T *)to);
}

template <typename T>
static ig_status copy(const ig_box<2> &box, const void *from, void *to, void *stream) {
  if (box.rank == 1 && runs(box)) {
    return IG_LAUNCH(copy_kernel<T>, ig_blocks(box.count, THREADS * TURNS), THREADS, 0, stream,
                     (const T *)from, (T *)to, box.count);
  }
  return IG_LAUNCH(box_kernel<T>, ig_blocks(box.count, THREADS), THREADS, 0, stream, box,
                   (const T *)from, (T *)to);
}

ig_status ig_cuda_strided_copy(size_t size, int rank, const int64_t *dims, const void *source,
                               const int64_t *source_strides, void *target,
                               const int64_t *target_strides, void *stream) {
  ig_box<2> box = merge(rank, dims, source_strides, target_strides);
  int along = transposed(box);
  if (along < 0) size = widen(&box, size, source, target);
  ig_box_finish(&box);
  if (box.count == 0) return IG_OK;
  if (along >= 0) IG_FOR_WORD(size, { return transpose<T>(box, along, source, target, stream); })
  if (size == 16) return copy<ig_word16>(box, source, target, stream);
  IG_FOR_WORD(size, { return copy<T>(box, source, target, stream); })
}

ig_status ig_cuda_fill(size_t size, const void *value, void *target, int64_t count, void *stream) {
  ig_word16 word;
  for (size_t i = 0; i < sizeof word; i += size) memcpy((char *)&word + i, value, size);
  if (count == 0) return IG_OK;
  if ((size_t)count * size % sizeof word == 0 && ig_aligned16(target)) {
    int64_t words = (int64_t)((size_t)count * size / sizeof word);
    return IG_LAUNCH(fill_kernel<ig_word16>, ig_blocks(words, THREADS), THREADS, 0, stream, word,
                     (ig_word16 *)target, words);
  }
  IG_FOR_WORD(size, {
    T one;
    memcpy(&one, value, sizeof one);
    return IG_LAUNCH(fill_kernel<T>, ig_blocks(count, THREADS), THREADS, 0, stream, one,
                     (T *)target, count);
  })
}

ig_status ig_cuda_write(const void *bytes, size_t size, void *target, void *stream) {
  written from;
  IG_CHECK(size <= sizeof from, IG_ERR_INTERNAL, "%zu bytes to write, at most %zu travel", size,
           sizeof from);
  if (size == 0) return IG_OK;
  memcpy(from.bytes, bytes, size);
  return IG_LAUNCH(write_kernel, 1, THREADS, 0, stream, from, (int)size, (uint8_t *)target);
}
