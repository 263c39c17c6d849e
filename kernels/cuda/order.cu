/* ArgMax and TopK. A thread, a warp or a block goes along a row; candidates are joined by an order in
 * which no two are equal, so that the result does not depend on how they meet. ArgMax reads every
 * element once. TopK reads a row once, and then for each element it gives the share of the thread
 * that had it. */
#include "kernels/cuda/number.cuh"
extern "C" {
#include "kernels/movement.h"
#include "kernels/order.h"
}

#define THREADS 256

/* What elements are compared as: f32, or 64-bit integers. */
template <typename T> struct key_of {
  typedef typename std::conditional<ig_is_real<T>::value, float, int64_t>::type type;
};
template <typename T> __device__ static inline typename key_of<T>::type load_key(T x) {
  if constexpr (ig_is_real<T>::value)
    return ig_to_f32(x);
  else
    return (int64_t)x;
}

/* -1, 0 or 1 as a is less than, equal to or greater than b; NaN above everything. */
__device__ static inline int compare(float a, float b) {
  if (a != a || b != b) return (int)(a != a) - (int)(b != b);
  return (int)(a > b) - (int)(a < b);
}
__device__ static inline int compare(int64_t a, int64_t b) {
  return (int)(a > b) - (int)(a < b);
}

/* An element and where it stands; the place is negative for none. */
template <typename K> struct item {
  K key;
  int64_t place;
};

struct order {
  bool least, last; /* best are the least; of equals the last */
};

template <typename K>
__device__ static inline bool precedes(order by, const item<K> &a, const item<K> &b) {
  if (a.place < 0 || b.place < 0) return a.place >= 0 && b.place < 0;
  int greater = compare(a.key, b.key);
  if (greater != 0) return by.least ? greater < 0 : greater > 0;
  return by.last ? a.place > b.place : a.place < b.place;
}

/* Every lane gets the warp's best. */
template <typename K> __device__ static inline item<K> warp_best(order by, item<K> mine) {
  for (int step = IG_WARP / 2; step > 0; step /= 2) {
    item<K> other;
    other.key = __shfl_xor_sync(IG_FULL_WARP, mine.key, step);
    other.place = __shfl_xor_sync(IG_FULL_WARP, mine.place, step);
    if (precedes(by, other, mine)) mine = other;
  }
  return mine;
}

/* Every thread gets the block's best. `shared` holds an item a warp; it may be used again after the
 * next barrier. */
template <typename K>
__device__ static inline item<K> block_best(order by, item<K> mine, item<K> *shared) {
  const int warps = THREADS / IG_WARP;
  int lane = threadIdx.x % IG_WARP;
  mine = warp_best(by, mine);
  if (lane == 0) shared[threadIdx.x / IG_WARP] = mine;
  __syncthreads();
  return warp_best(by, shared[lane % warps]);
}

/* The best of row elements start, start + GROUP, ... that come after `bar`, where that is one. */
template <typename T, typename K>
__device__ static inline item<K> scan(order by, const T *x, int64_t n, int64_t step, int start,
                                      int stride, const item<K> &bar) {
  item<K> best = {0, -1};
  for (int64_t i = start; i < n; i += stride) {
    item<K> it = {load_key(x[i * step]), i};
    if (bar.place >= 0 && !precedes(by, bar, it)) continue;
    if (precedes(by, it, best)) best = it;
  }
  return best;
}

__device__ static inline int64_t first_of(const ig_rows &r, int64_t length, int64_t row) {
  return row / r.inner * length * r.inner + row % r.inner;
}

/* GROUP threads a row: 1, a warp, or all. */
template <typename T, int GROUP>
__global__ void arg_max_kernel(ig_rows r, order by, const T *x, int64_t *places) {
  typedef typename key_of<T>::type K;
  IG_SHARED(item<K>, shared, [THREADS / IG_WARP]);
  int64_t row = (int64_t)blockIdx.x * (THREADS / GROUP) + threadIdx.x / GROUP;
  bool mine = row < r.outer * r.inner; /* the same for a warp where lanes work together */
  const item<K> none = {0, -1};
  item<K> best = none;
  if (mine) {
    best = scan(by, x + first_of(r, r.n, row), r.n, r.inner, (int)threadIdx.x % GROUP, GROUP, none);
  }
  if (GROUP == IG_WARP) best = warp_best(by, best);
  if (GROUP == THREADS) best = block_best(by, best, shared);
  if (mine && threadIdx.x % GROUP == 0) places[row] = best.place;
}

