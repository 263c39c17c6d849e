/* Two sums by channel, and a function of each element and its channel, over a tensor whose channels
 * either vary fastest ([rows][channels]: NHWC, or no positions at all) or stand outside of the
 * positions ([outer][channels][inner]: NCHW). What is computed is given by a body:
 *   struct channel; channel of(int64_t c);               what a thread keeps of a channel
 *   float2 sums<V, SAME>(i, ch, float *u, float *w);      adds V elements from i on to u and w
 *   void apply<V, SAME>(i, ch);                           writes V elements from i on
 * where the V elements belong to channels ch[0], ch[1] ..., with SAME all to ch[0]. Sums are made in
 * segments, cut by the shape alone, and the segments added in order by a second kernel. */
#ifndef IG_KERNELS_CUDA_CHANNELS_CUH
#define IG_KERNELS_CUDA_CHANNELS_CUH

#include "kernels/cuda/reduce.cuh"
extern "C" {
#include "kernels/batch_norm.h"
}

#define IG_CHANNEL_THREADS 256
#define IG_CHANNEL_BLOCKS 1056 /* about eight for each multiprocessor of the largest GPU so far */

/* Element i of any float type. */
__device__ static inline float ig_load_any(ig_dtype dtype, const void *data, int64_t i) {
  switch (dtype) {
  case IG_F32: return ((const float *)data)[i];
  case IG_BF16: return ig_to_f32(((const ig_bf16 *)data)[i]);
  case IG_F16: return ig_to_f32(((const ig_f16 *)data)[i]);
  default: return (float)((const double *)data)[i];
  }
}
__device__ static inline void ig_store_any(ig_dtype dtype, void *data, int64_t i, float value) {
  switch (dtype) {
  case IG_F32: ((float *)data)[i] = value; break;
  case IG_BF16: ((ig_bf16 *)data)[i] = ig_from_f32<ig_bf16>(value); break;
  case IG_F16: ((ig_f16 *)data)[i] = ig_from_f32<ig_f16>(value); break;
  default: ((double *)data)[i] = value;
  }
}

/* How threads lie over the tensor. Channels fastest: x over packs of channels, y over rows. Otherwise x
 * over packs of positions, y over planes. */
typedef struct ig_channel_cut {
  bool fastest;
  int64_t rows, channels; /* fastest */
  int64_t outer, inner;   /* otherwise */
  dim3 block;
  unsigned columns;  /* blocks side by side over the channels */
  unsigned segments; /* of rows, or of outer */
} ig_channel_cut;

static inline int64_t ig_between(int64_t low, int64_t x, int64_t high) {
  return x < low ? low : x > high ? high : x;
}

static inline ig_channel_cut ig_channel_cut_of(const ig_channels *at, int pack) {
  ig_channel_cut cut = {};
  cut.fastest = at->block > 1;
  cut.channels = at->channels;
  cut.rows = at->inner;
  cut.outer = at->outer;
  cut.inner = at->inner;
  int64_t across = cut.fastest ? at->channels / pack : at->inner / pack, x = 1, most;
  if (cut.fastest) {
    x = ig_between(1, across, IG_WARP);
    cut.columns = (unsigned)((across + x - 1) / x);
  } else {
    x = ig_between(IG_WARP, (across + IG_WARP - 1) / IG_WARP * IG_WARP, IG_CHANNEL_THREADS);
    cut.columns = (unsigned)at->channels;
  }
  cut.block = dim3((unsigned)x, (unsigned)(IG_CHANNEL_THREADS / x), 1);
  most = ig_between(1, IG_CHANNEL_BLOCKS / ig_between(1, cut.columns, IG_CHANNEL_BLOCKS), 512);
  int64_t groups = cut.fastest ? at->inner / (cut.block.y * 8) : at->outer / cut.block.y;
  cut.segments = (unsigned)ig_between(1, groups, most);
  return cut;
}

/* Whether packs hold whole elements of one channel, or of one row. */
static inline bool ig_channel_packs(const ig_channels *at, int pack) {
  return (at->block > 1 ? at->channels : at->inner) % pack == 0;
}

