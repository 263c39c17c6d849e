/* Attention the readable way, for every type, head size and mask: a block takes one query (or, for
 * the gradients of keys and values, one key), and a thread one score of each tile of as many keys
 * as the block has threads, then one element of the result. The running softmax is that of the fast
 * kernels, so that no matrix of scores is ever in memory. A score costs 2 D flops and reads a key's
 * row, for each query anew. */
#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/reduce.cuh"

#define THREADS 128

struct place {
  int64_t b, h, t; /* t: the query, or the key */
};

/* Blocks are numbered by token, within heads, within batch entries. */
__device__ static inline place place_of(int64_t block, int64_t heads, int64_t tokens) {
  return {block / tokens / heads, block / tokens % heads, block % tokens};
}

template <typename T> __device__ static inline float dot(const T *x, const T *y, int64_t n) {
  float sum = 0;
  for (int64_t d = 0; d < n; d++) sum += ig_to_f32(x[d]) * ig_to_f32(y[d]);
  return sum;
}

template <typename T>
__device__ static inline float raw_score(const attention_work &w, place p, int64_t j) {
  const ig_attention &a = w.a;
  return a.scale * dot((const T *)w.in.q + row_offset(a.q, p.b, p.h, p.t),
                       (const T *)w.in.k + key_offset(w, a.k, p.b, group_of(a, p.h), j), a.size);
}

__device__ static inline float cap(const ig_attention &a, float s) {
  return a.softcap > 0 ? a.softcap * tanhf(s / a.softcap) : s;
}

/* -inf where query p does not see key j. */
template <typename T>
__device__ static inline float score(const attention_work &w, place p, int64_t limit, int64_t j) {
  if (j >= limit || (w.a.causal && j > p.t + past_of(w, p.b))) return -INFINITY;
  if (key_offset(w, w.a.k, p.b, 0, j) < 0) return -INFINITY;
  float mask = mask_at<T>(w, p.b, p.h, p.t, j);
  return mask == -INFINITY ? mask : cap(w.a, raw_score<T>(w, p, j)) + mask;
}

/* --- forward ---------------------------------------------------------------------------------- */

/* blockIdx.y: which THREADS elements of the result. The barriers within the two reductions stand
 * between writing weights and reading them, and the other way round. */
template <typename T>
__global__ void __launch_bounds__(THREADS)
    forward_kernel(const attention_work w, T *y, float *lse) {
  IG_SHARED(float, weights, [THREADS]);
  IG_SHARED(float, partial, [2][IG_WARP]);
  const ig_attention &a = w.a;
  place p = place_of(blockIdx.x, a.heads, a.queries);
  int64_t limit = key_limit(w, p.b), d = blockIdx.y * THREADS + threadIdx.x;
  const T *v = (const T *)w.in.v;
  float top = -INFINITY, total = 0, result = 0;
  for (int64_t j0 = 0; j0 < limit; j0 += THREADS) {
    float s = score<T>(w, p, limit, j0 + threadIdx.x);
    float above = fmaxf(top, ig_block_reduce<ig_most>(s, partial[0]));
    float base = above == -INFINITY ? 0 : above, shrink = expf(top - base);
    weights[threadIdx.x] = expf(s - base);
    total = total * shrink + ig_block_reduce<ig_sum>(weights[threadIdx.x], partial[1]);
    top = above;
    result *= shrink;
    for (int64_t j = 0; j < THREADS && j0 + j < limit && d < a.v_size; j++) {
      if (weights[j] == 0) continue;
      int64_t row = key_offset(w, a.v, p.b, group_of(a, p.h), j0 + j);
      result += weights[j] * ig_to_f32(v[row + d]);
    }
  }
  if (d < a.v_size) {
    y[row_offset(a.y, p.b, p.h, p.t) + d] = ig_from_f32<T>(total == 0 ? 0.0f : result / total);
  }
  if (lse && d == 0) lse[blockIdx.x] = total == 0 ? INFINITY : top + logf(total);
}

