/* Attention of f32, forward and backward, with multiplications and additions in f32: a block of 128
 * threads has 64 rows of its own (queries, or in one of the two backward passes keys) and walks over
 * tiles of the other side, which lie in shared memory. A thread has 8 rows and every sixteenth column
 * of a tile of scores, so that a row belongs to half a warp; scores go through shared memory to become
 * the left operand of the next product. Weights are made again from the forward pass' sums. The same
 * flops as on tensor cores (attention_forward.cu, attention_backward.cu), about ten for each number
 * read from shared memory; other memory is read once for each 64 rows. Copies are not overlapped with
 * arithmetic within a block: two or three blocks of a multiprocessor do that for each other. */
#include "kernels/cuda/attention_mma.cuh"
#include "kernels/cuda/reduce.cuh"

#define THREADS 128
#define ROWS 64 /* of a block */
#define OWN 8   /* of a thread, one below the other */
#define ACROSS 16
#define MOST_BLOCKS 65535

const char *ig_cuda_attention_f32_reject(const ig_attention *a, bool backward) {
  const int64_t strides[] = {a->q.batch, a->q.head, a->q.row, a->k.batch, a->k.head, a->k.row,
                             a->v.batch, a->v.head, a->v.row, a->y.batch, a->y.head, a->y.row};
  const int64_t most = (int64_t)MOST_BLOCKS * ROWS;
  if (a->dtype != IG_F32) return "not f32";
  if (a->size > (backward ? 128 : 256) || a->v_size > (backward ? 128 : 256)) return "large heads";
  if (a->queries > most || a->keys > most || a->past > most) return "too many tokens";
  if (a->batch > MOST_BLOCKS) return "a large batch";
  if (a->size % 4 != 0 || a->v_size % 4 != 0 || a->size == 0 || a->v_size == 0) {
    return "head sizes are not multiples of 4";
  }
  for (int64_t stride : strides) {
    if (stride % 4 != 0) return "rows are not 16-byte aligned";
  }
  return NULL;
}

/* --- tiles ------------------------------------------------------------------------------------- */

/* Lines of a tile are 16 bytes longer than the head, so that eight of them fall on different banks. */
template <int D> struct lines {
  static constexpr int PITCH = D + 4;
  static constexpr int VECTOR = D >= 64 ? 4 : 2; /* neighbouring columns of a thread */
  static constexpr int COLUMNS = D / ACROSS;     /* of a thread's results */
};

__device__ static inline int own_row(void) {
  return (int)threadIdx.x / ACROSS * OWN;
}

/* The thread's result column c. */
template <int D> __device__ static inline int own_column(int c) {
  constexpr int VECTOR = lines<D>::VECTOR;
  return c / VECTOR * (ACROSS * VECTOR) + (int)threadIdx.x % ACROSS * VECTOR + c % VECTOR;
}

/* Starts copying rows first ... first + COUNT - 1; zeros from row `limit` and element `size` on. */
template <int D, int COUNT>
__device__ static inline void copy_lines(float *tile, const float *from, int64_t stride, int first,
                                         int limit, int size) {
  for (int c = threadIdx.x; c < COUNT * (D / 4); c += THREADS) {
    int row = c / (D / 4), at = c % (D / 4) * 4;
    bool valid = first + row < limit && at < size;
    ig_copy16(tile + row * lines<D>::PITCH + at,
              valid ? from + (int64_t)(first + row) * stride + at : from, valid);
  }
}

