/* Choosing the next token. Probabilities are summed in double over the sorted candidates, so the choice
 * depends on nothing but the logits and the number drawn. */
#include "engine/eval/sampling.h"

#include <math.h>
#include <stdlib.h>

static int by_logit(const void *a, const void *b) {
  const ig_candidate *x = a, *y = b;
  if (x->logit != y->logit) return x->logit > y->logit ? -1 : 1;
  return (x->token > y->token) - (x->token < y->token);
}

/* *best is the first of the largest. */
static ig_status gather(const float *logits, int64_t count, ig_candidate *out, int64_t *best) {
  bool finite = false;
  *best = 0;
  for (int64_t i = 0; i < count; i++) {
    IG_CHECK(!isnan(logits[i]) && logits[i] < INFINITY, IG_ERR_NUMERIC,
             "the logit of token %lld is not a finite number", (long long)i);
    finite = finite || isfinite(logits[i]);
    if (logits[i] > logits[*best]) *best = i;
    out[i] = (ig_candidate){logits[i], (int32_t)i};
  }
  IG_CHECK(finite, IG_ERR_NUMERIC, "no token has a finite logit");
  return IG_OK;
}

ig_status ig_sample_token(const ig_sampling *sampling, const float *logits, int64_t count,
                          double uniform, ig_candidate *scratch, int64_t *token) {
  IG_TRY(gather(logits, count, scratch, token));
  if (sampling->temperature <= 0) return IG_OK;
  qsort(scratch, (size_t)count, sizeof *scratch, by_logit);
  int64_t kept = sampling->top_k > 0 ? IG_MIN(sampling->top_k, count) : count;
  double top = scratch[0].logit, total = 0, reached = 0;
  for (int64_t i = 0; i < kept; i++) total += exp((scratch[i].logit - top) / sampling->temperature);
  if (sampling->top_p < 1) {
    double needed = sampling->top_p * total;
    int64_t n = 0;
    while (n < kept && reached < needed) {
      reached += exp((scratch[n++].logit - top) / sampling->temperature);
    }
    kept = IG_MAX(n, 1);
    total = n ? reached : 1;
  }
  double left = uniform * total;
  for (int64_t i = 0; i < kept; i++) {
    left -= exp((scratch[i].logit - top) / sampling->temperature);
    *token = scratch[i].token;
    if (left < 0) break;
  }
  return IG_OK;
}
