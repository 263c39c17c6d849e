/* Attention (opset 24), in all its forms. Training and packed projections use ingot.Attention,
 * which gives what the gradient needs; the gradient is built of that, and the pass share_forward
 * makes one node of the two. */
#include <inttypes.h>
#include <string.h>

#include "engine/base/checked.h"
#include "engine/ops/heads.h"

static const ig_attr_field attrs[] = {
    IG_HEADS_FIELDS,
    IG_FIELD_INT(ig_heads_attrs, qk_matmul_output_mode, 0),
    IG_FIELD_INT(ig_heads_attrs, softmax_precision, 0),
    {0},
};

ig_heads ig_heads_of_attention(const ig_node *node) {
  const ig_value *in[7] = {NULL};
  for (int i = 0; i < node->n_inputs; i++) in[i] = node->inputs[i];
  return (ig_heads){in[0], in[1], in[2], in[3], in[4], in[5], in[6]};
}

static ig_status describe(const ig_node *node, ig_attention *a, ig_shape *y) {
  ig_heads heads = ig_heads_of_attention(node);
  IG_CHECK(heads.k && heads.v, IG_ERR_USAGE, "keys and values are missing");
  return ig_heads_describe(node, &heads, a, y);
}

static ig_status infer(ig_node *node) {
  const ig_heads_attrs *at = IG_ATTRS_OF(ig_heads_attrs, node);
  ig_attention a;
  ig_shape y;
  IG_TRY(describe(node, &a, &y));
  IG_CHECK(at->qk_matmul_output_mode >= 0 && at->qk_matmul_output_mode <= 3, IG_ERR_USAGE,
           "attribute qk_matmul_output_mode is %" PRId64 ", expected 0 to 3",
           at->qk_matmul_output_mode);
  ig_dtype dtype = node->inputs[0]->dtype;
  ig_shape key = IG_SHAPE(a.batch, a.kv_heads, a.keys, a.size);
  ig_shape value = IG_SHAPE(a.batch, a.kv_heads, a.keys, a.v_size);
  ig_shape scores = IG_SHAPE(a.batch, a.heads, a.queries, a.keys);
  IG_TRY(ig_infer_set(node, 0, dtype, &y));
  IG_TRY(ig_infer_set(node, 1, dtype, &key));
  IG_TRY(ig_infer_set(node, 2, dtype, &value));
  return ig_infer_set(node, 3, dtype, &scores);
}

static void grad(const ig_grad *g) {
  ig_heads h = ig_heads_of_attention(g->node);
  bool others = false;
  for (int i = 1; i < g->node->n_outputs; i++) others = others || g->dy[i];
  if (others || h.past_key || (h.mask && g->need[3])) {
    ig_graph_fail(g->graph, ig_fail(IG_ERR_UNSUPPORTED,
                                    "attention has gradients of queries, keys and values only, "
                                    "through its first output and without a past"));
    return;
  }
  if (!g->dy[0]) return;
  ig_attr list[IG_HEADS_ATTRS];
  ig_heads_attr_list(g->node, list);
  ig_value *mask = (ig_value *)h.mask, *lengths = (ig_value *)h.lengths;
  ig_value *q = (ig_value *)h.q, *k = (ig_value *)h.k, *v = (ig_value *)h.v;
  ig_node *again = ig_graph_node(g->graph, "ingot.Attention", NULL, IG_INS(q, k, v, mask, lengths),
                                 IG_HEADS_ATTRS, list, 2);
  if (!again) return;
  ig_node *back =
      ig_graph_node(g->graph, "ingot.AttentionGrad", NULL,
                    IG_INS(g->dy[0], again->outputs[0], again->outputs[1], q, k, v, mask, lengths),
                    IG_HEADS_ATTRS, list, 3);
  for (int i = 0; back && i < 3; i++) g->dx[i] = back->outputs[i];
}

static ig_cost cost(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention(node);
  return ig_heads_cost(node, &heads, 2);
}

/* --- execution -------------------------------------------------------------------------------- */

/* Rows of one tensor of heads, as [batch, heads, tokens, size], into another. */
static void copy_heads(const ig_attention *a, int64_t tokens, int64_t size, const void *from,
                       const ig_rows *from_rows, void *to, const ig_rows *to_rows, int64_t start) {
  size_t element = ig_dtype_size(a->dtype);
  for (int64_t b = 0; b < a->batch; b++) {
    for (int64_t h = 0; h < a->kv_heads; h++) {
      for (int64_t t = 0; t < tokens; t++) {
        int64_t source = b * from_rows->batch + h * from_rows->head + t * from_rows->row;
        int64_t target = b * to_rows->batch + h * to_rows->head + (start + t) * to_rows->row;
        memcpy((char *)to + (size_t)target * element, (const char *)from + (size_t)source * element,
               (size_t)size * element);
      }
    }
  }
}