/* s[r][n] += row own_row() + r of `rows` times row 16 n + this thread's of `columns`. */
template <int D, int N>
__device__ static inline void multiply_lines(float (&s)[OWN][N], const float *rows,
                                             const float *columns) {
  constexpr int PITCH = lines<D>::PITCH;
  const float *left = rows + own_row() * PITCH;
  const float *right = columns + (int)threadIdx.x % ACROSS * PITCH;
#pragma unroll 2
  for (int d = 0; d < D; d += 4) {
    ig_pack<float, 4> b[N];
#pragma unroll
    for (int n = 0; n < N; n++) b[n] = ig_load_pack<float, 4>(right + n * ACROSS * PITCH + d);
#pragma unroll
    for (int r = 0; r < OWN; r++) {
      ig_pack<float, 4> a = ig_load_pack<float, 4>(left + r * PITCH + d);
#pragma unroll
      for (int n = 0; n < N; n++) {
#pragma unroll
        for (int e = 0; e < 4; e++) s[r][n] += a.v[e] * b[n].v[e];
      }
    }
  }
}

/* Puts a thread's scores where multiply_scores finds them: [ROWS][16 N + 4]. Rows are written and read
 * by the same half of a warp. */
template <int N>
__device__ static inline void write_scores(float *scores, const float (&s)[OWN][N]) {
  __syncwarp(); /* all have read what was there */
#pragma unroll
  for (int r = 0; r < OWN; r++) {
#pragma unroll
    for (int n = 0; n < N; n++) {
      scores[(own_row() + r) * (ACROSS * N + 4) + n * ACROSS + threadIdx.x % ACROSS] = s[r][n];
    }
  }
  __syncwarp();
}

/* sums[r][c] += row own_row() + r of the scores times column own_column(c) of the tile's 16 N lines. */
template <int D, int N>
__device__ static inline void multiply_scores(float (&sums)[OWN][lines<D>::COLUMNS],
                                              const float *scores, const float *tile) {
  constexpr int PITCH = lines<D>::PITCH, VECTOR = lines<D>::VECTOR, COLUMNS = lines<D>::COLUMNS;
  const float *left = scores + own_row() * (ACROSS * N + 4);
  for (int k = 0; k < ACROSS * N; k += 4) {
    ig_pack<float, 4> a[OWN];
#pragma unroll
    for (int r = 0; r < OWN; r++) a[r] = ig_load_pack<float, 4>(left + r * (ACROSS * N + 4) + k);
#pragma unroll
    for (int e = 0; e < 4; e++) {
#pragma unroll
      for (int c = 0; c < COLUMNS; c += VECTOR) {
        ig_pack<float, VECTOR> b =
            ig_load_pack<float, VECTOR>(tile + (k + e) * PITCH + own_column<D>(c));
#pragma unroll
        for (int r = 0; r < OWN; r++) {
#pragma unroll
          for (int x = 0; x < VECTOR; x++) sums[r][c + x] += a[r].v[e] * b.v[x];
        }
      }
    }
  }
}

/* Writes the rows below `count` times `factor(r)`. */
template <int D, typename Factor>
__device__ static inline void store_lines(const float (&sums)[OWN][lines<D>::COLUMNS], float *to,
                                          int64_t stride, int count, int size,
                                          const Factor &factor) {
  constexpr int VECTOR = lines<D>::VECTOR, COLUMNS = lines<D>::COLUMNS;
#pragma unroll
  for (int r = 0; r < OWN; r++) {
    if (own_row() + r >= count) continue;
#pragma unroll
    for (int c = 0; c < COLUMNS; c += VECTOR) {
      ig_pack<float, VECTOR> out;
#pragma unroll
      for (int x = 0; x < VECTOR; x++) out.v[x] = sums[r][c + x] * factor(r);
      if (own_column<D>(c) < size) {
        ig_store_pack(to + (int64_t)(own_row() + r) * stride + own_column<D>(c), out);
      }
    }
  }
}

/* Whether all scores of queries i0 to i1 - 1 and keys below j1, from where a tile begins, are visible,
 * and none lies beyond the queries. */
__device__ static inline bool is_whole(const attention_work &w, int limit, int i0, int i1, int j1) {
  return !w.in.mask && j1 <= limit && i1 <= w.a.queries && (!w.a.causal || j1 - 1 <= i0 + w.a.past);
}

/* --- forward ----------------------------------------------------------------------------------- */

