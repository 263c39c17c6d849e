/* Sampling on the CPU: what is cut off is found by counting keys digit by digit, which is linear in the
 * vocabulary where sorting is not, and then left out, so that what follows sees few tokens. */
#include "kernels/sample.h"

#include "engine/base/rng.h"
#include "engine/base/status.h"

/* The tokens that may still be drawn, by number. */
typedef struct candidates {
  int64_t n;
  uint64_t *weights;
  uint32_t *keys, *tokens;
  float *logits; /* converted, where they are not f32 */
} candidates;

static candidates candidates_at(void *workspace, int64_t n) {
  candidates c = {.n = n, .weights = workspace};
  c.keys = (uint32_t *)(void *)(c.weights + n);
  c.tokens = c.keys + n;
  c.logits = (float *)(void *)(c.tokens + n);
  return c;
}

size_t ig_cpu_sample_workspace(int64_t n) {
  return (size_t)n * (sizeof(uint64_t) + 2 * sizeof(uint32_t) + sizeof(float));
}

/* The likeliest; -1 where a logit is NaN or the greatest is not finite. */
static int64_t find_best(const float *logits, int64_t n, float *top) {
  float most = -INFINITY;
  int nan = 0;
#pragma omp simd reduction(max : most) reduction(| : nan)
  for (int64_t i = 0; i < n; i++) {
    most = logits[i] > most ? logits[i] : most;
    nan |= logits[i] != logits[i];
  }
  *top = most;
  if (nan || !isfinite(most)) return -1;
  int64_t best = 0;
  while (logits[best] != most) best++;
  return best;
}

/* The bar above and at which the values of the likeliest first sum to `wanted`: their weights, or one
 * for each. There are that many. */
static ig_sample_bar find_bar(const candidates *c, bool counts, uint64_t wanted) {
  uint32_t key = 0;
  uint64_t above = 0, sums[256];
  for (int shift = 24; shift >= 0; shift -= 8) {
    memset(sums, 0, sizeof sums);
    for (int64_t i = 0; i < c->n; i++) {
      if (shift < 24 && c->keys[i] >> (shift + 8) != key >> (shift + 8)) continue;
      sums[c->keys[i] >> shift & 255] += counts ? 1 : c->weights[i];
    }
    uint32_t digit = 255;
    while (digit > 0 && above + sums[digit] < wanted) above += sums[digit--];
    key |= digit << shift;
  }
  uint64_t missing = wanted - above, each = 1;
  for (int64_t i = 0; !counts && i < c->n; i++) {
    if (c->keys[i] == key) each = c->weights[i];
  }
  return (ig_sample_bar){key, (int64_t)((missing + each - 1) / IG_MAX(each, 1))};
}

/* Leaves out what the bar cuts off. */
static void cut(candidates *c, ig_sample_bar bar) {
  int64_t kept = 0;
  for (int64_t i = 0; i < c->n; i++) {
    if (c->keys[i] < bar.key || (c->keys[i] == bar.key && bar.equals-- <= 0)) continue;
    c->keys[kept] = c->keys[i];
    c->weights[kept] = c->weights[i];
    c->tokens[kept++] = c->tokens[i];
  }
  c->n = kept;
}

static uint64_t sum_of(const candidates *c) {
  uint64_t sum = 0;
  for (int64_t i = 0; i < c->n; i++) sum += c->weights[i];
  return sum;
}

static int64_t draw(candidates *c, const float *logits, float top, float factor, int64_t top_k,
                    float top_p, uint32_t number) {
  for (int64_t i = 0; i < c->n; i++) {
    c->keys[i] = ig_sample_key(logits[i]);
    c->tokens[i] = (uint32_t)i;
  }
  if (top_k > 0 && top_k < c->n) cut(c, find_bar(c, true, (uint64_t)top_k));
  for (int64_t i = 0; i < c->n; i++) {
    c->weights[i] = ig_sample_weight(logits[c->tokens[i]], top, factor);
  }
  if (top_p < 1) cut(c, find_bar(c, false, ig_sample_share(top_p, sum_of(c))));
  uint64_t point = ig_sample_point(number, sum_of(c)), sum = 0;
  int64_t at = -1;
  while (sum <= point) sum += c->weights[++at];
  return c->tokens[at];
}

void ig_cpu_sample(ig_dtype dtype, const ig_sample_scalars *scalars, int64_t rows, int64_t n,
                   const void *logits, int64_t *tokens, void *workspace) {
  float temperature = scalars->temperature ? *scalars->temperature : 1;
  float top_p = scalars->top_p ? *scalars->top_p : 1;
  int64_t top_k = scalars->top_k ? *scalars->top_k : 0;
  for (int64_t i = 0; i < rows; i++) {
    candidates c = candidates_at(workspace, n);
    const float *row = (const float *)logits + i * n;
    float top, factor = 0x1.715476p+0f / temperature;
    if (dtype != IG_F32) {
      const char *from = (const char *)logits + (size_t)(i * n) * ig_dtype_size(dtype);
      ig_convert(dtype, from, IG_F32, c.logits, n);
      row = c.logits;
    }
    tokens[i] = find_best(row, n, &top);
    if (!ig_sample_valid(temperature, top_k, top_p)) tokens[i] = -1;
    if (tokens[i] < 0 || isinf(factor) || top_k == 1) continue;
    ig_rng rng = ig_rng_stream(*scalars->seed, IG_RNG_SAMPLE, *scalars->step,
                               *scalars->first_sample + (uint64_t)i);
    tokens[i] = draw(&c, row, top, factor, top_k, top_p, ig_rng_u32(&rng, 0));
  }
}
