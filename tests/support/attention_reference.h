/* Attention in float64 with the whole matrix of scores, as its ONNX definition composes it; a query
 * that sees no key gives zeros. */
#ifndef IG_TESTS_ATTENTION_REFERENCE_H
#define IG_TESTS_ATTENTION_REFERENCE_H

#include <math.h>
#include <stdlib.h>

#include "engine/passes/rewrite.h"
#include "op_case.h"

/* Operands as [B, H, T, D], copied out of whatever form they came in. */
typedef struct heads4 {
  int64_t b, h, t, d;
  double *x;
} heads4;

static inline double *heads_at(const heads4 *a, int64_t b, int64_t h, int64_t t) {
  return a->x + ((b * a->h + h) * a->t + t) * a->d;
}

static inline heads4 heads_new(int64_t b, int64_t h, int64_t t, int64_t d) {
  heads4 a = {b, h, t, d, calloc((size_t)(b * h * t * d) + 1, sizeof(double))};
  if (!a.x) abort();
  return a;
}

/* [B, H, T, D] or [B, T, width] with `heads` heads that start at column `first` of the width. */
static inline heads4 heads_read(const ig_case_array *in, int64_t heads, int64_t first,
                                int64_t size) {
  const int64_t *n = in->shape.dims;
  if (in->shape.rank == 4) {
    heads4 a = heads_new(n[0], n[1], n[2], n[3]);
    for (int64_t i = 0; i < n[0] * n[1] * n[2] * n[3]; i++) a.x[i] = in->data[i];
    return a;
  }
  if (size == 0) size = n[2] / heads;
  heads4 a = heads_new(n[0], heads, n[1], size);
  for (int64_t b = 0; b < n[0]; b++)
    for (int64_t h = 0; h < heads; h++)
      for (int64_t t = 0; t < n[1]; t++)
        for (int64_t d = 0; d < size; d++)
          heads_at(&a, b, h, t)[d] = in->data[(b * n[1] + t) * n[2] + first + h * size + d];
  return a;
}

static inline void heads_write(const heads4 *a, int64_t first, ig_case_array *out) {
  const int64_t *n = out->shape.dims;
  for (int64_t b = 0; b < a->b; b++)
    for (int64_t h = 0; h < a->h; h++)
      for (int64_t t = 0; t < a->t; t++)
        for (int64_t d = 0; d < a->d; d++) {
          double value = heads_at(a, b, h, t)[d];
          if (out->shape.rank == 4)
            out->data[((b * a->h + h) * a->t + t) * a->d + d] = value;
          else
            out->data[(b * n[1] + t) * n[2] + first + h * a->d + d] = value;
        }
}

static inline heads4 heads_join(const heads4 *past, const heads4 *fresh) {
  heads4 a = heads_new(fresh->b, fresh->h, past->t + fresh->t, fresh->d);
  for (int64_t b = 0; b < a.b; b++)
    for (int64_t h = 0; h < a.h; h++)
      for (int64_t t = 0; t < a.t; t++)
        for (int64_t d = 0; d < a.d; d++)
          heads_at(&a, b, h, t)[d] =
              t < past->t ? heads_at(past, b, h, t)[d] : heads_at(fresh, b, h, t - past->t)[d];
  return a;
}

typedef struct attention_case {
  heads4 q, k, v;
  int64_t past;
  const ig_case_array *mask, *lengths; /* NULL where absent */
  bool mask_is_bool, causal;
  double scale, softcap;
} attention_case;

static inline double mask_value(const attention_case *c, int64_t b, int64_t h, int64_t i,
                                int64_t j) {
  if (c->causal && j > i + c->past) return -INFINITY;
  if (c->lengths && (double)j >= c->lengths->data[b]) return -INFINITY;
  if (!c->mask) return 0;
  const ig_shape *s = &c->mask->shape;
  int64_t index[] = {b, h, i, j}, at = 0;
  if (j >= s->dims[s->rank - 1]) return -INFINITY;
  for (int d = 0; d < s->rank; d++) {
    int64_t n = s->dims[d], x = index[4 - s->rank + d];
    at = at * n + (n == 1 && d != s->rank - 1 ? 0 : x);
  }
  double m = c->mask->data[at];
  return c->mask_is_bool ? (m != 0 ? 0 : -INFINITY) : m;
}