static dim3 grid_of(int64_t blocks, int64_t elements) {
  return dim3(ig_blocks(blocks, 1), ig_blocks(elements, THREADS));
}

ig_status ig_cuda_attention_tiles(const ig_attention *a, const ig_attention_inputs *in, void *y,
                                  float *lse, void *stream) {
  int64_t rows = a->batch * a->heads * a->queries;
  if (rows == 0) return IG_OK;
  attention_work w = {*a, *in};
  IG_FOR_FLOAT(a->dtype, "attention", {
    return IG_LAUNCH(forward_kernel<T>, grid_of(rows, a->v_size), THREADS, 0, stream, w, (T *)y,
                     lse);
  })
}

/* The matrix of scores, for who asks for it as a result. A thread makes one. */
template <typename T>
__global__ void scores_kernel(const attention_work w, ig_attention_stage stage, const float *lse,
                              T *scores) {
  const ig_attention &a = w.a;
  place p = place_of(blockIdx.x, a.heads, a.queries);
  int64_t limit = key_limit(w, p.b);
  for (int64_t j = threadIdx.x; j < a.keys; j += THREADS) {
    float value;
    if (stage == IG_SCORES_SOFTMAX) {
      value = expf(score<T>(w, p, limit, j) - lse[blockIdx.x]);
    } else {
      value = raw_score<T>(w, p, j);
      if (stage != IG_SCORES_RAW) value = cap(a, value);
      if (stage == IG_SCORES_MASKED) {
        value = sees(w, limit, p.t, j) ? value + mask_at<T>(w, p.b, p.h, p.t, j) : -INFINITY;
      }
    }
    scores[blockIdx.x * a.keys + j] = ig_from_f32<T>(value);
  }
}

ig_status ig_cuda_attention_scores(const ig_attention *a, const ig_attention_inputs *in,
                                   ig_attention_stage stage, const float *lse, void *scores,
                                   void *stream) {
  int64_t rows = a->batch * a->heads * a->queries;
  if (rows == 0 || a->keys == 0) return IG_OK;
  attention_work w = {*a, *in};
  IG_FOR_FLOAT(a->dtype, "attention", {
    return IG_LAUNCH(scores_kernel<T>, ig_blocks(rows, 1), THREADS, 0, stream, w, stage, lse,
                     (T *)scores);
  })
}

/* --- backward --------------------------------------------------------------------------------- */

struct backward_work {
  attention_work w;
  const void *y, *dy;
  const float *lse;
};

/* The weight of key j for query p, and its score's gradient (before scale). */
template <typename T>
__device__ static inline void weigh(const backward_work &t, place p, int64_t limit, int64_t j,
                                    float *weight, float *gradient) {
  const ig_attention &a = t.w.a;
  *weight = *gradient = 0;
  if (!sees(t.w, limit, p.t, j)) return;
  float mask = mask_at<T>(t.w, p.b, p.h, p.t, j);
  if (mask == -INFINITY) return;
  float raw = raw_score<T>(t.w, p, j), slope = 1;
  *weight = expf(cap(a, raw) + mask - t.lse[(p.b * a.heads + p.h) * a.queries + p.t]);
  if (*weight == 0) return;
  int64_t at = row_offset(a.y, p.b, p.h, p.t);
  const T *dy = (const T *)t.dy + at, *y = (const T *)t.y + at;
  const T *v = (const T *)t.w.in.v + row_offset(a.v, p.b, group_of(a, p.h), j);
  if (a.softcap > 0) slope -= tanhf(raw / a.softcap) * tanhf(raw / a.softcap);
  *gradient = *weight * (dot(dy, v, a.v_size) - dot(dy, y, a.v_size)) * slope;
}