template <int D> struct forward_tiles {
  static constexpr int KEYS = D <= 128 ? 64 : 32, N = KEYS / ACROSS;
  static constexpr int SHARED =
      ((ROWS + 2 * KEYS) * lines<D>::PITCH + ROWS * (KEYS + 4)) * (int)sizeof(float);
};

/* Over a row's sixteen threads. */
template <typename Op> __device__ static inline float row_reduce(float x) {
  for (int step = ACROSS / 2; step > 0; step /= 2) {
    x = Op::join(x, __shfl_xor_sync(IG_FULL_WARP, x, step));
  }
  return x;
}

/* The running softmax of a row takes in scores, which become weights; the sums shrink to fit. */
template <int N, int M>
__device__ static inline void soften(float (&s)[N], float (&sums)[M], float &top, float &total) {
  float most = top;
#pragma unroll
  for (int n = 0; n < N; n++) most = fmaxf(most, s[n]);
  most = row_reduce<ig_most>(most);
  float base = most == -INFINITY ? 0 : most, shrink = exp2f(top - base);
  total *= shrink;
#pragma unroll
  for (int n = 0; n < N; n++) {
    s[n] = exp2f(s[n] - base);
    total += s[n];
  }
#pragma unroll
  for (int m = 0; m < M; m++) sums[m] *= shrink;
  top = most;
}

template <int D>
__global__ void __launch_bounds__(THREADS)
    forward_kernel(const attention_work w, float *y, float *lse, int query_tiles) {
  constexpr int KEYS = forward_tiles<D>::KEYS, N = forward_tiles<D>::N, PITCH = lines<D>::PITCH;
  IG_DYNAMIC_SHARED(float, queries);
  float *keys = queries + ROWS * PITCH, *values = keys + KEYS * PITCH;
  float *scores = values + KEYS * PITCH;
  const ig_attention &a = w.a;
  /* Where causal, the last queries have most to do: they start first. */
  int q0 = (query_tiles - 1 - (int)blockIdx.z) * ROWS, b = blockIdx.y, h = blockIdx.x;
  int group = (int)group_of(a, h), limit = (int)key_limit(w, b), end = limit;
  if (a.causal) end = min(end, q0 + ROWS + (int)a.past);
  const float *k = (const float *)w.in.k + row_offset(a.k, b, group, 0);
  const float *v = (const float *)w.in.v + row_offset(a.v, b, group, 0);
  const float *q = (const float *)w.in.q + row_offset(a.q, b, h, 0);
  float top[OWN], total[OWN] = {0}, sums[OWN][lines<D>::COLUMNS] = {{0}};
  for (int r = 0; r < OWN; r++) top[r] = -INFINITY;
  for (int j0 = 0; j0 < end; j0 += KEYS) {
    if (j0 == 0) {
      copy_lines<D, ROWS>(queries, q, a.q.row, q0, (int)a.queries, (int)a.size);
    }
    copy_lines<D, KEYS>(keys, k, a.k.row, j0, limit, (int)a.size);
    copy_lines<D, KEYS>(values, v, a.v.row, j0, limit, (int)a.v_size);
    ig_copy_commit();
    ig_copy_wait<0>();
    __syncthreads();
    float s[OWN][N] = {{0}};
    multiply_lines<D>(s, queries, keys);
    bool whole = is_whole(w, limit, q0, q0 + ROWS, j0 + KEYS);
#pragma unroll
    for (int r = 0; r < OWN; r++) {
#pragma unroll
      for (int n = 0; n < N; n++) {
        int j = j0 + n * ACROSS + (int)threadIdx.x % ACROSS;
        s[r][n] = whole ? capped_score(a, s[r][n])
                        : masked_score<float>(w, limit, b, h, q0 + own_row() + r, j, s[r][n]);
      }
      soften(s[r], sums[r], top[r], total[r]);
    }
    write_scores(scores, s);
    multiply_scores<D, N>(sums, scores, values);
    __syncthreads(); /* before the next copies overwrite the tiles */
  }
  int count = (int)a.queries - q0;
  for (int r = 0; r < OWN; r++) {
    total[r] = row_reduce<ig_sum>(total[r]);
    if (lse && threadIdx.x % ACROSS == 0 && own_row() + r < count) {
      lse[(b * a.heads + h) * a.queries + q0 + own_row() + r] =
          total[r] == 0 ? INFINITY : top[r] * IG_LN2 + logf(total[r]);
    }
  }
  store_lines<D>(sums, y + row_offset(a.y, b, h, q0), a.y.row, count, (int)a.v_size,
                 [&](int r) { return total[r] == 0 ? 0.0f : 1 / total[r]; });
}

