/* Attention backward. With p = exp(s - lse), the softmax of a query's scores, and delta the sum over
 * its dy * y:  dv = p^T dy,  ds = p (dy v^T - delta),  dq = scale ds k,  dk = scale ds^T q (Dao et
 * al. 2022, section 3 and appendix B). Scores are made again tile by tile. A task is one head of
 * keys with all the query heads that share it, so that no two tasks add to the same place. */
#include "kernels/cpu/attention_tiles.h"

/* One thread's memory. */
typedef struct scratch {
  float *qt, *dyt;       /* transposed: [size][QUERIES_TILE], [v_size][QUERIES_TILE] */
  float *p, *ds, *slope; /* [KEYS_TILE][QUERIES_TILE] */
  float *dq;             /* [QUERIES_TILE][padded size] */
  float *q, *dy, *k, *v; /* rows that had to be copied */
  float *dk, *dv;        /* sums over queries, where they cannot be made in place: [keys][...] */
} scratch;

static bool sums_in_place(const ig_attention *a) {
  return a->dtype == IG_F32 && a->size == padded_size(a->size) &&
         a->v_size == padded_size(a->v_size);
}

/* Lays out the parts from `base` on, which may be NULL, and gives their floats. */
static size_t lay_out(const ig_attention *a, float *base, scratch *m) {
  size_t size = (size_t)padded_size(a->size), v_size = (size_t)padded_size(a->v_size);
  size_t keys = sums_in_place(a) ? 0 : (size_t)a->keys, used = 0;
  struct {
    float **part;
    size_t floats;
  } parts[] = {
      {&m->qt, size * QUERIES_TILE},
      {&m->dyt, v_size * QUERIES_TILE},
      {&m->p, KEYS_TILE * QUERIES_TILE},
      {&m->ds, KEYS_TILE * QUERIES_TILE},
      {&m->slope, KEYS_TILE * QUERIES_TILE},
      {&m->dq, size * QUERIES_TILE},
      {&m->q, size * QUERIES_TILE},
      {&m->dy, v_size * QUERIES_TILE},
      {&m->k, size * KEYS_TILE},
      {&m->v, v_size * KEYS_TILE},
      {&m->dk, size * keys},
      {&m->dv, v_size * keys},
  };
  for (int i = 0; i < IG_COUNT(parts); i++) {
    *parts[i].part = base ? base + used : NULL;
    used += parts[i].floats;
  }
  return used;
}

size_t ig_cpu_attention_grad_workspace(const ig_attention *a) {
  scratch m;
  return lay_out(a, NULL, &m) * sizeof(float);
}

/* Where dk or dv of one head is summed. */
typedef struct sums {
  float *data;
  int64_t row;
} sums;

static sums sums_at(const ig_attention *a, void *out, const ig_rows *rows, int64_t b, int64_t group,
                    float *buffer, int64_t size) {
  int64_t padded = padded_size(size);
  bool in_place = sums_in_place(a);
  sums s = in_place ? (sums){(float *)out + row_offset(rows, b, group, 0), rows->row}
                    : (sums){buffer, padded};
  for (int64_t j = 0; j < a->keys; j++) {
    memset(s.data + j * s.row, 0, (size_t)padded * sizeof(float));
  }
  return s;
}

/* delta[i] = sum over d of dy * y. */
static void find_deltas(const ig_attention *a, const void *y, matrix dy, int64_t b, int64_t h,
                        int64_t i0, int64_t queries, float *delta) {
  for (int64_t i = 0; i < QUERIES_TILE; i++) delta[i] = 0;
  for (int64_t i = 0; i < queries; i++) {
    int64_t at = row_offset(&a->y, b, h, i0 + i);
    const float *g = dy.data + i * dy.row;
    float sum = 0;
    if (a->dtype == IG_F32) {
      const float *row = (const float *)y + at;
#pragma omp simd reduction(+ : sum)
      for (int64_t d = 0; d < a->v_size; d++) sum += g[d] * row[d];
    } else {
      for (int64_t d = 0; d < a->v_size; d++) sum += g[d] * element_f32(a->dtype, y, at + d);
    }
    delta[i] = sum;
  }
}

/* p becomes the softmax, ds the gradient of the scores before the cap, times scale. */
static void soften_back(const ig_attention *a, int64_t n, const float *restrict lse,
                        const float *restrict delta, const float *restrict slope, float *restrict p,
                        float *restrict ds) {
  for (int64_t j = 0; j < n; j++) {
    float *restrict prow = p + j * QUERIES_TILE, *restrict drow = ds + j * QUERIES_TILE;
    for (int i = 0; i < QUERIES_TILE; i++) {
      prow[i] = ig_vexp_nonpositive(prow[i] - lse[i]);
      drow[i] = a->scale * prow[i] * (drow[i] - delta[i]);
    }
  }
  if (a->softcap <= 0) return;
  for (int64_t e = 0; e < n * QUERIES_TILE; e++) ds[e] *= slope[e];
}

