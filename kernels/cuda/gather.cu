/* Rows by index, and the sums that are its gradient.
 *
 * The gradient may add many rows of dy to one row of the table (a frequent token), and atomics would
 * add them in any order. So positions are sorted by row first, by a stable radix sort that moves 8
 * bytes a position and pass; then the block at the first position of each row's run sums the run.
 * Rows that no index names are only filled. Bytes: dy once, the table once. */
#include "kernels/cuda/index.cuh"
#include "kernels/cuda/number.cuh"
extern "C" {
#include "kernels/gather.h"
#include "kernels/movement.h"
}

#define THREADS 256
#define DIGITS 256 /* of a pass; also positions of a block */

/* The row that index i names, or `rows` when it is outside. */
__device__ static inline int64_t row_of(const void *indices, bool wide, int64_t i, int64_t rows) {
  int64_t row = wide ? ((const int64_t *)indices)[i] : (int64_t)((const int32_t *)indices)[i];
  if (row < 0) row += rows;
  return row < 0 || row > rows ? rows : row;
}

/* The box is the target's [outer, count, inner]; its operands: the source apart from the row,
 * positions. */
template <typename T>
__global__ void gather_kernel(ig_box<2> box, int64_t rows, int64_t inner, const T *from,
                              const void *indices, bool wide, T outside, T *to) {
  int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x, at[2] = {0, 0};
  if (i >= box.count) return;
  ig_box_offsets(box, i, at);
  int64_t row = row_of(indices, wide, at[1], rows);
  to[i] = row < rows ? from[at[0] + row * inner] : outside;
}

template <typename T>
static ig_status gather(int64_t outer, int64_t rows, int64_t inner, const void *source,
                        const void *indices, bool wide, int64_t count, const void *outside,
                        size_t size, void *target, void *stream) {
  ig_box<2> box = {};
  T poison;
  for (size_t i = 0; i < sizeof poison; i += size) memcpy((char *)&poison + i, outside, size);
  box.rank = 3;
  box.dims[0] = outer;
  box.dims[1] = count;
  box.dims[2] = inner;
  box.strides[0][0] = rows * inner;
  box.strides[0][2] = 1;
  box.strides[1][1] = 1;
  ig_box_finish(&box);
  if (box.count == 0) return IG_OK;
  return IG_LAUNCH(gather_kernel<T>, ig_blocks(box.count, THREADS), THREADS, 0, stream, box, rows,
                   inner, (const T *)source, indices, wide, poison, (T *)target);
}

ig_status ig_cuda_gather(size_t size, int64_t outer, int64_t rows, int64_t inner,
                         const void *source, const void *indices, bool wide, int64_t count,
                         const void *outside, void *target, void *stream) {
  size_t word = size;
  bool aligned = ig_aligned16(source) && ig_aligned16(target);
  while (word < 16 && inner % 2 == 0 && aligned) {
    inner /= 2;
    word *= 2;
  }
  if (word == 16) {
    return gather<ig_word16>(outer, rows, inner, source, indices, wide, count, outside, size,
                             target, stream);
  }
  IG_FOR_WORD(word, {
    return gather<T>(outer, rows, inner, source, indices, wide, count, outside, size, target,
                     stream);
  })
}

/* --- sorting positions by row ------------------------------------------------------------------- */

struct keyed {
  int32_t row, position;
};

/* What a pass reads: the last pass's result, or for the first the indices. */
struct keys {
  const void *indices;
  const keyed *sorted;
  bool wide;
  int64_t rows;
  int count, shift;
};

__device__ static inline keyed item_of(const keys &from, int i) {
  if (from.sorted) return from.sorted[i];
  return {(int32_t)row_of(from.indices, from.wide, i, from.rows), i};
}

/* counts[digit, block]: how many of the block's positions have the digit. */
__global__ void count_kernel(keys from, int blocks, int32_t *counts) {
  IG_SHARED(int, digits, [DIGITS]);
  int i = (int)blockIdx.x * DIGITS + (int)threadIdx.x, mine = 0;
  digits[threadIdx.x] = i < from.count ? item_of(from, i).row >> from.shift & (DIGITS - 1) : -1;
  __syncthreads();
  for (int k = 0; k < DIGITS; k++) mine += digits[k] == (int)threadIdx.x;
  counts[threadIdx.x * blocks + blockIdx.x] = mine;
}

/* Every count becomes the sum of those before it. One block. */
__global__ void scan_kernel(int n, int32_t *counts) {
  IG_SHARED(int32_t, sums, [THREADS]);
  int share = (n + THREADS - 1) / THREADS, begin = (int)threadIdx.x * share;
  int end = begin + share < n ? begin + share : n;
  int32_t sum = 0;
  for (int i = begin; i < end; i++) sum += counts[i];
  sums[threadIdx.x] = sum;
  __syncthreads();
  sum = 0;
  for (int k = 0; k < (int)threadIdx.x; k++) sum += sums[k];
  for (int i = begin; i < end; i++) {
    int32_t own = counts[i];
    counts[i] = sum;
    sum += own;
  }
}

