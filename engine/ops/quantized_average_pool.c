/* ingot.QuantizedAveragePool: AveragePool of 8-bit codes, as codes or f32. Pads that count are zeros. */
#include "engine/ops/pooling.h"
#include "engine/ops/quantized.h"

typedef struct pool_attrs {
  ig_pool_attrs pool; /* first, as ig_pool_of reads it */
  float x_scale, y_scale;
  int64_t x_zero, y_zero, to;
} pool_attrs;

static const ig_attr_field attrs[] = {
    IG_WINDOW_FIELDS(ig_pool_attrs),
    IG_FIELD_INT(ig_pool_attrs, ceil_mode, 0),
    IG_FIELD_INT(ig_pool_attrs, count_include_pad, 0),
    IG_FIELD_FLOAT(pool_attrs, x_scale, 1),
    IG_FIELD_FLOAT(pool_attrs, y_scale, 1),
    IG_FIELD_INT(pool_attrs, x_zero, 0),
    IG_FIELD_INT(pool_attrs, y_zero, 0),
    IG_FIELD_INT(pool_attrs, to, 1),
    {0},
};

static ig_status infer(ig_node *node) {
  const pool_attrs *a = IG_ATTRS_OF(pool_attrs, node);
  ig_window window;
  ig_shape y;
  ig_dtype dtype;
  IG_TRY(ig_pool_shape(node, &window, &y));
  IG_CHECK(y.rank <= 4, IG_ERR_UNSUPPORTED, "expected [N, C, W] or [N, C, H, W], found %s",
           IG_SHAPE_STR(&node->inputs[0]->shape));
  IG_TRY(ig_quantized_check(node->inputs[0], "input 0", a->x_scale, a->x_zero));
  IG_TRY(ig_quantized_result(a->to, a->y_scale, a->y_zero, &dtype));
  return ig_infer_set(node, 0, dtype, &y);
}

typedef void pool_kernel(const ig_pool *pool, const ig_codes *x, const ig_codes *y,
                         const void *x_codes, void *y_codes);

static ig_status run(const ig_call *call, pool_kernel *kernel) {
  const ig_node *node = call->node;
  const pool_attrs *a = IG_ATTRS_OF(pool_attrs, node);
  const ig_codes x = {node->inputs[0]->dtype, a->x_scale, (int32_t)a->x_zero};
  const ig_codes y = {node->outputs[0]->dtype, a->y_scale, (int32_t)a->y_zero};
  ig_pool pool;
  IG_TRY(ig_pool_of(node, &pool));
  kernel(&pool, &x, &y, call->in[0], call->out[0]);
  return IG_OK;
}

static ig_status run_channels(const ig_call *call) {
  return run(call, ig_cpu_quantized_mean_pool);
}

static ig_status run_reference(const ig_call *call) {
  return run(call, ig_cpu_quantized_mean_pool_reference);
}

static const char *reject_reference(const ig_node *node) {
  if (node->inputs[0]->layout == IG_LAYOUT_BLOCK16) return "blocks of channels";
  return ig_pool_reject_layouts(node);
}

static const char *reject_channels(const ig_node *node) {
  if (node->inputs[0]->layout != IG_LAYOUT_NHWC) return "not channels last";
  return ig_pool_reject_layouts(node);
}

static const ig_impl impls[] = {
    {.name = "channels", .reject = reject_channels, .run = run_channels},
    {.name = "reference", .reject = reject_reference, .run = run_reference},
    {0},
};

const ig_op ig_op_quantized_average_pool = {
    .name = "ingot.QuantizedAveragePool",
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_LAYOUT,
    .attrs = attrs,
    .attrs_size = sizeof(pool_attrs),
    .infer = infer,
    .cost = ig_pool_cost,
    .impls = impls,
};
