/* Cases of ingot.PagedAttention: pages in any order, lengths that end within a page, at its end and
 * before it begins, tables whose unused entries are no pages, several queries, groups of heads. */
#include "attention_reference.h"

/* Sequence b's rows in their order. */
static heads4 in_order(const ig_case_array *cache, const ig_case_array *table, int64_t heads) {
  const int64_t *n = cache->shape.dims;
  int64_t batch = table->shape.dims[0], pages = table->shape.dims[1], size = n[2] / heads;
  heads4 a = heads_new(batch, heads, pages * n[1], size);
  for (int64_t b = 0; b < batch; b++)
    for (int64_t t = 0; t < a.t; t++) {
      double page = table->data[b * pages + t / n[1]];
      if (page < 0 || page >= (double)n[0]) continue;
      for (int64_t h = 0; h < heads; h++)
        for (int64_t d = 0; d < size; d++)
          heads_at(&a, b, h, t)[d] =
              cache->data[((int64_t)page * n[1] + t % n[1]) * n[2] + h * size + d];
    }
  return a;
}

/* Each sequence by itself, since each has a past of its own. */
static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t heads = ig_attr_int_of(node, "q_num_heads", 1);
  int64_t kv_heads = ig_attr_int_of(node, "kv_num_heads", 1);
  heads4 q = heads_read(&in[0], heads, 0, 0), k = in_order(&in[1], &in[3], kv_heads);
  heads4 v = in_order(&in[2], &in[3], kv_heads), y = heads_new(q.b, q.h, q.t, v.d);
  for (int64_t b = 0; b < q.b; b++) {
    ig_case_array length = {.data = &in[4].data[b]};
    attention_case c = {.q = q,
                        .k = k,
                        .v = v,
                        .lengths = &length,
                        .causal = ig_attr_int_of(node, "is_causal", 1) != 0,
                        .past = (int64_t)length.data[0] - q.t,
                        .softcap = ig_attr_float_of(node, "softcap", 0),
                        .scale = scale_of(node, q.d)};
    c.q.b = 1;
    c.q.x = heads_at(&q, b, 0, 0);
    c.k.x = heads_at(&k, b, 0, 0);
    c.v.x = heads_at(&v, b, 0, 0);
    heads4 own = attend(&c, NULL);
    for (int64_t i = 0; i < y.h * y.t * y.d; i++) heads_at(&y, b, 0, 0)[i] = own.x[i];
    free(own.x);
  }
  heads_write(&y, 0, &out[0]);
  free(q.x), free(k.x), free(v.x), free(y.x);
}

#define TABLE(batch, pages, ...)                                                                   \
  {                                                                                                \
    .dtype = IG_I64, .shape = DIMS(batch, pages), .fill = IG_FILL_VALUES,                          \
    .values = (const double[]){__VA_ARGS__}, .n_values = (batch) * (pages)                         \
  }
#define DECODES .no_grad_check = true, .why = "decoding is not trained"

static const ig_op_case cases[] = {
    {.name = "one query",
     .inputs = {TENSOR(3, 1, 64), TENSOR(7, 16, 64), TENSOR(7, 16, 64),
                TABLE(3, 3, 4, 0, 6, 2, -1, -1, 5, 3, 99), LENGTHS(3, 40, 16, 17)},
     .n_attrs = 2,
     .attrs = {HEADS(2, 2)},
     DECODES},
    {.name = "groups of heads, several queries",
     .inputs = {TENSOR(2, 3, 96), TENSOR(6, 32, 32), TENSOR(6, 32, 16),
                TABLE(2, 3, 5, 1, 2, 0, 3, 7), LENGTHS(2, 70, 33)},
     .n_attrs = 2,
     .attrs = {HEADS(6, 2)},
     DECODES},
    {.name = "lengths of 0, less than the queries, and all",
     .inputs = {TENSOR(3, 4, 16), TENSOR(4, 16, 16), TENSOR(4, 16, 16),
                TABLE(3, 2, -5, 77, 1, 77, 3, 0), LENGTHS(3, 0, 2, 32)},
     .n_attrs = 2,
     .attrs = {HEADS(1, 1)},
     DECODES},
    {.name = "not causal, capped, odd size",
     .inputs = {TENSOR(2, 2, 27), TENSOR(4, 16, 9), TENSOR(4, 16, 7), TABLE(2, 2, 3, 0, 2, 1),
                LENGTHS(2, 31, 18)},
     .n_attrs = 5,
     .attrs = {HEADS(3, 1), SCALE("softcap", 1.5f), SCALE("scale", 0.5f), NUMBER("is_causal", 0)},
     DECODES},
    {.name = "heads of 128, several parts",
     .inputs = {TENSOR(1, 1, 512), TENSOR(9, 32, 128), TENSOR(9, 32, 128),
                TABLE(1, 8, 8, 2, 0, 7, 1, 5, 3, 6), LENGTHS(1, 230)},
     .n_attrs = 2,
     .attrs = {HEADS(4, 1)},
     DECODES},
    {.name = "heads of 256, more rows than a tile",
     .inputs = {TENSOR(1, 3, 512), TENSOR(3, 64, 256), TENSOR(3, 64, 200), TABLE(1, 2, 2, 0),
                LENGTHS(1, 100)},
     .n_attrs = 2,
     .attrs = {HEADS(2, 1)},
     DECODES},
    {.name = "many queries",
     .inputs = {TENSOR(1, 40, 32), TENSOR(6, 16, 32), TENSOR(6, 16, 32),
                TABLE(1, 6, 5, 4, 3, 2, 1, 0), LENGTHS(1, 90)},
     .n_attrs = 2,
     .attrs = {HEADS(2, 2)},
     DECODES},
    {.name = "one large head",
     .inputs = {TENSOR(1, 1, 264), TENSOR(2, 16, 264), TENSOR(2, 16, 8), TABLE(1, 2, 1, 0),
                LENGTHS(1, 20)},
     .n_attrs = 2,
     .attrs = {HEADS(1, 1)},
     DECODES},
    {.name = "f64",
     .inputs = {{.dtype = IG_F64, .shape = DIMS(1, 1, 16)},
                {.dtype = IG_F64, .shape = DIMS(2, 16, 16)},
                {.dtype = IG_F64, .shape = DIMS(2, 16, 16)},
                TABLE(1, 2, 1, 0),
                LENGTHS(1, 19)},
     .n_attrs = 2,
     .attrs = {HEADS(1, 1)},
     DECODES},
};

const ig_op_cases ig_cases_paged_attention = {.op = "ingot.PagedAttention",
                                              .reference = reference,
                                              .n_cases = IG_COUNT(cases),
                                              .cases = cases};
