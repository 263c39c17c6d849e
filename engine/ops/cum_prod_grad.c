/* ingot.CumProdGrad: dx of CumProd from (dy, x, axis). */
#include "engine/ops/cumulative.h"

static ig_status infer(ig_node *node) {
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(node->inputs[0]->dtype == node->inputs[1]->dtype &&
               ig_shape_equal(&node->inputs[0]->shape, &node->inputs[1]->shape),
           IG_ERR_SHAPE, "dy is %s%s where x is %s%s", ig_dtype_name(node->inputs[0]->dtype),
           IG_SHAPE_STR(&node->inputs[0]->shape), ig_dtype_name(node->inputs[1]->dtype),
           IG_SHAPE_STR(&node->inputs[1]->shape));
  return ig_cumulative_infer(node, 2);
}

static ig_status run(const ig_call *call) {
  ig_scan scan;
  IG_TRY(ig_cumulative_scan(call, 2, true, &scan));
  ig_cpu_scan_product_grad(call->node->inputs[0]->dtype, &scan, call->in[0], call->in[1],
                           call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_cum_prod_grad = {
    .name = "ingot.CumProdGrad",
    .n_in = {3, 3},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_cumulative_fields,
    .attrs_size = sizeof(ig_cumulative_attrs),
    .infer = infer,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
