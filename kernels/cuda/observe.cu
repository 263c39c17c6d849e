/* Extremes, histograms and observers of tensors. Memory-bound: an element is read once, 16 bytes at a time, and
 * the few bytes of results are joined by integer atomics (maxima, sums), whose order changes nothing.
 * A histogram costs one addition in shared memory an element besides, which many equal numbers in a
 * warp make one after the other. */
#include "kernels/cuda/reduce.cuh"
extern "C" {
#include "kernels/observe.h"
}

#define THREADS 256
#define MOST_BLOCKS 1056 /* 8 for each multiprocessor of the largest GPUs */

/* As ig_order_key. */
__device__ static inline uint32_t order_key(float x) {
  uint32_t bits = __float_as_uint(x + 0.0f);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

/* What a thread sees, element by element, of x's part of the grid: packs, then what is left. */
template <typename T, int N, typename Seen>
__device__ static inline void visit(const T *x, int64_t n, Seen &seen) {
  const int64_t thread = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  const int64_t threads = (int64_t)gridDim.x * THREADS, packs = n / N;
  for (int64_t p = thread; p < packs; p += threads) {
    ig_pack<T, N> pack = ig_load_pack<T, N>(x + p * N);
    for (int k = 0; k < N; k++) seen.add(ig_to_f32(pack.v[k]));
  }
  for (int64_t i = packs * N + thread; i < n; i += threads) seen.add(ig_to_f32(x[i]));
}

/* Blocks that give each thread a few packs to keep in flight. */
static unsigned blocks_for(int64_t n, int per_pack) {
  unsigned blocks = ig_blocks(n, (int64_t)THREADS * per_pack * 4);
  return blocks < MOST_BLOCKS ? blocks : MOST_BLOCKS;
}

/* --- extremes --------------------------------------------------------------------------------- */

struct extremes {
  float most, most_negated;
  /* Comparisons with NaN are false, which passes over it. */
  __device__ void add(float x) {
    most = x > most ? x : most;
    most_negated = -x > most_negated ? -x : most_negated;
  }
};

template <typename T, int N>
__global__ void extremes_kernel(const T *x, int64_t n, ig_extremes *seen) {
  IG_SHARED(float, partial, [2][IG_WARP]);
  extremes own = {-INFINITY, -INFINITY};
  visit<T, N>(x, n, own);
  float most = ig_block_reduce<ig_most>(own.most, partial[0]);
  float most_negated = ig_block_reduce<ig_most>(own.most_negated, partial[1]);
  /* A number was seen unless both are where they started. */
  if (threadIdx.x == 0 && most >= -most_negated) {
    atomicMax(&seen->most, order_key(most));
    atomicMax(&seen->most_negated, order_key(most_negated));
  }
}

template <typename T>
static ig_status find_extremes(const T *x, int64_t n, ig_extremes *seen, void *stream) {
  if (!ig_aligned16(x)) {
    return IG_LAUNCH((extremes_kernel<T, 1>), blocks_for(n, 1), THREADS, 0, stream, x, n, seen);
  }
  return IG_LAUNCH((extremes_kernel<T, IG_PACK(T)>), blocks_for(n, IG_PACK(T)), THREADS, 0, stream,
                   x, n, seen);
}

ig_status ig_cuda_extremes(ig_dtype dtype, const void *x, int64_t count, ig_extremes *seen,
                           void *stream) {
  if (count == 0) return IG_OK;
  IG_FOR_FLOAT(dtype, "extremes", IG_TRY(find_extremes((const T *)x, count, seen, stream));)
  return IG_OK;
}

/* --- histogram -------------------------------------------------------------------------------- */

struct bins {
  uint32_t *counts; /* the block's */
  float low, scale, last;
  int nan_bin;
  bool magnitude;
  __device__ void add(float x) {
    float v = magnitude ? fabsf(x) : x, t = (v - low) * scale;
    t = t > 0.0f ? t : 0.0f;
    t = t < last ? t : last;
    atomicAdd(&counts[v == v ? (int)t : nan_bin], 1u);
  }
};

template <typename T, int N>
__global__ void histogram_kernel(const T *x, int64_t n, bins own, unsigned long long *counts) {
  IG_DYNAMIC_SHARED(uint32_t, shared);
  for (int i = threadIdx.x; i <= own.nan_bin; i += THREADS) shared[i] = 0;
  __syncthreads();
  own.counts = shared;
  visit<T, N>(x, n, own);
  __syncthreads();
  for (int i = threadIdx.x; i <= own.nan_bin; i += THREADS) {
    if (shared[i]) atomicAdd(&counts[i], (unsigned long long)shared[i]);
  }
}

/* A block's 32-bit counts hold what it sees, also where fewer blocks would do. */
static unsigned counting_blocks(int64_t n, int per_pack) {
  unsigned blocks = blocks_for(n, per_pack), needed = ig_blocks(n, (int64_t)1 << 31);
  return blocks > needed ? blocks : needed;
}

template <typename T>
static ig_status count_bins(const T *x, int64_t n, const bins &own, unsigned long long *counts,
                            void *stream) {
  const size_t bytes = ((size_t)own.nan_bin + 1) * sizeof(uint32_t);
  if (!ig_aligned16(x)) {
    return IG_LAUNCH((histogram_kernel<T, 1>), counting_blocks(n, 1), THREADS, bytes, stream, x, n,
                     own, counts);
  }
  return IG_LAUNCH((histogram_kernel<T, IG_PACK(T)>), counting_blocks(n, IG_PACK(T)), THREADS,
                   bytes, stream, x, n, own, counts);
}

ig_status ig_cuda_histogram(const ig_histogram *shape, ig_dtype dtype, const void *x, int64_t count,
                            int64_t *counts, void *stream) {
  float scale;
  IG_TRY(ig_histogram_check(shape, &scale));
  if (count == 0) return IG_OK;
  const bins own = {
      NULL, shape->low, scale, (float)(shape->bins - 1), (int)shape->bins, shape->magnitude};
  IG_FOR_FLOAT(dtype, "histogram",
               IG_TRY(count_bins((const T *)x, count, own, (unsigned long long *)counts, stream));)
  return IG_OK;
}

/* --- observers ---------------------------------------------------------------------------------- */

#define COUNTERS (IG_OBSERVER_INFINITIES + 1)
#define KEY_SHIFT (23 - IG_OBSERVER_FRACTION)
#define KEY_BEFORE (((127 + IG_OBSERVER_LOWEST) << IG_OBSERVER_FRACTION) - 1)

/* As the CPU counts, bit by bit. */
struct observer {
  uint32_t *counts; /* the block's */
  extremes ends;
  __device__ void add(float x) {
    int bits = __float_as_int(x), magnitude = bits & 0x7fffffff;
    int side = (magnitude >> KEY_SHIFT) - KEY_BEFORE;
    side = side > 0 ? side : 0;
    side = side < IG_OBSERVER_SIDE ? side : IG_OBSERVER_SIDE;
    int place = IG_OBSERVER_SIDE + (bits < 0 ? -side : side);
    if (magnitude >= 0x7f800000) {
      place = magnitude > 0x7f800000 ? IG_OBSERVER_NANS : IG_OBSERVER_INFINITIES;
    }
    atomicAdd(&counts[place], 1u);
    ends.add(x);
  }
};

/* One block: the state to go on from, and nothing seen in this call yet. */
__global__ void observe_begin(const int64_t *from, int64_t *state, ig_extremes *call) {
  for (int i = threadIdx.x; i < IG_OBSERVER_WORDS && from != state; i += THREADS) state[i] = from[i];
  if (threadIdx.x == 0) *call = {0, 0};
}

template <typename T, int N>
__global__ void observe_kernel(const T *x, int64_t n, unsigned long long *state, ig_extremes *call) {
  IG_DYNAMIC_SHARED(uint32_t, shared);
  IG_SHARED(float, partial, [2][IG_WARP]);
  for (int i = threadIdx.x; i < COUNTERS; i += THREADS) shared[i] = 0;
  __syncthreads();
  observer own = {shared, {-INFINITY, -INFINITY}};
  visit<T, N>(x, n, own);
  __syncthreads();
  for (int i = threadIdx.x; i < COUNTERS; i += THREADS) {
    if (shared[i]) atomicAdd(&state[i], (unsigned long long)shared[i]);
  }
  float most = ig_block_reduce<ig_most>(own.ends.most, partial[0]);
  float most_negated = ig_block_reduce<ig_most>(own.ends.most_negated, partial[1]);
  if (threadIdx.x == 0 && most >= -most_negated) {
    atomicMax(&call->most, order_key(most));
    atomicMax(&call->most_negated, order_key(most_negated));
  }
}

/* One thread: the call's extremes join the state's, and those of the last calls. */
__global__ void observe_end(const ig_extremes *call, int64_t *state) {
  if (!call->most && !call->most_negated) return;
  uint64_t calls = (uint64_t)state[IG_OBSERVER_CALLS];
  state[IG_OBSERVER_RECENT + (int64_t)(calls % IG_OBSERVER_KEPT)] =
      (int64_t)((uint64_t)call->most << 32 | call->most_negated);
  state[IG_OBSERVER_CALLS] = (int64_t)(calls + 1);
  if (state[IG_OBSERVER_MOST] < call->most) state[IG_OBSERVER_MOST] = call->most;
  if (state[IG_OBSERVER_MOST_NEGATED] < call->most_negated) {
    state[IG_OBSERVER_MOST_NEGATED] = call->most_negated;
  }
}

template <typename T>
static ig_status observe(const T *x, int64_t n, unsigned long long *state, ig_extremes *call,
                         void *stream) {
  const size_t bytes = COUNTERS * sizeof(uint32_t);
  if (!ig_aligned16(x)) {
    return IG_LAUNCH((observe_kernel<T, 1>), counting_blocks(n, 1), THREADS, bytes, stream, x, n, state,
                     call);
  }
  return IG_LAUNCH((observe_kernel<T, IG_PACK(T)>), counting_blocks(n, IG_PACK(T)), THREADS, bytes,
                   stream, x, n, state, call);
}

ig_status ig_cuda_observe(ig_dtype dtype, const void *x, int64_t count, const int64_t *from,
                          int64_t *state, void *workspace, void *stream) {
  ig_extremes *call = (ig_extremes *)workspace;
  IG_TRY(IG_LAUNCH(observe_begin, 1, THREADS, 0, stream, from, state, call));
  if (count == 0) return IG_OK;
  IG_FOR_FLOAT(dtype, "observer",
               IG_TRY(observe((const T *)x, count, (unsigned long long *)state, call, stream));)
  return IG_LAUNCH(observe_end, 1, 1, 0, stream, call, state);
}
