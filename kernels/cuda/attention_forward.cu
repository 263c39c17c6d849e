/* Attention on tensor cores, forward: a block holds 128 queries and walks over tiles of keys and
 * values, the next tile being copied while one is used (Dao, "FlashAttention-2", 2023). A warp has
 * 16 queries; its scores stay in registers, and become the left operand of the product with values.
 * 4 T^2 D flops a head (half of it where causal: tiles without visible keys are not visited); reads
 * queries once, keys and values once for each 128 queries, from the L2 cache mostly. */
#include "kernels/cuda/attention_mma.cuh"

/* Of a grid's second and third dimension; the latter counts blocks of 128 tokens, or halves of
 * them. */
#define MOST_BLOCKS 65535
#define MOST_TOKENS (MOST_BLOCKS / 2 * ATTENTION_ROWS)

static bool all_eighths(const ig_rows *rows) {
  return rows->batch % 8 == 0 && rows->head % 8 == 0 && rows->row % 8 == 0;
}

const char *ig_cuda_attention_reject(const ig_attention *a) {
  if (a->dtype != IG_BF16 && a->dtype != IG_F16) return "not a 16-bit type";
  if (a->size > IG_ATTENTION_MOST_SIZE || a->v_size > IG_ATTENTION_MOST_SIZE) return "large heads";
  if (a->queries > MOST_TOKENS || a->keys > MOST_TOKENS || a->past > MOST_TOKENS) {
    return "too many tokens";
  }
  if (a->batch > MOST_BLOCKS) return "a large batch";
  if (a->size % 8 != 0 || a->v_size % 8 != 0 || a->size == 0 || a->v_size == 0) {
    return "head sizes are not multiples of 8";
  }
  if (!all_eighths(&a->q) || !all_eighths(&a->k) || !all_eighths(&a->v) || !all_eighths(&a->y)) {
    return "rows are not 16-byte aligned";
  }
  return NULL;
}

template <int D, bool EXTRAS> struct forward_shape {
  static constexpr int KEYS = D <= 128 ? 64 : 32;
  /* Queries, and two stages of keys and values. */
  static constexpr int SHARED = (ATTENTION_ROWS + 4 * KEYS) * D * 2;
  /* Blocks that a multiprocessor should have registers for. */
  static constexpr int BLOCKS = D <= 64 && !EXTRAS ? 2 : 1;
};

/* The running softmax of a thread's two rows, over log 2. */
struct running {
  float top[2], total[2]; /* totals: of this thread's columns alone */
};

/* Scores become weights relative to the new top scores; what was summed shrinks to fit. */
template <int N, int M>
__device__ static inline void update(running &r, float (&s)[N][4], float (&sums)[M][4]) {
#pragma unroll
  for (int half = 0; half < 2; half++) {
    float most = r.top[half];
#pragma unroll
    for (int n = 0; n < N; n++) most = fmaxf(most, fmaxf(s[n][2 * half], s[n][2 * half + 1]));
    most = fmaxf(most, __shfl_xor_sync(IG_FULL_WARP, most, 1));
    most = fmaxf(most, __shfl_xor_sync(IG_FULL_WARP, most, 2));
    float base = most == -INFINITY ? 0 : most, shrink = exp2f(r.top[half] - base);
    float total = r.total[half] * shrink;
#pragma unroll
    for (int n = 0; n < N; n++) {
      for (int e = 2 * half; e < 2 * half + 2; e++) {
        s[n][e] = exp2f(s[n][e] - base);
        total += s[n][e];
      }
    }
#pragma unroll
    for (int m = 0; m < M; m++) {
      sums[m][2 * half] *= shrink;
      sums[m][2 * half + 1] *= shrink;
    }
    r.top[half] = most;
    r.total[half] = total;
  }
}

/* What one warp's queries are, and see. */
struct query_rows {
  int b, h, first; /* of the warp's 16 */
  int limit;
};

/* Products become scores; EXTRAS: with a cap or a mask. */
template <typename T, bool EXTRAS, int N>
__device__ static inline void mask_scores(const attention_work &w, const query_rows &q, int j0,
                                          float (&s)[N][4]) {
  int lane = threadIdx.x % IG_WARP, i = q.first + lane / 4, j = j0 + lane % 4 * 2;
  if constexpr (EXTRAS) {
#pragma unroll
    for (int n = 0; n < N; n++) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        s[n][e] = masked_score<T>(w, q.limit, q.b, q.h, i + e / 2 * 8, j + n * 8 + e % 2, s[n][e]);
      }
    }
    return;
  }
  float scale = w.a.scale * IG_LOG2E;
#pragma unroll
  for (int n = 0; n < N; n++) {
    for (int e = 0; e < 4; e++) s[n][e] *= scale;
  }
  /* Most tiles lie wholly below the diagonal and within the keys. */
  if (j0 + N * 8 <= q.limit && (!w.a.causal || j0 + N * 8 - 1 <= q.first + (int)w.a.past)) return;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    int end = w.a.causal ? min(q.limit, i + half * 8 + (int)w.a.past + 1) : q.limit;
#pragma unroll
    for (int n = 0; n < N; n++) {
      if (j + n * 8 >= end) s[n][2 * half] = -INFINITY;
      if (j + n * 8 + 1 >= end) s[n][2 * half + 1] = -INFINITY;
    }
  }
}

