/* Cases of Attention: both forms of operands, groups of heads, masks, a past, padded caches, and
 * lengths around the tiles of 32 queries and 64 keys. */
#include "attention_reference.h"

static const ig_case_array *given(const ig_node *node, const ig_case_array *in, int i) {
  return node->n_inputs > i && in[i].data ? &in[i] : NULL;
}

static void write_scores(const attention_case *c, int64_t mode, ig_case_array *out) {
  int64_t at = 0;
  for (int64_t b = 0; b < c->q.b; b++)
    for (int64_t h = 0; h < c->q.h; h++)
      for (int64_t i = 0; i < c->q.t; i++)
        for (int64_t j = 0; j < c->k.t; j++, at++) {
          double raw, capped, masked = score_of(c, b, h, i, j, &raw, &capped);
          out->data[at] = mode == 0   ? raw
                          : mode == 1 ? capped
                          : mode == 2 ? masked
                                      : exp(masked - log_sum_of(c, b, h, i));
        }
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t heads = ig_attr_int_of(node, "q_num_heads", 1);
  int64_t kv_heads = ig_attr_int_of(node, "kv_num_heads", 1);
  attention_case c = {.q = heads_read(&in[0], heads, 0, 0),
                      .k = heads_read(&in[1], kv_heads, 0, 0),
                      .v = heads_read(&in[2], kv_heads, 0, 0),
                      .mask = given(node, in, 3),
                      .lengths = given(node, in, 6),
                      .causal = ig_attr_int_of(node, "is_causal", 0) != 0,
                      .softcap = ig_attr_float_of(node, "softcap", 0)};
  c.mask_is_bool = c.mask && node->inputs[3]->dtype == IG_BOOL;
  c.scale = scale_of(node, c.q.d);
  if (given(node, in, 4)) {
    heads4 k = c.k, v = c.v, past_k = heads_read(&in[4], 0, 0, 0),
           past_v = heads_read(&in[5], 0, 0, 0);
    c.past = past_k.t;
    c.k = heads_join(&past_k, &k);
    c.v = heads_join(&past_v, &v);
    free(k.x), free(v.x), free(past_k.x), free(past_v.x);
  }
  heads4 y = attend(&c, NULL);
  heads_write(&y, 0, &out[0]);
  if (node->n_outputs > 1) heads_write(&c.k, 0, &out[1]);
  if (node->n_outputs > 2) heads_write(&c.v, 0, &out[2]);
  if (node->n_outputs > 3) {
    write_scores(&c, ig_attr_int_of(node, "qk_matmul_output_mode", 0), &out[3]);
  }
  free(c.q.x), free(c.k.x), free(c.v.x), free(y.x);
}

#define CAUSAL NUMBER("is_causal", 1)
#define NO_GRADIENT(reason) .no_grad_check = true, .why = reason
#define PAST NO_GRADIENT("decoding is not trained")
#define QKV4(b, h, t, d) TENSOR(b, h, t, d), TENSOR(b, h, t, d), TENSOR(b, h, t, d)
#define QKV3(b, t, w) TENSOR(b, t, w), TENSOR(b, t, w), TENSOR(b, t, w)

