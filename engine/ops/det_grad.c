/* ingot.DetGrad: dx of Det from (dy, x): dy times the cofactors of x, also where x is singular. */
#include "engine/ops/op.h"
#include "kernels/determinant.h"

static ig_status infer(ig_node *node) {
  const ig_value *dy = node->inputs[0], *x = node->inputs[1];
  ig_shape batch = x->shape;
  int rank = batch.rank;
  IG_TRY(ig_require_float(node, 1));
  IG_CHECK(rank >= 2 && batch.dims[rank - 1] == batch.dims[rank - 2], IG_ERR_SHAPE,
           "input 1 must be square matrices, found %s", IG_SHAPE_STR(&batch));
  batch.rank -= 2;
  IG_CHECK(dy->dtype == x->dtype && ig_shape_equal(&dy->shape, &batch), IG_ERR_SHAPE,
           "dy must be %s%s, found %s%s", ig_dtype_name(x->dtype), IG_SHAPE_STR(&batch),
           ig_dtype_name(dy->dtype), IG_SHAPE_STR(&dy->shape));
  return ig_infer_set(node, 0, x->dtype, &x->shape);
}

static int64_t order(const ig_node *node) {
  const ig_shape *shape = &node->inputs[1]->shape;
  return shape->dims[shape->rank - 1];
}

/* 2 n^3 / 3 for the factors and 2 n^2 for each column of the adjugate. */
static ig_cost cost(const ig_node *node) {
  double n = (double)order(node);
  ig_cost total = ig_cost_copy(node);
  total.flops = (double)ig_value_count(node->inputs[0]) * 8 * n * n * n / 3;
  return total;
}

static size_t workspace(const ig_node *node) {
  return ig_cpu_det_workspace(order(node));
}

static ig_status run(const ig_call *call) {
  ig_cpu_det_grad(call->node->inputs[1]->dtype, ig_value_count(call->node->inputs[0]),
                  order(call->node), call->in[0], call->in[1], call->out[0], call->workspace);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .workspace = workspace, .run = run}, {0}};

const ig_op ig_op_det_grad = {
    .name = "ingot.DetGrad",
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
