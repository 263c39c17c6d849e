/* Updates. All are bound by memory: each reads and writes every operand once, in blocks that are cut
 * by length alone. Hyper-parameters are combined in f64, elements computed in f32. */
#include "kernels/optimizer.h"

#include <math.h>
#include <string.h>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/sums.h"

/* 64 KiB an operand: long enough for the prefetchers, short enough to balance. */
#define BLOCK ((int64_t)1 << 14)

static int64_t blocks_of(int64_t count) {
  return (count + BLOCK - 1) / BLOCK;
}

static int64_t block_length(int64_t count, int64_t block) {
  int64_t left = count - block * BLOCK;
  return left < BLOCK ? left : BLOCK;
}

static void keep(const float *old, float *out, int64_t count) {
  if (out && out != old) memcpy(out, old, (size_t)count * sizeof *out);
}

/* While the block's new parameters are still near. */
static void copy_block(const ig_update *u, int64_t at, int64_t n) {
  if (!u->copy) return;
  ig_cpu_narrow(&u->rounding, u->new_param + at, at, n, u->copy_dtype,
                (char *)u->copy + at * (int64_t)ig_dtype_size(u->copy_dtype));
}

static bool skips(const ig_update *u, const float *m, float *new_m, const float *v, float *new_v) {
  if (isfinite(u->scale)) return false;
  keep(u->param, u->new_param, u->count);
  copy_block(u, 0, u->count);
  keep(m, new_m, u->count);
  keep(v, new_v, u->count);
  return true;
}

static void sgd_block(int64_t n, float lr, float scale, float momentum, float decay, bool nesterov,
                      const float *p, const float *g, const float *m, float *new_p, float *new_m) {
  if (!m) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) new_p[i] = p[i] - lr * (scale * g[i] + decay * p[i]);
    return;
  }
  float ahead = nesterov ? momentum : 1, direct = nesterov ? 1 : 0;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    float d = scale * g[i] + decay * p[i], velocity = momentum * m[i] + d;
    new_m[i] = velocity;
    new_p[i] = p[i] - lr * (direct * d + ahead * velocity);
  }
}

void ig_cpu_sgd(const ig_update *u, double momentum, double decay, bool nesterov, const float *m,
                float *new_m) {
  if (skips(u, m, new_m, NULL, NULL)) return;
  IG_PARALLEL_FOR(ig_worth_team(u->count * 12))
  for (int64_t b = 0; b < blocks_of(u->count); b++) {
    int64_t at = b * BLOCK;
    sgd_block(block_length(u->count, b), (float)u->lr, (float)u->scale, (float)momentum,
              (float)decay, nesterov, u->param + at, u->grad + at, m ? m + at : NULL,
              u->new_param + at, m ? new_m + at : NULL);
    copy_block(u, at, block_length(u->count, b));
  }
}

/* Factors of a step that do not depend on the element. */
typedef struct adam_step {
  float scale, l2, beta1, rest1, beta2, rest2, epsilon;
  float shrink;   /* of the parameter, by decoupled decay */
  float rate;     /* lr / (1 - beta1^t) */
  float inv_root; /* 1 / sqrt(1 - beta2^t) */
} adam_step;

static adam_step adam_step_of(const ig_update *u, const ig_adam *o) {
  return (adam_step){.scale = (float)u->scale,
                     .l2 = o->decoupled ? 0 : (float)o->decay,
                     .beta1 = (float)o->beta1,
                     .rest1 = (float)(1 - o->beta1),
                     .beta2 = (float)o->beta2,
                     .rest2 = (float)(1 - o->beta2),
                     .epsilon = (float)o->epsilon,
                     .shrink = o->decoupled ? (float)(1 - u->lr * o->decay) : 1,
                     .rate = (float)(u->lr / (1 - pow(o->beta1, u->step))),
                     .inv_root = (float)(1 / sqrt(1 - pow(o->beta2, u->step)))};
}

static void adam_block(int64_t n, const adam_step *s, const float *p, const float *g,
                       const float *m, const float *v, float *new_p, float *new_m, float *new_v) {
  const adam_step k = *s;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    float d = k.scale * g[i] + k.l2 * p[i];
    float first = k.beta1 * m[i] + k.rest1 * d;
    float second = k.beta2 * v[i] + k.rest2 * d * d;
    new_m[i] = first;
    new_v[i] = second;
    new_p[i] = k.shrink * p[i] - k.rate * first / (sqrtf(second) * k.inv_root + k.epsilon);
  }
}

void ig_cpu_adam(const ig_update *u, const ig_adam *o, const float *m, const float *v, float *new_m,
                 float *new_v) {
  if (skips(u, m, new_m, v, new_v)) return;
  adam_step s = adam_step_of(u, o);
  IG_PARALLEL_FOR(ig_worth_team(u->count * 16))
  for (int64_t b = 0; b < blocks_of(u->count); b++) {
    int64_t at = b * BLOCK;
    adam_block(block_length(u->count, b), &s, u->param + at, u->grad + at, m + at, v + at,
               u->new_param + at, new_m + at, new_v + at);
    copy_block(u, at, block_length(u->count, b));
  }
}

