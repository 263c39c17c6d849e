/* Attention on tensor cores, backward: weights are made again from the sums that the forward pass
 * left. One kernel, twice: for the gradient of queries a block holds 128 queries (and rows of dy)
 * and walks over tiles of keys (and values); for those of keys and values it holds 128 keys (and
 * values) and walks over the queries of every head that shares them. So each sum has one order and
 * one owner. 14 T^2 D flops a head in seven products, of which the two that are made twice cost 4,
 * and less memory traffic than adding up parts of dq would. */
#include "kernels/cuda/attention_mma.cuh"
#include "kernels/cuda/reduce.cuh"

struct backward_work {
  attention_work w;
  const void *y, *dy;
  const float *lse, *delta; /* by [batch, head, query] */
};

size_t ig_cuda_attention_grad_workspace(const ig_attention *a) {
  return (size_t)(a->batch * a->heads * a->queries) * sizeof(float);
}

/* --- delta: the product of a row of dy with that of y ----------------------------------------- */

#define DELTA_WARPS 4

/* Reads dy and y once. A warp takes a query. */
template <typename T>
__global__ void __launch_bounds__(DELTA_WARPS *IG_WARP)
    delta_kernel(const ig_attention a, const T *y, const T *dy, float *delta, int64_t rows) {
  int64_t row = (int64_t)blockIdx.x * DELTA_WARPS + threadIdx.x / IG_WARP;
  int64_t at = row < rows ? row_offset(a.y, row / a.queries / a.heads, row / a.queries % a.heads,
                                       row % a.queries)
                          : 0;
  float sum = 0;
  for (int d = threadIdx.x % IG_WARP * 8; d < a.v_size && row < rows; d += IG_WARP * 8) {
    ig_pack<T, 8> left = ig_load_pack<T, 8>(y + at + d), right = ig_load_pack<T, 8>(dy + at + d);
    for (int e = 0; e < 8; e++) sum += ig_to_f32(left.v[e]) * ig_to_f32(right.v[e]);
  }
  sum = ig_warp_reduce<ig_sum>(sum);
  if (threadIdx.x % IG_WARP == 0 && row < rows) delta[row] = sum;
}

/* --- weights and gradients of scores ---------------------------------------------------------- */

template <int D, bool KEYS> struct backward_shape {
  /* Rows of a tile of the moving side: as many as registers have room for. */
  static constexpr int MOVING = D <= 64 ? 64 : D <= 128 ? 32 : 16;
  /* Elements of the results that a block makes: registers have no room for two of 256. */
  static constexpr int WIDTH = KEYS && D > 128 ? 128 : D;
  static constexpr int SHARED = (2 * ATTENTION_ROWS + 4 * MOVING) * D * 2;
};

/* Which scores a warp has: `held` its first own row, `moving` the first column; KEYS: rows are
 * keys. */
struct place {
  int b, h, held, moving, limit;
};

/* Whether all of a warp's scores of a tile are visible, and none lies beyond the queries. */
template <bool KEYS>
__device__ static inline bool is_whole(const attention_work &w, const place &p, int columns) {
  int i0 = KEYS ? p.moving : p.held, j0 = KEYS ? p.held : p.moving;
  int i1 = i0 + (KEYS ? columns : 16), j1 = j0 + (KEYS ? 16 : columns);
  return !w.in.mask && j1 <= p.limit && i1 <= w.a.queries &&
         (!w.a.causal || j1 - 1 <= i0 + w.a.past);
}

/* Products s become weights, products dp the gradients of scores (before scale). */
template <typename T, bool KEYS, int N>
__device__ static inline void weigh(const backward_work &t, const place &p, float (&s)[N][4],
                                    float (&dp)[N][4]) {
  const ig_attention &a = t.w.a;
  int lane = threadIdx.x % IG_WARP;
  bool whole = is_whole<KEYS>(t.w, p, N * 8);
  const float *lse = t.lse + (p.b * a.heads + p.h) * a.queries;
  const float *delta = t.delta + (p.b * a.heads + p.h) * a.queries;
#pragma unroll
  for (int n = 0; n < N; n++) {
#pragma unroll
    for (int e = 0; e < 4; e++) {
      int row = p.held + lane / 4 + e / 2 * 8;
      int column = p.moving + n * 8 + lane % 4 * 2 + e % 2;
      int i = KEYS ? column : row, j = KEYS ? row : column;
      float score =
          whole ? capped_score(a, s[n][e]) : masked_score<T>(t.w, p.limit, p.b, p.h, i, j, s[n][e]);
      float slope = 1, weight = 0, gradient = 0;
      if (score != -INFINITY) {
        if (a.softcap > 0) {
          float capped = tanhf(s[n][e] * a.scale / a.softcap);
          slope -= capped * capped;
        }
        weight = exp2f(score - lse[i] * IG_LOG2E);
        gradient = weight * (dp[n][e] - delta[i]) * slope;
      }
      s[n][e] = weight;
      dp[n][e] = gradient;
    }
  }
}

