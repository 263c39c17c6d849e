/* Clip: x limited to [min, max], which are optional scalar operands; where they cross, max holds. Integers
 * are compared as such.
 * The derivative is 1 on the closed range. */
#include <math.h>

#include "engine/ops/elementwise.h"

static ig_status infer(ig_node *node) {
  for (int i = 1; i < node->n_inputs; i++) {
    const ig_value *bound = node->inputs[i];
    if (!bound) continue;
    IG_CHECK(ig_value_count(bound) == 1 && bound->dtype == node->inputs[0]->dtype, IG_ERR_SHAPE,
             "bound %d must be one number of dtype %s, found %s%s", i,
             ig_dtype_name(node->inputs[0]->dtype), ig_dtype_name(bound->dtype),
             IG_SHAPE_STR(&bound->shape));
  }
  return ig_infer_unary_number(node);
}

#define BOUNDS ig_call_scalar(call, 1, -INFINITY), ig_call_scalar(call, 2, INFINITY)

static ig_status run_vector(const ig_call *call) {
  return ig_unary_vector(call, IG_UNARY_CLIP, BOUNDS);
}

static ig_status run_reference(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_value *y = node->outputs[0];
  if (ig_dtype_is_float(y->dtype)) return ig_unary_reference(call, IG_UNARY_CLIP, BOUNDS);
  ig_cpu_clip_int(y->dtype, call->in[0], node->n_inputs > 1 ? call->in[1] : NULL,
                  node->n_inputs > 2 ? call->in[2] : NULL, call->out[0], ig_storage_count(y));
  ig_zero_padding(y, call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "vector", .reject = ig_reject_unary_vector, .run = run_vector},
    {.name = "reference", .reject = ig_reject_unary_reference, .run = run_reference},
    {0},
};

/* The bounds get no gradient: they are limits, not weights. */
static void grad(const ig_grad *g) {
  ig_grad_unary(g, "Clip", 0);
}

const ig_op ig_op_clip = {
    .name = "Clip",
    .since = 13,
    .n_in = {1, 3},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
