/* Cases of ingot.Attention: separate operands and one packed projection. */
#include "attention_reference.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t heads = ig_attr_int_of(node, "q_num_heads", 1);
  int64_t kv_heads = ig_attr_int_of(node, "kv_num_heads", 1);
  bool packed = node->n_inputs < 3 || !in[1].data;
  int64_t size = packed ? in[0].shape.dims[2] / (heads + 2 * kv_heads) : 0;
  attention_case c = {
      .q = heads_read(&in[0], heads, 0, size),
      .k = heads_read(&in[packed ? 0 : 1], kv_heads, heads * size, size),
      .v = heads_read(&in[packed ? 0 : 2], kv_heads, (heads + kv_heads) * size, size),
      .mask = node->n_inputs > 3 && in[3].data ? &in[3] : NULL,
      .lengths = node->n_inputs > 4 && in[4].data ? &in[4] : NULL,
      .causal = ig_attr_int_of(node, "is_causal", 0) != 0,
      .softcap = ig_attr_float_of(node, "softcap", 0)};
  c.mask_is_bool = c.mask && node->inputs[3]->dtype == IG_BOOL;
  c.scale = scale_of(node, c.q.d);
  heads4 y = attend(&c, out[1].data);
  heads_write(&y, 0, &out[0]);
  free(c.q.x), free(c.k.x), free(c.v.x), free(y.x);
}

#define CAUSAL NUMBER("is_causal", 1)
#define LARGE                                                                                      \
  .no_grad_check = true, .why = "the same operands' gradient is checked where it is small"

static const ig_op_case cases[] = {
    {.name = "separate",
     .inputs = {TENSOR(2, 2, 5, 16), TENSOR(2, 2, 5, 16), TENSOR(2, 2, 5, 16)},
     .n_outputs = 2},
    {.name = "separate, interleaved, causal",
     .inputs = {TENSOR(2, 9, 32), TENSOR(2, 9, 32), TENSOR(2, 9, 32)},
     .n_attrs = 3,
     .attrs = {HEADS(2, 2), CAUSAL},
     .n_outputs = 2},
    {.name = "packed",
     .inputs = {TENSOR(2, 40, 96)},
     .n_attrs = 3,
     .attrs = {HEADS(2, 2), CAUSAL},
     .n_outputs = 2},
    {.name = "packed, groups of heads, odd size",
     .inputs = {TENSOR(2, 9, 48)},
     .n_attrs = 3,
     .attrs = {HEADS(4, 2), CAUSAL},
     .n_outputs = 2},
    {.name = "packed, masked",
     .inputs = {TENSOR(2, 9, 48), ABSENT, ABSENT, VISIBLE(2, 1, 1, 9)},
     .n_attrs = 2,
     .attrs = {HEADS(1, 1)},
     .n_outputs = 2},
    {.name = "padded cache, one query",
     .inputs = {TENSOR(2, 1, 32), TENSOR(2, 30, 32), TENSOR(2, 30, 32), ABSENT, LENGTHS(2, 0, 17)},
     .n_attrs = 2,
     .attrs = {HEADS(2, 2)},
     .n_outputs = 2,
     .no_grad_check = true,
     .why = "decoding is not trained"},
    {.name = "packed, groups of heads, two blocks of queries",
     .inputs = {TENSOR(1, 150, 320)},
     .n_attrs = 3,
     .attrs = {HEADS(3, 1), CAUSAL},
     .n_outputs = 2,
     LARGE},
    {.name = "heads of 128, keys of two blocks, mask and lengths",
     .inputs = {TENSOR(2, 1, 37, 128), TENSOR(2, 1, 300, 128), TENSOR(2, 1, 300, 96),
                VISIBLE(2, 1, 37, 300), LENGTHS(2, 290, 20)},
     .n_outputs = 2,
     LARGE},
    {.name = "heads of 256, causal",
     .inputs = {TENSOR(1, 1, 70, 256), TENSOR(1, 1, 70, 256), TENSOR(1, 1, 70, 256)},
     .n_attrs = 1,
     .attrs = {CAUSAL},
     .n_outputs = 2,
     LARGE},
    {.name = "few queries, many keys",
     .inputs = {TENSOR(1, 2, 72), TENSOR(1, 600, 24), TENSOR(1, 600, 24)},
     .n_attrs = 2,
     .attrs = {HEADS(3, 1)},
     .n_outputs = 2,
     LARGE},
};

const ig_op_cases ig_cases_attention_lse = {
    .op = "ingot.Attention", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
