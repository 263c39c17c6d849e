/* Attention of few queries to many keys, as when a text is continued: keys are split over blocks,
 * whose parts (largest score, sum of weights, weighted sum of values) are joined in their order by a
 * second kernel (Dao, Haziza, Massa, Sizov, "Flash-Decoding", 2023). Memory-bound: a block reads its
 * keys and values once for up to four of the queries that share them, in 16-byte accesses, several
 * keys under way; the second kernel reads a few percent of that. How keys are split depends on shapes
 * alone, so the sums' order does too. Caches may be paged. And the joining of past and new keys, and
 * the writing of new rows into pages. */
#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/reduce.cuh"

#define WARPS 4
#define THREADS (WARPS * IG_WARP)
#define PART 8 /* elements of a row that a lane holds */
#define MOST_ROWS 4
#define LEAST_SPLIT 64
#define MOST_SPLIT 512
#define ENOUGH_BLOCKS 1024 /* several for each multiprocessor of a large GPU */

/* How the work is cut: a block takes `rows` of the queries that share a head of keys, and `split`
 * keys. */
struct decode_cut {
  int rows;
  int64_t tiles, split, splits; /* tiles of rows; keys of a block; blocks along the keys */
  bool packed;                  /* every row begins at a multiple of 16 bytes */
};

static decode_cut cut_of(const ig_attention *a) {
  decode_cut cut = {};
  int64_t shared = a->heads / a->kv_heads * a->queries;
  cut.rows = shared > 1 ? MOST_ROWS : 1;
  cut.tiles = (shared + cut.rows - 1) / cut.rows;
  cut.split = MOST_SPLIT;
  int64_t blocks = a->batch * a->kv_heads * cut.tiles;
  while (cut.split > LEAST_SPLIT &&
         blocks * ((a->keys + cut.split - 1) / cut.split) < ENOUGH_BLOCKS)
    cut.split /= 2;
  cut.splits = a->keys < 1 ? 1 : (a->keys + cut.split - 1) / cut.split;
  return cut;
}

/* Of the workspace, by [batch, head, query, split]: v_size sums, then the top score and the
 * total. */
size_t ig_cuda_attention_decode_workspace(const ig_attention *a) {
  return (size_t)(a->batch * a->heads * a->queries * cut_of(a).splits * (a->v_size + 2)) *
         sizeof(float);
}

/* What a lane holds of a row, in words as they lie in memory: 16-bit elements would each take a
 * register. */
template <typename T> struct row_part {
  enum { PER_WORD = 4 / sizeof(T), WORDS = PART / PER_WORD };
  uint32_t words[WORDS];
  __device__ inline float at(int e) const {
    T pair[PER_WORD];
    memcpy(pair, &words[e / PER_WORD], 4);
    return ig_to_f32(pair[e % PER_WORD]);
  }
};

/* Elements [from, from + PART) of a row, zeros past its end; no row: NULL. */
template <typename T>
__device__ static inline void load_part(const T *row, int64_t from, int64_t size, bool packed,
                                        row_part<T> &x) {
  enum { PER_WORD = row_part<T>::PER_WORD, WORDS = row_part<T>::WORDS };
  if (!row) size = 0;
  if (packed && from + PART <= size) {
#pragma unroll
    for (int p = 0; p < WORDS; p += 4) {
      ig_pack<uint32_t, 4> pack = ig_load_pack<uint32_t, 4>((const uint32_t *)(row + from) + p);
#pragma unroll
      for (int n = 0; n < 4; n++) x.words[p + n] = pack.v[n];
    }
    return;
  }
#pragma unroll
  for (int n = 0; n < WORDS; n++) {
    T pair[PER_WORD];
#pragma unroll
    for (int e = 0; e < PER_WORD; e++) {
      int64_t at = from + n * PER_WORD + e;
      pair[e] = at < size ? row[at] : ig_from_f32<T>(0.0f);
    }
    memcpy(&x.words[n], pair, 4);
  }
}

/* One row of a tile: which query it is, and the keys it sees; h < 0 where the tile has none. */
struct decode_row {
  int64_t h, i, end;
};

__device__ static inline decode_row row_of(const attention_work &w, int64_t b, int64_t group,
                                           int64_t index, int64_t end) {
  const ig_attention &a = w.a;
  int64_t shared = a.heads / a.kv_heads;
  if (index >= shared * a.queries) return {-1, 0, 0};
  decode_row row = {group * shared + index / a.queries, index % a.queries, end};
  if (a.causal && row.i + past_of(w, b) + 1 < end) row.end = row.i + past_of(w, b) + 1;
  return row;
}