/* --- the kernel ------------------------------------------------------------------------------- */

/* Operands of one side: queries with dy, or keys with values. */
template <typename T> struct side {
  const T *first, *second;
  int64_t first_stride, second_stride;
  int limit, first_size, second_size;
};

template <typename T>
__device__ static inline side<T> query_side(const backward_work &t, int64_t b, int64_t h) {
  const ig_attention &a = t.w.a;
  return {(const T *)t.w.in.q + row_offset(a.q, b, h, 0),
          (const T *)t.dy + row_offset(a.y, b, h, 0),
          a.q.row,
          a.y.row,
          (int)a.queries,
          (int)a.size,
          (int)a.v_size};
}
template <typename T>
__device__ static inline side<T> key_side(const backward_work &t, int64_t b, int64_t group,
                                          int limit) {
  const ig_attention &a = t.w.a;
  return {(const T *)t.w.in.k + row_offset(a.k, b, group, 0),
          (const T *)t.w.in.v + row_offset(a.v, b, group, 0),
          a.k.row,
          a.v.row,
          limit,
          (int)a.size,
          (int)a.v_size};
}

template <typename T, int D, int ROWS>
__device__ static inline void copy_side(T *to, const side<T> &from, int first) {
  copy_tile<T, D, ROWS>(to, from.first, from.first_stride, first, from.limit, from.first_size);
  copy_tile<T, D, ROWS>(to + ROWS * D, from.second, from.second_stride, first, from.limit,
                        from.second_size);
}

/* Tiles of the moving side that a block visits: [begin, end). */
template <bool KEYS>
__device__ static inline void moving_range(const attention_work &w, int held, int limit, int moving,
                                           int *begin, int *end) {
  const ig_attention &a = w.a;
  *begin = 0;
  if (KEYS) {
    *end = held < limit ? ((int)a.queries + moving - 1) / moving : 0;
    if (a.causal && held > a.past) *begin = min((held - (int)a.past) / moving, *end);
  } else {
    int keys = a.causal ? min(limit, held + ATTENTION_ROWS + (int)a.past) : limit;
    *end = (keys + moving - 1) / moving;
  }
}

/* KEYS: dk and dv, `first` and `second`; otherwise dq alone, `first`; a block makes WIDTH elements
 * of their rows. */
