/* Cases of ingot.AttentionGrad: its formula for any Y and LSE, whether or not they belong together;
 * that it is the gradient is checked where Attention is. */
#include "attention_reference.h"

typedef struct gradients {
  heads4 q, k, v;
} gradients;

static void add_query(const attention_case *c, const heads4 *dy, const heads4 *y, double lse,
                      int64_t b, int64_t h, int64_t i, gradients *g) {
  int64_t group = h / (c->q.h / c->k.h);
  const double *gy = heads_at(dy, b, h, i), *ry = heads_at(y, b, h, i);
  double delta = 0;
  for (int64_t d = 0; d < y->d; d++) delta += gy[d] * ry[d];
  for (int64_t j = 0; j < c->k.t; j++) {
    double raw, p = exp(score_of(c, b, h, i, j, &raw, NULL) - lse), dp = 0;
    if (p == 0) continue;
    for (int64_t d = 0; d < y->d; d++) dp += gy[d] * heads_at(&c->v, b, group, j)[d];
    double ds = c->scale * p * (dp - delta);
    if (c->softcap > 0) ds /= pow(cosh(raw / c->softcap), 2);
    for (int64_t d = 0; d < y->d; d++) heads_at(&g->v, b, group, j)[d] += p * gy[d];
    for (int64_t d = 0; d < c->q.d; d++) {
      heads_at(&g->q, b, h, i)[d] += ds * heads_at(&c->k, b, group, j)[d];
      heads_at(&g->k, b, group, j)[d] += ds * heads_at(&c->q, b, h, i)[d];
    }
  }
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t heads = ig_attr_int_of(node, "q_num_heads", 1);
  int64_t kv_heads = ig_attr_int_of(node, "kv_num_heads", 1);
  bool packed = node->n_outputs == 1;
  int64_t size = packed ? in[3].shape.dims[2] / (heads + 2 * kv_heads) : 0;
  int64_t k_first = heads * size, v_first = (heads + kv_heads) * size;
  attention_case c = {.q = heads_read(&in[3], heads, 0, size),
                      .k = heads_read(&in[packed ? 3 : 4], kv_heads, k_first, size),
                      .v = heads_read(&in[packed ? 3 : 5], kv_heads, v_first, size),
                      .mask = node->n_inputs > 6 && in[6].data ? &in[6] : NULL,
                      .lengths = node->n_inputs > 7 && in[7].data ? &in[7] : NULL,
                      .causal = ig_attr_int_of(node, "is_causal", 0) != 0,
                      .softcap = ig_attr_float_of(node, "softcap", 0)};
  c.mask_is_bool = c.mask && node->inputs[6]->dtype == IG_BOOL;
  c.scale = scale_of(node, c.q.d);
  heads4 dy = heads_read(&in[0], heads, 0, 0), y = heads_read(&in[1], heads, 0, 0);
  gradients g = {heads_new(c.q.b, c.q.h, c.q.t, c.q.d), heads_new(c.k.b, c.k.h, c.k.t, c.k.d),
                 heads_new(c.v.b, c.v.h, c.v.t, c.v.d)};
  for (int64_t b = 0; b < c.q.b; b++)
    for (int64_t h = 0; h < c.q.h; h++)
      for (int64_t i = 0; i < c.q.t; i++)
        add_query(&c, &dy, &y, in[2].data[(b * c.q.h + h) * c.q.t + i], b, h, i, &g);
  heads_write(&g.q, 0, &out[0]);
  heads_write(&g.k, k_first, &out[packed ? 0 : 1]);
  heads_write(&g.v, v_first, &out[packed ? 0 : 2]);
  free(c.q.x), free(c.k.x), free(c.v.x), free(dy.x), free(y.x);
  free(g.q.x), free(g.k.x), free(g.v.x);
}

#define CAUSAL NUMBER("is_causal", 1)
#define SUMS(...)                                                                                  \
  { .dtype = IG_F32, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_UNIFORM, .low = 1, .high = 4 }
#define CASE(title, outputs, n, ...) TOLERANT(3e-5, title, outputs, n, __VA_ARGS__)
#define TOLERANT(most, title, outputs, n, ...)                                                     \
  .name = title, .n_outputs = outputs, .n_attrs = n, .attrs = {__VA_ARGS__}, .tolerance = most,    \
  .no_grad_check = true, .why = "no model needs the gradient of a gradient"

/* 16-bit operands beside sums that stay f32; sizes around the 128 rows of a block and its tiles of
 * 16 to 64. Gradients of scores are rounded to 16 bits between the products: in bf16 by 2^-10 of a
 * few units, a hundred times in a sum whose factors are about 1, which is what ROUNDED allows. */
#define ROUNDED 4e-3
#define HALF(type, ...)                                                                            \
  { .dtype = (type), .shape = DIMS(__VA_ARGS__) }
