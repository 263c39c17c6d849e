/* Expand: repeats the input up to the broadcast of its shape and the constant `shape`. */
#include "engine/ops/op.h"
#include "kernels/movement.h"

static ig_status expand_infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  ig_shape wanted = {.rank = 0}, out;
  IG_TRY(ig_value_const_ints(node->inputs[1], "shape", IG_MAX_RANK, wanted.dims, &wanted.rank));
  IG_TRY(ig_shape_check(&wanted, x->dtype));
  IG_CHECK(ig_shape_broadcast(&x->shape, &wanted, &out), IG_ERR_SHAPE,
           "%s does not broadcast with %s", IG_SHAPE_STR(&x->shape), IG_SHAPE_STR(&wanted));
  return ig_infer_set(node, 0, x->dtype, &out);
}

static void expand_grad(const ig_grad *grad) {
  grad->dx[0] = ig_grad_unbroadcast(grad->graph, grad->dy[0], grad->node->inputs[0]);
}

static ig_status expand_run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0], *y = call->node->outputs[0];
  int64_t from[IG_MAX_RANK], to[IG_MAX_RANK];
  ig_shape_broadcast_strides(&x->shape, &y->shape, from);
  ig_shape_strides(&y->shape, to);
  ig_cpu_strided_copy(ig_dtype_size(x->dtype), y->shape.rank, y->shape.dims, call->in[0], from,
                      call->out[0], to);
  return IG_OK;
}

static const ig_impl expand_impls[] = {
    {.name = "cpu",      .device = IG_CPU, .run = expand_run},
    {.name = NULL},
};

const ig_op ig_op_expand = {
    .name = "Expand",
    .since = 13,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .infer = expand_infer,
    .grad = expand_grad,
    .cost = ig_cost_copy,
    .impls = expand_impls,
};