template <typename T, int D, bool KEYS>
__global__ void __launch_bounds__(ATTENTION_THREADS)
    backward_kernel(const backward_work t, T *first, T *second, int held_tiles) {
  constexpr int MOVING = backward_shape<D, KEYS>::MOVING, WIDTH = backward_shape<D, KEYS>::WIDTH;
  IG_DYNAMIC_SHARED(T, held);
  T *stages = held + 2 * ATTENTION_ROWS * D;
  const ig_attention &a = t.w.a;
  constexpr int PARTS = D / WIDTH;
  int warp = threadIdx.x / IG_WARP, chunk = blockIdx.z % PARTS * (WIDTH / 8);
  int tile = blockIdx.z / PARTS, b = blockIdx.y;
  int own = blockIdx.x; /* head of queries, or of keys */
  int h0 = (KEYS ? tile : held_tiles - 1 - tile) * ATTENTION_ROWS;
  int shared_heads = (int)(a.heads / a.kv_heads), limit = (int)key_limit(t.w, b), begin, end;
  moving_range<KEYS>(t.w, h0, limit, MOVING, &begin, &end);
  int per_head = end - begin, steps = KEYS ? per_head * shared_heads : per_head;
  if (steps > 0) { /* nobody waits for copies where nothing is visible */
    copy_side<T, D, ATTENTION_ROWS>(
        held, KEYS ? key_side<T>(t, b, own, limit) : query_side<T>(t, b, own), h0);
  }
  float sums[WIDTH / 8][4] = {{0}}, value_sums[KEYS ? WIDTH / 8 : 1][4] = {{0}};
  for (int step = -1; step < steps; step++) {
    if (step + 1 < steps) {
      int head = own * shared_heads + (step + 1) / per_head;
      copy_side<T, D, MOVING>(stages + (step + 1) % 2 * 2 * MOVING * D,
                              KEYS ? query_side<T>(t, b, head)
                                   : key_side<T>(t, b, group_of(a, own), limit),
                              (begin + (step + 1) % per_head) * MOVING);
    }
    ig_copy_commit();
    if (step < 0) continue;
    ig_copy_wait<1>();
    __syncthreads();
    const T *stage = stages + step % 2 * 2 * MOVING * D;
    place p = {b, KEYS ? own * shared_heads + step / per_head : own, h0 + warp * 16,
               (begin + step % per_head) * MOVING, limit};
    float s[MOVING / 8][4] = {{0}}, dp[MOVING / 8][4] = {{0}};
    multiply_tiles<T, D>(s, held, warp * 16, stage);
    multiply_tiles<T, D>(dp, held + ATTENTION_ROWS * D, warp * 16, stage + MOVING * D);
    weigh<T, KEYS>(t, p, s, dp);
    multiply_results<T, D>(sums, dp, stage, chunk);
    if constexpr (KEYS) multiply_results<T, D>(value_sums, s, stage + MOVING * D, chunk);
    __syncthreads(); /* before the next copies overwrite this stage */
  }
  const ig_rows &rows = KEYS ? a.k : a.q;
  int row = h0 + warp * 16, count = (int)(KEYS ? a.keys : a.queries) - row;
  store_rows<T, D>(sums, a.scale, a.scale, held, first + row_offset(rows, b, own, row) + chunk * 8,
                   rows.row, count, (int)a.size - chunk * 8);
  if constexpr (KEYS) {
    store_rows<T, D>(value_sums, 1, 1, held + ATTENTION_ROWS * D,
                     second + row_offset(a.v, b, own, row) + chunk * 8, a.v.row, count,
                     (int)a.v_size - chunk * 8);
  }
}

template <typename T, int D, bool KEYS>
static ig_status launch_side(const backward_work &t, T *first, T *second, void *stream) {
  const ig_attention &a = t.w.a;
  constexpr int SHARED = backward_shape<D, KEYS>::SHARED;
  int64_t tiles = ((KEYS ? a.keys : a.queries) + ATTENTION_ROWS - 1) / ATTENTION_ROWS;
  int64_t heads = KEYS ? a.kv_heads : a.heads;
  if (tiles * heads * a.batch == 0) return IG_OK;
  IG_TRY(IG_ALLOW_SHARED((backward_kernel<T, D, KEYS>), SHARED));
  dim3 grid((unsigned)heads, (unsigned)a.batch,
            (unsigned)tiles * (D / backward_shape<D, KEYS>::WIDTH));
  return IG_LAUNCH((backward_kernel<T, D, KEYS>), grid, ATTENTION_THREADS, SHARED, stream, t, first,
                   second, (int)tiles);
}

template <typename T, int D>
static ig_status launch_both(const backward_work &t, void *dq, void *dk, void *dv, void *stream) {
  IG_TRY((launch_side<T, D, false>(t, (T *)dq, nullptr, stream)));
  return launch_side<T, D, true>(t, (T *)dk, (T *)dv, stream);
}

template <typename T>
static ig_status backward(const backward_work &t, void *dq, void *dk, void *dv, float *delta,
                          void *stream) {
  const ig_attention &a = t.w.a;
  int64_t rows = a.batch * a.heads * a.queries;
  if (rows) {
    IG_TRY(IG_LAUNCH(delta_kernel<T>, ig_blocks(rows, DELTA_WARPS), DELTA_WARPS * IG_WARP, 0,
                     stream, a, (const T *)t.y, (const T *)t.dy, delta, rows));
  }
  switch (tile_width(&a)) {
  case 32: return launch_both<T, 32>(t, dq, dk, dv, stream);
  case 64: return launch_both<T, 64>(t, dq, dk, dv, stream);
  case 128: return launch_both<T, 128>(t, dq, dk, dv, stream);
  default: return launch_both<T, 256>(t, dq, dk, dv, stream);
  }
}

ig_status ig_cuda_attention_grad(const ig_attention *a, const ig_attention_inputs *in,
                                 const void *y, const float *lse, const void *dy, void *dq,
                                 void *dk, void *dv, void *workspace, void *stream) {
  float *delta = (float *)workspace;
  backward_work t = {{*a, *in}, y, dy, lse, delta};
  return a->dtype == IG_BF16 ? backward<ig_bf16>(t, dq, dk, dv, delta, stream)
                             : backward<ig_f16>(t, dq, dk, dv, delta, stream);
}
