/* Attention forward. A task is one head's tile of queries: it walks over the keys with a running
 * maximum and sum, and keeps its rows of the result in the first cache level. One query alone, as in
 * decoding, takes a path of its own: then reading the cache of keys and values is all the work. */
#include "kernels/cpu/attention_tiles.h"

/* One thread's memory. */
typedef struct scratch {
  float *qt;     /* queries transposed: [size][QUERIES_TILE] */
  float *s;      /* scores: [KEYS_TILE][QUERIES_TILE] */
  float *result; /* [QUERIES_TILE][padded v_size] */
  float *k, *v;  /* rows that had to be copied */
} scratch;

static size_t scratch_floats(const ig_attention *a) {
  size_t size = (size_t)padded_size(a->size), v_size = (size_t)padded_size(a->v_size);
  return size * (QUERIES_TILE + KEYS_TILE) + v_size * (QUERIES_TILE + KEYS_TILE) +
         KEYS_TILE * QUERIES_TILE;
}

size_t ig_cpu_attention_workspace(const ig_attention *a) {
  return scratch_floats(a) * sizeof(float);
}

static scratch scratch_at(const ig_attention *a, void *workspace, int thread) {
  int64_t size = padded_size(a->size), v_size = padded_size(a->v_size);
  scratch m;
  m.qt = (float *)workspace + (size_t)thread * scratch_floats(a);
  m.k = m.qt + size * QUERIES_TILE;
  m.v = m.k + size * KEYS_TILE;
  m.result = m.v + v_size * KEYS_TILE;
  m.s = m.result + v_size * QUERIES_TILE;
  return m;
}

/* The running softmax takes in a tile of scores, which become exp(s - maximum). `shrink` is what the
 * results so far have to be multiplied with. */
static void soften(float *restrict s, int64_t n, float *restrict maximum, float *restrict sum,
                   float *restrict shrink) {
  float top[QUERIES_TILE];
  for (int i = 0; i < QUERIES_TILE; i++) top[i] = maximum[i];
  for (int64_t j = 0; j < n; j++) {
    const float *row = s + j * QUERIES_TILE;
    for (int i = 0; i < QUERIES_TILE; i++) top[i] = row[i] > top[i] ? row[i] : top[i];
  }
  for (int i = 0; i < QUERIES_TILE; i++) {
    shrink[i] = top[i] > maximum[i] ? ig_vexp_nonpositive(maximum[i] - top[i]) : 1;
    maximum[i] = top[i];
    sum[i] *= shrink[i];
    top[i] = top[i] == -INFINITY ? 0 : top[i]; /* nothing visible yet: exp(-inf) is 0 */
  }
  for (int64_t j = 0; j < n; j++) {
    float *row = s + j * QUERIES_TILE;
    for (int i = 0; i < QUERIES_TILE; i++) {
      row[i] = ig_vexp_nonpositive(row[i] - top[i]);
      sum[i] += row[i];
    }
  }
}

static void scale_rows(float *x, int64_t size, const float *factors) {
  for (int i = 0; i < QUERIES_TILE; i++) {
    if (factors[i] == 1) continue;
    for (int64_t d = 0; d < size; d++) x[i * size + d] *= factors[i];
  }
}

static void forward_tile(const ig_attention *a, const ig_attention_inputs *in, int64_t b, int64_t h,
                         int64_t i0, const scratch *m, void *y, float *lse) {
  int64_t group = h / (a->heads / a->kv_heads), v_size = padded_size(a->v_size);
  int64_t queries = IG_MIN(QUERIES_TILE, a->queries - i0), keys = visible_keys(a, in, b, i0);
  float maximum[QUERIES_TILE], sum[QUERIES_TILE] = {0}, shrink[QUERIES_TILE];
  for (int i = 0; i < QUERIES_TILE; i++) maximum[i] = -INFINITY;
  matrix q = read_rows(a->dtype, in->q, row_offset(&a->q, b, h, i0), a->q.row, queries, a->size,
                       m->k); /* free until the first tile of keys */
  transpose_rows(q, queries, a->size, a->scale, m->qt);
  for (int64_t j0 = 0; j0 < keys; j0 += KEYS_TILE) {
    int64_t n = IG_MIN(KEYS_TILE, keys - j0);
    matrix k = read_keys(a, in, in->k, &a->k, a->size, b, group, j0, n, m->k);
    matrix v = read_keys(a, in, in->v, &a->v, a->v_size, b, group, j0, n, m->v);
    score_tile(a, n, k, m->qt, m->s);
    mask_tile(a, in, b, h, i0, j0, n, m->s);
    soften(m->s, n, maximum, sum, shrink);
    if (j0 > 0) scale_rows(m->result, v_size, shrink);
    ig_tile_product(QUERIES_TILE, v_size, n, m->s, 1, QUERIES_TILE, v.data, v.row, m->result,
                    v_size, j0 > 0);
  }
  if (keys == 0) memset(m->result, 0, (size_t)(v_size * QUERIES_TILE) * sizeof(float));
  for (int64_t i = 0; i < queries; i++) {
    bool any = sum[i] != 0;
    store_row(a->dtype, y, row_offset(&a->y, b, h, i0 + i), m->result + i * v_size, a->v_size,
              any ? 1 / sum[i] : 0);
    if (lse) {
      lse[(b * a->heads + h) * a->queries + i0 + i] = any ? maximum[i] + logf(sum[i]) : INFINITY;
    }
  }
}

/* --- one query -------------------------------------------------------------------------------- */