/* What LANES lanes know of the keys that they have seen, for each row. */
template <int ROWS> struct decode_sums { float top[ROWS], total[ROWS], sum[ROWS][PART]; };

/* Takes in AHEAD keys from j on, STEP apart. */
template <typename T, int LANES, int ROWS, int AHEAD, int STEP>
__device__ static inline void
take_keys(const attention_work &w, int64_t b, int64_t group, int64_t j, int64_t end, bool packed,
          const decode_row (&rows)[ROWS], const float (&q)[ROWS][PART], decode_sums<ROWS> &sums) {
  const ig_attention &a = w.a;
  int64_t from = threadIdx.x % LANES * PART;
  row_part<T> key[AHEAD], value[AHEAD];
  bool inside[AHEAD];
#pragma unroll
  for (int n = 0; n < AHEAD; n++) {
    int64_t place = j + n * STEP, k = -1, v = -1;
    if (place < end) {
      k = key_offset(w, a.k, b, group, place);
      v = key_offset(w, a.v, b, group, place);
    }
    inside[n] = k >= 0;
    load_part(k < 0 ? (const T *)NULL : (const T *)w.in.k + k, from, a.size, packed, key[n]);
    load_part(v < 0 ? (const T *)NULL : (const T *)w.in.v + v, from, a.v_size, packed, value[n]);
  }
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    float s[AHEAD], above = sums.top[r];
#pragma unroll
    for (int n = 0; n < AHEAD; n++) {
      float product = 0;
#pragma unroll
      for (int e = 0; e < PART; e++) product += q[r][e] * key[n].at(e);
#pragma unroll
      for (int step = LANES / 2; step > 0; step /= 2) {
        product += __shfl_xor_sync(IG_FULL_WARP, product, step);
      }
      s[n] = a.scale * product;
      if (a.softcap > 0) s[n] = a.softcap * tanhf(s[n] / a.softcap);
      bool visible = inside[n] && j + n * STEP < rows[r].end;
      s[n] = visible ? s[n] + mask_at<T>(w, b, rows[r].h, rows[r].i, j + n * STEP) : -INFINITY;
      above = fmaxf(above, s[n]);
    }
    if (above == -INFINITY) continue;
    float shrink = expf(sums.top[r] - above);
    sums.top[r] = above;
    sums.total[r] *= shrink;
#pragma unroll
    for (int e = 0; e < PART; e++) sums.sum[r][e] *= shrink;
#pragma unroll
    for (int n = 0; n < AHEAD; n++) {
      float weight = expf(s[n] - above);
      sums.total[r] += weight;
#pragma unroll
      for (int e = 0; e < PART; e++) {
        if (weight != 0) sums.sum[r][e] += weight * value[n].at(e);
      }
    }
  }
}

/* Joins what the block's groups of LANES lanes know of row r, and writes its part. */
template <int LANES, int ROWS>
__device__ static inline void write_part(const decode_sums<ROWS> &sums, int r, int64_t v_size,
                                         float *part) {
  enum { GROUPS = THREADS / LANES };
  IG_SHARED(float, tops, [ROWS][GROUPS]);
  IG_SHARED(float, totals, [ROWS][GROUPS]);
  IG_SHARED(float, shares, [ROWS][GROUPS][LANES * PART]);
  int group = threadIdx.x / LANES, lane = threadIdx.x % LANES;
  if (lane == 0) tops[r][group] = sums.top[r];
  __syncthreads();
  float most = -INFINITY;
  for (int g = 0; g < GROUPS; g++) most = fmaxf(most, tops[r][g]);
  float shrink = sums.top[r] == -INFINITY ? 0.0f : expf(sums.top[r] - most);
  if (lane == 0) totals[r][group] = shrink * sums.total[r];
  for (int e = 0; e < PART; e++) shares[r][group][lane * PART + e] = shrink * sums.sum[r][e];
  __syncthreads();
  if (!part) return;
  for (int64_t d = threadIdx.x; d < v_size; d += THREADS) {
    float joined = 0;
    for (int g = 0; g < GROUPS; g++) joined += shares[r][g][d];
    part[d] = joined;
  }
  if (threadIdx.x != 0) return;
  float total = 0;
  for (int g = 0; g < GROUPS; g++) total += totals[r][g];
  part[v_size] = most;
  part[v_size + 1] = total;
}

