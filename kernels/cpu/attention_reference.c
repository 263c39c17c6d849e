/* Attention the readable way: one query at a time, in double, every score computed where it is
 * needed. */
#include <math.h>

#include "engine/base/status.h"
#include "kernels/attention.h"

/* One query of one head. */
typedef struct place {
  int64_t b, h, i;
} place;

static int64_t offset(const ig_rows *rows, int64_t b, int64_t h, int64_t t) {
  return b * rows->batch + h * rows->head + t * rows->row;
}

static int64_t group_of(const ig_attention *a, int64_t h) {
  return h / (a->heads / a->kv_heads);
}

/* Of key j, whose page the table names. */
static int64_t key_offset(const ig_attention *a, const ig_attention_inputs *in, const ig_rows *rows,
                          place p, int64_t j) {
  int64_t page = (int64_t)1 << a->page_shift;
  if (page == 1) return offset(rows, p.b, group_of(a, p.h), j);
  return offset(rows, in->table[p.b * a->pages + j / page], group_of(a, p.h), j % page);
}

static double dot(ig_dtype dtype, const void *x, int64_t x_at, const void *y, int64_t y_at,
                  int64_t n) {
  double sum = 0;
  for (int64_t d = 0; d < n; d++) {
    sum += ig_load_f64(dtype, x, x_at + d) * ig_load_f64(dtype, y, y_at + d);
  }
  return sum;
}

static double cap(const ig_attention *a, double s) {
  return a->softcap > 0 ? a->softcap * tanh(s / a->softcap) : s;
}

static double raw_score(const ig_attention *a, const ig_attention_inputs *in, place p, int64_t j) {
  return a->scale * dot(a->dtype, in->q, offset(&a->q, p.b, p.h, p.i), in->k,
                        key_offset(a, in, &a->k, p, j), a->size);
}

/* What is added to a score: -inf where the key is not visible. */
static double mask_of(const ig_attention *a, const ig_attention_inputs *in, place p, int64_t j) {
  const int64_t *stride = a->mask_strides;
  int64_t past = a->last ? in->lengths[p.b] - a->queries : a->past;
  if (j >= a->mask_keys || (a->causal && j > p.i + past)) return -INFINITY;
  if (in->lengths && j >= in->lengths[p.b]) return -INFINITY;
  if (!in->mask) return 0;
  double m = ig_load_f64(a->mask_dtype, in->mask,
                         p.b * stride[0] + p.h * stride[1] + p.i * stride[2] + j * stride[3]);
  return a->mask_dtype == IG_BOOL ? (m != 0 ? 0 : -INFINITY) : m;
}

static double score(const ig_attention *a, const ig_attention_inputs *in, place p, int64_t j) {
  double mask = mask_of(a, in, p, j);
  return mask == -INFINITY ? mask : cap(a, raw_score(a, in, p, j)) + mask;
}

/* log(sum(exp(score))), +inf where no key is visible. */
static double log_sum(const ig_attention *a, const ig_attention_inputs *in, place p) {
  double top = -INFINITY, sum = 0;
  for (int64_t j = 0; j < a->keys; j++) top = fmax(top, score(a, in, p, j));
  if (top == -INFINITY) return INFINITY;
  for (int64_t j = 0; j < a->keys; j++) sum += exp(score(a, in, p, j) - top);
  return top + log(sum);
}

static void write_scores(const ig_attention *a, const ig_attention_inputs *in, place p,
                         double total, ig_attention_stage stage, void *scores) {
  int64_t at = ((p.b * a->heads + p.h) * a->queries + p.i) * a->keys;
  for (int64_t j = 0; j < a->keys; j++) {
    double value = raw_score(a, in, p, j);
    if (stage != IG_SCORES_RAW) value = cap(a, value);
    if (stage == IG_SCORES_MASKED) value += mask_of(a, in, p, j);
    if (stage == IG_SCORES_SOFTMAX) value = exp(score(a, in, p, j) - total);
    ig_store_f64(a->dtype, scores, at + j, value);
  }
}

static void forward(const ig_attention *a, const ig_attention_inputs *in, place p, void *y,
                    float *lse, ig_attention_stage stage, void *scores) {
  double total = log_sum(a, in, p);
  int64_t to = offset(&a->y, p.b, p.h, p.i);
  for (int64_t d = 0; d < a->v_size; d++) {
    double sum = 0;
    for (int64_t j = 0; j < a->keys; j++) {
      double weight = exp(score(a, in, p, j) - total);
      if (weight == 0) continue;
      sum += weight * ig_load_f64(a->dtype, in->v, key_offset(a, in, &a->v, p, j) + d);
    }
    ig_store_f64(a->dtype, y, to + d, sum);
  }
  if (lse) lse[(p.b * a->heads + p.h) * a->queries + p.i] = (float)total;
  if (scores) write_scores(a, in, p, total, stage, scores);
}

