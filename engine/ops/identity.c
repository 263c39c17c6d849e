/* Identity, of sequences and optionals too. */
#include "engine/ops/view.h"

static void identity_grad(const ig_grad *grad) {
  grad->dx[0] = grad->dy[0];
}

static ig_status identity_interpret(ig_interpreter *interpreter, const ig_node *node,
                                    ig_datum *const *in, ig_datum **out) {
  IG_UNUSED(interpreter);
  IG_UNUSED(node);
  out[0] = ig_datum_hold(in[0]);
  return IG_OK;
}

const ig_op ig_op_identity = {
    .name = "Identity",
    .since = 1,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_VIEW | IG_OP_PURE | IG_OP_ELEMENTWISE,
    .infer = ig_infer_same,
    .grad = identity_grad,
    .cost = ig_view_cost,
    .interpret = identity_interpret,
    .impls = ig_view_impls,
};