template <typename T, int LANES, int ROWS>
__global__ void __launch_bounds__(THREADS)
    parts_kernel(const attention_work w, const decode_cut cut, float *parts) {
  enum { AHEAD = sizeof(T) == 2 ? 4 : 2, STEP = IG_WARP / LANES, WALK = WARPS * AHEAD * STEP };
  const ig_attention &a = w.a;
  int64_t at = blockIdx.x, first = at % cut.splits * cut.split;
  int64_t tile = at / cut.splits % cut.tiles, bg = at / cut.splits / cut.tiles;
  int64_t b = bg / a.kv_heads, group = bg % a.kv_heads, limit = key_limit(w, b);
  int64_t end = first + cut.split < limit ? first + cut.split : limit;
  decode_row rows[ROWS];
  decode_sums<ROWS> sums = {};
  float q[ROWS][PART];
  for (int r = 0; r < ROWS; r++) {
    row_part<T> own;
    rows[r] = row_of(w, b, group, tile * ROWS + r, end);
    const T *row = (const T *)w.in.q + row_offset(a.q, b, rows[r].h, rows[r].i);
    load_part(rows[r].h < 0 ? (const T *)NULL : row, threadIdx.x % LANES * PART, a.size, false,
              own);
    for (int e = 0; e < PART; e++) q[r][e] = own.at(e);
    sums.top[r] = -INFINITY;
  }
  int64_t place = threadIdx.x % IG_WARP / LANES;
  for (int64_t j = first + threadIdx.x / IG_WARP * (AHEAD * STEP); j < end; j += WALK) {
    take_keys<T, LANES, ROWS, AHEAD, STEP>(w, b, group, j + place, end, cut.packed, rows, q, sums);
  }
  for (int r = 0; r < ROWS; r++) {
    int64_t row = (b * a.heads + rows[r].h) * a.queries + rows[r].i;
    int64_t part = (row * cut.splits + at % cut.splits) * (a.v_size + 2);
    write_part<LANES, ROWS>(sums, r, a.v_size, rows[r].h < 0 ? NULL : parts + part);
  }
}

/* A block joins the parts of one query. */
template <typename T>
__global__ void __launch_bounds__(THREADS)
    join_kernel(const ig_attention a, const float *parts, int64_t splits, T *y, float *lse) {
  int64_t row = blockIdx.x, size = a.v_size + 2;
  int64_t b = row / a.queries / a.heads, h = row / a.queries % a.heads, i = row % a.queries;
  const float *part = parts + row * splits * size;
  float most = -INFINITY, total = 0;
  for (int64_t s = 0; s < splits; s++) most = fmaxf(most, part[s * size + a.v_size]);
  float base = most == -INFINITY ? 0 : most;
  for (int64_t s = 0; s < splits; s++) {
    total += expf(part[s * size + a.v_size] - base) * part[s * size + a.v_size + 1];
  }
  for (int64_t d = threadIdx.x; d < a.v_size; d += THREADS) {
    float sum = 0;
    for (int64_t s = 0; s < splits; s++) {
      sum += expf(part[s * size + a.v_size] - base) * part[s * size + d];
    }
    y[row_offset(a.y, b, h, i) + d] = ig_from_f32<T>(total == 0 ? 0.0f : sum / total);
  }
  if (lse && threadIdx.x == 0) lse[row] = total == 0 ? INFINITY : most + logf(total);
}

template <typename T, int LANES>
static ig_status launch_parts(const attention_work &w, const decode_cut &cut, float *parts,
                              void *stream) {
  unsigned blocks = ig_blocks(w.a.batch * w.a.kv_heads * cut.tiles * cut.splits, 1);
  if (cut.rows == 1) {
    return IG_LAUNCH((parts_kernel<T, LANES, 1>), blocks, THREADS, 0, stream, w, cut, parts);
  }
  return IG_LAUNCH((parts_kernel<T, LANES, MOST_ROWS>), blocks, THREADS, 0, stream, w, cut, parts);
}

