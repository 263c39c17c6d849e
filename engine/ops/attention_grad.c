/* ingot.AttentionGrad: gradients of queries, keys and values (or of their packed projection) from
 * dY, Y and the second output of ingot.Attention, whose inputs follow: dY, Y, LSE, Q, K, V, mask,
 * nonpad_kv_seqlen. Scores are made again from tiles, so that no matrix of them is kept. */
#include "engine/ops/heads.h"

static const ig_attr_field attrs[] = {IG_HEADS_FIELDS, {0}};

ig_heads ig_heads_of_attention_grad(const ig_node *node) {
  const ig_value *in[8] = {NULL};
  for (int i = 0; i < node->n_inputs; i++) in[i] = node->inputs[i];
  return (ig_heads){.q = in[3], .k = in[4], .v = in[5], .mask = in[6], .lengths = in[7]};
}

static ig_status describe(const ig_node *node, ig_attention *a, ig_shape *y) {
  ig_heads heads = ig_heads_of_attention_grad(node);
  return ig_heads_describe(node, &heads, a, y);
}

static ig_status infer(ig_node *node) {
  ig_heads heads = ig_heads_of_attention_grad(node);
  ig_attention a;
  ig_shape y;
  IG_TRY(ig_heads_describe(node, &heads, &a, &y));
  const ig_value *dy = node->inputs[0], *result = node->inputs[1], *lse = node->inputs[2];
  ig_shape lse_shape = IG_SHAPE(a.batch, a.heads, a.queries);
  IG_CHECK(dy->dtype == a.dtype && result->dtype == a.dtype && ig_shape_equal(&dy->shape, &y) &&
               ig_shape_equal(&result->shape, &y),
           IG_ERR_SHAPE, "results and gradients %s and %s, expected %s",
           IG_SHAPE_STR(&result->shape), IG_SHAPE_STR(&dy->shape), IG_SHAPE_STR(&y));
  IG_CHECK(lse->dtype == IG_F32 && ig_shape_equal(&lse->shape, &lse_shape), IG_ERR_SHAPE,
           "sums of shape %s, expected f32%s", IG_SHAPE_STR(&lse->shape), IG_SHAPE_STR(&lse_shape));
  IG_CHECK(node->n_outputs == (heads.k ? 3 : 1), IG_ERR_USAGE, "%d outputs, expected %d",
           node->n_outputs, heads.k ? 3 : 1);
  IG_TRY(ig_infer_set(node, 0, a.dtype, &heads.q->shape));
  if (!heads.k) return IG_OK;
  IG_TRY(ig_infer_set(node, 1, a.dtype, &heads.k->shape));
  return ig_infer_set(node, 2, a.dtype, &heads.v->shape);
}

static ig_cost cost(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention_grad(node);
  return ig_heads_cost(node, &heads, 5);
}

static const char *reject_tiles(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention_grad(node);
  return ig_heads_reject_tiles(node, &heads);
}

static size_t workspace_tiles(const ig_node *node) {
  ig_attention a;
  ig_shape y;
  if (describe(node, &a, &y) != IG_OK) return 0;
  return ig_cpu_attention_grad_workspace(&a) * (size_t)ig_cpu_threads();
}

static ig_status operands(const ig_call *call, ig_attention *a, ig_attention_inputs *in,
                          ig_attention_inputs *out) {
  const ig_node *node = call->node;
  const void *given[8] = {NULL};
  ig_shape y;
  IG_TRY(describe(node, a, &y));
  for (int i = 0; i < node->n_inputs; i++) given[i] = node->inputs[i] ? call->in[i] : NULL;
  ig_attention_parts(a, given[3], given[4], given[5], in);
  in->mask = given[6];
  in->lengths = given[7];
  bool packed = node->n_outputs == 1;
  ig_attention_parts(a, call->out[0], packed ? NULL : call->out[1], packed ? NULL : call->out[2],
                     out);
  return IG_OK;
}

static ig_status run_tiles(const ig_call *call) {
  ig_attention a;
  ig_attention_inputs in, out;
  IG_TRY(operands(call, &a, &in, &out));
  ig_cpu_attention_grad(&a, &in, call->in[1], call->in[2], call->in[0], (void *)out.q,
                        (void *)out.k, (void *)out.v, call->workspace, call->workspace_size);
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  ig_attention a;
  ig_attention_inputs in, out;
  IG_TRY(operands(call, &a, &in, &out));
  ig_cpu_attention_grad_reference(&a, &in, call->in[1], call->in[2], call->in[0], (void *)out.q,
                                  (void *)out.k, (void *)out.v);
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "tiles", .reject = reject_tiles, .workspace = workspace_tiles, .run = run_tiles},
    {.name = "reference", .run = run_reference},
    {0},
};

const ig_op ig_op_attention_grad = {
    .name = "ingot.AttentionGrad",
    .n_in = {4, 8},
    .n_out = {1, 3},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(ig_heads_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
