/* Reductions over any set of dimensions. Where the innermost dimension is reduced, a warp or a block
 * goes along the elements of one result; where it is kept, blocks go down columns. Results that are
 * too few for the device are cut into parts, a function of the sizes alone, whose partial results a
 * second launch joins in order. Memory-bound: every element is read once, 16 bytes at a time where
 * rows allow it, for one flop. */
#include "kernels/cuda/index.cuh"
#include "kernels/cuda/number.cuh"
#include "kernels/cuda/reduce.cuh"
extern "C" {
#include "kernels/reduce.h"
}

#define THREADS 256
#define DOWN (THREADS / IG_WARP) /* rows side by side in a block that goes down columns */
#define WANTED_BLOCKS 1024       /* enough for every device */
#define MOST_PARTS 512

/* The dimensions but the innermost, kept and reduced, with what a step in them is in elements. */
struct shape {
  bool along;      /* the innermost dimension is reduced */
  int64_t length;  /* of the innermost dimension */
  int64_t results; /* kept elements, with the innermost where it is kept */
  int64_t each;    /* elements of a result */
  ig_divisor by_length;
  ig_box<1> kept, reduced;
};

static shape shape_of(const ig_reduction *r) {
  shape s = {};
  s.along = r->rank == 0 || r->reduced[r->rank - 1];
  s.length = r->rank ? r->dims[r->rank - 1] : 1;
  s.by_length = ig_divisor_of(s.length);
  int64_t stride = s.length;
  int64_t strides[8];
  for (int d = r->rank - 2; d >= 0; d--) {
    strides[d] = stride;
    stride *= r->dims[d];
  }
  for (int d = 0; d < r->rank - 1; d++) {
    ig_box<1> *box = r->reduced[d] ? &s.reduced : &s.kept;
    box->strides[0][box->rank] = strides[d];
    box->dims[box->rank++] = r->dims[d];
  }
  ig_box<1> *boxes[2] = {&s.kept, &s.reduced};
  for (int k = 0; k < 2; k++) {
    if (boxes[k]->rank == 0) boxes[k]->rank = boxes[k]->dims[0] = 1;
    ig_box_finish(boxes[k]);
  }
  s.results = s.kept.count * (s.along ? 1 : s.length);
  s.each = s.reduced.count * (s.along ? s.length : 1);
  return s;
}

__device__ static inline int64_t offset_in(const ig_box<1> &box, int64_t i) {
  int64_t at[1] = {0};
  ig_box_offsets(box, i, at);
  return at[0];
}

/* Where results go: the partial results when there are parts, else y. */
template <typename T> struct target {
  float *partial;
  T *y;
  float scale;
  int64_t parts;
};

template <typename T>
__device__ static inline void put(const target<T> &to, int64_t result, int64_t part, float value) {
  if (to.parts > 1)
    to.partial[result * to.parts + part] = value;
  else
    to.y[result] = ig_from_f32<T>(value * to.scale);
}

/* GROUP threads to a part of a result, N elements to an access. */
template <typename T, typename Op, int N, int GROUP>
__global__ void along_kernel(shape s, const T *x, target<T> to) {
  IG_SHARED(float, shared, [IG_WARP]);
  int64_t unit = (int64_t)blockIdx.x * (THREADS / GROUP) + threadIdx.x / GROUP;
  int64_t result = unit / to.parts, part = unit % to.parts;
  bool mine = result < s.results; /* the same for a warp, and all of its lanes stay */
  int64_t packs = s.each / N, share = (packs + to.parts - 1) / to.parts;
  int64_t begin = part * share, end = begin + share < packs ? begin + share : packs;
  int64_t base = mine ? offset_in(s.kept, result) : 0;
  if (!mine) end = begin;
  float sum[N];
  for (int k = 0; k < N; k++) sum[k] = Op::empty();
#pragma unroll 4
  for (int64_t i = begin + threadIdx.x % GROUP; i < end; i += GROUP) {
    int64_t at = i * N;
    if (s.reduced.count > 1) {
      int64_t row =
          s.each <= 0x7fffffff ? (int64_t)ig_divide((uint32_t)at, s.by_length) : at / s.length;
      at += offset_in(s.reduced, row) - row * s.length;
    }
    ig_pack<T, N> v = ig_load_pack<T, N>(x + base + at);
    for (int k = 0; k < N; k++) sum[k] = Op::join(sum[k], ig_to_f32(v.v[k]));
  }
  for (int k = 1; k < N; k++) sum[0] = Op::join(sum[0], sum[k]);
  float all = GROUP == IG_WARP ? ig_warp_reduce<Op>(sum[0]) : ig_block_reduce<Op>(sum[0], shared);
  if (mine && threadIdx.x % GROUP == 0) put(to, result, part, all);
}

