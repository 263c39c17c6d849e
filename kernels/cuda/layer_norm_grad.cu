/* The gradient of row normalisation. Where rows fit in registers, one pass over dy and x gives dx and,
 * in the threads, which meet the same columns in every row, the column sums; a block takes many rows,
 * leaves its sums in the workspace, and a second kernel adds the blocks' in order: dy, x, an extra
 * term and dx pass memory once. Other rows are streamed, and the column sums are a pass of their
 * own. 17 flops an element. */
#include "kernels/cuda/rows.cuh"
extern "C" {
#include "kernels/layer_norm.h"
}

#define THREADS 512    /* of a block: rows of up to IG_HELD times as many are held */
#define MOST_PARTS 264 /* two blocks for each multiprocessor of the largest GPU so far */
#define ROWS_A_PART 4  /* at least, for each row that a block takes at once */

#define TILE 32  /* columns of a block that adds columns */
#define SLICES 8 /* rows at once */

template <typename T> struct backward_operands {
  const T *dy, *x, *scale;
  const float *mean, *invstd;
  const T *extra;
  T *dx;
  float *partial; /* [parts][2][columns]: dscale, dbias */
};

static ig_row_grid grad_grid(const ig_row_norm *shape) {
  ig_row_grid grid = ig_row_grid_of(shape->rows, shape->columns, THREADS, MOST_PARTS);
  int64_t blocks = shape->rows / ((int64_t)grid.block.y * ROWS_A_PART);
  if (blocks < grid.blocks) grid.blocks = (unsigned)(blocks < 1 ? 1 : blocks);
  return grid;
}

size_t ig_cuda_row_norm_grad_workspace(const ig_row_norm *shape) {
  return (size_t)grad_grid(shape).blocks * 2 * (size_t)shape->columns * sizeof(float);
}

/* The column sums of the rows that a block took at once, into its part: slices in order, through
 * shared memory. */
template <typename T>
__device__ static inline void store_part(float (&dscale)[IG_HELD], float (&dbias)[IG_HELD], int n,
                                         float *part, float *tile) {
  int width = blockDim.x, thread = threadIdx.x;
  for (int slice = 1; slice < (int)blockDim.y; slice++) {
    if ((int)threadIdx.y == slice) {
#pragma unroll
      for (int k = 0; k < IG_HELD; k++) {
        tile[k * width + thread] = dscale[k];
        tile[(IG_HELD + k) * width + thread] = dbias[k];
      }
    }
    __syncthreads();
    if (threadIdx.y == 0) {
#pragma unroll
      for (int k = 0; k < IG_HELD; k++) {
        dscale[k] += tile[k * width + thread];
        dbias[k] += tile[(IG_HELD + k) * width + thread];
      }
    }
    __syncthreads();
  }
  if (threadIdx.y != 0) return;
#pragma unroll
  for (int k = 0; k < IG_HELD; k++) {
    int column = ig_held_at<T>(k);
    if (column >= n) continue;
    part[column] = dscale[k];
    part[n + column] = dbias[k];
  }
}

template <typename T>
__global__ void __launch_bounds__(THREADS)
    row_norm_grad_held_kernel(int64_t rows, int n, bool center, backward_operands<T> t) {
  IG_SHARED(float, partial, [128]);
  /* More than one row at once means 256 threads a row at most. */
  IG_SHARED(float, tile, [2 * IG_HELD * THREADS / 2]);
  float scale[IG_HELD], dscale[IG_HELD] = {0}, dbias[IG_HELD] = {0};
  ig_held_load(t.scale, n, true, 0, scale);
  int turn = 0;
  for (int64_t first = (int64_t)blockIdx.x * blockDim.y; first < rows;
       first += (int64_t)gridDim.x * blockDim.y, turn ^= 1) {
    int64_t row = first + threadIdx.y, at = row * n;
    bool present = row < rows;
    float mean = present && center ? t.mean[row] : 0, invstd = present ? t.invstd[row] : 0;
    float g[IG_HELD], h[IG_HELD];
    ig_held_load(t.dy + at, n, present, 0, g);
    ig_held_load(t.x + at, n, present, 0, h);
    float2 sums = make_float2(0, 0);
#pragma unroll
    for (int k = 0; k < IG_HELD; k++) {
      h[k] = (h[k] - mean) * invstd;
      dscale[k] += g[k] * h[k];
      dbias[k] += g[k];
      g[k] *= scale[k];
      sums.x += g[k];
      sums.y += g[k] * h[k];
    }
    sums = ig_row_sums(sums, partial + 64 * turn);
    float mean_g = center ? sums.x / (float)n : 0.0f, mean_gh = sums.y / (float)n;
#pragma unroll
    for (int k = 0; k < IG_HELD; k++) g[k] = invstd * (g[k] - mean_g - h[k] * mean_gh);
    if (t.extra) {
      ig_held_load(t.extra + at, n, present, 0, h);
#pragma unroll
      for (int k = 0; k < IG_HELD; k++) g[k] += h[k];
    }
    ig_held_store(t.dx + at, n, present, g);
  }
  store_part<T>(dscale, dbias, n, t.partial + (int64_t)blockIdx.x * 2 * n, tile);
}

/* --- rows that are streamed ---------------------------------------------------------------------- */