void ig_cpu_attention_reference(const ig_attention *a, const ig_attention_inputs *in, void *y,
                                float *lse, ig_attention_stage stage, void *scores) {
#pragma omp parallel for collapse(3) schedule(static)
  for (int64_t b = 0; b < a->batch; b++) {
    for (int64_t h = 0; h < a->heads; h++) {
      for (int64_t i = 0; i < a->queries; i++) {
        forward(a, in, (place){b, h, i}, y, lse, stage, scores);
      }
    }
  }
}

/* --- backward --------------------------------------------------------------------------------- */

typedef struct backward {
  const ig_attention *a;
  const ig_attention_inputs *in;
  const void *y, *dy;
  const float *lse;
} backward;

static double weight(const backward *t, place p, int64_t j) {
  const ig_attention *a = t->a;
  return exp(score(a, t->in, p, j) - t->lse[(p.b * a->heads + p.h) * a->queries + p.i]);
}

/* The gradient of raw_score(p, j), times scale. */
static double score_grad(const backward *t, place p, int64_t j) {
  const ig_attention *a = t->a;
  double w = weight(t, p, j);
  if (w == 0) return 0;
  int64_t at = offset(&a->y, p.b, p.h, p.i);
  double delta = dot(a->dtype, t->dy, at, t->y, at, a->v_size);
  double dw =
      dot(a->dtype, t->dy, at, t->in->v, offset(&a->v, p.b, group_of(a, p.h), j), a->v_size);
  double slope = 1;
  if (a->softcap > 0) slope -= pow(tanh(raw_score(a, t->in, p, j) / a->softcap), 2);
  return a->scale * w * (dw - delta) * slope;
}

static void query_grad(const backward *t, place p, void *dq) {
  const ig_attention *a = t->a;
  int64_t to = offset(&a->q, p.b, p.h, p.i);
  for (int64_t d = 0; d < a->size; d++) {
    double sum = 0;
    for (int64_t j = 0; j < a->keys; j++) {
      int64_t from = offset(&a->k, p.b, group_of(a, p.h), j) + d;
      sum += score_grad(t, p, j) * ig_load_f64(a->dtype, t->in->k, from);
    }
    ig_store_f64(a->dtype, dq, to + d, sum);
  }
}

/* Over the queries of all heads that share key j of `group`. */
static void key_grad(const backward *t, int64_t b, int64_t group, int64_t j, void *dk, void *dv) {
  const ig_attention *a = t->a;
  int64_t shared = a->heads / a->kv_heads;
  for (int64_t d = 0; d < IG_MAX(a->size, a->v_size); d++) {
    double key = 0, value = 0;
    for (int64_t h = group * shared; h < (group + 1) * shared; h++) {
      for (int64_t i = 0; i < a->queries; i++) {
        place p = {b, h, i};
        if (d < a->size) {
          key += score_grad(t, p, j) * ig_load_f64(a->dtype, t->in->q, offset(&a->q, b, h, i) + d);
        }
        if (d < a->v_size) {
          value += weight(t, p, j) * ig_load_f64(a->dtype, t->dy, offset(&a->y, b, h, i) + d);
        }
      }
    }
    if (d < a->size) ig_store_f64(a->dtype, dk, offset(&a->k, b, group, j) + d, key);
    if (d < a->v_size) ig_store_f64(a->dtype, dv, offset(&a->v, b, group, j) + d, value);
  }
}

void ig_cpu_attention_grad_reference(const ig_attention *a, const ig_attention_inputs *in,
                                     const void *y, const float *lse, const void *dy, void *dq,
                                     void *dk, void *dv) {
  const backward t = {.a = a, .in = in, .y = y, .dy = dy, .lse = lse};
#pragma omp parallel for collapse(3) schedule(static)
  for (int64_t b = 0; b < a->batch; b++) {
    for (int64_t h = 0; h < a->heads; h++) {
      for (int64_t i = 0; i < a->queries; i++) query_grad(&t, (place){b, h, i}, dq);
    }
  }
#pragma omp parallel for collapse(3) schedule(static)
  for (int64_t b = 0; b < a->batch; b++) {
    for (int64_t group = 0; group < a->kv_heads; group++) {
      for (int64_t j = 0; j < a->keys; j++) key_grad(&t, b, group, j, dk, dv);
    }
  }
}
