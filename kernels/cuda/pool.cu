/* Pooling, one thread for each result, or for sixteen bytes of channels where they are side by side.
 * Memory-bound: windows overlap in cache, every element comes from memory once and every result is
 * written once; a comparison or an addition for each tap. Gradients gather: each element of src visits
 * the windows that hold it, in order, so that nothing is added in memory. */
#include "kernels/cuda/image.cuh"
#include "kernels/cuda/reduce.cuh"
extern "C" {
#include "kernels/pool.h"
}

#define THREADS 128

struct pool {
  ig_layout layout;
  int src[4], dst[4]; /* C counts packs of channels */
  int kernel[2], stride[2], dilation[2], begin[2], end[2];
  bool count_pads;
  ig_image src_step, dst_step; /* in packs */
};

static pool pool_of(const ig_pool *p, int pack) {
  pool out = {p->layout};
  int64_t src[4], dst[4];
  for (int i = 0; i < 4; i++) {
    src[i] = i == 1 ? p->src[i] / pack : p->src[i];
    dst[i] = i == 1 ? p->dst[i] / pack : p->dst[i];
    out.src[i] = (int)src[i];
    out.dst[i] = (int)dst[i];
  }
  for (int i = 0; i < 2; i++) {
    out.kernel[i] = (int)p->kernel[i];
    out.stride[i] = (int)p->stride[i];
    out.dilation[i] = (int)p->dilation[i];
    out.begin[i] = (int)p->begin[i];
    out.end[i] = (int)p->end[i];
  }
  out.count_pads = p->count_pads;
  out.src_step = ig_image_strides(p->layout, src);
  out.dst_step = ig_image_strides(p->layout, dst);
  return out;
}

/* Taps [from, to) of the window at dst index `at` that are inside src, along one axis. */
struct range {
  int from, to, origin; /* src index of tap 0, may be negative */
};

__device__ static inline int divide_up(int count, int by) {
  return by == 1 ? count : (count + by - 1) / by;
}

__device__ static inline range taps_inside(const pool &p, int axis, int at) {
  int d = p.dilation[axis], extent = p.src[2 + axis];
  int origin = at * p.stride[axis] - p.begin[axis];
  int from = origin < 0 ? divide_up(-origin, d) : 0;
  int to = origin < extent ? divide_up(extent - origin, d) : 0;
  return {from, min(to, p.kernel[axis]), origin};
}

/* One over the number of elements that a mean divides by; 0 where there are none. */
__device__ static inline int counted(const pool &p, int axis, const range &inside) {
  if (!p.count_pads) return inside.to - inside.from;
  int room = p.src[2 + axis] + p.end[axis] - inside.origin;
  return min(p.kernel[axis], divide_up(room, p.dilation[axis]));
}

__device__ static inline float weight_of(const pool &p, const range &h, const range &w) {
  int64_t count = (int64_t)counted(p, 0, h) * counted(p, 1, w);
  return count > 0 ? 1.0f / (float)count : 0.0f;
}

/* Bytes, which MaxPool takes: f32 holds every one. */
__host__ __device__ static inline float ig_to_f32(uint8_t x) { return x; }
template <> __host__ __device__ inline uint8_t ig_from_f32<uint8_t>(float x) { return (uint8_t)x; }

/* --- maxima ----------------------------------------------------------------------------------- */

template <typename T, int N>
__global__ void max_pool_kernel(pool p, const T *x, T *y, uint8_t *taps, int64_t *indices,
                                bool column_major, int64_t count) {
  int64_t element = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (element >= count) return;
  ig_image_at at = ig_image_split(p.layout, element, p.dst[1], p.dst[2], p.dst[3]);
  range h = taps_inside(p, 0, at.h), w = taps_inside(p, 1, at.w);
  int64_t plane = at.n * p.src_step.n + at.c * p.src_step.c;
  float best[N];
  int tap[N];
  for (int l = 0; l < N; l++) {
    best[l] = -INFINITY;
    tap[l] = h.from * p.kernel[1] + w.from;
  }
  for (int i = h.from; i < h.to; i++) {
    for (int j = w.from; j < w.to; j++) {
      int64_t from = plane + (h.origin + i * p.dilation[0]) * p.src_step.h +
                     (w.origin + j * p.dilation[1]) * p.src_step.w;
      ig_pack<T, N> in = ig_load_pack<T, N>(x + from * N);
      for (int l = 0; l < N; l++) {
        float v = ig_to_f32(in.v[l]);
        bool wins = v > best[l] || v != v; /* NaN stays */
        best[l] = wins ? v : best[l];
        tap[l] = wins ? i * p.kernel[1] + j : tap[l];
      }
    }
  }
  ig_pack<T, N> out;
  for (int l = 0; l < N; l++) out.v[l] = ig_from_f32<T>(best[l]);
  ig_store_pack(y + element * N, out);
  if (taps) {
    ig_pack<uint8_t, N> places;
    for (int l = 0; l < N; l++) places.v[l] = (uint8_t)tap[l];
    ig_store_pack(taps + element * N, places);
  }
  if (indices) { /* rows alone: N is 1 */
    int64_t row = h.origin + tap[0] / p.kernel[1] * p.dilation[0];
    int64_t column = w.origin + tap[0] % p.kernel[1] * p.dilation[1];
    indices[element] = plane + (column_major ? column * p.src[2] + row : row * p.src[3] + column);
  }
}

