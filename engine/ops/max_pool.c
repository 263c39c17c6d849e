/* MaxPool: the maximum of each window, and on demand where it was found, as a position in the whole
 * input. Training wants less of the second: the place within the window, which ingot.MaxPool gives;
 * the gradient is built of that, and the pass share_forward makes one node of the two. */
#include <inttypes.h>

#include "engine/ops/elementwise.h"
#include "engine/ops/pooling.h"
#include "kernels/quantized.h"

static const ig_attr_field attrs[] = {
    IG_WINDOW_FIELDS(ig_pool_attrs),
    IG_FIELD_INT(ig_pool_attrs, ceil_mode, 0),
    IG_FIELD_INT(ig_pool_attrs, storage_order, 0),
    {0},
};

static ig_status infer(ig_node *node) {
  ig_window window;
  ig_shape y;
  int64_t order = IG_ATTRS_OF(ig_pool_attrs, node)->storage_order;
  IG_CHECK(order == 0 || order == 1, IG_ERR_USAGE,
           "attribute storage_order is %" PRId64 ", expected 0 or 1", order);
  IG_TRY(ig_pool_shape(node, &window, &y));
  IG_TRY(ig_infer_set(node, 0, node->inputs[0]->dtype, &y));
  return ig_infer_set(node, 1, IG_I64, &y);
}

static void grad(const ig_grad *g) {
  ig_window window;
  ig_shape y;
  int64_t pads[2 * IG_WINDOW_AXES];
  ig_attr list[IG_WINDOW_ATTRS + 1];
  if (!g->dy[0] || ig_pool_shape(g->node, &window, &y) != IG_OK) return;
  ig_window_attr_list(&window, pads, list);
  list[IG_WINDOW_ATTRS] = IG_INT("ceil_mode", IG_ATTRS_OF(ig_pool_attrs, g->node)->ceil_mode);
  ig_node *again = ig_graph_node(g->graph, "ingot.MaxPool", NULL, IG_INS(g->node->inputs[0]),
                                 IG_COUNT(list), list, 2);
  if (!again) return;
  ig_attr back[IG_POOL_GRAD_ATTRS];
  ig_pool_grad_attrs(again, &window, pads, back);
  g->dx[0] = ig_op1(g->graph, "ingot.MaxPoolGrad", NULL, IG_INS(g->dy[0], again->outputs[1]),
                    IG_COUNT(back), back);
}

static const char *reject_indices(const ig_node *node) {
  bool rows = node->inputs[0]->layout == IG_LAYOUT_ROWS;
  return node->n_outputs > 1 && !rows ? "indices are for row-major memory" : NULL;
}

static const char *reject_lanes(const ig_node *node) {
  const char *reason = reject_indices(node);
  return reason ? reason : ig_pool_reject_lanes(node);
}

/* Channels last: positions are not for it. */
static const char *reject_bytes(const ig_node *node) {
  const ig_value *x = node->inputs[0];
  if (x->dtype != IG_I8 && x->dtype != IG_U8) return "not i8 or u8";
  if (x->layout != IG_LAYOUT_NHWC) return "not channels last";
  const char *reason = reject_indices(node);
  return reason ? reason : ig_pool_reject_layouts(node);
}

static const char *reject_reference(const ig_node *node) {
  const char *reason = reject_indices(node);
  return reason ? reason : ig_pool_reject_layouts(node);
}

static void indices(const ig_call *call, const ig_pool *pool) {
  if (call->node->n_outputs < 2) return;
  bool column_major = IG_ATTRS_OF(ig_pool_attrs, call->node)->storage_order == 1;
  ig_cpu_max_pool_indices(pool, call->in[0], column_major, call->out[1]);
}

static ig_status run_lanes(const ig_call *call) {
  ig_pool pool;
  IG_TRY(ig_pool_of(call->node, &pool));
  ig_cpu_max_pool_lanes(&pool, call->in[0], call->out[0], NULL);
  ig_zero_padding(call->node->outputs[0], call->out[0]);
  indices(call, &pool);
  return IG_OK;
}

static ig_status run_bytes(const ig_call *call) {
  ig_pool pool;
  IG_TRY(ig_pool_of(call->node, &pool));
  ig_cpu_max_pool_bytes(&pool, call->in[0], call->out[0]);
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  ig_pool pool;
  IG_TRY(ig_pool_of(call->node, &pool));
  ig_cpu_max_pool_reference(&pool, call->in[0], call->out[0], NULL);
  indices(call, &pool);
  return IG_OK;
}

static ig_status run_volume(const ig_call *call) {
  ig_pool pool;
  IG_TRY(ig_pool_of(call->node, &pool));
  ig_cpu_max_pool_volume(&pool, call->in[0], call->out[0], NULL);
  if (call->node->n_outputs < 2) return IG_OK;
  bool column_major = IG_ATTRS_OF(ig_pool_attrs, call->node)->storage_order == 1;
  ig_cpu_max_pool_volume_indices(&pool, call->in[0], column_major, call->out[1]);
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "lanes", .reject = reject_lanes, .run = run_lanes},
    {.name = "bytes", .reject = reject_bytes, .run = run_bytes},
    {.name = "volume", .reject = ig_pool_reject_volume, .run = run_volume},
    {.name = "reference", .reject = reject_reference, .run = run_reference},
    {0},
};

const ig_op ig_op_max_pool = {
    .name = "MaxPool",
    .since = 12,
    .n_in = {1, 1},
    .n_out = {1, 2},
    .flags = IG_OP_PURE | IG_OP_LAYOUT,
    .attrs = attrs,
    .attrs_size = sizeof(ig_pool_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_pool_cost,
    .impls = impls,
};