template <typename T>
__global__ void __launch_bounds__(THREADS) query_grad_kernel(const backward_work t, T *dq) {
  IG_SHARED(float, gradients, [THREADS]);
  const ig_attention &a = t.w.a;
  place p = place_of(blockIdx.x, a.heads, a.queries);
  int64_t limit = key_limit(t.w, p.b), d = blockIdx.y * THREADS + threadIdx.x;
  const T *k = (const T *)t.w.in.k + row_offset(a.k, p.b, group_of(a, p.h), 0);
  float sum = 0, weight;
  for (int64_t j0 = 0; j0 < limit; j0 += THREADS) {
    weigh<T>(t, p, limit, j0 + threadIdx.x, &weight, &gradients[threadIdx.x]);
    __syncthreads();
    for (int64_t j = 0; j < THREADS && j0 + j < limit && d < a.size; j++) {
      if (gradients[j] != 0) sum += gradients[j] * ig_to_f32(k[(j0 + j) * a.k.row + d]);
    }
    __syncthreads();
  }
  if (d < a.size) dq[row_offset(a.q, p.b, p.h, p.t) + d] = ig_from_f32<T>(a.scale * sum);
}

/* Over the queries of all heads that share the key. */
template <typename T>
__global__ void __launch_bounds__(THREADS) key_grad_kernel(const backward_work t, T *dk, T *dv) {
  IG_SHARED(float, weights, [THREADS]);
  IG_SHARED(float, gradients, [THREADS]);
  const ig_attention &a = t.w.a;
  place key = place_of(blockIdx.x, a.kv_heads, a.keys);
  int64_t limit = key_limit(t.w, key.b), d = blockIdx.y * THREADS + threadIdx.x;
  int64_t shared = a.heads / a.kv_heads;
  float key_sum = 0, value_sum = 0;
  for (int64_t h = key.h * shared; h < (key.h + 1) * shared; h++) {
    const T *q = (const T *)t.w.in.q + row_offset(a.q, key.b, h, 0);
    const T *dy = (const T *)t.dy + row_offset(a.y, key.b, h, 0);
    for (int64_t i0 = 0; i0 < a.queries; i0 += THREADS) {
      int64_t i = i0 + threadIdx.x;
      if (i < a.queries) {
        weigh<T>(t, {key.b, h, i}, limit, key.t, &weights[threadIdx.x], &gradients[threadIdx.x]);
      }
      __syncthreads();
      for (int64_t r = 0; r < THREADS && i0 + r < a.queries; r++) {
        if (d < a.size) key_sum += gradients[r] * ig_to_f32(q[(i0 + r) * a.q.row + d]);
        if (d < a.v_size) value_sum += weights[r] * ig_to_f32(dy[(i0 + r) * a.y.row + d]);
      }
      __syncthreads();
    }
  }
  if (d < a.size) dk[row_offset(a.k, key.b, key.h, key.t) + d] = ig_from_f32<T>(a.scale * key_sum);
  if (d < a.v_size) dv[row_offset(a.v, key.b, key.h, key.t) + d] = ig_from_f32<T>(value_sum);
}

template <typename T>
static ig_status launch_grad(const backward_work &t, void *dq, void *dk, void *dv, void *stream) {
  const ig_attention &a = t.w.a;
  int64_t queries = a.batch * a.heads * a.queries, keys = a.batch * a.kv_heads * a.keys;
  if (queries) {
    IG_TRY(
        IG_LAUNCH(query_grad_kernel<T>, grid_of(queries, a.size), THREADS, 0, stream, t, (T *)dq));
  }
  if (keys == 0) return IG_OK;
  return IG_LAUNCH(key_grad_kernel<T>, grid_of(keys, a.size > a.v_size ? a.size : a.v_size),
                   THREADS, 0, stream, t, (T *)dk, (T *)dv);
}

ig_status ig_cuda_attention_grad_tiles(const ig_attention *a, const ig_attention_inputs *in,
                                       const void *y, const float *lse, const void *dy, void *dq,
                                       void *dk, void *dv, void *stream) {
  backward_work t = {{*a, *in}, y, dy, lse};
  IG_FOR_FLOAT(a->dtype, "attention", { return launch_grad<T>(t, dq, dk, dv, stream); })
}