/* Whether channels can move in packs of sixteen bytes. */
static bool in_packs(const ig_pool *p, int pack, const void *a, const void *b, const void *taps) {
  return p->layout == IG_LAYOUT_NHWC && p->src[1] % pack == 0 && ig_aligned16(a) &&
         ig_aligned16(b) && ((uintptr_t)taps & (uintptr_t)(pack - 1)) == 0;
}

/* Launches kernel<T, N> with N as the tensors allow; `count` elements in all. */
#define LAUNCH_IN_PACKS(kernel, a, b, taps, ...)                                                   \
  if (count == 0) return IG_OK;                                                                    \
  IG_FOR_FLOAT(p->dtype, "pooling", {                                                              \
    if (in_packs(p, IG_PACK(T), a, b, taps)) {                                                     \
      count /= IG_PACK(T);                                                                         \
      const pool spec = pool_of(p, IG_PACK(T));                                                    \
      return IG_LAUNCH((kernel<T, IG_PACK(T)>), ig_blocks(count, THREADS), THREADS, 0, stream,     \
                       spec, __VA_ARGS__, count);                                                  \
    }                                                                                              \
    const pool spec = pool_of(p, 1);                                                               \
    return IG_LAUNCH((kernel<T, 1>), ig_blocks(count, THREADS), THREADS, 0, stream, spec,          \
                     __VA_ARGS__, count);                                                          \
  })

ig_status ig_cuda_max_pool(const ig_pool *p, const void *x, void *y, uint8_t *taps,
                           int64_t *indices, bool column_major, void *stream) {
  int64_t count = ig_layout_count(p->layout, p->dst);
  if (p->dtype == IG_U8 && count > 0) {
    return IG_LAUNCH((max_pool_kernel<uint8_t, 1>), ig_blocks(count, THREADS), THREADS, 0, stream,
                     pool_of(p, 1), (const uint8_t *)x, (uint8_t *)y, taps, indices, column_major,
                     count);
  }
  LAUNCH_IN_PACKS(max_pool_kernel, x, y, taps, (const T *)x, (T *)y, taps, indices, column_major)
}

/* --- means ------------------------------------------------------------------------------------ */

template <typename T, int N>
__global__ void mean_pool_kernel(pool p, const T *x, T *y, int64_t count) {
  int64_t element = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (element >= count) return;
  ig_image_at at = ig_image_split(p.layout, element, p.dst[1], p.dst[2], p.dst[3]);
  range h = taps_inside(p, 0, at.h), w = taps_inside(p, 1, at.w);
  int64_t plane = at.n * p.src_step.n + at.c * p.src_step.c;
  float sum[N];
  for (int l = 0; l < N; l++) sum[l] = 0;
  for (int i = h.from; i < h.to; i++) {
    for (int j = w.from; j < w.to; j++) {
      int64_t from = plane + (h.origin + i * p.dilation[0]) * p.src_step.h +
                     (w.origin + j * p.dilation[1]) * p.src_step.w;
      ig_pack<T, N> in = ig_load_pack<T, N>(x + from * N);
      for (int l = 0; l < N; l++) sum[l] += ig_to_f32(in.v[l]);
    }
  }
  float weight = weight_of(p, h, w);
  ig_pack<T, N> out;
  for (int l = 0; l < N; l++) out.v[l] = ig_from_f32<T>(sum[l] * weight);
  ig_store_pack(y + element * N, out);
}

