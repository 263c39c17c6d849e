/* Sampling: a block draws a row's token. What is cut off is found by a search for the bar's key, three
 * bits a pass, each pass summing the values above seven keys: exact integers, so that no order of
 * threads shows. A row is read from the second cache level once to find the greatest logit, eleven times
 * for each of top_k and top_p where they cut, and three times to draw; of 50,000 logits in all some 5
 * MB, and 30 operations a weight. */
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/philox.cuh"

#define IG_SAMPLE_INLINE __host__ __device__ static inline
extern "C" {
#include "kernels/sample.h"
}

#define THREADS 1024
#define WARPS (THREADS / IG_WARP)
#define WAYS 8 /* of a pass */

template <typename T> struct sample_row {
  const T *logits;
  int64_t n;
  float top, factor;
  __device__ inline uint32_t key(int64_t i) const { return ig_sample_key(ig_to_f32(logits[i])); }
  __device__ inline uint64_t weight(uint32_t key) const {
    return ig_sample_weight(ig_sample_logit(key), top, factor);
  }
};

/* What the threads of a block tell each other; each field is used between barriers of its own. */
struct sample_shared {
  uint32_t tops[WARPS];
  int64_t bests[WARPS];
  uint64_t sums[2][WAYS][WARPS];
  int64_t equals[WARPS];
  uint64_t totals[2][WARPS];
};

__device__ static inline uint64_t warp_sum(uint64_t x) {
  for (int step = IG_WARP / 2; step > 0; step /= 2) {
    x += (uint64_t)__shfl_xor_sync(IG_FULL_WARP, (unsigned long long)x, step);
  }
  return x;
}

/* The greater key, of equals the first place; NaN is above all. */
__device__ static inline void take_better(uint32_t &key, int64_t &place, uint32_t other_key,
                                          int64_t other) {
  if (other_key < key || (other_key == key && other >= place)) return;
  key = other_key;
  place = other;
}

/* Where the greatest logit is, and its key: the same in all threads. */
template <typename T>
__device__ static inline int64_t find_best(const T *logits, int64_t n, sample_shared &s,
                                           uint32_t *top) {
  uint32_t key = 0;
  int64_t place = n;
  int lane = threadIdx.x % IG_WARP, warp = threadIdx.x / IG_WARP;
  for (int64_t i = threadIdx.x; i < n; i += THREADS) {
    float x = ig_to_f32(logits[i]);
    take_better(key, place, x != x ? 0xffffffffu : ig_sample_key(x), i);
  }
  for (int turn = 0; turn < 2; turn++) {
    for (int step = IG_WARP / 2; step > 0; step /= 2) {
      uint32_t other_key = __shfl_xor_sync(IG_FULL_WARP, key, step);
      int64_t other = __shfl_xor_sync(IG_FULL_WARP, (long long)place, step);
      take_better(key, place, other_key, other);
    }
    if (turn == 1) break;
    if (lane == 0) {
      s.tops[warp] = key;
      s.bests[warp] = place;
    }
    __syncthreads();
    key = s.tops[lane];
    place = s.bests[lane];
  }
  *top = key;
  return place;
}

/* The bar above and at which the values of the likeliest first sum to `wanted`: their weights, or one
 * for each. */
template <typename T>
__device__ static inline ig_sample_bar find_bar(const sample_row<T> &r, bool counts,
                                                uint64_t wanted, sample_shared &s) {
  uint32_t key = 0;
  uint64_t above = 0;
  int lane = threadIdx.x % IG_WARP, warp = threadIdx.x / IG_WARP;
  for (int shift = 30; shift >= 0; shift -= 3) {
    uint64_t(*shared)[WARPS] = s.sums[shift / 3 % 2], sums[WAYS] = {};
    int ways = shift == 30 ? 4 : WAYS;
    for (int64_t i = threadIdx.x; i < r.n; i += THREADS) {
      uint32_t own = r.key(i);
      if (own < key) continue;
      uint32_t way = (own - key) >> shift;
      uint64_t value = counts ? 1 : r.weight(own);
      for (int j = 1; j < WAYS; j++) sums[j] += (uint32_t)j <= way ? value : 0;
    }
    for (int j = 1; j < WAYS; j++) {
      sums[j] = warp_sum(sums[j]);
      if (lane == 0) shared[j][warp] = sums[j];
    }
    __syncthreads();
    uint32_t chosen = 0;
    uint64_t next = above;
    for (int j = 1; j < ways; j++) {
      uint64_t sum = warp_sum(shared[j][lane]);
      if (sum >= wanted) chosen = (uint32_t)j;
      if (chosen + 1 == (uint32_t)j) next = sum;
    }
    above = next;
    key += chosen << shift;
  }
  uint64_t each = counts ? 1 : r.weight(key);
  return {key, (int64_t)((wanted - above + each - 1) / (each < 1 ? 1 : each))};
}

/* --- in the order of their numbers -------------------------------------------------------------- */

/* A warp's tokens: [first, end), 32 at a time. */
struct sample_range {
  int64_t first, end;
};

__device__ static inline sample_range range_of(int64_t n, int warp) {
  int64_t each = (n + THREADS - 1) / THREADS * IG_WARP, first = each * warp;
  return {first < n ? first : n, first + each < n ? first + each : n};
}

/* The weight of this lane's token i, 0 when it is cut off; `equals` counts the warp's tokens at the
 * bar so far. All lanes call. */
template <typename T>
__device__ static inline uint64_t kept_weight(const sample_row<T> &r, ig_sample_bar bar, int64_t i,
                                              int64_t &equals) {
  uint32_t key = i < r.n ? r.key(i) : 0;
  bool equal = i < r.n && key == bar.key;
  uint32_t votes = __ballot_sync(IG_FULL_WARP, equal);
  int64_t rank = equals + __popc(votes & ((1u << threadIdx.x % IG_WARP) - 1));
  equals += __popc(votes);
  if (i >= r.n) return 0;
  return key > bar.key || (equal && rank < bar.equals) ? r.weight(key) : 0;
}