/* The column sums of each part's rows; before dx, which may overwrite dy. */
template <typename T>
__global__ void column_sums_kernel(int64_t rows, int64_t n, bool center, backward_operands<T> t) {
  IG_SHARED(float, tile, [2][SLICES][TILE]);
  int64_t column = (int64_t)blockIdx.x * TILE + threadIdx.x;
  float dscale = 0, dbias = 0;
  for (int64_t row = (int64_t)blockIdx.y * SLICES + threadIdx.y; column < n && row < rows;
       row += (int64_t)gridDim.y * SLICES) {
    float dy = ig_to_f32(t.dy[row * n + column]), x = ig_to_f32(t.x[row * n + column]);
    dscale += dy * (x - (center ? t.mean[row] : 0.0f)) * t.invstd[row];
    dbias += dy;
  }
  tile[0][threadIdx.y][threadIdx.x] = dscale;
  tile[1][threadIdx.y][threadIdx.x] = dbias;
  __syncthreads();
  if (threadIdx.y > 1 || column >= n) return;
  float total = 0;
  for (int s = 0; s < SLICES; s++) total += tile[threadIdx.y][s][threadIdx.x];
  t.partial[((int64_t)blockIdx.y * 2 + threadIdx.y) * n + column] = total;
}

template <typename T>
__global__ void __launch_bounds__(1024)
    row_norm_grad_streamed_kernel(int64_t rows, int64_t n, bool center, backward_operands<T> t) {
  IG_SHARED(float, partial, [64]);
  int64_t row = (int64_t)blockIdx.x * blockDim.y + threadIdx.y, at = row * n;
  bool present = row < rows;
  int64_t count = present ? n : 0;
  float mean = present && center ? t.mean[row] : 0, invstd = present ? t.invstd[row] : 0;
  float2 sums = make_float2(0, 0);
  ig_row_each2(t.dy + at, t.x + at, count, threadIdx.x, blockDim.x,
               [&](int64_t i, float dy, float x) {
                 float g = dy * ig_to_f32(t.scale[i]);
                 sums.x += g;
                 sums.y += g * (x - mean) * invstd;
               });
  sums = ig_row_sums(sums, partial);
  float mean_g = center ? sums.x / (float)n : 0.0f, mean_gh = sums.y / (float)n;
  const T *extra = t.extra ? t.extra + at : NULL;
  ig_row_map2(t.dy + at, t.x + at, t.dx + at, count, threadIdx.x, blockDim.x,
              [&](int64_t i, float dy, float x) {
                float h = (x - mean) * invstd;
                float dx = invstd * (dy * ig_to_f32(t.scale[i]) - mean_g - h * mean_gh);
                return extra ? dx + ig_to_f32(extra[i]) : dx;
              });
}

/* --- both ---------------------------------------------------------------------------------------- */

/* dscale (blockIdx.y 0) and dbias of the parts, in order. */
template <typename T>
__global__ void add_parts_kernel(int parts, int64_t n, const float *partial, T *dscale, T *dbias) {
  IG_SHARED(float, tile, [SLICES][TILE]);
  int64_t column = (int64_t)blockIdx.x * TILE + threadIdx.x;
  float total = 0;
  for (int p = threadIdx.y; column < n && p < parts; p += SLICES) {
    total += partial[((int64_t)p * 2 + blockIdx.y) * n + column];
  }
  tile[threadIdx.y][threadIdx.x] = total;
  __syncthreads();
  if (threadIdx.y != 0 || column >= n) return;
  total = 0;
  for (int s = 0; s < SLICES; s++) total += tile[s][threadIdx.x];
  (blockIdx.y == 0 ? dscale : dbias)[column] = ig_from_f32<T>(total);
}

template <typename T>
static ig_status row_norm_grad(const ig_row_norm *shape, const ig_row_norm_backward *t,
                               float *workspace, void *stream) {
  int64_t rows = shape->rows, n = shape->columns;
  backward_operands<T> operands = {
      (const T *)t->dy,         (const T *)t->x,     (const T *)t->scale, (const float *)t->mean,
      (const float *)t->invstd, (const T *)t->extra, (T *)t->dx,          workspace};
  ig_row_grid grid = grad_grid(shape);
  bool aligned = ig_aligned16(t->dy) && ig_aligned16(t->x) && ig_aligned16(t->scale) &&
                 ig_aligned16(t->extra) && ig_aligned16(t->dx);
  dim3 tile(TILE, SLICES, 1);
  unsigned tiles = ig_blocks(n, TILE);
  if (aligned && n <= THREADS * IG_HELD && ig_row_held(n, sizeof(T))) {
    IG_TRY(IG_LAUNCH(row_norm_grad_held_kernel<T>, grid.blocks, grid.block, 0, stream, rows, (int)n,
                     shape->center, operands));
  } else {
    ig_row_grid each = ig_row_grid_of(rows, n, THREADS, IG_ROW_BLOCKS);
    IG_TRY(IG_LAUNCH(column_sums_kernel<T>, dim3(tiles, grid.blocks, 1), tile, 0, stream, rows, n,
                     shape->center, operands));
    if (rows > 0) {
      IG_TRY(IG_LAUNCH(row_norm_grad_streamed_kernel<T>, each.blocks, each.block, 0, stream, rows,
                       n, shape->center, operands));
    }
  }
  return IG_LAUNCH(add_parts_kernel<T>, dim3(tiles, t->dbias ? 2 : 1, 1), tile, 0, stream,
                   (int)grid.blocks, n, workspace, (T *)t->dscale, (T *)t->dbias);
}

ig_status ig_cuda_row_norm_grad(ig_dtype dtype, const ig_row_norm *shape,
                                const ig_row_norm_backward *t, void *workspace, void *stream) {
  if (shape->columns == 0) return IG_OK;
  IG_FOR_FLOAT(dtype, "row normalisation gradient",
               { return row_norm_grad<T>(shape, t, (float *)workspace, stream); })
}
