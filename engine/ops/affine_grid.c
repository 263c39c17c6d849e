/* AffineGrid: a regular grid from -1 to 1 moved by matrices theta [N, axes, axes + 1], for GridSample. */
#include "engine/ops/affine_grid.h"

const ig_attr_field ig_affine_grid_fields[] = {
    IG_FIELD_INT(ig_affine_grid_attrs, align_corners, 0), {0}};

const ig_twin ig_affine_grid_twin = {
    .op = "ingot.AffineGridGrad", .n_in = 2, .n_out = 1, .wrt = 1};

ig_status ig_affine_grid_shape(const ig_node *node, ig_shape *out) {
  const ig_shape *theta = &node->inputs[0]->shape;
  int64_t size[IG_MAX_RANK];
  int n;
  IG_TRY(ig_require_float(node, 0));
  IG_TRY(ig_value_const_ints(node->inputs[1], "size", IG_MAX_RANK, size, &n));
  IG_CHECK((n == 4 || n == 5) && theta->rank == 3 && theta->dims[0] == size[0] &&
               theta->dims[1] == n - 2 && theta->dims[2] == n - 1,
           IG_ERR_SHAPE, "theta %s does not fit a size of %d numbers", IG_SHAPE_STR(theta), n);
  *out = (ig_shape){.rank = n, .dims = {size[0]}};
  for (int d = 2; d < n; d++) out->dims[d - 1] = size[d];
  out->dims[n - 1] = n - 2;
  return IG_OK;
}

void ig_affine_grid_point(const ig_node *node, const ig_shape *out, int64_t i, double point[4]) {
  bool corners = IG_ATTRS_OF(ig_affine_grid_attrs, node)->align_corners != 0;
  int axes = out->rank - 2;
  for (int k = 0; k < axes; k++) {
    double length = (double)out->dims[axes - k], at = (double)(i % out->dims[axes - k]);
    i /= out->dims[axes - k];
    point[k] = !corners ? (2 * at + 1) / length - 1 : length > 1 ? 2 * at / (length - 1) - 1 : -1;
  }
  point[axes] = 1;
}

static ig_status infer(ig_node *node) {
  ig_shape y;
  IG_TRY(ig_affine_grid_shape(node, &y));
  return ig_infer_set(node, 0, node->inputs[0]->dtype, &y);
}

static void grad(const ig_grad *g) {
  ig_twin_grad(&ig_affine_grid_twin, g);
}

static ig_status work(const ig_node *node, const ig_doubles *d) {
  const ig_shape *y = &node->outputs[0]->shape;
  int64_t axes = y->rank - 2, area = ig_shape_span(y, 1, y->rank - 1);
  for (int64_t p = 0; p < y->dims[0] * area; p++) {
    const double *theta = d->in[0] + p / area * axes * (axes + 1);
    double point[4];
    ig_affine_grid_point(node, y, p % area, point);
    for (int64_t i = 0; i < axes; i++) {
      for (int64_t j = 0; j <= axes; j++) d->out[0][p * axes + i] += theta[i * (axes + 1) + j] * point[j];
    }
  }
  return IG_OK;
}

static ig_cost cost(const ig_node *node) {
  return (ig_cost){8.0 * (double)ig_value_count(node->outputs[0]), ig_cost_copy(node).bytes};
}

IG_DOUBLES_IMPLS(work)

const ig_op ig_op_affine_grid = {
    .name = "AffineGrid",
    .since = 20,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_affine_grid_fields,
    .attrs_size = sizeof(ig_affine_grid_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
