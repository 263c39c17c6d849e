/* Sampling on the CPU: what is cut off is found by counting keys digit by digit, which is linear in the
 * vocabulary where sorting is not. */
#include "kernels/sample.h"

#include "engine/base/rng.h"
#include "engine/base/status.h"

/* A row's keys and weights, and what a digit's values sum to. */
typedef struct row {
  int64_t n;
  uint32_t *keys;
  uint64_t *weights;
} row;

size_t ig_cpu_sample_workspace(int64_t n) {
  return (size_t)n * (sizeof(uint64_t) + sizeof(uint32_t));
}

static float logit_at(ig_dtype dtype, const void *logits, int64_t at) {
  if (dtype == IG_F32) return ((const float *)logits)[at];
  return (float)ig_load_f64(dtype, logits, at);
}

/* The likeliest; -1 where a logit is NaN or the greatest is not finite. */
static int64_t find_best(ig_dtype dtype, const void *logits, int64_t first, int64_t n, float *top) {
  int64_t best = -1;
  *top = -INFINITY;
  for (int64_t i = 0; i < n; i++) {
    float x = logit_at(dtype, logits, first + i);
    if (isnan(x)) return -1;
    if (x > *top) {
      *top = x;
      best = i;
    }
  }
  return isfinite(*top) ? best : -1;
}

/* The bar above and at which the values of the likeliest first sum to `wanted`: their weights, or one
 * for each. There are that many. */
static ig_sample_bar find_bar(const row *r, bool counts, uint64_t wanted) {
  uint32_t key = 0;
  uint64_t above = 0, sums[256];
  for (int shift = 24; shift >= 0; shift -= 8) {
    memset(sums, 0, sizeof sums);
    for (int64_t i = 0; i < r->n; i++) {
      if (shift < 24 && r->keys[i] >> (shift + 8) != key >> (shift + 8)) continue;
      sums[r->keys[i] >> shift & 255] += counts ? 1 : r->weights[i];
    }
    uint32_t digit = 255;
    while (digit > 0 && above + sums[digit] < wanted) above += sums[digit--];
    key |= digit << shift;
  }
  uint64_t missing = wanted - above, each = 1;
  for (int64_t i = 0; !counts && i < r->n; i++) {
    if (r->keys[i] == key) each = r->weights[i];
  }
  return (ig_sample_bar){key, (int64_t)((missing + each - 1) / IG_MAX(each, 1))};
}

/* The token at which the sum of weights above and at the bar exceeds `point`, and if there is none,
 * the last; *total becomes that sum. */
static int64_t walk(const row *r, ig_sample_bar bar, uint64_t point, uint64_t *total) {
  int64_t equals = 0, last = -1;
  *total = 0;
  for (int64_t i = 0; i < r->n; i++) {
    bool kept = r->keys[i] > bar.key || (r->keys[i] == bar.key && equals++ < bar.equals);
    if (!kept) continue;
    *total += r->weights[i];
    last = i;
    if (*total > point) break;
  }
  return last;
}

static int64_t draw(const row *r, int64_t top_k, float top_p, uint32_t number) {
  ig_sample_bar bar = {0, INT64_MAX};
  uint64_t total;
  if (top_k > 0 && top_k < r->n) bar = find_bar(r, true, (uint64_t)top_k);
  walk(r, bar, UINT64_MAX, &total);
  if (top_p < 1) {
    bar = find_bar(r, false, ig_sample_share(top_p, total));
    walk(r, bar, UINT64_MAX, &total);
  }
  return walk(r, bar, ig_sample_point(number, total), &total);
}

void ig_cpu_sample(ig_dtype dtype, const ig_sample_scalars *scalars, int64_t rows, int64_t n,
                   const void *logits, int64_t *tokens, void *workspace) {
  float temperature = scalars->temperature ? *scalars->temperature : 1;
  float top_p = scalars->top_p ? *scalars->top_p : 1;
  int64_t top_k = scalars->top_k ? *scalars->top_k : 0;
  row r = {n, (uint32_t *)(void *)((uint64_t *)workspace + n), workspace};
  for (int64_t i = 0; i < rows; i++) {
    float top, factor = 0x1.715476p+0f / temperature;
    tokens[i] = find_best(dtype, logits, i * n, n, &top);
    if (!ig_sample_valid(temperature, top_k, top_p)) tokens[i] = -1;
    if (tokens[i] < 0 || isinf(factor) || top_k == 1) continue;
    for (int64_t j = 0; j < n; j++) {
      float logit = logit_at(dtype, logits, i * n + j);
      r.keys[j] = ig_sample_key(logit);
      r.weights[j] = ig_sample_weight(logit, top, factor);
    }
    ig_rng rng = ig_rng_stream(*scalars->seed, IG_RNG_SAMPLE, *scalars->step,
                               *scalars->first_sample + (uint64_t)i);
    tokens[i] = draw(&r, top_k, top_p, ig_rng_u32(&rng, 0));
  }
}
