/* ingot.DropoutGrad: dy where the mask kept, scaled as the output was. Inputs dy, mask, training_mode
 * and ratio, the latter two as in Dropout. */
#include "kernels/dropout.h"

#include "engine/ops/op.h"

static ig_status dropout_grad_infer(ig_node *node) {
  const ig_value *dy = node->inputs[0], *mask = node->inputs[1];
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(mask->dtype == IG_BOOL && ig_shape_equal(&mask->shape, &dy->shape), IG_ERR_SHAPE,
           "the mask must be bool %s, found %s %s", IG_SHAPE_STR(&dy->shape),
           ig_dtype_name(mask->dtype), IG_SHAPE_STR(&mask->shape));
  return ig_infer_same(node);
}

static void dropout_grad_grad(const ig_grad *grad) {
  const ig_node *node = grad->node;
  ig_value *const *in = node->inputs;
  grad->dx[0] =
      ig_op1(grad->graph, "ingot.DropoutGrad", NULL,
             IG_INS(grad->dy[0], in[1], in[2], node->n_inputs > 3 ? in[3] : NULL), IG_NO_ATTRS);
}

static ig_status dropout_grad_run(const ig_call *call) {
  const ig_node *node = call->node;
  bool training = *(const uint8_t *)call->in[2];
  double ratio = node->n_inputs > 3 ? ig_load_f64(node->inputs[3]->dtype, call->in[3], 0) : 0.5;
  ig_cpu_masked_scale(node->inputs[0]->dtype, call->in[0], call->in[1],
                      training ? 1 / (1 - ratio) : 1, ig_value_count(node->inputs[0]),
                      call->out[0]);
  return IG_OK;
}

static const ig_impl dropout_grad_impls[] = {
    {.name = "cpu",            .device = IG_CPU, .run = dropout_grad_run},
    {.name = NULL},
};

const ig_op ig_op_dropout_grad = {
    .name = "ingot.DropoutGrad",
    .n_in = {3, 4},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_INPLACE,
    .infer = dropout_grad_infer,
    .grad = dropout_grad_grad,
    .cost = ig_cost_elementwise,
    .impls = dropout_grad_impls,
};