template <typename T>
static ig_status launch_decode(const attention_work &w, void *y, float *lse, void *workspace,
                               void *stream) {
  const ig_attention &a = w.a;
  decode_cut cut = cut_of(&a);
  float *parts = (float *)workspace;
  int64_t size = a.size > a.v_size ? a.size : a.v_size;
  const int64_t strides[] = {a.k.batch, a.k.head, a.k.row, a.v.batch, a.v.head, a.v.row};
  cut.packed = ig_aligned16(w.in.k) && ig_aligned16(w.in.v);
  for (int64_t stride : strides) cut.packed = cut.packed && stride % PART == 0;
  if (size <= 32) {
    IG_TRY((launch_parts<T, 4>(w, cut, parts, stream)));
  } else if (size <= 64) {
    IG_TRY((launch_parts<T, 8>(w, cut, parts, stream)));
  } else if (size <= 128) {
    IG_TRY((launch_parts<T, 16>(w, cut, parts, stream)));
  } else {
    IG_TRY((launch_parts<T, 32>(w, cut, parts, stream)));
  }
  return IG_LAUNCH(join_kernel<T>, ig_blocks(a.batch * a.heads * a.queries, 1), THREADS, 0, stream,
                   a, (const float *)parts, cut.splits, (T *)y, lse);
}

ig_status ig_cuda_attention_decode(const ig_attention *a, const ig_attention_inputs *in, void *y,
                                   float *lse, void *workspace, void *stream) {
  if (a->batch * a->heads * a->queries == 0) return IG_OK;
  attention_work w = {*a, *in};
  IG_FOR_FLOAT(a->dtype, "attention", { return launch_decode<T>(w, y, lse, workspace, stream); })
}

/* --- past and new ----------------------------------------------------------------------------- */

/* Rows of [batch, heads, tokens, size] into another tensor, from its token `start` on. A block
 * takes rows, a thread elements. */
template <typename T>
__global__ void rows_kernel(int64_t rows, int64_t heads, int64_t tokens, int64_t size,
                            const T *from, ig_rows from_rows, T *to, ig_rows to_rows,
                            int64_t start) {
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    int64_t b = r / tokens / heads, h = r / tokens % heads, t = r % tokens;
    const T *source = from + row_offset(from_rows, b, h, t);
    T *target = to + row_offset(to_rows, b, h, start + t);
    for (int64_t d = threadIdx.x; d < size; d += blockDim.x) target[d] = source[d];
  }
}

ig_status ig_cuda_attention_rows(ig_dtype dtype, int64_t batch, int64_t heads, int64_t tokens,
                                 int64_t size, const void *from, const ig_rows *from_rows, void *to,
                                 const ig_rows *to_rows, int64_t start, void *stream) {
  int64_t rows = batch * heads * tokens;
  if (rows == 0) return IG_OK;
  IG_FOR_FLOAT(dtype, "attention", {
    return IG_LAUNCH(rows_kernel<T>, ig_blocks(rows, 1), 64, 0, stream, rows, heads, tokens, size,
                     (const T *)from, *from_rows, (T *)to, *to_rows, start);
  })
}

/* --- pages ------------------------------------------------------------------------------------ */

/* A block takes a row, a thread words of it. */
template <typename T>
__global__ void page_rows_kernel(const ig_page_rows p, int64_t words, const T *update,
                                 const int64_t *table, const int64_t *start, T *cache) {
  int64_t b = blockIdx.x / p.tokens, place = start[b] + blockIdx.x % p.tokens;
  if (place < 0 || place >= p.pages << p.page_shift) return;
  int64_t page = table[b * p.pages + (place >> p.page_shift)];
  if (page < 0 || page >= p.pool) return;
  int64_t row = (page << p.page_shift) + (place & (((int64_t)1 << p.page_shift) - 1));
  for (int64_t d = threadIdx.x; d < words; d += blockDim.x) {
    cache[row * words + d] = update[blockIdx.x * words + d];
  }
}

ig_status ig_cuda_page_rows(const ig_page_rows *rows, const void *update, const int64_t *table,
                            const int64_t *start, void *cache, void *stream) {
  int64_t bytes = (int64_t)rows->size * rows->inner, count = rows->batch * rows->tokens;
  if (bytes * count == 0) return IG_OK;
  if (bytes % 8 == 0) {
    return IG_LAUNCH(page_rows_kernel<uint64_t>, ig_blocks(count, 1), THREADS, 0, stream, *rows,
                     bytes / 8, (const uint64_t *)update, table, start, (uint64_t *)cache);
  }
  return IG_LAUNCH(page_rows_kernel<uint8_t>, ig_blocks(count, 1), THREADS, 0, stream, *rows, bytes,
                   (const uint8_t *)update, table, start, (uint8_t *)cache);
}
