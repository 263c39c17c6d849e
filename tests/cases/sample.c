/* Cases of ingot.Sample: greedy, the whole distribution, cut by number and by probability, ties, and
 * rows from which nothing can be drawn. The driver's seed and step are 0. */
#include <stdlib.h>

#include "case_tools.h"
#include "engine/base/rng.h"

typedef struct candidate {
  double logit;
  int64_t token;
  bool kept;
} candidate;

static int likelier(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  if (x->logit != y->logit) return x->logit < y->logit ? 1 : -1;
  return x->token < y->token ? -1 : 1;
}

static int by_token(const void *a, const void *b) {
  return ((const candidate *)a)->token < ((const candidate *)b)->token ? -1 : 1;
}

/* Sorts, keeps k, keeps the shortest beginning that reaches p, and goes along what is left. */
static double draw(const double *logits, int64_t n, double temperature, int64_t top_k, double top_p,
                   double number) {
  candidate *c = calloc((size_t)n, sizeof *c);
  if (!c) abort();
  double total = 0, sum = 0, token = -1;
  bool nan = false;
  for (int64_t i = 0; i < n; i++) {
    c[i] = (candidate){logits[i], i, false};
    nan = nan || isnan(logits[i]);
  }
  if (!nan) qsort(c, (size_t)n, sizeof *c, likelier);
  double top = c[0].logit;
  bool good = !nan && isfinite(top) && temperature >= 0 && top_p > 0 && top_p <= 1 && top_k >= 0;
  if (good && temperature == 0) token = (double)c[0].token;
  if (good && temperature > 0) {
    int64_t kept = top_k > 0 && top_k < n ? top_k : n;
    for (int64_t i = 0; i < kept; i++) total += exp((c[i].logit - top) / temperature);
    for (int64_t i = 0; i < kept && (i == 0 || sum < top_p * total); i++) {
      c[i].kept = true;
      sum += exp((c[i].logit - top) / temperature);
    }
    qsort(c, (size_t)n, sizeof *c, by_token);
    double left = number * sum;
    for (int64_t i = 0; i < n && left >= 0; i++) {
      if (!c[i].kept) continue;
      token = (double)i;
      left -= exp((c[i].logit - top) / temperature);
    }
  }
  free(c);
  return token;
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const ig_shape *x = &in[0].shape;
  int64_t n = x->dims[x->rank - 1];
  double temperature = node->n_inputs > 1 && in[1].data ? in[1].data[0] : 1;
  double top_k = node->n_inputs > 2 && in[2].data ? in[2].data[0] : 0;
  double top_p = node->n_inputs > 3 && in[3].data ? in[3].data[0] : 1;
  for (int64_t r = 0; r < count_of(out); r++) {
    ig_rng rng = ig_rng_stream(0, IG_RNG_SAMPLE, 0, (uint64_t)r);
    double number = (double)ig_rng_u32(&rng, 0) * 0x1p-32;
    out->data[r] = draw(in[0].data + r * n, n, temperature, (int64_t)top_k, top_p, number);
  }
}

#define LOGITS(...)                                                                                \
  {                                                                                                \
    .dtype = IG_F32, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_UNIFORM, .low = -6, .high = 6,    \
    .no_grad = true                                                                                \
  }
/* Few different logits, so that the bar falls among equals. */
#define TIES(...)                                                                                  \
  {                                                                                                \
    .dtype = IG_F32, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_INT, .low = -2, .high = 1,        \
    .no_grad = true                                                                                \
  }
#define SCALARS(t, k, p)                                                                           \
  SCALAR_AS(IG_F32, false, t), SCALAR_AS(IG_I64, false, k), SCALAR_AS(IG_F32, false, p)
#define WHY .no_grad_check = true, .why = "tokens are whole numbers"

static const ig_op_case cases[] = {
    {.name = "one likely token", .inputs = {LOGITS(3, 5)}, WHY},
    {.name = "greedy", .inputs = {LOGITS(4, 1500), SCALARS(0, 0, 1)}, WHY},
    {.name = "greedy, ties", .inputs = {TIES(4, 1500), SCALARS(0, 7, 0.5)}, WHY},
    {.name = "all, more than a block", .inputs = {LOGITS(7, 2501), SCALARS(1.5, 0, 1)}, WHY},
    {.name = "top k", .inputs = {LOGITS(9, 2100), SCALARS(3, 40, 1)}, WHY},
    {.name = "top k of ties", .inputs = {TIES(9, 1100), SCALARS(2, 300, 1)}, WHY},
    {.name = "top k, a vector", .inputs = {LOGITS(30), SCALARS(5, 1, 1)}, WHY},
    {.name = "top p", .inputs = {LOGITS(2, 5, 1300), SCALARS(1, 0, 0.7)}, WHY},
    {.name = "top p of ties", .inputs = {TIES(9, 1100), SCALARS(1, 0, 0.33)}, WHY},
    {.name = "both", .inputs = {LOGITS(8, 200), SCALARS(2.5, 50, 0.6)}, WHY},
    {.name = "both, ties", .inputs = {TIES(8, 200), SCALARS(1, 111, 0.9)}, WHY},
    {.name = "top k of more than there are", .inputs = {LOGITS(5, 12), SCALARS(4, 99, 1)}, WHY},
    {.name = "wrong temperature", .inputs = {LOGITS(2, 12), SCALARS(-1, 0, 1)}, WHY},
    {.name = "wrong top p", .inputs = {LOGITS(2, 12), SCALARS(1, 0, 0)}, WHY},
    {.name = "NaN, infinite, none",
     .inputs = {{.dtype = IG_F32,
                 .shape = DIMS(4, 3),
                 .fill = IG_FILL_VALUES,
                 .values = (const double[]){1, NAN, 2, 0, INFINITY, 1, -INFINITY, -INFINITY,
                                            -INFINITY, -INFINITY, -3, -INFINITY},
                 .n_values = 12,
                 .no_grad = true}},
     WHY},
    {.name = "f64",
     .inputs = {{.dtype = IG_F64, .shape = DIMS(3, 70), .no_grad = true}, SCALARS(1, 20, 1)},
     WHY},
};

const ig_op_cases ig_cases_sample = {
    .op = "ingot.Sample", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
