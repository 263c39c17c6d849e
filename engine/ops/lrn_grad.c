/* ingot.LRNGrad: dx of LRN from (dy, x). */
#include "engine/ops/lrn.h"

static ig_status infer(ig_node *node) {
  IG_CHECK(node->inputs[0]->dtype == node->inputs[1]->dtype &&
               ig_shape_equal(&node->inputs[0]->shape, &node->inputs[1]->shape),
           IG_ERR_SHAPE, "dy is %s%s where x is %s%s", ig_dtype_name(node->inputs[0]->dtype),
           IG_SHAPE_STR(&node->inputs[0]->shape), ig_dtype_name(node->inputs[1]->dtype),
           IG_SHAPE_STR(&node->inputs[1]->shape));
  return ig_lrn_infer(node);
}

static ig_status run(const ig_call *call) {
  ig_rows rows;
  ig_lrn lrn = ig_lrn_of(call->node, &rows);
  ig_cpu_lrn_grad(call->node->inputs[0]->dtype, &lrn, &rows, call->in[0], call->in[1],
                  call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_lrn_grad = {
    .name = "ingot.LRNGrad",
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_lrn_fields,
    .attrs_size = sizeof(ig_lrn_attrs),
    .infer = infer,
    .cost = ig_lrn_cost,
    .impls = impls,
};