/* [segments][2][channels]: enough for packs and single elements. */
static inline size_t ig_channel_room(const ig_channels *at, int pack) {
  unsigned packs = ig_channel_cut_of(at, pack).segments, ones = ig_channel_cut_of(at, 1).segments;
  return (size_t)(packs > ones ? packs : ones) * 2 * (size_t)at->channels * sizeof(float);
}

/* --- channels fastest ---------------------------------------------------------------------------- */

template <int V, typename Body>
__global__ void __launch_bounds__(IG_CHANNEL_THREADS)
    ig_row_channel_sums_kernel(int64_t rows, int64_t channels, Body body, float *partial) {
  IG_SHARED(float, tile, [2 * IG_CHANNEL_THREADS * V]);
  int64_t first = (int64_t)blockIdx.x * blockDim.x * V, c = first + (int64_t)threadIdx.x * V;
  float u[V] = {0}, w[V] = {0};
  if (c < channels) {
    typename Body::channel ch[V];
#pragma unroll
    for (int j = 0; j < V; j++) ch[j] = body.of(c + j);
    for (int64_t row = (int64_t)blockIdx.y * blockDim.y + threadIdx.y; row < rows;
         row += (int64_t)gridDim.y * blockDim.y) {
      body.template sums<V, false>(row * channels + c, ch, u, w);
    }
  }
  int width = blockDim.x * V, height = blockDim.y; /* channels of the block; sums of each */
#pragma unroll
  for (int j = 0; j < V; j++) {
    tile[threadIdx.y * width + threadIdx.x * V + j] = u[j];
    tile[(height + threadIdx.y) * width + threadIdx.x * V + j] = w[j];
  }
  __syncthreads();
  for (int k = threadIdx.y * blockDim.x + threadIdx.x; k < 2 * width; k += blockDim.x * height) {
    int which = k / width, column = k % width;
    float total = 0;
    for (int y = 0; y < height; y++) total += tile[(which * height + y) * width + column];
    if (first + column < channels) {
      partial[((int64_t)blockIdx.y * 2 + which) * channels + first + column] = total;
    }
  }
}

template <int V, typename Body>
__global__ void __launch_bounds__(IG_CHANNEL_THREADS)
    ig_row_channel_apply_kernel(int64_t rows, int64_t channels, Body body) {
  int64_t c = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * V;
  if (c >= channels) return;
  typename Body::channel ch[V];
#pragma unroll
  for (int j = 0; j < V; j++) ch[j] = body.of(c + j);
  for (int64_t row = (int64_t)blockIdx.y * blockDim.y + threadIdx.y; row < rows;
       row += (int64_t)gridDim.y * blockDim.y) {
    body.template apply<V, false>(row * channels + c, ch);
  }
}

/* --- positions fastest --------------------------------------------------------------------------- */

template <int V, typename Body>
__global__ void __launch_bounds__(IG_CHANNEL_THREADS)
    ig_plane_channel_sums_kernel(int64_t outer, int64_t channels, int64_t inner, Body body,
                                 float *partial) {
  IG_SHARED(float, shares, [2][IG_WARP]);
  int64_t c = blockIdx.x;
  float u[1] = {0}, w[1] = {0};
  typename Body::channel ch[1] = {body.of(c)};
  for (int64_t n = (int64_t)blockIdx.y * blockDim.y + threadIdx.y; n < outer;
       n += (int64_t)gridDim.y * blockDim.y) {
    int64_t plane = (n * channels + c) * inner;
    for (int64_t i = (int64_t)threadIdx.x * V; i < inner; i += blockDim.x * V) {
      body.template sums<V, true>(plane + i, ch, u, w);
    }
  }
  u[0] = ig_warp_reduce<ig_sum>(u[0]);
  w[0] = ig_warp_reduce<ig_sum>(w[0]);
  int thread = threadIdx.y * blockDim.x + threadIdx.x, lane = thread % IG_WARP;
  if (lane == 0) {
    shares[0][thread / IG_WARP] = u[0];
    shares[1][thread / IG_WARP] = w[0];
  }
  __syncthreads();
  if (thread >= 2) return;
  float total = 0;
  for (int i = 0; i < (int)(blockDim.x * blockDim.y / IG_WARP); i++) total += shares[thread][i];
  partial[((int64_t)blockIdx.y * 2 + thread) * channels + c] = total;
}

