/* ingot.MaxPool: MaxPool whose second output tells, in one byte each, which element of its window a
 * maximum was. That is all the gradient needs: neither input nor result has to be kept for it. */
#include "engine/ops/elementwise.h"
#include "engine/ops/pooling.h"

static const ig_attr_field attrs[] = {
    IG_WINDOW_FIELDS(ig_pool_attrs),
    IG_FIELD_INT(ig_pool_attrs, ceil_mode, 0),
    {0},
};

static ig_status infer(ig_node *node) {
  ig_window window;
  ig_shape y;
  IG_TRY(ig_require_float(node, 0));
  IG_TRY(ig_pool_shape(node, &window, &y));
  int64_t taps = 1;
  for (int i = 0; i < IG_WINDOW_AXES && taps <= IG_POOL_MOST_TAPS; i++) {
    taps *= IG_MIN(window.kernel[i], IG_POOL_MOST_TAPS + 1);
  }
  IG_CHECK(taps <= IG_POOL_MOST_TAPS, IG_ERR_UNSUPPORTED, "no gradient for windows of more than %d elements",
           IG_POOL_MOST_TAPS);
  IG_TRY(ig_infer_set(node, 0, node->inputs[0]->dtype, &y));
  return ig_infer_set(node, 1, IG_U8, &y);
}

static void grad(const ig_grad *g) {
  ig_window window;
  ig_shape y;
  int64_t pads[2 * IG_WINDOW_AXES];
  ig_attr list[IG_POOL_GRAD_ATTRS];
  if (!g->dy[0] || ig_pool_shape(g->node, &window, &y) != IG_OK) return;
  ig_pool_grad_attrs(g->node, &window, pads, list);
  g->dx[0] = ig_op1(g->graph, "ingot.MaxPoolGrad", NULL, IG_INS(g->dy[0], g->node->outputs[1]),
                    IG_COUNT(list), list);
}

static ig_status run_lanes(const ig_call *call) {
  ig_pool pool;
  IG_TRY(ig_pool_of(call->node, &pool));
  ig_cpu_max_pool_lanes(&pool, call->in[0], call->out[0], call->out[1]);
  for (int i = 0; i < 2; i++) ig_zero_padding(call->node->outputs[i], call->out[i]);
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  ig_pool pool;
  IG_TRY(ig_pool_of(call->node, &pool));
  ig_cpu_max_pool_reference(&pool, call->in[0], call->out[0], call->out[1]);
  return IG_OK;
}

static ig_status run_volume(const ig_call *call) {
  ig_pool pool;
  IG_TRY(ig_pool_of(call->node, &pool));
  ig_cpu_max_pool_volume(&pool, call->in[0], call->out[0], call->out[1]);
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "lanes", .reject = ig_pool_reject_lanes, .run = run_lanes},
    {.name = "volume", .reject = ig_pool_reject_volume, .run = run_volume},
    {.name = "reference", .reject = ig_pool_reject_layouts, .run = run_reference},
    {0},
};

const ig_op ig_op_max_pool_taps = {
    .name = "ingot.MaxPool",
    .n_in = {1, 1},
    .n_out = {2, 2},
    .flags = IG_OP_PURE | IG_OP_LAYOUT,
    .attrs = attrs,
    .attrs_size = sizeof(ig_pool_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_pool_cost,
    .impls = impls,
};