template <int D>
static ig_status launch_forward(const attention_work &w, void *y, float *lse, void *stream) {
  int64_t tiles = (w.a.queries + ROWS - 1) / ROWS;
  constexpr int SHARED = forward_tiles<D>::SHARED;
  IG_TRY(IG_ALLOW_SHARED(forward_kernel<D>, SHARED));
  dim3 grid((unsigned)w.a.heads, (unsigned)w.a.batch, (unsigned)tiles);
  return IG_LAUNCH(forward_kernel<D>, grid, THREADS, SHARED, stream, w, (float *)y, lse,
                   (int)tiles);
}

ig_status ig_cuda_attention_f32(const ig_attention *a, const ig_attention_inputs *in, void *y,
                                float *lse, void *stream) {
  if (a->batch * a->heads * a->queries == 0) return IG_OK;
  attention_work w = {*a, *in};
  switch (tile_width(a)) {
  case 32: return launch_forward<32>(w, y, lse, stream);
  case 64: return launch_forward<64>(w, y, lse, stream);
  case 128: return launch_forward<128>(w, y, lse, stream);
  default: return launch_forward<256>(w, y, lse, stream);
  }
}

/* --- backward ---------------------------------------------------------------------------------- */

struct backward_work {
  attention_work w;
  const float *y, *dy, *lse;
  float *delta; /* by [batch, head, query]: the product of a row of dy with that of y */
};

/* Reads dy and y once. A warp takes a query. */
__global__ void __launch_bounds__(THREADS) delta_kernel(const backward_work t, int64_t rows) {
  const ig_attention &a = t.w.a;
  int64_t row = (int64_t)blockIdx.x * (THREADS / IG_WARP) + threadIdx.x / IG_WARP;
  int64_t at = row < rows ? row_offset(a.y, row / a.queries / a.heads, row / a.queries % a.heads,
                                       row % a.queries)
                          : 0;
  float sum = 0;
  for (int d = threadIdx.x % IG_WARP; d < a.v_size && row < rows; d += IG_WARP) {
    sum += t.y[at + d] * t.dy[at + d];
  }
  sum = ig_warp_reduce<ig_sum>(sum);
  if (threadIdx.x % IG_WARP == 0 && row < rows) t.delta[row] = sum;
}

template <int D> struct backward_tiles {
  static constexpr int MOVING = D <= 64 ? 64 : 32, N = MOVING / ACROSS;
  static constexpr int SHARED =
      (2 * (ROWS + MOVING) * lines<D>::PITCH + ROWS * (MOVING + 4)) * (int)sizeof(float);
};

/* Operands of one side: queries with dy, or keys with values. */
struct side {
  const float *first, *second;
  int64_t first_stride, second_stride;
  int limit, first_size, second_size;
};

__device__ static inline side query_side(const backward_work &t, int64_t b, int64_t h) {
  const ig_attention &a = t.w.a;
  return {(const float *)t.w.in.q + row_offset(a.q, b, h, 0),
          t.dy + row_offset(a.y, b, h, 0),
          a.q.row,
          a.y.row,
          (int)a.queries,
          (int)a.size,
          (int)a.v_size};
}