/* Scores of one query with keys [j0, j0 + n), capped and masked; gives their maximum. */
static float score_row(const ig_attention *a, const ig_attention_inputs *in, int64_t b, int64_t h,
                       int64_t j0, int64_t n, matrix k, const float *q, float *s) {
  int64_t size = padded_size(a->size);
  float top = -INFINITY;
  for (int64_t j = 0; j < n; j++) {
    const float *key = k.data + j * k.row;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t d = 0; d < size; d++) sum += q[d] * key[d];
    if (a->softcap > 0) sum = a->softcap * ig_vtanh(sum / a->softcap);
    if (in->mask) {
      int64_t at = b * a->mask_strides[0] + h * a->mask_strides[1] + (j0 + j) * a->mask_strides[3];
      if (a->mask_dtype == IG_BOOL) {
        if (!((const uint8_t *)in->mask)[at]) sum = -INFINITY;
      } else {
        sum += element_f32(a->mask_dtype, in->mask, at);
      }
    }
    s[j] = sum;
    top = sum > top ? sum : top;
  }
  return top;
}

/* Keys at a time: scores of a few hundred keys are cheap to keep, and rescaling is rare. */
#define ROW_KEYS (KEYS_TILE * QUERIES_TILE)

static void forward_row(const ig_attention *a, const ig_attention_inputs *in, int64_t b, int64_t h,
                        const scratch *m, void *y, float *lse) {
  int64_t group = h / (a->heads / a->kv_heads), keys = visible_keys(a, in, b, 0);
  int64_t size = padded_size(a->size), v_size = padded_size(a->v_size);
  bool copies = a->dtype != IG_F32 || a->size != size || a->v_size != v_size || a->page_shift > 0;
  int64_t step = copies ? KEYS_TILE : ROW_KEYS;
  float maximum = -INFINITY, sum = 0, *result = m->result;
  memset(m->qt, 0, (size_t)size * sizeof(float));
  for (int64_t d = 0; d < a->size; d++) {
    m->qt[d] = a->scale * element_f32(a->dtype, in->q, row_offset(&a->q, b, h, 0) + d);
  }
  memset(result, 0, (size_t)v_size * sizeof(float));
  for (int64_t j0 = 0; j0 < keys; j0 += step) {
    int64_t n = IG_MIN(step, keys - j0);
    matrix k = read_keys(a, in, in->k, &a->k, a->size, b, group, j0, n, m->k);
    float top = score_row(a, in, b, h, j0, n, k, m->qt, m->s);
    if (top > maximum) {
      float shrink = ig_vexp_nonpositive(maximum - top);
      for (int64_t d = 0; d < v_size; d++) result[d] *= shrink;
      sum *= shrink;
      maximum = top;
    }
    if (maximum == -INFINITY) continue;
    for (int64_t j = 0; j < n; j++) m->s[j] = ig_vexp_nonpositive(m->s[j] - maximum);
    matrix v = read_keys(a, in, in->v, &a->v, a->v_size, b, group, j0, n, m->v);
    for (int64_t j = 0; j < n; j++) sum += m->s[j];
    ig_tile_product(1, v_size, n, m->s, 1, 1, v.data, v.row, result, v_size, true);
  }
  store_row(a->dtype, y, row_offset(&a->y, b, h, 0), result, a->v_size, sum != 0 ? 1 / sum : 0);
  if (lse) lse[b * a->heads + h] = sum != 0 ? maximum + logf(sum) : INFINITY;
}

/* --- operands --------------------------------------------------------------------------------- */

void ig_attention_parts(const ig_attention *a, const void *q, const void *k, const void *v,
                        ig_attention_inputs *out) {
  size_t size = ig_dtype_size(a->dtype);
  size_t queries = (size_t)(a->heads * a->size), keys = (size_t)(a->kv_heads * a->size);
  *out = (ig_attention_inputs){.q = q, .k = k, .v = v};
  if (k) return;
  out->k = (const char *)q + queries * size;
  out->v = (const char *)q + (queries + keys) * size;
}

int ig_cpu_threads(void) {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

void ig_cpu_page_rows(const ig_page_rows *rows, const void *update, const int64_t *table,
                      const int64_t *start, void *cache) {
  size_t bytes = rows->size * (size_t)rows->inner;
  int64_t page = (int64_t)1 << rows->page_shift;
  for (int64_t b = 0; b < rows->batch; b++) {
    for (int64_t t = 0; t < rows->tokens; t++) {
      int64_t at = start[b] + t, row = table[b * rows->pages + at / page] * page + at % page;
      memcpy((char *)cache + (size_t)row * bytes,
             (const char *)update + (size_t)(b * rows->tokens + t) * bytes, bytes);
    }
  }
}

/* --- all -------------------------------------------------------------------------------------- */

void ig_cpu_attention(const ig_attention *a, const ig_attention_inputs *in, void *y, float *lse,
                      void *workspace, size_t workspace_size) {
  int64_t tiles = (a->queries + QUERIES_TILE - 1) / QUERIES_TILE;
  int64_t tasks = a->batch * a->heads * tiles;
  int64_t work = a->batch * a->heads * a->queries * a->keys * a->size;
  int threads = team_size(workspace_size, ig_cpu_attention_workspace(a), work);
  IG_UNUSED(threads); /* without OpenMP */
#pragma omp parallel num_threads(threads)
  {
    scratch m = scratch_at(a, workspace, thread_index());
    /* With a causal mask later tiles see more keys: give those out first. */
#pragma omp for schedule(dynamic, 1)
    for (int64_t task = 0; task < tasks; task++) {
      int64_t tile = tiles - 1 - task / (a->batch * a->heads), bh = task % (a->batch * a->heads);
      int64_t b = bh / a->heads, h = bh % a->heads;
      if (a->queries == 1) {
        forward_row(a, in, b, h, &m, y, lse);
      } else {
        forward_tile(a, in, b, h, tile * QUERIES_TILE, &m, y, lse);
      }
    }
  }
}
