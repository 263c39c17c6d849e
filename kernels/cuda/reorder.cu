/* Activations between row-major and channels last: for every sample the transpose of [C, HW] or
 * [HW, C], through tiles in shared memory so that both sides are read and written in runs. Every
 * element is read and written once. */
#include "kernels/cuda/image.cuh"
extern "C" {
#include "kernels/conv.h"
}

#define TILE 32
#define ROWS 8 /* of threads; each moves TILE / ROWS elements */

/* Blocks are numbered along columns, then rows, then samples. */
template <typename T>
__global__ void transpose_kernel(const T *from, T *to, int64_t rows, int64_t columns,
                                 int64_t row_tiles, int64_t column_tiles) {
  IG_SHARED(T, tile, [TILE][TILE + 1]);
  int64_t block = blockIdx.x, column = block % column_tiles * TILE;
  int64_t row = block / column_tiles % row_tiles * TILE;
  int64_t sample = block / column_tiles / row_tiles * rows * columns;
  for (int k = threadIdx.y; k < TILE; k += ROWS) {
    int64_t r = row + k, c = column + threadIdx.x;
    if (r < rows && c < columns) tile[k][threadIdx.x] = from[sample + r * columns + c];
  }
  __syncthreads();
  for (int k = threadIdx.y; k < TILE; k += ROWS) {
    int64_t c = column + k, r = row + threadIdx.x;
    if (r < rows && c < columns) to[sample + c * rows + r] = tile[threadIdx.x][k];
  }
}

template <typename T>
static ig_status transpose(int64_t samples, int64_t rows, int64_t columns, const void *from,
                           void *to, void *stream) {
  int64_t row_tiles = (rows + TILE - 1) / TILE, column_tiles = (columns + TILE - 1) / TILE;
  return IG_LAUNCH(transpose_kernel<T>, ig_blocks(samples * row_tiles * column_tiles, 1),
                   dim3(TILE, ROWS), 0, stream, (const T *)from, (T *)to, rows, columns, row_tiles,
                   column_tiles);
}

ig_status ig_cuda_reorder(size_t size, const int64_t dims[4], ig_layout from_layout,
                          ig_layout to_layout, const void *from, void *to, void *stream) {
  int64_t area = dims[2] * dims[3], rows = dims[1], columns = area;
  if (dims[0] * rows * columns == 0) return IG_OK;
  if (from_layout == IG_LAYOUT_NHWC) {
    rows = area;
    columns = dims[1];
  }
  if (from_layout == to_layout) { /* the transpose of one row is a copy */
    columns *= rows;
    rows = 1;
  }
  switch (size) {
  case 1: return transpose<uint8_t>(dims[0], rows, columns, from, to, stream);
  case 2: return transpose<uint16_t>(dims[0], rows, columns, from, to, stream);
  case 4: return transpose<uint32_t>(dims[0], rows, columns, from, to, stream);
  default: return transpose<uint64_t>(dims[0], rows, columns, from, to, stream);
  }
}