__device__ static inline side key_side(const backward_work &t, int64_t b, int64_t group,
                                       int limit) {
  const ig_attention &a = t.w.a;
  return {(const float *)t.w.in.k + row_offset(a.k, b, group, 0),
          (const float *)t.w.in.v + row_offset(a.v, b, group, 0),
          a.k.row,
          a.v.row,
          limit,
          (int)a.size,
          (int)a.v_size};
}

template <int D, int COUNT>
__device__ static inline void copy_side(float *to, const side &from, int first) {
  copy_lines<D, COUNT>(to, from.first, from.first_stride, first, from.limit, from.first_size);
  copy_lines<D, COUNT>(to + COUNT * lines<D>::PITCH, from.second, from.second_stride, first,
                       from.limit, from.second_size);
}

/* Which scores a block has: its first row, the first column; KEYS: rows are keys. */
struct place {
  int b, h, held, moving, limit;
};

/* Products s become weights, products dp the gradients of scores (before scale). */
template <bool KEYS, int N>
__device__ static inline void weigh(const backward_work &t, const place &p, float (&s)[OWN][N],
                                    float (&dp)[OWN][N]) {
  const ig_attention &a = t.w.a;
  int across = N * ACROSS, i0 = KEYS ? p.moving : p.held, j0 = KEYS ? p.held : p.moving;
  bool whole = is_whole(t.w, p.limit, i0, i0 + (KEYS ? across : ROWS), j0 + (KEYS ? ROWS : across));
  const float *lse = t.lse + (p.b * a.heads + p.h) * a.queries;
  const float *delta = t.delta + (p.b * a.heads + p.h) * a.queries;
#pragma unroll
  for (int r = 0; r < OWN; r++) {
#pragma unroll
    for (int n = 0; n < N; n++) {
      int row = p.held + own_row() + r, column = p.moving + n * ACROSS + (int)threadIdx.x % ACROSS;
      int i = KEYS ? column : row, j = KEYS ? row : column;
      float score = whole ? capped_score(a, s[r][n])
                          : masked_score<float>(t.w, p.limit, p.b, p.h, i, j, s[r][n]);
      float slope = 1, weight = 0, gradient = 0;
      if (score != -INFINITY) {
        if (a.softcap > 0) {
          float capped = tanhf(s[r][n] * a.scale / a.softcap);
          slope -= capped * capped;
        }
        weight = exp2f(score - lse[i] * IG_LOG2E);
        gradient = weight * (dp[r][n] - delta[i]) * slope;
      }
      s[r][n] = weight;
      dp[r][n] = gradient;
    }
  }
}

/* Tiles of the moving side that a block visits: [*begin, return value). */
template <bool KEYS>
__device__ static inline int moving_range(const attention_work &w, int held, int limit, int moving,
                                          int *begin) {
  const ig_attention &a = w.a;
  *begin = 0;
  if (!KEYS) {
    int keys = a.causal ? min(limit, held + ROWS + (int)a.past) : limit;
    return (keys + moving - 1) / moving;
  }
  int end = held < limit ? ((int)a.queries + moving - 1) / moving : 0;
  if (a.causal && held > a.past) *begin = min((held - (int)a.past) / moving, end);
  return end;
}

