/* ingot.MaxUnpoolGrad: the gradient of MaxUnpool's input, read where its element was put. */
#include "engine/ops/max_unpool.h"

static ig_status infer(ig_node *node) {
  ig_shape counted, result;
  IG_TRY(ig_max_unpool_shapes(node, &counted, &result));
  return ig_twin_infer(&ig_max_unpool_twin, node, &result);
}

static ig_status work(const ig_node *node, const ig_doubles *d) {
  ig_shape counted, result;
  IG_TRY(ig_max_unpool_shapes(node, &counted, &result));
  for (int64_t i = 0; i < ig_value_count(node->inputs[0]); i++) {
    int64_t place = ig_max_unpool_place(&counted, &result, d->in[1][i]);
    IG_CHECK(place >= 0, IG_ERR_INPUT, "index %g is outside %s", d->in[1][i],
             IG_SHAPE_STR(&counted));
    d->out[0][i] = d->in[3][place];
  }
  return IG_OK;
}

IG_DOUBLES_IMPLS(work)

const ig_op ig_op_max_unpool_grad = {
    .name = "ingot.MaxUnpoolGrad",
    .n_in = {2, 4},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_max_unpool_fields,
    .attrs_size = sizeof(ig_max_unpool_attrs),
    .infer = infer,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