/* A block a row. Each thread holds the best of its share that is not yet given. */
template <typename T>
__global__ void top_k_kernel(ig_rows r, order by, int64_t k, const T *x, T *values,
                             int64_t *places) {
  typedef typename key_of<T>::type K;
  IG_SHARED(item<K>, shared, [THREADS / IG_WARP]);
  int64_t row = blockIdx.x;
  const T *from = x + first_of(r, r.n, row);
  item<K> given = {0, -1}, mine = scan(by, from, r.n, r.inner, (int)threadIdx.x, THREADS, given);
  for (int64_t i = 0; i < k; i++) {
    given = block_best(by, mine, shared);
    if (threadIdx.x == 0) {
      int64_t at = first_of(r, k, row) + i * r.inner;
      values[at] = from[given.place * r.inner];
      places[at] = given.place;
    }
    if (mine.place == given.place) {
      mine = scan(by, from, r.n, r.inner, (int)threadIdx.x, THREADS, given);
    }
    __syncthreads(); /* before `shared` is written again */
  }
}

template <typename T>
__global__ void top_k_grad_kernel(ig_rows r, int64_t k, const T *dy, const int64_t *places, T *dx) {
  int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (i >= r.outer * k * r.inner) return;
  int64_t outer = i / r.inner / k, place = places[i];
  if (place < 0 || place >= r.n) return;
  dx[(outer * r.n + place) * r.inner + i % r.inner] = dy[i];
}

/* --- on the host -------------------------------------------------------------------------------- */

template <typename T>
static ig_status arg_max(const ig_rows &r, order by, const void *x, int64_t *places, void *stream) {
  int64_t rows = r.outer * r.inner;
  if (r.inner > 1 || r.n < 16) {
    return IG_LAUNCH((arg_max_kernel<T, 1>), ig_blocks(rows, THREADS), THREADS, 0, stream, r, by,
                     (const T *)x, places);
  }
  if (r.n <= 1024) {
    return IG_LAUNCH((arg_max_kernel<T, IG_WARP>), ig_blocks(rows, THREADS / IG_WARP), THREADS, 0,
                     stream, r, by, (const T *)x, places);
  }
  return IG_LAUNCH((arg_max_kernel<T, THREADS>), ig_blocks(rows, 1), THREADS, 0, stream, r, by,
                   (const T *)x, places);
}

static bool is_vector(ig_dtype dtype) {
  return dtype == IG_F32 || dtype == IG_BF16 || dtype == IG_F16;
}

ig_status ig_cuda_arg_max(ig_dtype dtype, const ig_rows *rows, const void *x, bool last,
                          int64_t *places, void *stream) {
  order by = {false, last};
  if (rows->outer * rows->inner == 0) return IG_OK;
  if (is_vector(dtype)) {
    IG_FOR_FLOAT(dtype, "ArgMax", { return arg_max<T>(*rows, by, x, places, stream); })
  }
  IG_FOR_WHOLE(dtype, "ArgMax", { return arg_max<T>(*rows, by, x, places, stream); })
}

template <typename T>
static ig_status top_k(const ig_rows &r, order by, int64_t k, const void *x, void *values,
                       int64_t *places, void *stream) {
  return IG_LAUNCH(top_k_kernel<T>, ig_blocks(r.outer * r.inner, 1), THREADS, 0, stream, r, by, k,
                   (const T *)x, (T *)values, places);
}

ig_status ig_cuda_top_k(ig_dtype dtype, const ig_rows *rows, const void *x, int64_t k, bool least,
                        void *values, int64_t *places, void *stream) {
  order by = {least, false};
  if (rows->outer * rows->inner == 0 || k == 0) return IG_OK;
  if (is_vector(dtype)) {
    IG_FOR_FLOAT(dtype, "TopK", { return top_k<T>(*rows, by, k, x, values, places, stream); })
  }
  IG_FOR_WHOLE(dtype, "TopK", { return top_k<T>(*rows, by, k, x, values, places, stream); })
}

ig_status ig_cuda_top_k_grad(ig_dtype dtype, const ig_rows *rows, int64_t k, const void *dy,
                             const int64_t *places, void *dx, void *stream) {
  const uint64_t zero = 0;
  size_t size = ig_dtype_size(dtype);
  int64_t given = rows->outer * k * rows->inner;
  IG_TRY(ig_cuda_fill(size, &zero, dx, rows->outer * rows->n * rows->inner, stream));
  if (given == 0) return IG_OK;
  IG_FOR_WORD(size, {
    return IG_LAUNCH(top_k_grad_kernel<T>, ig_blocks(given, THREADS), THREADS, 0, stream, *rows, k,
                     (const T *)dy, places, (T *)dx);
  })
}
