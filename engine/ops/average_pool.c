/* AveragePool: the mean of each window, over the elements inside the input or, with
 * count_include_pad, over the pads as well (never over what ceil_mode adds beyond them). */
#include "engine/ops/pooling.h"

static const ig_attr_field attrs[] = {
    IG_WINDOW_FIELDS(ig_pool_attrs),
    IG_FIELD_INT(ig_pool_attrs, ceil_mode, 0),
    IG_FIELD_INT(ig_pool_attrs, count_include_pad, 0),
    {0},
};

static ig_status infer(ig_node *node) {
  ig_window window;
  ig_shape y;
  IG_TRY(ig_require_float(node, 0));
  IG_TRY(ig_pool_shape(node, &window, &y));
  return ig_infer_set(node, 0, node->inputs[0]->dtype, &y);
}

static void grad(const ig_grad *g) {
  ig_window window;
  ig_shape y;
  int64_t pads[2 * IG_WINDOW_AXES];
  ig_attr list[IG_POOL_GRAD_ATTRS];
  if (!g->dy[0] || ig_pool_shape(g->node, &window, &y) != IG_OK) return;
  ig_pool_grad_attrs(g->node, &window, pads, list);
  g->dx[0] =
      ig_op1(g->graph, "ingot.AveragePoolGrad", NULL, IG_INS(g->dy[0]), IG_COUNT(list), list);
}

static ig_status run_lanes(const ig_call *call) {
  ig_pool pool;
  IG_TRY(ig_pool_of(call->node, &pool));
  ig_cpu_mean_pool_lanes(&pool, call->in[0], call->out[0]);
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  ig_pool pool;
  IG_TRY(ig_pool_of(call->node, &pool));
  ig_cpu_mean_pool_reference(&pool, call->in[0], call->out[0]);
  return IG_OK;
}

static ig_status run_volume(const ig_call *call) {
  ig_pool pool;
  IG_TRY(ig_pool_of(call->node, &pool));
  ig_cpu_mean_pool_volume(&pool, call->in[0], call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "lanes", .reject = ig_pool_reject_lanes, .run = run_lanes},
    {.name = "volume", .reject = ig_pool_reject_volume, .run = run_volume},
    {.name = "reference", .reject = ig_pool_reject_layouts, .run = run_reference},
    {0},
};

const ig_op ig_op_average_pool = {
    .name = "AveragePool",
    .since = 19,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_LAYOUT,
    .attrs = attrs,
    .attrs_size = sizeof(ig_pool_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_pool_cost,
    .impls = impls,
};