/* Exclusive sum over warps of what shared[] has by warp. All lanes call. */
__device__ static inline uint64_t before_warp(const uint64_t *shared, int warp) {
  int lane = threadIdx.x % IG_WARP;
  return warp_sum(lane < warp ? shared[lane] : 0);
}

/* How many tokens at the bar are in the ranges before this warp's. */
template <typename T>
__device__ static inline int64_t equals_before(const sample_row<T> &r, ig_sample_bar bar,
                                               sample_shared &s) {
  int lane = threadIdx.x % IG_WARP, warp = threadIdx.x / IG_WARP;
  sample_range range = range_of(r.n, warp);
  uint64_t count = 0;
  for (int64_t i = range.first + lane; i < range.end; i += IG_WARP) count += r.key(i) == bar.key;
  count = warp_sum(count);
  if (lane == 0) s.equals[warp] = (int64_t)count;
  __syncthreads();
  return (int64_t)before_warp((const uint64_t *)s.equals, warp);
}

/* The sum of what may be drawn; *before becomes that of the ranges before this warp's. `turn` is
 * another than in the call before. */
template <typename T>
__device__ static inline uint64_t sum_kept(const sample_row<T> &r, ig_sample_bar bar,
                                           int64_t equals, int turn, sample_shared &s,
                                           uint64_t *before) {
  int lane = threadIdx.x % IG_WARP, warp = threadIdx.x / IG_WARP;
  sample_range range = range_of(r.n, warp);
  uint64_t sum = 0;
  for (int64_t i = range.first; i < range.end; i += IG_WARP) {
    sum += kept_weight(r, bar, i + lane, equals);
  }
  sum = warp_sum(sum);
  if (lane == 0) s.totals[turn][warp] = sum;
  __syncthreads();
  *before = before_warp(s.totals[turn], warp);
  return warp_sum(s.totals[turn][lane]);
}

/* The warp in whose range the sum exceeds `point` looks for the token there. */
template <typename T>
__device__ static inline void find_token(const sample_row<T> &r, ig_sample_bar bar, int64_t equals,
                                         uint64_t before, uint64_t point, int64_t *token) {
  int lane = threadIdx.x % IG_WARP;
  sample_range range = range_of(r.n, threadIdx.x / IG_WARP);
  if (before > point) return;
  for (int64_t i = range.first; i < range.end; i += IG_WARP) {
    uint64_t weight = kept_weight(r, bar, i + lane, equals), sum = weight;
    for (int step = 1; step < IG_WARP; step *= 2) {
      uint64_t other = (uint64_t)__shfl_up_sync(IG_FULL_WARP, (unsigned long long)sum, step);
      if (lane >= step) sum += other;
    }
    if (weight > 0 && before + sum > point && before + sum - weight <= point) *token = i + lane;
    before += (uint64_t)__shfl_sync(IG_FULL_WARP, (unsigned long long)sum, IG_WARP - 1);
    if (before > point) return;
  }
}

template <typename T>
__global__ void __launch_bounds__(THREADS)
    sample_kernel(const ig_sample_scalars scalars, int64_t n, const T *logits, int64_t *tokens) {
  IG_SHARED(sample_shared, shared, [1]);
  sample_shared &s = shared[0];
  float temperature = scalars.temperature ? *scalars.temperature : 1.0f;
  float top_p = scalars.top_p ? *scalars.top_p : 1.0f, factor = 0x1.715476p+0f / temperature;
  int64_t top_k = scalars.top_k ? *scalars.top_k : 0;
  uint32_t top;
  sample_row<T> r = {logits + blockIdx.x * n, n, 0, factor};
  int64_t best = find_best(r.logits, n, s, &top);
  r.top = ig_sample_logit(top);
  bool valid = ig_sample_valid(temperature, top_k, top_p) && top != 0xffffffffu;
  bool finite = r.top > -INFINITY && r.top < INFINITY;
  if (!valid || !finite || factor == INFINITY || top_k == 1) {
    if (threadIdx.x == 0) tokens[blockIdx.x] = valid && finite ? best : -1;
    return;
  }
  ig_sample_bar bar = {0, INT64_MAX};
  uint64_t before;
  if (top_k > 0 && top_k < n) bar = find_bar(r, true, (uint64_t)top_k, s);
  int64_t equals = equals_before(r, bar, s);
  uint64_t total = sum_kept(r, bar, equals, 0, s, &before);
  if (top_p < 1) {
    bar = find_bar(r, false, ig_sample_share(top_p, total), s);
    equals = equals_before(r, bar, s);
    total = sum_kept(r, bar, equals, 1, s, &before);
  }
  ig_rng rng = ig_device_rng_stream(*scalars.seed, IG_RNG_SAMPLE, *scalars.step,
                                    *scalars.first_sample + blockIdx.x);
  uint32_t numbers[4];
  ig_device_rng_block(rng, 0, numbers);
  find_token(r, bar, equals, before, ig_sample_point(numbers[0], total), &tokens[blockIdx.x]);
}

ig_status ig_cuda_sample(ig_dtype dtype, const ig_sample_scalars *scalars, int64_t rows, int64_t n,
                         const void *logits, int64_t *tokens, void *stream) {
  if (rows == 0) return IG_OK;
  IG_FOR_FLOAT(dtype, "sampling", {
    return IG_LAUNCH(sample_kernel<T>, ig_blocks(rows, 1), THREADS, 0, stream, *scalars, n,
                     (const T *)logits, tokens);
  })
}