/* One score at each stage; `capped` and `raw` may be NULL. */
static inline double score_of(const attention_case *c, int64_t b, int64_t h, int64_t i, int64_t j,
                              double *raw, double *capped) {
  const double *q = heads_at(&c->q, b, h, i);
  const double *k = heads_at(&c->k, b, h / (c->q.h / c->k.h), j);
  double s = 0;
  for (int64_t d = 0; d < c->q.d; d++) s += c->scale * q[d] * k[d];
  if (raw) *raw = s;
  if (c->softcap > 0) s = c->softcap * tanh(s / c->softcap);
  if (capped) *capped = s;
  return s + mask_value(c, b, h, i, j);
}

/* log(sum(exp(score))), +inf where nothing is visible. */
static inline double log_sum_of(const attention_case *c, int64_t b, int64_t h, int64_t i) {
  double top = -INFINITY, sum = 0;
  for (int64_t j = 0; j < c->k.t; j++) top = fmax(top, score_of(c, b, h, i, j, NULL, NULL));
  for (int64_t j = 0; j < c->k.t && top > -INFINITY; j++)
    sum += exp(score_of(c, b, h, i, j, NULL, NULL) - top);
  return top > -INFINITY ? top + log(sum) : INFINITY;
}

static inline heads4 attend(const attention_case *c, double *lse) {
  heads4 y = heads_new(c->q.b, c->q.h, c->q.t, c->v.d);
  for (int64_t b = 0; b < y.b; b++)
    for (int64_t h = 0; h < y.h; h++)
      for (int64_t i = 0; i < y.t; i++) {
        double total = log_sum_of(c, b, h, i);
        if (lse) lse[(b * y.h + h) * y.t + i] = total;
        for (int64_t j = 0; j < c->k.t; j++) {
          double p = exp(score_of(c, b, h, i, j, NULL, NULL) - total);
          const double *v = heads_at(&c->v, b, h / (c->q.h / c->k.h), j);
          for (int64_t d = 0; d < y.d; d++) heads_at(&y, b, h, i)[d] += p * v[d];
        }
      }
  return y;
}

static inline double scale_of(const ig_node *node, int64_t size) {
  double scale = ig_attr_float_of(node, "scale", 0);
  return scale != 0 ? scale : 1 / sqrt((double)size);
}

#define DIMS(...)                                                                                  \
  {                                                                                                \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {                                   \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }
#define TENSOR(...)                                                                                \
  { .dtype = IG_F32, .shape = DIMS(__VA_ARGS__) }
#define VISIBLE(...)                                                                               \
  { .dtype = IG_BOOL, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_INT, .low = 0, .high = 1 }
#define ADDED(...)                                                                                 \
  { .dtype = IG_F32, .shape = DIMS(__VA_ARGS__), .no_grad = true }
#define LENGTHS(n, ...)                                                                            \
  {                                                                                                \
    .dtype = IG_I64, .shape = DIMS(n), .fill = IG_FILL_VALUES,                                     \
    .values = (const double[]){__VA_ARGS__}, .n_values = n                                         \
  }
#define ABSENT                                                                                     \
  { .fill = IG_FILL_ABSENT }
#define NUMBER(n, value)                                                                           \
  { .name = (n), .type = IG_ATTR_INT, .i = (value) }
#define SCALE(n, value)                                                                            \
  { .name = (n), .type = IG_ATTR_FLOAT, .f = (value) }
#define HEADS(q, kv) NUMBER("q_num_heads", q), NUMBER("kv_num_heads", kv)

#endif
