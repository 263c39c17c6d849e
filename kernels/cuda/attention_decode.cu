/* Attention of few queries to many keys, as when a text is continued: keys are split over blocks,
 * whose parts (largest score, sum of weights, weighted sum of values) are joined in their order by
 * a second kernel. Memory-bound: keys and values are read once for each query of their group, a row
 * by a warp; the second reads a few percent of that. And the joining of past and new keys. */
#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/reduce.cuh"

#define WARPS 4
#define THREADS (WARPS * IG_WARP)
#define SPLIT 256 /* keys of a block */
#define AHEAD 4   /* keys of a warp at a time: that many rows are under way */

/* Of the workspace, by [batch, head, query, split]: v_size sums, then the top score and the
 * total. */
static int64_t part_size(const ig_attention *a) {
  return a->v_size + 2;
}
static int64_t split_count(const ig_attention *a) {
  return a->keys < 1 ? 1 : (a->keys + SPLIT - 1) / SPLIT;
}

size_t ig_cuda_attention_decode_workspace(const ig_attention *a) {
  return (size_t)(a->batch * a->heads * a->queries * split_count(a) * part_size(a)) * sizeof(float);
}

/* Lane l holds elements l, l + 32, ... of a row; N of them at most. */
template <typename T, int N>
__device__ static inline void load_row(const T *row, int64_t size, float (&x)[N]) {
  for (int e = 0; e < N; e++) {
    int64_t d = e * IG_WARP + threadIdx.x % IG_WARP;
    x[e] = d < size ? ig_to_f32(row[d]) : 0.0f;
  }
}

template <typename T, int N>
__global__ void __launch_bounds__(THREADS)
    parts_kernel(const attention_work w, float *parts, int64_t splits) {
  IG_SHARED(float, sums, [WARPS][N * IG_WARP]);
  IG_SHARED(float, tops, [WARPS]);
  IG_SHARED(float, totals, [WARPS]);
  const ig_attention &a = w.a;
  int64_t row = blockIdx.x / splits, first = blockIdx.x % splits * SPLIT;
  int64_t b = row / a.queries / a.heads, h = row / a.queries % a.heads, i = row % a.queries;
  int lane = threadIdx.x % IG_WARP, warp = threadIdx.x / IG_WARP;
  const T *k = (const T *)w.in.k + row_offset(a.k, b, group_of(a, h), 0);
  const T *v = (const T *)w.in.v + row_offset(a.v, b, group_of(a, h), 0);
  int64_t limit = key_limit(w, b), end = first + SPLIT < limit ? first + SPLIT : limit;
  if (a.causal && i + a.past + 1 < end) end = i + a.past + 1;
  float q[N], sum[N] = {0}, top = -INFINITY, total = 0;
  load_row((const T *)w.in.q + row_offset(a.q, b, h, i), a.size, q);
  for (int64_t j0 = first + warp * AHEAD; j0 < end; j0 += WARPS * AHEAD) {
    float s[AHEAD], value[AHEAD][N], above = top;
    for (int r = 0; r < AHEAD; r++) {
      bool inside = j0 + r < end;
      float key[N], product = 0;
      load_row(k + (j0 + r) * a.k.row, inside ? a.size : 0, key);
      load_row(v + (j0 + r) * a.v.row, inside ? a.v_size : 0, value[r]);
      for (int e = 0; e < N; e++) product += q[e] * key[e];
      s[r] = a.scale * ig_warp_reduce<ig_sum>(product);
      if (a.softcap > 0) s[r] = a.softcap * tanhf(s[r] / a.softcap);
      s[r] = inside ? s[r] + mask_at<T>(w, b, h, i, j0 + r) : -INFINITY;
      above = fmaxf(above, s[r]);
    }
    if (above == -INFINITY) continue;
    float shrink = expf(top - above);
    total *= shrink;
    for (int e = 0; e < N; e++) sum[e] *= shrink;
    for (int r = 0; r < AHEAD; r++) {
      float weight = expf(s[r] - above);
      if (weight == 0) continue;
      total += weight;
      for (int e = 0; e < N; e++) sum[e] += weight * value[r][e];
    }
    top = above;
  }
  for (int e = 0; e < N; e++) sums[warp][e * IG_WARP + lane] = sum[e];
  if (lane == 0) {
    tops[warp] = top;
    totals[warp] = total;
  }
  __syncthreads();
  float most = fmaxf(fmaxf(tops[0], tops[1]), fmaxf(tops[2], tops[3]));
  float base = most == -INFINITY ? 0 : most;
  float *part = parts + (int64_t)blockIdx.x * (a.v_size + 2);
  for (int64_t d = threadIdx.x; d < a.v_size; d += THREADS) {
    float joined = 0;
    for (int r = 0; r < WARPS; r++) joined += expf(tops[r] - base) * sums[r][d];
    part[d] = joined;
  }
  if (threadIdx.x == 0) {
    float joined = 0;
    for (int r = 0; r < WARPS; r++) joined += expf(tops[r] - base) * totals[r];
    part[a.v_size] = most;
    part[a.v_size + 1] = joined;
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

template <typename T, int N>
static ig_status launch_decode(const attention_work &w, void *y, float *lse, void *workspace,
                               void *stream) {
  int64_t rows = w.a.batch * w.a.heads * w.a.queries, splits = split_count(&w.a);
  IG_TRY(IG_LAUNCH((parts_kernel<T, N>), ig_blocks(rows * splits, 1), THREADS, 0, stream, w,
                   (float *)workspace, splits));
  return IG_LAUNCH(join_kernel<T>, ig_blocks(rows, 1), THREADS, 0, stream, w.a,
                   (const float *)workspace, splits, (T *)y, lse);
}

ig_status ig_cuda_attention_decode(const ig_attention *a, const ig_attention_inputs *in, void *y,
                                   float *lse, void *workspace, void *stream) {
  if (a->batch * a->heads * a->queries == 0) return IG_OK;
  attention_work w = {*a, *in};
  int64_t size = a->size > a->v_size ? a->size : a->v_size;
  IG_FOR_FLOAT(a->dtype, "attention", {
    if (size <= 64) return launch_decode<T, 2>(w, y, lse, workspace, stream);
    if (size <= 128) return launch_decode<T, 4>(w, y, lse, workspace, stream);
    return launch_decode<T, 8>(w, y, lse, workspace, stream);
  })
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