/* KEYS: dk and dv, `first` and `second`; otherwise dq alone, `first`. */
template <int D, bool KEYS>
__global__ void __launch_bounds__(THREADS)
    backward_kernel(const backward_work t, float *first, float *second) {
  constexpr int MOVING = backward_tiles<D>::MOVING, N = backward_tiles<D>::N;
  constexpr int PITCH = lines<D>::PITCH;
  IG_DYNAMIC_SHARED(float, held);
  float *moving = held + 2 * ROWS * PITCH, *scores = moving + 2 * MOVING * PITCH;
  const ig_attention &a = t.w.a;
  int b = blockIdx.y, own = blockIdx.x /* head of queries, or of keys */, h0 = blockIdx.z * ROWS;
  int shared_heads = (int)(a.heads / a.kv_heads), limit = (int)key_limit(t.w, b), begin;
  int per_head = moving_range<KEYS>(t.w, h0, limit, MOVING, &begin) - begin;
  int steps = KEYS ? per_head * shared_heads : per_head;
  float sums[OWN][lines<D>::COLUMNS] = {{0}};
  float value_sums[OWN][KEYS ? lines<D>::COLUMNS : 1] = {{0}};
  for (int step = 0; step < steps; step++) {
    int head = KEYS ? own * shared_heads + step / per_head : own;
    int at = (begin + step % per_head) * MOVING;
    side keys = key_side(t, b, KEYS ? own : group_of(a, own), limit);
    side queries = query_side(t, b, head);
    if (step == 0) copy_side<D, ROWS>(held, KEYS ? keys : queries, h0);
    copy_side<D, MOVING>(moving, KEYS ? queries : keys, at);
    ig_copy_commit();
    ig_copy_wait<0>();
    __syncthreads();
    float s[OWN][N] = {{0}}, dp[OWN][N] = {{0}};
    multiply_lines<D>(s, held, moving);
    multiply_lines<D>(dp, held + ROWS * PITCH, moving + MOVING * PITCH);
    weigh<KEYS>(t, {b, head, h0, at, limit}, s, dp);
    if constexpr (KEYS) {
      write_scores(scores, s);
      multiply_scores<D, N>(value_sums, scores, moving + MOVING * PITCH);
    }
    write_scores(scores, dp);
    multiply_scores<D, N>(sums, scores, moving);
    __syncthreads(); /* before the next copies overwrite the tile */
  }
  const ig_rows &rows = KEYS ? a.k : a.q;
  int count = (int)(KEYS ? a.keys : a.queries) - h0;
  store_lines<D>(sums, first + row_offset(rows, b, own, h0), rows.row, count, (int)a.size,
                 [&](int) { return a.scale; });
  if constexpr (KEYS) {
    store_lines<D>(value_sums, second + row_offset(a.v, b, own, h0), a.v.row, count, (int)a.v_size,
                   [](int) { return 1.0f; });
  }
}

template <int D, bool KEYS>
static ig_status launch_side(const backward_work &t, void *first, void *second, void *stream) {
  const ig_attention &a = t.w.a;
  constexpr int SHARED = backward_tiles<D>::SHARED;
  int64_t tiles = ((KEYS ? a.keys : a.queries) + ROWS - 1) / ROWS;
  int64_t heads = KEYS ? a.kv_heads : a.heads;
  if (tiles * heads * a.batch == 0) return IG_OK;
  IG_TRY(IG_ALLOW_SHARED((backward_kernel<D, KEYS>), SHARED));
  dim3 grid((unsigned)heads, (unsigned)a.batch, (unsigned)tiles);
  return IG_LAUNCH((backward_kernel<D, KEYS>), grid, THREADS, SHARED, stream, t, (float *)first,
                   (float *)second);
}

template <int D>
static ig_status launch_both(const backward_work &t, void *dq, void *dk, void *dv, void *stream) {
  IG_TRY((launch_side<D, false>(t, dq, nullptr, stream)));
  return launch_side<D, true>(t, dk, dv, stream);
}

ig_status ig_cuda_attention_f32_grad(const ig_attention *a, const ig_attention_inputs *in,
                                     const void *y, const float *lse, const void *dy, void *dq,
                                     void *dk, void *dv, void *workspace, void *stream) {
  backward_work t = {{*a, *in}, (const float *)y, (const float *)dy, lse, (float *)workspace};
  int64_t rows = a->batch * a->heads * a->queries;
  if (rows) {
    IG_TRY(
        IG_LAUNCH(delta_kernel, ig_blocks(rows, THREADS / IG_WARP), THREADS, 0, stream, t, rows));
  }
  switch (tile_width(a)) {
  case 32: return launch_both<32>(t, dq, dk, dv, stream);
  case 64: return launch_both<64>(t, dq, dk, dv, stream);
  default: return launch_both<128>(t, dq, dk, dv, stream);
  }
}