/* New moments, and the sums of squares of parameter and direction. */
static void lamb_moments(int64_t n, const adam_step *s, float decay, float inv_first,
                         const float *p, const float *g, const float *m, const float *v,
                         float *new_m, float *new_v, double norms[2]) {
  const adam_step k = *s;
  float pp = 0, rr = 0;
  norms[0] = norms[1] = 0;
  for (int64_t begin = 0; begin < n; begin += 2048) {
    int64_t end = n - begin < 2048 ? n : begin + 2048;
    pp = rr = 0;
#pragma omp simd reduction(+ : pp, rr)
    for (int64_t i = begin; i < end; i++) {
      float d = k.scale * g[i];
      float first = k.beta1 * m[i] + k.rest1 * d;
      float second = k.beta2 * v[i] + k.rest2 * d * d;
      new_m[i] = first;
      new_v[i] = second;
      float r = first * inv_first / (sqrtf(second) * k.inv_root + k.epsilon) + decay * p[i];
      pp += p[i] * p[i];
      rr += r * r;
    }
    norms[0] += pp;
    norms[1] += rr;
  }
}

static void lamb_apply(int64_t n, const adam_step *s, float decay, float inv_first, float rate,
                       const float *p, const float *m, const float *v, float *new_p) {
  const adam_step k = *s;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    float r = m[i] * inv_first / (sqrtf(v[i]) * k.inv_root + k.epsilon) + decay * p[i];
    new_p[i] = p[i] - rate * r;
  }
}

size_t ig_cpu_lamb_workspace(int64_t count) {
  return (size_t)(blocks_of(count) + 1) * 2 * sizeof(double);
}

void ig_cpu_lamb(const ig_update *u, const ig_adam *o, const float *m, const float *v, float *new_m,
                 float *new_v, void *workspace) {
  if (skips(u, m, new_m, v, new_v)) return;
  adam_step s = adam_step_of(u, o);
  float decay = (float)o->decay, inv_first = (float)(1 / (1 - pow(o->beta1, u->step)));
  double *norms = workspace, pp = 0, rr = 0;
  int64_t blocks = blocks_of(u->count);
  IG_PARALLEL_FOR(ig_worth_team(u->count * 16))
  for (int64_t b = 0; b < blocks; b++) {
    int64_t at = b * BLOCK;
    lamb_moments(block_length(u->count, b), &s, decay, inv_first, u->param + at, u->grad + at,
                 m + at, v + at, new_m + at, new_v + at, norms + 2 * b);
  }
  for (int64_t b = 0; b < blocks; b++) {
    pp += norms[2 * b];
    rr += norms[2 * b + 1];
  }
  double trust = pp > 0 && rr > 0 ? sqrt(pp) / sqrt(rr) : 1;
  IG_PARALLEL_FOR(ig_worth_team(u->count * 16))
  for (int64_t b = 0; b < blocks; b++) {
    int64_t at = b * BLOCK;
    lamb_apply(block_length(u->count, b), &s, decay, inv_first, (float)(u->lr * trust),
               u->param + at, new_m + at, new_v + at, u->new_param + at);
    copy_block(u, at, block_length(u->count, b));
  }
}

static void lion_block(int64_t n, float lr, float scale, float beta1, float rest1, float beta2,
                       float rest2, float decay, const float *p, const float *g, const float *m,
                       float *new_p, float *new_m) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    float d = scale * g[i], c = beta1 * m[i] + rest1 * d;
    float sign = c > 0 ? 1.0f : c < 0 ? -1.0f : 0.0f;
    new_m[i] = beta2 * m[i] + rest2 * d;
    new_p[i] = p[i] - lr * (sign + decay * p[i]);
  }
}

void ig_cpu_lion(const ig_update *u, double beta1, double beta2, double decay, const float *m,
                 float *new_m) {
  if (skips(u, m, new_m, NULL, NULL)) return;
  IG_PARALLEL_FOR(ig_worth_team(u->count * 12))
  for (int64_t b = 0; b < blocks_of(u->count); b++) {
    int64_t at = b * BLOCK;
    lion_block(block_length(u->count, b), (float)u->lr, (float)u->scale, (float)beta1,
               (float)(1 - beta1), (float)beta2, (float)(1 - beta2), (float)decay, u->param + at,
               u->grad + at, m + at, u->new_param + at, new_m + at);
    copy_block(u, at, block_length(u->count, b));
  }
}

void ig_cpu_ema(const float *average, const float *param, double decay, int64_t count, float *out) {
  float old = (float)decay, fresh = (float)(1 - decay);
  IG_PARALLEL_FOR(ig_worth_team(count * 12))
  for (int64_t b = 0; b < blocks_of(count); b++) {
    int64_t at = b * BLOCK, n = block_length(count, b);
#pragma omp simd
    for (int64_t i = at; i < at + n; i++) out[i] = old * average[i] + fresh * param[i];
  }
}

size_t ig_cpu_sum_squares_workspace(int64_t count) {
  return (size_t)(blocks_of(count) + 1) * sizeof(double);
}

static double block_squares(ig_dtype dtype, const void *x, int64_t at, int64_t n) {
  if (dtype == IG_F32) return ig_long_squares_f32((const float *)x + at, 0, n);
  double sum = 0;
  for (int64_t i = at; i < at + n; i++) {
    double value = ig_load_f64(dtype, x, i);
    sum += value * value;
  }
  return sum;
}

double ig_cpu_sum_squares(ig_dtype dtype, const void *x, int64_t count, void *workspace) {
  double *sums = workspace, sum = 0;
  IG_PARALLEL_FOR(ig_worth_team(count * (int64_t)ig_dtype_size(dtype)))
  for (int64_t b = 0; b < blocks_of(count); b++)
    sums[b] = block_squares(dtype, x, b * BLOCK, block_length(count, b));
  for (int64_t b = 0; b < blocks_of(count); b++) sum += sums[b];
  return sum;
}