/* Means of whole planes that lie together: a warp for each. */
template <typename T>
__global__ void plane_mean_kernel(const T *x, T *y, int64_t planes, int64_t area) {
  int64_t plane = ((int64_t)blockIdx.x * THREADS + threadIdx.x) / IG_WARP;
  int lane = threadIdx.x % IG_WARP;
  float sum = 0;
  for (int64_t i = lane; i < area && plane < planes; i += IG_WARP) {
    sum += ig_to_f32(x[plane * area + i]);
  }
  sum = ig_warp_reduce<ig_sum>(sum);
  if (lane == 0 && plane < planes) y[plane] = ig_from_f32<T>(sum / (float)area);
}

static bool is_whole_plane(const ig_pool *p) {
  bool whole = true;
  for (int i = 0; i < 2; i++) {
    whole = whole && p->kernel[i] == p->src[2 + i] && p->dilation[i] == 1 && p->begin[i] == 0 &&
            p->end[i] == 0;
  }
  return whole;
}

ig_status ig_cuda_mean_pool(const ig_pool *p, const void *x, void *y, void *stream) {
  int64_t count = ig_layout_count(p->layout, p->dst), area = p->src[2] * p->src[3];
  if (count > 0 && area > 0 && p->layout == IG_LAYOUT_ROWS && is_whole_plane(p)) {
    IG_FOR_FLOAT(p->dtype, "pooling", {
      return IG_LAUNCH(plane_mean_kernel<T>, ig_blocks(count, THREADS / IG_WARP), THREADS, 0,
                       stream, (const T *)x, (T *)y, count, area);
    })
  }
  LAUNCH_IN_PACKS(mean_pool_kernel, x, y, NULL, (const T *)x, (T *)y)
}

/* --- gradients -------------------------------------------------------------------------------- */

/* The windows [first, last] that may hold src index `at`, along one axis. */
__device__ static inline int first_window(const pool &p, int axis, int at) {
  int reach = at + p.begin[axis] - (p.kernel[axis] - 1) * p.dilation[axis];
  return reach <= 0 ? 0 : divide_up(reach, p.stride[axis]);
}

__device__ static inline int last_window(const pool &p, int axis, int at) {
  return min((at + p.begin[axis]) / p.stride[axis], p.dst[2 + axis] - 1);
}

/* The tap with which the window at dst index `window` meets src index `at`, or -1. */
__device__ static inline int tap_at(const pool &p, int axis, int at, int window) {
  int offset = at + p.begin[axis] - window * p.stride[axis], d = p.dilation[axis];
  return d == 1 ? offset : offset % d ? -1 : offset / d;
}

/* dx of maxima with `taps`, of means without. */
template <typename T, int N>
__global__ void pool_grad_kernel(pool p, const T *dy, const uint8_t *taps, T *dx, int64_t count) {
  int64_t element = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (element >= count) return;
  ig_image_at at = ig_image_split(p.layout, element, p.src[1], p.src[2], p.src[3]);
  int64_t plane = at.n * p.dst_step.n + at.c * p.dst_step.c;
  int last_row = last_window(p, 0, at.h), last_column = last_window(p, 1, at.w);
  int first_column = first_window(p, 1, at.w);
  float sum[N];
  for (int l = 0; l < N; l++) sum[l] = 0;
  for (int row = first_window(p, 0, at.h); row <= last_row; row++) {
    int i = tap_at(p, 0, at.h, row);
    range h = taps_inside(p, 0, row);
    for (int column = first_column; column <= last_column && i >= 0; column++) {
      int j = tap_at(p, 1, at.w, column);
      if (j < 0) continue;
      int64_t from = (plane + row * p.dst_step.h + column * p.dst_step.w) * N;
      ig_pack<T, N> in = ig_load_pack<T, N>(dy + from);
      if (taps) {
        ig_pack<uint8_t, N> tap = ig_load_pack<uint8_t, N>(taps + from);
        for (int l = 0; l < N; l++) {
          sum[l] += tap.v[l] == i * p.kernel[1] + j ? ig_to_f32(in.v[l]) : 0.0f;
        }
      } else {
        float weight = weight_of(p, h, taps_inside(p, 1, column));
        for (int l = 0; l < N; l++) sum[l] += ig_to_f32(in.v[l]) * weight;
      }
    }
  }
  ig_pack<T, N> out;
  for (int l = 0; l < N; l++) out.v[l] = ig_from_f32<T>(sum[l]);
  ig_store_pack(dx + element * N, out);
}

ig_status ig_cuda_pool_grad(const ig_pool *p, const void *dy, const uint8_t *taps, void *dx,
                            void *stream) {
  int64_t count = ig_layout_count(p->layout, p->src);
  LAUNCH_IN_PACKS(pool_grad_kernel, dy, dx, taps, (const T *)dy, taps, (T *)dx)
}