__global__ void place_kernel(keys from, int blocks, const int32_t *starts, keyed *to) {
  IG_SHARED(int, digits, [DIGITS]);
  int i = (int)blockIdx.x * DIGITS + (int)threadIdx.x, digit = -1, before = 0;
  keyed item = {0, 0};
  if (i < from.count) {
    item = item_of(from, i);
    digit = item.row >> from.shift & (DIGITS - 1);
  }
  digits[threadIdx.x] = digit;
  __syncthreads();
  if (digit < 0) return;
  for (int k = 0; k < (int)threadIdx.x; k++) before += digits[k] == digit;
  to[starts[digit * blocks + (int)blockIdx.x] + before] = item;
}

static int blocks_of(int64_t count) {
  return (int)((count + DIGITS - 1) / DIGITS);
}

size_t ig_cuda_gather_grad_workspace(int64_t count) {
  return 2 * sizeof(keyed) * (size_t)count +
         sizeof(int32_t) * DIGITS * (size_t)((count + DIGITS - 1) / DIGITS);
}

/* Leaves the sorted positions in *out, within the workspace. */
static ig_status sort(keys from, void *workspace, const keyed **out, void *stream) {
  keyed *buffers[2] = {(keyed *)workspace, (keyed *)workspace + from.count};
  int32_t *counts = (int32_t *)(buffers[1] + from.count);
  int blocks = blocks_of(from.count), turn = 0;
  do { /* rows itself is a key: that of indices outside */
    IG_TRY(IG_LAUNCH(count_kernel, blocks, DIGITS, 0, stream, from, blocks, counts));
    IG_TRY(IG_LAUNCH(scan_kernel, 1, THREADS, 0, stream, blocks * DIGITS, counts));
    IG_TRY(IG_LAUNCH(place_kernel, blocks, DIGITS, 0, stream, from, blocks, (const int32_t *)counts,
                     buffers[turn]));
    from.sorted = buffers[turn];
    from.shift += 8;
    turn = 1 - turn;
  } while (from.rows >> from.shift);
  *out = from.sorted;
  return IG_OK;
}

/* --- sums --------------------------------------------------------------------------------------- */

#define GROUPS 4 /* of positions, summed side by side and then in order */

/* Block (position in the sorted order, columns, outer). */
template <typename T, int N>
__global__ void sum_kernel(const keyed *sorted, int count, int64_t rows, int64_t inner,
                           int64_t column_blocks, const T *dy, T *target) {
  IG_SHARED(float, partial, [GROUPS][IG_WARP][N]);
  int at = (int)(blockIdx.x % (unsigned)count);
  int64_t rest = blockIdx.x / (unsigned)count, outer = rest / column_blocks;
  int64_t column = (rest % column_blocks * IG_WARP + threadIdx.x) * N;
  int32_t row = sorted[at].row;
  if (row >= rows || (at > 0 && sorted[at - 1].row == row)) return; /* the whole block */
  float sum[N] = {0};
  if (column < inner) {
    for (int i = at + (int)threadIdx.y; i < count && sorted[i].row == row; i += GROUPS) {
      const T *from = dy + (outer * count + sorted[i].position) * inner + column;
      ig_pack<T, N> v = ig_load_pack<T, N>(from);
      for (int k = 0; k < N; k++) sum[k] += ig_to_f32(v.v[k]);
    }
  }
  for (int k = 0; k < N; k++) partial[threadIdx.y][threadIdx.x][k] = sum[k];
  __syncthreads();
  if (threadIdx.y > 0 || column >= inner) return;
  T *to = target + (outer * rows + row) * inner + column;
  ig_pack<T, N> v = ig_load_pack<T, N>(to);
  for (int k = 0; k < N; k++) {
    float total = ig_to_f32(v.v[k]);
    for (int g = 0; g < GROUPS; g++) total += partial[g][threadIdx.x][k];
    v.v[k] = ig_from_f32<T>(total);
  }
  ig_store_pack(to, v);
}

template <typename T, int N>
static ig_status sum(const keyed *sorted, int64_t outer, int64_t rows, int64_t inner,
                     const void *dy, int64_t count, void *target, void *stream) {
  int64_t column_blocks = (inner + IG_WARP * N - 1) / (IG_WARP * N);
  return IG_LAUNCH((sum_kernel<T, N>), ig_blocks(outer * column_blocks * count, 1),
                   dim3(IG_WARP, GROUPS), 0, stream, sorted, (int)count, rows, inner, column_blocks,
                   (const T *)dy, (T *)target);
}

ig_status ig_cuda_gather_grad(ig_dtype dtype, int64_t outer, int64_t rows, int64_t inner,
                              const void *dy, const void *indices, bool wide, int64_t count,
                              const void *base, void *target, void *workspace, void *stream) {
  const uint64_t zero = 0;
  const int64_t all = outer * rows * inner, one = 1;
  size_t size = ig_dtype_size(dtype);
  if (!base) {
    IG_TRY(ig_cuda_fill(size, &zero, target, all, stream));
  } else if (base != target) {
    IG_TRY(ig_cuda_strided_copy(size, 1, &all, base, &one, target, &one, stream));
  }
  if (all == 0 || count == 0) return IG_OK;
  keys from = {indices, NULL, wide, rows, (int)count, 0};
  const keyed *sorted;
  IG_TRY(sort(from, workspace, &sorted, stream));
  IG_FOR_FLOAT(dtype, "gather gradient", {
    if (inner % IG_PACK(T) == 0) {
      return sum<T, IG_PACK(T)>(sorted, outer, rows, inner, dy, count, target, stream);
    }
    return sum<T, 1>(sorted, outer, rows, inner, dy, count, target, stream);
  })
}