/* d(c tanh(s / c)) = 1 - tanh^2. */
static void find_slopes(const ig_attention *a, int64_t n, const float *s, float *slope) {
  if (a->softcap <= 0) return;
  float inverse = 1 / a->softcap;
  for (int64_t e = 0; e < n * QUERIES_TILE; e++) {
    float t = s[e] * inverse;
    slope[e] = 1 - t * t;
  }
}

typedef struct backward {
  const ig_attention *a;
  const ig_attention_inputs *in;
  const void *y, *dy;
  const float *lse;
  void *dq;
} backward;

static void backward_tile(const backward *t, int64_t b, int64_t h, int64_t i0, const scratch *m,
                          sums dk, sums dv) {
  const ig_attention *a = t->a;
  int64_t group = h / (a->heads / a->kv_heads);
  int64_t size = padded_size(a->size), v_size = padded_size(a->v_size);
  int64_t queries = IG_MIN(QUERIES_TILE, a->queries - i0), keys = visible_keys(a, t->in, b, i0);
  float delta[QUERIES_TILE], lse[QUERIES_TILE];
  matrix q =
      read_rows(a->dtype, t->in->q, row_offset(&a->q, b, h, i0), a->q.row, queries, a->size, m->q);
  matrix dy =
      read_rows(a->dtype, t->dy, row_offset(&a->y, b, h, i0), a->y.row, queries, a->v_size, m->dy);
  transpose_rows(q, queries, a->size, a->scale, m->qt);
  transpose_rows(dy, queries, a->v_size, 1, m->dyt);
  find_deltas(a, t->y, dy, b, h, i0, queries, delta);
  for (int64_t i = 0; i < QUERIES_TILE; i++) {
    lse[i] = i < queries ? t->lse[(b * a->heads + h) * a->queries + i0 + i] : INFINITY;
  }
  memset(m->dq, 0, (size_t)(size * QUERIES_TILE) * sizeof(float));
  for (int64_t j0 = 0; j0 < keys; j0 += KEYS_TILE) {
    int64_t n = IG_MIN(KEYS_TILE, keys - j0);
    matrix k =
        read_rows(a->dtype, t->in->k, row_offset(&a->k, b, group, j0), a->k.row, n, a->size, m->k);
    matrix v = read_rows(a->dtype, t->in->v, row_offset(&a->v, b, group, j0), a->v.row, n,
                         a->v_size, m->v);
    score_tile(a, n, k, m->qt, m->p);
    find_slopes(a, n, m->p, m->slope);
    mask_tile(a, t->in, b, h, i0, j0, n, m->p);
    ig_tile_product(n, QUERIES_TILE, a->v_size, v.data, v.row, 1, m->dyt, QUERIES_TILE, m->ds,
                    QUERIES_TILE, false);
    soften_back(a, n, lse, delta, m->slope, m->p, m->ds);
    ig_tile_product(n, v_size, queries, m->p, QUERIES_TILE, 1, dy.data, dy.row,
                    dv.data + j0 * dv.row, dv.row, true);
    ig_tile_product(n, size, queries, m->ds, QUERIES_TILE, 1, q.data, q.row, dk.data + j0 * dk.row,
                    dk.row, true);
    ig_tile_product(queries, size, n, m->ds, 1, QUERIES_TILE, k.data, k.row, m->dq, size, true);
  }
  for (int64_t i = 0; i < queries; i++) {
    store_row(a->dtype, t->dq, row_offset(&a->q, b, h, i0 + i), m->dq + i * size, a->size, 1);
  }
}

void ig_cpu_attention_grad(const ig_attention *a, const ig_attention_inputs *in, const void *y,
                           const float *lse, const void *dy, void *dq, void *dk, void *dv,
                           void *workspace, size_t workspace_size) {
  const backward t = {.a = a, .in = in, .y = y, .dy = dy, .lse = lse, .dq = dq};
  size_t of_one = ig_cpu_attention_grad_workspace(a);
  int64_t tasks = a->batch * a->kv_heads, shared = a->heads / a->kv_heads;
  int64_t work = a->batch * a->heads * a->queries * a->keys * a->size;
  int threads = team_size(workspace_size, of_one, work);
  IG_UNUSED(threads); /* without OpenMP */
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t task = 0; task < tasks; task++) {
    int64_t b = task / a->kv_heads, group = task % a->kv_heads;
    scratch m;
    lay_out(a, (float *)workspace + (size_t)thread_index() * (of_one / sizeof(float)), &m);
    sums k = sums_at(a, dk, &a->k, b, group, m.dk, a->size);
    sums v = sums_at(a, dv, &a->v, b, group, m.dv, a->v_size);
    for (int64_t h = group * shared; h < (group + 1) * shared; h++) {
      for (int64_t i0 = 0; i0 < a->queries; i0 += QUERIES_TILE)
        backward_tile(&t, b, h, i0, &m, k, v);
    }
    for (int64_t j = 0; j < a->keys && !sums_in_place(a); j++) {
      store_row(a->dtype, dk, row_offset(&a->k, b, group, j), k.data + j * k.row, a->size, 1);
      store_row(a->dtype, dv, row_offset(&a->v, b, group, j), v.data + j * v.row, a->v_size, 1);
    }
  }
}