static void *output(const ig_call *call, int i) {
  return call->node->n_outputs > i ? call->out[i] : NULL;
}

static const void *input(const ig_call *call, int i) {
  return call->node->n_inputs > i && call->node->inputs[i] ? call->in[i] : NULL;
}

/* Past and new rows of keys (or values) one after the other: in the output of that name, or in
 * `room`. */
static void join(const ig_attention *a, int64_t size, const void *past, const void *fresh,
                 const ig_rows *fresh_rows, void *joined) {
  ig_rows dense = ig_heads_dense(a->kv_heads, a->keys, size);
  if (past) {
    ig_rows past_rows = ig_heads_dense(a->kv_heads, a->past, size);
    copy_heads(a, a->past, size, past, &past_rows, joined, &dense, 0);
  }
  copy_heads(a, a->keys - a->past, size, fresh, fresh_rows, joined, &dense, a->past);
}

/* Bytes of joined keys and values that no output takes. */
static size_t joined_bytes(const ig_node *node, const ig_attention *a, int64_t size, int out) {
  if (a->past == 0 || node->n_outputs > out) return 0;
  size_t count = (size_t)a->batch * (size_t)a->kv_heads * (size_t)a->keys * (size_t)size;
  size_t bytes = count * ig_dtype_size(a->dtype);
  return (bytes + IG_ALIGNMENT - 1) / IG_ALIGNMENT * IG_ALIGNMENT;
}

static size_t workspace_joined(const ig_node *node) {
  ig_attention a;
  ig_shape y;
  if (describe(node, &a, &y) != IG_OK) return 0;
  return joined_bytes(node, &a, a.size, 1) + joined_bytes(node, &a, a.v_size, 2);
}

static size_t workspace_tiles(const ig_node *node) {
  ig_attention a;
  ig_shape y;
  if (describe(node, &a, &y) != IG_OK) return 0;
  return workspace_joined(node) + ig_cpu_attention_workspace(&a) * (size_t)ig_cpu_threads();
}

/* The operands as the kernels read them, after joining; what is left of the workspace. */
static ig_status operands(const ig_call *call, ig_attention *a, ig_attention_inputs *in,
                          void **workspace, size_t *size) {
  ig_shape y;
  IG_TRY(describe(call->node, a, &y));
  *in =
      (ig_attention_inputs){call->in[0], call->in[1], call->in[2], input(call, 3), input(call, 6)};
  *workspace = call->workspace;
  *size = call->workspace_size;
  const struct {
    int out, past;
    int64_t size;
    ig_rows *rows;
    const void **data;
  } parts[] = {{1, 4, a->size, &a->k, &in->k}, {2, 5, a->v_size, &a->v, &in->v}};
  for (int i = 0; i < 2; i++) {
    void *joined = output(call, parts[i].out);
    if (!joined && a->past == 0) continue;
    size_t bytes = joined_bytes(call->node, a, parts[i].size, parts[i].out);
    if (!joined) joined = *workspace;
    join(a, parts[i].size, input(call, parts[i].past), *parts[i].data, parts[i].rows, joined);
    *parts[i].data = joined;
    *parts[i].rows = ig_heads_dense(a->kv_heads, a->keys, parts[i].size);
    if (bytes) *workspace = (char *)*workspace + bytes;
    *size -= bytes;
  }
  return IG_OK;
}

static const char *reject_tiles(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention(node);
  if (node->n_outputs > 3) return "the scores are an output";
  return ig_heads_reject_tiles(node, &heads);
}

static ig_status run_tiles(const ig_call *call) {
  ig_attention a;
  ig_attention_inputs in;
  void *workspace;
  size_t size;
  IG_TRY(operands(call, &a, &in, &workspace, &size));
  ig_cpu_attention(&a, &in, call->out[0], NULL, workspace, size);
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  ig_attention a;
  ig_attention_inputs in;
  void *workspace;
  size_t size;
  int64_t mode = IG_ATTRS_OF(ig_heads_attrs, call->node)->qk_matmul_output_mode;
  IG_TRY(operands(call, &a, &in, &workspace, &size));
  ig_cpu_attention_reference(&a, &in, call->out[0], NULL, (ig_attention_stage)mode,
                             output(call, 3));
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "tiles", .reject = reject_tiles, .workspace = workspace_tiles, .run = run_tiles},
    {.name = "reference", .workspace = workspace_joined, .run = run_reference},
    {0},
};

const ig_op ig_op_attention = {
    .name = "Attention",
    .since = 24,
    .n_in = {3, 7},
    .n_out = {1, 4},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(ig_heads_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
