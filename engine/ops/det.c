/* Det: determinants of square matrices [..., n, n]. */
#include "engine/ops/op.h"
#include "kernels/determinant.h"

static ig_status infer(ig_node *node) {
  ig_shape shape = node->inputs[0]->shape;
  int rank = shape.rank;
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(rank >= 2 && shape.dims[rank - 1] == shape.dims[rank - 2], IG_ERR_SHAPE,
           "input 0 must be square matrices, found %s", IG_SHAPE_STR(&shape));
  shape.rank -= 2;
  return ig_infer_set(node, 0, node->inputs[0]->dtype, &shape);
}

static void grad(const ig_grad *g) {
  g->dx[0] =
      ig_op1(g->graph, "ingot.DetGrad", NULL, IG_INS(g->dy[0], g->node->inputs[0]), IG_NO_ATTRS);
}

static int64_t order(const ig_node *node) {
  const ig_shape *shape = &node->inputs[0]->shape;
  return shape->dims[shape->rank - 1];
}

/* 2 n^3 / 3 for each matrix. */
static ig_cost cost(const ig_node *node) {
  double n = (double)order(node);
  ig_cost total = ig_cost_copy(node);
  total.flops = (double)ig_value_count(node->outputs[0]) * 2 * n * n * n / 3;
  return total;
}

static size_t workspace(const ig_node *node) {
  return ig_cpu_det_workspace(order(node));
}

static ig_status run(const ig_call *call) {
  ig_cpu_det(call->node->inputs[0]->dtype, ig_value_count(call->node->outputs[0]),
             order(call->node), call->in[0], call->out[0], call->workspace);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .workspace = workspace, .run = run}, {0}};

const ig_op ig_op_det = {
    .name = "Det",
    .since = 11,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