/* Blocks (tile of columns, kept outer element, part). */
template <typename T, typename Op, int N>
__global__ void down_kernel(shape s, int64_t tiles, const T *x, target<T> to) {
  IG_SHARED(float, partial, [DOWN][IG_WARP][N]);
  int64_t rest = blockIdx.x / tiles, part = rest % to.parts, kept = rest / to.parts;
  int64_t column = (blockIdx.x % tiles * IG_WARP + threadIdx.x) * N;
  int64_t rows = s.reduced.count, share = (rows + to.parts - 1) / to.parts;
  int64_t begin = part * share, end = begin + share < rows ? begin + share : rows;
  float sum[N];
  for (int k = 0; k < N; k++) sum[k] = Op::empty();
  if (column < s.length) {
    const T *from = x + offset_in(s.kept, kept) + column;
#pragma unroll 4
    for (int64_t row = begin + threadIdx.y; row < end; row += DOWN) {
      ig_pack<T, N> v = ig_load_pack<T, N>(from + offset_in(s.reduced, row));
      for (int k = 0; k < N; k++) sum[k] = Op::join(sum[k], ig_to_f32(v.v[k]));
    }
  }
  for (int k = 0; k < N; k++) partial[threadIdx.y][threadIdx.x][k] = sum[k];
  __syncthreads();
  if (threadIdx.y > 0 || column >= s.length) return;
  for (int k = 0; k < N; k++) {
    float all = Op::empty();
    for (int row = 0; row < DOWN; row++) all = Op::join(all, partial[row][threadIdx.x][k]);
    put(to, kept * s.length + column + k, part, all);
  }
}

/* A warp a result. */
template <typename T, typename Op> __global__ void join_kernel(int64_t results, target<T> to) {
  int64_t result = (int64_t)blockIdx.x * (THREADS / IG_WARP) + threadIdx.x / IG_WARP;
  float sum = Op::empty();
  for (int64_t part = threadIdx.x % IG_WARP; part < to.parts && result < results; part += IG_WARP) {
    sum = Op::join(sum, to.partial[result * to.parts + part]);
  }
  sum = ig_warp_reduce<Op>(sum);
  if (result < results && threadIdx.x % IG_WARP == 0) to.y[result] = ig_from_f32<T>(sum * to.scale);
}

/* Integers, which models reduce rarely: a thread a result. */
template <typename T> __global__ void whole_kernel(ig_reduce kind, shape s, const T *x, T *y) {
  int64_t result = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (result >= s.results) return;
  int64_t width = s.along ? 1 : s.length, step = s.along ? s.length : 1;
  int64_t base = offset_in(s.kept, result / width) + result % width;
  int64_t value = kind == IG_REDUCE_MAX ? INT64_MIN : 0;
  for (int64_t i = 0; i < s.each; i++) {
    int64_t v = (int64_t)x[base + offset_in(s.reduced, i / step) + i % step];
    if (kind == IG_REDUCE_MAX)
      value = v > value ? v : value;
    else
      value = (int64_t)((uint64_t)value + (uint64_t)v);
  }
  if (kind == IG_REDUCE_MEAN) value = s.each ? value / s.each : 0;
  y[result] = (T)value;
}

/* --- on the host -------------------------------------------------------------------------------- */

/* Elements of an access. */
static int width_of(const shape &s, size_t size) {
  int wide = (int)(16 / size);
  return s.length % wide == 0 && (s.along || s.length >= IG_WARP * wide) ? wide : 1;
}

