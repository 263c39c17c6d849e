/* ingot.CausalConvWithStateGrad: gradients of input, filter, bias and past state. */
#include "engine/ops/causal_conv_with_state.h"

#include <math.h>

static ig_status infer(ig_node *node) {
  ig_shape shapes[2];
  int64_t kernel;
  bool silu;
  IG_TRY(ig_causal_conv_describe(node, shapes, &kernel, &silu));
  return ig_twin_infer(&ig_causal_conv_twin, node, shapes);
}

/* Element t of a row: dy through the activation, then to everything it was made of. */
static void element(const ig_node *node, const ig_doubles *d, int64_t row, int64_t t, bool silu) {
  const ig_twin *twin = &ig_causal_conv_twin;
  int64_t length = node->inputs[0]->shape.dims[2], kernel = node->inputs[1]->shape.dims[2];
  int64_t c = row % node->inputs[0]->shape.dims[1];
  double *past = (double *)(uintptr_t)d->in[3], *input = (double *)(uintptr_t)d->in[0];
  double *dx = ig_twin_out(twin, node, d, 0), *dw = ig_twin_out(twin, node, d, 1);
  double *db = ig_twin_out(twin, node, d, 2), *dpast = ig_twin_out(twin, node, d, 3);
  double dy = d->in[4] ? d->in[4][row * length + t] : 0, y = d->in[2] ? d->in[2][c] : 0;
  for (int64_t k = 0; k < kernel && silu; k++) {
    const double *v = ig_causal_conv_at(past, input, row, length, kernel, t + k);
    y += v ? *v * d->in[1][c * kernel + k] : 0;
  }
  double s = 1 / (1 + exp(-y));
  if (silu) dy *= s * (1 + y * (1 - s));
  if (db) db[c] += dy;
  for (int64_t k = 0; k < kernel; k++) {
    const double *v = ig_causal_conv_at(past, input, row, length, kernel, t + k);
    double *dv = ig_causal_conv_at(dpast, dx, row, length, kernel, t + k);
    if (v) dw[c * kernel + k] += dy * *v;
    if (dv) *dv += dy * d->in[1][c * kernel + k];
  }
}

static ig_status work(const ig_node *node, const ig_doubles *d) {
  const ig_twin *twin = &ig_causal_conv_twin;
  const ig_shape *x = &node->inputs[0]->shape;
  ig_shape shapes[2];
  int64_t kernel, length = x->dims[2];
  bool silu;
  IG_TRY(ig_causal_conv_describe(node, shapes, &kernel, &silu));
  double *dx = ig_twin_out(twin, node, d, 0), *dpast = ig_twin_out(twin, node, d, 3);
  for (int64_t row = 0; row < x->dims[0] * x->dims[1]; row++) {
    for (int64_t t = 0; t < length; t++) element(node, d, row, t, silu);
    for (int64_t i = 0; i < kernel - 1 && d->in[5]; i++) {
      double *dv = ig_causal_conv_at(dpast, dx, row, length, kernel, length + i);
      if (dv) *dv += d->in[5][row * (kernel - 1) + i];
    }
  }
  return IG_OK;
}

static ig_cost cost(const ig_node *node) {
  double kernel = (double)node->inputs[1]->shape.dims[2];
  return (ig_cost){6 * kernel * (double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}

IG_DOUBLES_IMPLS(work)

const ig_op ig_op_causal_conv_with_state_grad = {
    .name = "ingot.CausalConvWithStateGrad",
    .n_in = {2, 6},
    .n_out = {2, 4},
    .flags = IG_OP_PURE,
    .attrs = ig_causal_conv_fields,
    .attrs_size = sizeof(ig_causal_conv_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
