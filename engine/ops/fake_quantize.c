/* ingot.FakeQuantize: x rounded to whole multiples of a scale between `low` and `high` of them, what
 * QuantizeLinear and DequantizeLinear would leave; a zero point z is in the bounds (kernels/fake_quantize.h).
 * Inputs: x, and the scale, one number or one for each place along `axis`, which training learns. The
 * gradient passes rounding straight through. `grad_scale` 0 is LSQ's 1 / sqrt(n high), n the numbers that
 * share a scale. */
#include "engine/ops/fake_quantize.h"

#include <math.h>

#define MOST_BOUND (1 << 22) /* that rounding by addition is right for */

const ig_attr_field ig_fake_quantize_fields[] = {
    IG_FIELD_INT(ig_fake_quantize_attrs, axis, 0),
    IG_FIELD_INT(ig_fake_quantize_attrs, low, -128),
    IG_FIELD_INT(ig_fake_quantize_attrs, high, 127),
    IG_FIELD_FLOAT(ig_fake_quantize_attrs, grad_scale, 0),
    {.name = NULL},
};

ig_status ig_fake_quantize_check(const ig_node *node, const ig_value *x, const ig_value *scale) {
  const ig_fake_quantize_attrs *a = IG_ATTRS_OF(ig_fake_quantize_attrs, node);
  IG_CHECK(x->dtype == IG_F32 && scale->dtype == IG_F32, IG_ERR_SHAPE,
           "x is %s and the scale %s, expected f32", ig_dtype_name(x->dtype),
           ig_dtype_name(scale->dtype));
  IG_CHECK(a->low >= -MOST_BOUND && a->low <= 0 && a->high > 0 && a->high <= MOST_BOUND, IG_ERR_USAGE,
           "bounds are %lld and %lld, expected low <= 0 < high, to %d in magnitude",
           (long long)a->low, (long long)a->high, MOST_BOUND);
  IG_CHECK(a->grad_scale >= 0 && isfinite(a->grad_scale), IG_ERR_USAGE,
           "grad_scale is %g, expected at least 0", (double)a->grad_scale);
  if (scale->shape.rank == 0) return IG_OK;
  int axis = ig_shape_axis(&x->shape, a->axis);
  IG_CHECK(axis >= 0 && scale->shape.rank == 1 && scale->shape.dims[0] == x->shape.dims[axis],
           IG_ERR_SHAPE, "scale has shape %s, expected one number or one for each place of axis %lld of %s",
           IG_SHAPE_STR(&scale->shape), (long long)a->axis, IG_SHAPE_STR(&x->shape));
  return IG_OK;
}

ig_fake_quantize ig_fake_quantize_of(const ig_node *node, const ig_value *x,
                                     const ig_value *scale) {
  const ig_fake_quantize_attrs *a = IG_ATTRS_OF(ig_fake_quantize_attrs, node);
  ig_fake_quantize q = {.outer = 1,
                        .channels = 1,
                        .inner = ig_value_count(x),
                        .low = (float)a->low,
                        .high = (float)a->high,
                        .grad_scale = a->grad_scale};
  if (scale->shape.rank == 1) {
    int axis = ig_shape_axis(&x->shape, a->axis);
    q.outer = ig_shape_span(&x->shape, 0, axis);
    q.channels = x->shape.dims[axis];
    q.inner = ig_shape_span(&x->shape, axis + 1, x->shape.rank);
  }
  double shared = (double)q.outer * (double)q.inner * (double)q.high;
  if (q.grad_scale == 0) q.grad_scale = shared > 0 ? (float)(1 / sqrt(shared)) : 1.0f;
  return q;
}

static ig_status infer(ig_node *node) {
  IG_TRY(ig_fake_quantize_check(node, node->inputs[0], node->inputs[1]));
  return ig_infer_set(node, 0, IG_F32, &node->inputs[0]->shape);
}

static void grad(const ig_grad *g) {
  ig_attr attrs[4];
  const ig_fake_quantize_attrs *a = IG_ATTRS_OF(ig_fake_quantize_attrs, g->node);
  attrs[0] = IG_INT("axis", a->axis);
  attrs[1] = IG_INT("low", a->low);
  attrs[2] = IG_INT("high", a->high);
  attrs[3] = IG_FLOAT("grad_scale", a->grad_scale);
  ig_node *node = ig_graph_node(g->graph, "ingot.FakeQuantizeGrad", NULL,
                                IG_INS(g->dy[0], g->node->inputs[0], g->node->inputs[1]), 4, attrs,
                                2);
  if (!node) return;
  if (g->need[0]) g->dx[0] = node->outputs[0];
  if (g->need[1]) g->dx[1] = node->outputs[1];
}

static ig_status run(const ig_call *call) {
  const ig_node *node = call->node;
  ig_fake_quantize q = ig_fake_quantize_of(node, node->inputs[0], node->inputs[1]);
  ig_cpu_fake_quantize(&q, call->in[0], call->in[1], call->out[0]);
  return IG_OK;
}

/* A division, two comparisons, rounding, a product. */
static ig_cost cost(const ig_node *node) {
  return (ig_cost){5.0 * (double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl impls[] = {{.name = "simd", .run = run}, {0}};

const ig_op ig_op_fake_quantize = {
    .name = "ingot.FakeQuantize",
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_INPLACE,
    .attrs = ig_fake_quantize_fields,
    .attrs_size = sizeof(ig_fake_quantize_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
