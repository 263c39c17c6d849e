/* ingot.AffineGridGrad: the gradient of the matrices, a sum over the grid. */
#include "engine/ops/affine_grid.h"

static ig_status infer(ig_node *node) {
  ig_shape y;
  IG_TRY(ig_affine_grid_shape(node, &y));
  return ig_twin_infer(&ig_affine_grid_twin, node, &y);
}

static ig_status work(const ig_node *node, const ig_doubles *d) {
  const ig_shape *y = &node->inputs[2]->shape;
  int64_t axes = y->rank - 2, area = ig_shape_span(y, 1, y->rank - 1);
  for (int64_t p = 0; p < y->dims[0] * area; p++) {
    double *theta = d->out[0] + p / area * axes * (axes + 1), point[4];
    ig_affine_grid_point(node, y, p % area, point);
    for (int64_t i = 0; i < axes; i++) {
      for (int64_t j = 0; j <= axes; j++) theta[i * (axes + 1) + j] += d->in[2][p * axes + i] * point[j];
    }
  }
  return IG_OK;
}

static ig_cost cost(const ig_node *node) {
  return (ig_cost){8.0 * (double)ig_value_count(node->inputs[2]), ig_cost_copy(node).bytes};
}

IG_DOUBLES_IMPLS(work)

const ig_op ig_op_affine_grid_grad = {
    .name = "ingot.AffineGridGrad",
    .n_in = {3, 3},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_affine_grid_fields,
    .attrs_size = sizeof(ig_affine_grid_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
