/* ingot.FakeQuantizeGrad: inputs dy, x, scale of ingot.FakeQuantize; outputs dx and dscale, as
 * kernels/fake_quantize.h says. */
#include "engine/ops/fake_quantize.h"

static ig_status infer(ig_node *node) {
  const ig_value *dy = node->inputs[0], *x = node->inputs[1], *scale = node->inputs[2];
  IG_CHECK(dy->dtype == x->dtype && ig_shape_equal(&dy->shape, &x->shape), IG_ERR_SHAPE,
           "dy %s differs from x %s", IG_SHAPE_STR(&dy->shape), IG_SHAPE_STR(&x->shape));
  IG_TRY(ig_fake_quantize_check(node, x, scale));
  IG_TRY(ig_infer_set(node, 0, IG_F32, &x->shape));
  return ig_infer_set(node, 1, IG_F32, &scale->shape);
}

static size_t workspace(const ig_node *node) {
  ig_fake_quantize q = ig_fake_quantize_of(node, node->inputs[1], node->inputs[2]);
  return ig_cpu_fake_quantize_grad_workspace(&q);
}

static ig_status run(const ig_call *call) {
  const ig_node *node = call->node;
  ig_fake_quantize q = ig_fake_quantize_of(node, node->inputs[1], node->inputs[2]);
  ig_cpu_fake_quantize_grad(&q, call->in[0], call->in[1], call->in[2], call->out[0], call->out[1],
                            call->workspace);
  return IG_OK;
}

static ig_cost cost(const ig_node *node) {
  return (ig_cost){8.0 * (double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl impls[] = {{.name = "simd", .workspace = workspace, .run = run}, {0}};

const ig_op ig_op_fake_quantize_grad = {
    .name = "ingot.FakeQuantizeGrad",
    .n_in = {3, 3},
    .n_out = {2, 2},
    .flags = IG_OP_PURE | IG_OP_INPLACE,
    .attrs = ig_fake_quantize_fields,
    .attrs_size = sizeof(ig_fake_quantize_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