static int64_t tiles_of(const shape &s, int wide) {
  return (s.length + IG_WARP * wide - 1) / (IG_WARP * wide);
}

static int64_t clamp(int64_t value, int64_t most) {
  if (value > most) value = most;
  return value < 1 ? 1 : value > MOST_PARTS ? MOST_PARTS : value;
}

/* Results that a warp goes through in a few turns are left whole. */
static bool by_warp(const shape &s) {
  return s.each <= 2048;
}

static int64_t parts_of(const shape &s, int wide) {
  if (s.results == 0) return 1;
  if (!s.along) {
    return clamp(WANTED_BLOCKS / (tiles_of(s, wide) * s.kept.count), s.reduced.count / (DOWN * 8));
  }
  return by_warp(s) ? 1 : clamp(WANTED_BLOCKS / s.results, s.each / (THREADS * 16));
}

template <typename T, typename Op, int N>
static ig_status reduce(const shape &s, const T *x, const target<T> &to, void *stream) {
  if (!s.along) {
    int64_t tiles = tiles_of(s, N);
    IG_TRY(IG_LAUNCH((down_kernel<T, Op, N>), ig_blocks(tiles * s.kept.count * to.parts, 1),
                     dim3(IG_WARP, DOWN), 0, stream, s, tiles, x, to));
  } else if (by_warp(s)) {
    IG_TRY(IG_LAUNCH((along_kernel<T, Op, N, IG_WARP>), ig_blocks(s.results, THREADS / IG_WARP),
                     THREADS, 0, stream, s, x, to));
  } else {
    IG_TRY(IG_LAUNCH((along_kernel<T, Op, N, THREADS>), ig_blocks(s.results * to.parts, 1), THREADS,
                     0, stream, s, x, to));
  }
  if (to.parts == 1) return IG_OK;
  return IG_LAUNCH((join_kernel<T, Op>), ig_blocks(s.results, THREADS / IG_WARP), THREADS, 0,
                   stream, s.results, to);
}

template <typename T>
static ig_status reduce_of(ig_reduce kind, const shape &s, const void *x, void *y, void *workspace,
                           void *stream) {
  int wide = width_of(s, sizeof(T));
  float scale = kind == IG_REDUCE_MEAN ? 1.0f / (float)s.each : 1.0f;
  target<T> to = {(float *)workspace, (T *)y, scale, parts_of(s, wide)};
  if (kind == IG_REDUCE_MAX) {
    if (wide == 1) return reduce<T, ig_most, 1>(s, (const T *)x, to, stream);
    return reduce<T, ig_most, IG_PACK(T)>(s, (const T *)x, to, stream);
  }
  if (wide == 1) return reduce<T, ig_sum, 1>(s, (const T *)x, to, stream);
  return reduce<T, ig_sum, IG_PACK(T)>(s, (const T *)x, to, stream);
}

static bool is_vector(ig_dtype dtype) {
  return dtype == IG_F32 || dtype == IG_BF16 || dtype == IG_F16;
}

size_t ig_cuda_reduce_workspace(ig_dtype dtype, const ig_reduction *r) {
  shape s = shape_of(r);
  if (!is_vector(dtype)) return 0;
  int64_t parts = parts_of(s, width_of(s, ig_dtype_size(dtype)));
  return parts > 1 ? sizeof(float) * (size_t)(s.results * parts) : 0;
}

ig_status ig_cuda_reduce(ig_reduce kind, ig_dtype dtype, const ig_reduction *r, const void *x,
                         void *y, void *workspace, void *stream) {
  shape s = shape_of(r);
  if (s.results == 0) return IG_OK;
  if (is_vector(dtype)) {
    IG_FOR_FLOAT(dtype, "reduction", { return reduce_of<T>(kind, s, x, y, workspace, stream); })
  }
  IG_FOR_WHOLE(dtype, "reduction", {
    return IG_LAUNCH(whole_kernel<T>, ig_blocks(s.results, THREADS), THREADS, 0, stream, kind, s,
                     (const T *)x, (T *)y);
  })
}