template <typename T, int D, bool EXTRAS>
__global__ void __launch_bounds__(ATTENTION_THREADS, (forward_shape<D, EXTRAS>::BLOCKS))
    forward_kernel(const attention_work w, T *y, float *lse, int query_tiles) {
  constexpr int KEYS = forward_shape<D, EXTRAS>::KEYS;
  IG_DYNAMIC_SHARED(T, queries);
  T *stages = queries + ATTENTION_ROWS * D;
  const ig_attention &a = w.a;
  int lane = threadIdx.x % IG_WARP, warp = threadIdx.x / IG_WARP;
  /* Where causal, the last queries have most to do: they start first. */
  int q0 = (query_tiles - 1 - (int)blockIdx.z) * ATTENTION_ROWS;
  query_rows rows = {(int)blockIdx.y, (int)blockIdx.x, q0 + warp * 16, 0};
  rows.limit = (int)key_limit(w, rows.b);
  int group = (int)group_of(a, rows.h), end = rows.limit;
  if (a.causal) end = min(end, q0 + ATTENTION_ROWS + (int)a.past);
  int tiles = (end + KEYS - 1) / KEYS;
  const T *k = (const T *)w.in.k + row_offset(a.k, rows.b, group, 0);
  const T *v = (const T *)w.in.v + row_offset(a.v, rows.b, group, 0);
  if (tiles > 0) { /* nobody waits for copies where no key is visible */
    copy_tile<T, D, ATTENTION_ROWS>(queries, (const T *)w.in.q + row_offset(a.q, rows.b, rows.h, 0),
                                    a.q.row, q0, (int)a.queries, (int)a.size);
  }
  running r = {{-INFINITY, -INFINITY}, {0, 0}};
  float sums[D / 8][4] = {{0}};
  for (int t = -1; t < tiles; t++) {
    if (t + 1 < tiles) {
      T *next = stages + (t + 1) % 2 * 2 * KEYS * D;
      copy_tile<T, D, KEYS>(next, k, a.k.row, (t + 1) * KEYS, rows.limit, a.size);
      copy_tile<T, D, KEYS>(next + KEYS * D, v, a.v.row, (t + 1) * KEYS, rows.limit, a.v_size);
    }
    ig_copy_commit();
    if (t < 0) continue;
    ig_copy_wait<1>();
    __syncthreads();
    const T *stage = stages + t % 2 * 2 * KEYS * D;
    float s[KEYS / 8][4] = {{0}};
    multiply_tiles<T, D>(s, queries, warp * 16, stage);
    mask_scores<T, EXTRAS>(w, rows, t * KEYS, s);
    update(r, s, sums);
    multiply_results<T, D>(sums, s, stage + KEYS * D, 0);
    __syncthreads(); /* before the next copies overwrite this stage */
  }
  float factor[2];
#pragma unroll
  for (int half = 0; half < 2; half++) {
    float total = r.total[half];
    total += __shfl_xor_sync(IG_FULL_WARP, total, 1);
    total += __shfl_xor_sync(IG_FULL_WARP, total, 2);
    factor[half] = total == 0 ? 0 : 1 / total;
    int i = rows.first + lane / 4 + half * 8;
    if (lse && lane % 4 == 0 && i < a.queries) {
      lse[(rows.b * a.heads + rows.h) * a.queries + i] =
          total == 0 ? INFINITY : r.top[half] * IG_LN2 + logf(total);
    }
  }
  store_rows<T, D>(sums, factor[0], factor[1], queries,
                   y + row_offset(a.y, rows.b, rows.h, rows.first), a.y.row, a.queries - rows.first,
                   a.v_size);
}

template <typename T, int D, bool EXTRAS>
static ig_status launch_forward(const attention_work &w, void *y, float *lse, void *stream) {
  int64_t tiles = (w.a.queries + ATTENTION_ROWS - 1) / ATTENTION_ROWS;
  constexpr int SHARED = forward_shape<D, EXTRAS>::SHARED;
  IG_TRY(IG_ALLOW_SHARED((forward_kernel<T, D, EXTRAS>), SHARED));
  dim3 grid((unsigned)w.a.heads, (unsigned)w.a.batch, (unsigned)tiles);
  return IG_LAUNCH((forward_kernel<T, D, EXTRAS>), grid, ATTENTION_THREADS, SHARED, stream, w,
                   (T *)y, lse, (int)tiles);
}

template <typename T, bool EXTRAS>
static ig_status choose_width(const attention_work &w, void *y, float *lse, void *stream) {
  switch (tile_width(&w.a)) {
  case 32: return launch_forward<T, 32, EXTRAS>(w, y, lse, stream);
  case 64: return launch_forward<T, 64, EXTRAS>(w, y, lse, stream);
  case 128: return launch_forward<T, 128, EXTRAS>(w, y, lse, stream);
  default: return launch_forward<T, 256, EXTRAS>(w, y, lse, stream);
  }
}

template <typename T>
static ig_status choose_extras(const attention_work &w, void *y, float *lse, void *stream) {
  return w.in.mask || w.a.softcap > 0 ? choose_width<T, true>(w, y, lse, stream)
                                      : choose_width<T, false>(w, y, lse, stream);
}

ig_status ig_cuda_attention(const ig_attention *a, const ig_attention_inputs *in, void *y,
                            float *lse, void *stream) {
  if (a->batch * a->heads * a->queries == 0) return IG_OK;
  attention_work w = {*a, *in};
  return a->dtype == IG_BF16 ? choose_extras<ig_bf16>(w, y, lse, stream)
                             : choose_extras<ig_f16>(w, y, lse, stream);
}
