/* ingot.GridSampleGrad: the gradients of what was sampled and of the grid, from X, the grid and dY. */
#include "engine/ops/grid_sample.h"

static ig_status infer(ig_node *node) {
  ig_shape y;
  IG_TRY(ig_grid_sample_shape(node, &y));
  return ig_twin_infer(&ig_grid_sample_twin, node, &y);
}

typedef struct writing {
  const double *x, *dy;
  double *dx, *dgrid;
  int64_t channels, area, out_area;
  int axes;
} writing;

static void write(void *context, int64_t offset, double weight, const double *slope) {
  writing *w = context;
  for (int64_t c = 0; c < w->channels; c++) {
    double dy = w->dy[c * w->out_area];
    if (w->dx) w->dx[c * w->area + offset] += weight * dy;
    for (int i = 0; i < w->axes; i++) w->dgrid[i] += slope[i] * dy * w->x[c * w->area + offset];
  }
}

static ig_status work(const ig_node *node, const ig_doubles *d) {
  const ig_shape *x = &node->inputs[0]->shape, *dy = &node->inputs[2]->shape;
  double *dx = ig_twin_out(&ig_grid_sample_twin, node, d, 0);
  double *dgrid = ig_twin_out(&ig_grid_sample_twin, node, d, 1);
  writing w = {.channels = x->dims[1],
               .area = ig_shape_span(x, 2, x->rank),
               .out_area = ig_shape_span(dy, 2, dy->rank),
               .axes = x->rank - 2};
  for (int64_t p = 0; p < x->dims[0] * w.out_area; p++) {
    int64_t n = p / w.out_area, from = n * w.channels * w.area;
    w.x = d->in[0] + from;
    w.dx = dx ? dx + from : NULL;
    w.dy = d->in[2] + n * w.channels * w.out_area + p % w.out_area;
    w.dgrid = dgrid + p * w.axes;
    ig_grid_visit_taps(node, d->in[1], p, write, &w);
  }
  return IG_OK;
}

static ig_cost cost(const ig_node *node) {
  return (ig_cost){64.0 * (double)ig_value_count(node->inputs[2]), ig_cost_copy(node).bytes};
}

IG_DOUBLES_IMPLS(work)

const ig_op ig_op_grid_sample_grad = {
    .name = "ingot.GridSampleGrad",
    .n_in = {3, 3},
    .n_out = {1, 2},
    .flags = IG_OP_PURE,
    .attrs = ig_grid_sample_fields,
    .attrs_size = sizeof(ig_grid_sample_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
