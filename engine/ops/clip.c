/* Clip: x limited to [min, max], which are optional scalar operands; where they cross, max holds.
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

IG_UNARY_IMPLS(IG_UNARY_CLIP, ig_call_scalar(call, 1, -INFINITY), ig_call_scalar(call, 2, INFINITY))

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
