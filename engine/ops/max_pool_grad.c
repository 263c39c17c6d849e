/* ingot.MaxPoolGrad: dX from dY and the taps of ingot.MaxPool; `shape` holds the input's spatial
 * dims. */
#include "engine/ops/pooling.h"

static const ig_attr_field attrs[] = {
    IG_WINDOW_FIELDS(ig_pool_attrs),
    IG_FIELD_INT(ig_pool_attrs, ceil_mode, 0),
    IG_FIELD_INT(ig_pool_attrs, count_include_pad, 0),
    IG_FIELD_INTS(ig_pool_attrs, shape),
    {0},
};

static ig_status infer(ig_node *node) {
  ig_window window;
  ig_shape dx;
  IG_TRY(ig_pool_grad_shape(node, &window, &dx));
  const ig_value *dy = node->inputs[0], *taps = node->inputs[1];
  IG_CHECK(taps->dtype == IG_U8 && ig_shape_equal(&taps->shape, &dy->shape), IG_ERR_SHAPE,
           "taps of %s%s, expected u8%s", ig_dtype_name(taps->dtype), IG_SHAPE_STR(&taps->shape),
           IG_SHAPE_STR(&dy->shape));
  return ig_infer_set(node, 0, dy->dtype, &dx);
}

static ig_status run_lanes(const ig_call *call) {
  ig_pool pool;
  IG_TRY(ig_pool_grad_of(call->node, &pool));
  ig_cpu_max_pool_grad_lanes(&pool, call->in[0], call->in[1], call->out[0]);
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  ig_pool pool;
  IG_TRY(ig_pool_grad_of(call->node, &pool));
  ig_cpu_max_pool_grad_reference(&pool, call->in[0], call->in[1], call->out[0]);
  return IG_OK;
}

static ig_status run_volume(const ig_call *call) {
  ig_pool pool;
  IG_TRY(ig_pool_grad_of(call->node, &pool));
  ig_cpu_pool_volume_grad(&pool, call->in[0], call->in[1], call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "lanes", .reject = ig_pool_reject_grad_lanes, .run = run_lanes},
    {.name = "volume", .reject = ig_pool_reject_volume, .run = run_volume},
    {.name = "reference", .reject = ig_pool_reject_layouts, .run = run_reference},
    {0},
};

const ig_op ig_op_max_pool_grad = {
    .name = "ingot.MaxPoolGrad",
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_LAYOUT,
    .attrs = attrs,
    .attrs_size = sizeof(ig_pool_attrs),
    .infer = infer,
    .cost = ig_pool_cost,
    .impls = impls,
};