template <int V, typename Body>
__global__ void __launch_bounds__(IG_CHANNEL_THREADS)
    ig_plane_channel_apply_kernel(int64_t planes, int64_t channels, int64_t inner, Body body) {
  int64_t plane = (int64_t)blockIdx.x * blockDim.y + threadIdx.y;
  if (plane >= planes) return;
  typename Body::channel ch[1] = {body.of(plane % channels)};
  for (int64_t i = ((int64_t)blockIdx.y * blockDim.x + threadIdx.x) * V; i < inner;
       i += (int64_t)gridDim.y * blockDim.x * V) {
    body.template apply<V, true>(plane * inner + i, ch);
  }
}

/* --- launches ------------------------------------------------------------------------------------ */

template <int V, typename Body>
static inline ig_status ig_channel_sums(const ig_channel_cut *cut, Body body, float *partial,
                                        void *stream) {
  dim3 grid(cut->columns, cut->segments, 1);
  if (cut->fastest) {
    return IG_LAUNCH((ig_row_channel_sums_kernel<V, Body>), grid, cut->block, 0, stream, cut->rows,
                     cut->channels, body, partial);
  }
  return IG_LAUNCH((ig_plane_channel_sums_kernel<V, Body>), grid, cut->block, 0, stream, cut->outer,
                   cut->channels, cut->inner, body, partial);
}

template <int V, typename Body>
static inline ig_status ig_channel_apply(const ig_channel_cut *cut, Body body, void *stream) {
  int64_t rows = cut->fastest ? cut->rows : cut->outer * cut->channels, each = cut->block.y;
  if (rows == 0 || (!cut->fastest && cut->inner == 0)) return IG_OK;
  if (cut->fastest) { /* about four rows a thread */
    dim3 grid(cut->columns, (unsigned)ig_between(1, rows / (each * 4), 65535), 1);
    return IG_LAUNCH((ig_row_channel_apply_kernel<V, Body>), grid, cut->block, 0, stream, rows,
                     cut->channels, body);
  }
  int64_t pieces = ig_between(1, cut->inner / ((int64_t)cut->block.x * V * 4), 65535);
  dim3 grid(ig_blocks(rows, each), (unsigned)pieces, 1);
  return IG_LAUNCH((ig_plane_channel_apply_kernel<V, Body>), grid, cut->block, 0, stream, rows,
                   cut->channels, cut->inner, body);
}

/* Threads (32 channels, 8 segments at once) of the kernels that add the segments: each thread with
 * threadIdx.y 0 and a channel gets both totals; all threads of the block call. */
#define IG_TOTAL_BLOCK dim3(IG_WARP, 8, 1)
__device__ static inline float2 ig_channel_totals(int segments, int64_t channels,
                                                  const float *partial, float (*tile)[8][IG_WARP]) {
  int64_t c = (int64_t)blockIdx.x * IG_WARP + threadIdx.x;
  float2 total = make_float2(0, 0);
  for (int s = threadIdx.y; c < channels && s < segments; s += 8) {
    total.x += partial[(int64_t)s * 2 * channels + c];
    total.y += partial[((int64_t)s * 2 + 1) * channels + c];
  }
  tile[0][threadIdx.y][threadIdx.x] = total.x;
  tile[1][threadIdx.y][threadIdx.x] = total.y;
  __syncthreads();
  total = make_float2(0, 0);
  for (int s = 0; s < 8; s++) {
    total.x += tile[0][s][threadIdx.x];
    total.y += tile[1][s][threadIdx.x];
  }
  return total;
}

#endif