static const ig_op_case cases[] = {
    {.name = "small", .inputs = {QKV4(2, 3, 4, 8)}},
    {.name = "causal", .inputs = {QKV4(2, 2, 5, 16)}, .n_attrs = 1, .attrs = {CAUSAL}},
    {.name = "interleaved heads",
     .inputs = {QKV3(2, 7, 48)},
     .n_attrs = 3,
     .attrs = {HEADS(3, 3), CAUSAL}},
    {.name = "several tiles, causal",
     .inputs = {QKV3(1, 70, 32)},
     .n_attrs = 3,
     .attrs = {HEADS(2, 2), CAUSAL}},
    {.name = "several tiles of keys",
     .inputs = {TENSOR(1, 1, 33, 16), TENSOR(1, 1, 130, 16), TENSOR(1, 1, 130, 32)}},
    {.name = "odd sizes", .inputs = {TENSOR(1, 2, 5, 7), TENSOR(1, 2, 9, 7), TENSOR(1, 2, 9, 10)}},
    {.name = "groups of heads",
     .inputs = {TENSOR(2, 6, 64), TENSOR(2, 6, 32), TENSOR(2, 6, 32)},
     .n_attrs = 3,
     .attrs = {HEADS(4, 2), CAUSAL}},
    {.name = "one head of keys",
     .inputs = {TENSOR(1, 4, 40, 16), TENSOR(1, 1, 40, 16), TENSOR(1, 1, 40, 16)}},
    {.name = "scale and cap",
     .inputs = {QKV4(1, 2, 6, 16)},
     .n_attrs = 3,
     .attrs = {SCALE("scale", 0.7f), SCALE("softcap", 1.5f), CAUSAL}},
    {.name = "added mask", .inputs = {QKV4(2, 2, 5, 16), ADDED(5, 5)}},
    {.name = "added mask by batch, with cap",
     .inputs = {QKV4(2, 2, 5, 16), ADDED(2, 1, 5, 5)},
     .n_attrs = 1,
     .attrs = {SCALE("softcap", 2)}},
    {.name = "mask by head, causal too",
     .inputs = {QKV4(2, 3, 5, 16), VISIBLE(3, 5, 5)},
     .n_attrs = 1,
     .attrs = {CAUSAL}},
    {.name = "mask that hides whole rows", .inputs = {QKV4(1, 2, 9, 16), VISIBLE(1, 1, 9, 1)}},
    {.name = "short mask",
     .inputs = {TENSOR(1, 2, 4, 16), TENSOR(1, 2, 9, 16), TENSOR(1, 2, 9, 16), ADDED(4, 6)}},
    {.name = "past",
     .inputs = {QKV4(2, 2, 3, 16), ABSENT, TENSOR(2, 2, 4, 16), TENSOR(2, 2, 4, 16)},
     .n_attrs = 1,
     .attrs = {CAUSAL},
     .n_outputs = 3,
     PAST},
    {.name = "past, interleaved, one query",
     .inputs = {TENSOR(2, 1, 32), TENSOR(2, 1, 16), TENSOR(2, 1, 16), ABSENT, TENSOR(2, 1, 70, 16),
                TENSOR(2, 1, 70, 16)},
     .n_attrs = 2,
     .attrs = {HEADS(2, 1)},
     .n_outputs = 3,
     PAST},
    {.name = "past that is not given back",
     .inputs = {QKV4(1, 2, 3, 16), ABSENT, TENSOR(1, 2, 4, 16), TENSOR(1, 2, 4, 16)},
     PAST},
    {.name = "present without a past",
     .inputs = {QKV3(2, 4, 32)},
     .n_attrs = 2,
     .attrs = {HEADS(2, 2)},
     .n_outputs = 3},
    {.name = "padded cache",
     .inputs = {TENSOR(3, 1, 32), TENSOR(3, 20, 32), TENSOR(3, 20, 32), ABSENT, ABSENT, ABSENT,
                LENGTHS(3, 1, 20, 7)},
     .n_attrs = 2,
     .attrs = {HEADS(2, 2)},
     PAST},
    {.name = "padded cache, long, several queries",
     .inputs = {TENSOR(2, 3, 32), TENSOR(2, 200, 32), TENSOR(2, 200, 32), ABSENT, ABSENT, ABSENT,
                LENGTHS(2, 150, 0)},
     .n_attrs = 2,
     .attrs = {HEADS(2, 2)},
     PAST},
    {.name = "one query, masked, capped, odd size",
     .inputs = {TENSOR(2, 2, 1, 9), TENSOR(2, 2, 90, 9), TENSOR(2, 2, 90, 9), VISIBLE(2, 1, 1, 90)},
     .n_attrs = 1,
     .attrs = {SCALE("softcap", 1)}},
    {.name = "scores",
     .inputs = {QKV4(1, 2, 4, 16), ADDED(4, 4)},
     .n_attrs = 1,
     .attrs = {SCALE("softcap", 1)},
     .n_outputs = 4},
    {.name = "scores, capped",
     .inputs = {QKV4(1, 2, 4, 16), ADDED(4, 4)},
     .n_attrs = 2,
     .attrs = {SCALE("softcap", 1), NUMBER("qk_matmul_output_mode", 1)},
     .n_outputs = 4},
    {.name = "scores, masked",
     .inputs = {QKV4(1, 2, 4, 16), ADDED(4, 4)},
     .n_attrs = 2,
     .attrs = {SCALE("softcap", 1), NUMBER("qk_matmul_output_mode", 2)},
     .n_outputs = 4},
    {.name = "scores, softmax",
     .inputs = {QKV4(1, 2, 4, 16), ADDED(4, 4)},
     .n_attrs = 2,
     .attrs = {CAUSAL, NUMBER("qk_matmul_output_mode", 3)},
     .n_outputs = 4},
    {.name = "f64",
     .inputs = {{.dtype = IG_F64, .shape = DIMS(1, 1, 3, 4)},
                {.dtype = IG_F64, .shape = DIMS(1, 1, 3, 4)},
                {.dtype = IG_F64, .shape = DIMS(1, 1, 3, 4)}}},
};

const ig_op_cases ig_cases_attention = {
    .op = "Attention", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