#define HALF_SUMS(...)                                                                             \
  { .dtype = IG_F32, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_UNIFORM, .low = 4, .high = 6 }

static const ig_op_case cases[] = {
    {CASE("four dimensions", 3, 0),
     .inputs = {TENSOR(2, 2, 5, 16), TENSOR(2, 2, 5, 16), SUMS(2, 2, 5), TENSOR(2, 2, 5, 16),
                TENSOR(2, 2, 5, 16), TENSOR(2, 2, 5, 16)}},
    {CASE("several tiles, causal", 3, 3, HEADS(2, 2), CAUSAL),
     .inputs = {TENSOR(1, 70, 32), TENSOR(1, 70, 32), SUMS(1, 2, 70), TENSOR(1, 70, 32),
                TENSOR(1, 70, 32), TENSOR(1, 70, 32)}},
    {CASE("several tiles of keys, other size of values", 3, 0),
     .inputs = {TENSOR(1, 1, 33, 32), TENSOR(1, 1, 33, 32), SUMS(1, 1, 33), TENSOR(1, 1, 33, 16),
                TENSOR(1, 1, 130, 16), TENSOR(1, 1, 130, 32)}},
    {CASE("groups of heads, odd size", 3, 2, HEADS(4, 2)),
     .inputs = {TENSOR(1, 6, 28), TENSOR(1, 6, 28), SUMS(1, 4, 6), TENSOR(1, 6, 28),
                TENSOR(1, 6, 14), TENSOR(1, 6, 14)}},
    {CASE("packed", 1, 3, HEADS(2, 2), CAUSAL),
     .inputs = {TENSOR(2, 40, 32), TENSOR(2, 40, 32), SUMS(2, 2, 40), TENSOR(2, 40, 96)}},
    {CASE("packed, groups of heads", 1, 3, HEADS(4, 1), CAUSAL),
     .inputs = {TENSOR(2, 9, 64), TENSOR(2, 9, 64), SUMS(2, 4, 9), TENSOR(2, 9, 96)}},
    {CASE("cap, mask and lengths", 3, 1, SCALE("softcap", 1.5f)),
     .inputs = {TENSOR(2, 2, 5, 16), TENSOR(2, 2, 5, 16), SUMS(2, 2, 5), TENSOR(2, 2, 5, 16),
                TENSOR(2, 2, 7, 16), TENSOR(2, 2, 7, 16), ADDED(5, 7), LENGTHS(2, 7, 3)}},
    {CASE("f16, two blocks, causal", 3, 3, HEADS(1, 1), CAUSAL),
     .inputs = {HALF(IG_F16, 1, 150, 64), HALF(IG_F16, 1, 150, 64), HALF_SUMS(1, 1, 150),
                HALF(IG_F16, 1, 150, 64), HALF(IG_F16, 1, 150, 64), HALF(IG_F16, 1, 150, 64)}},
    {TOLERANT(ROUNDED, "bf16, packed, groups of heads, causal", 1, 3, HEADS(4, 2), CAUSAL),
     .inputs = {HALF(IG_BF16, 2, 140, 128), HALF(IG_BF16, 2, 140, 128), HALF_SUMS(2, 4, 140),
                HALF(IG_BF16, 2, 140, 256)}},
    {CASE("bf16, wide heads, cap, mask and lengths", 3, 1, SCALE("softcap", 1.5f)),
     .inputs = {HALF(IG_BF16, 2, 1, 33, 96), HALF(IG_BF16, 2, 1, 33, 96), HALF_SUMS(2, 1, 33),
                HALF(IG_BF16, 2, 1, 33, 128), HALF(IG_BF16, 2, 1, 135, 128),
                HALF(IG_BF16, 2, 1, 135, 96), VISIBLE(2, 1, 33, 135), LENGTHS(2, 130, 3)}},
    {CASE("f16, widest heads, fewer queries than keys", 3, 1, CAUSAL),
     .inputs = {HALF(IG_F16, 1, 1, 40, 256), HALF(IG_F16, 1, 1, 40, 256), HALF_SUMS(1, 1, 40),
                HALF(IG_F16, 1, 1, 40, 256), HALF(IG_F16, 1, 1, 57, 256),
                HALF(IG_F16, 1, 1, 57, 256)}},
    {CASE("bf16, padded heads", 3, 0),
     .inputs = {HALF(IG_BF16, 1, 2, 20, 24), HALF(IG_BF16, 1, 2, 20, 24), HALF_SUMS(1, 2, 20),
                HALF(IG_BF16, 1, 2, 20, 40), HALF(IG_BF16, 1, 2, 70, 40),
                HALF(IG_BF16, 1, 2, 70, 24)}},
};

const ig_op_cases ig_cases_attention_grad = {.op = "ingot.AttentionGrad",
                                             .reference = reference,
                                             .n_cases = IG_COUNT(cases),
                                             .cases = cases};
