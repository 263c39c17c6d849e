/* ingot.Attention: attention with the logarithm of each query's sum of exp(scores) as second
 * output, f32 [B, H, T], which is all that the gradient needs beside the operands and the
 * result. Queries, keys and values are inputs 0 to 2, or one packed projection [B, T,
 * (q_num_heads + 2 kv_num_heads) D] is input 0 alone; the mask is input 3, nonpad_kv_seqlen
 * input 4. */
#include "engine/ops/heads.h"

static const ig_attr_field attrs[] = {IG_HEADS_FIELDS, {0}};

ig_heads ig_heads_of_attention_lse(const ig_node *node) {
  const ig_value *in[5] = {NULL};
  for (int i = 0; i < node->n_inputs; i++) in[i] = node->inputs[i];
  return (ig_heads){.q = in[0], .k = in[1], .v = in[2], .mask = in[3], .lengths = in[4]};
}

static ig_status describe(const ig_node *node, ig_attention *a, ig_shape *y) {
  ig_heads heads = ig_heads_of_attention_lse(node);
  return ig_heads_describe(node, &heads, a, y);
}

static ig_status infer(ig_node *node) {
  ig_attention a;
  ig_shape y;
  IG_TRY(describe(node, &a, &y));
  ig_shape lse = IG_SHAPE(a.batch, a.heads, a.queries);
  IG_TRY(ig_infer_set(node, 0, node->inputs[0]->dtype, &y));
  return ig_infer_set(node, 1, IG_F32, &lse);
}

static void grad(const ig_grad *g) {
  ig_heads h = ig_heads_of_attention_lse(g->node);
  if (g->dy[1] || (h.mask && g->need[3])) {
    ig_graph_fail(g->graph, ig_fail(IG_ERR_UNSUPPORTED,
                                    "attention has gradients of queries, keys and values only, "
                                    "through its first output"));
    return;
  }
  if (!g->dy[0]) return;
  ig_attr list[IG_HEADS_ATTRS];
  ig_heads_attr_list(g->node, list);
  ig_node *back = ig_graph_node(g->graph, "ingot.AttentionGrad", NULL,
                                IG_INS(g->dy[0], g->node->outputs[0], g->node->outputs[1],
                                       (ig_value *)h.q, (ig_value *)h.k, (ig_value *)h.v,
                                       (ig_value *)h.mask, (ig_value *)h.lengths),
                                IG_HEADS_ATTRS, list, h.k ? 3 : 1);
  for (int i = 0; back && i < back->n_outputs; i++) g->dx[i] = back->outputs[i];
}

static ig_cost cost(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention_lse(node);
  return ig_heads_cost(node, &heads, 2);
}

static const char *reject_tiles(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention_lse(node);
  return ig_heads_reject_tiles(node, &heads);
}

static size_t workspace_tiles(const ig_node *node) {
  ig_attention a;
  ig_shape y;
  if (describe(node, &a, &y) != IG_OK) return 0;
  return ig_cpu_attention_workspace(&a) * (size_t)ig_cpu_threads();
}

static ig_status operands(const ig_call *call, ig_attention *a, ig_attention_inputs *in) {
  const ig_node *node = call->node;
  const void *given[5] = {NULL};
  ig_shape y;
  IG_TRY(describe(node, a, &y));
  for (int i = 0; i < node->n_inputs; i++) given[i] = node->inputs[i] ? call->in[i] : NULL;
  ig_attention_parts(a, given[0], given[1], given[2], in);
  in->mask = given[3];
  in->lengths = given[4];
  return IG_OK;
}

static ig_status run_tiles(const ig_call *call) {
  ig_attention a;
  ig_attention_inputs in;
  IG_TRY(operands(call, &a, &in));
  ig_cpu_attention(&a, &in, call->out[0], call->out[1], call->workspace, call->workspace_size);
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  ig_attention a;
  ig_attention_inputs in;
  IG_TRY(operands(call, &a, &in));
  ig_cpu_attention_reference(&a, &in, call->out[0], call->out[1], IG_SCORES_RAW, NULL);
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "tiles", .reject = reject_tiles, .workspace = workspace_tiles, .run = run_tiles},
    {.name = "reference", .run = run_reference},
    {0},
};

const ig_op ig_op_attention_lse = {
    .name = "ingot.Attention",
    .n_in = {1, 5},
    .n_out = {2, 2},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(ig_heads_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
