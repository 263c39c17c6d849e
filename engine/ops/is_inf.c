/* IsInf: which numbers are infinite, of the signs that are asked for. */
#include "engine/ops/elementwise.h"

typedef struct is_inf_attrs {
  int64_t detect_negative, detect_positive;
} is_inf_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_INT(is_inf_attrs, detect_negative, 1),
    IG_FIELD_INT(is_inf_attrs, detect_positive, 1),
    {0},
};

static ig_status run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0];
  const is_inf_attrs *a = IG_ATTRS_OF(is_inf_attrs, call->node);
  ig_special wanted = {.infinity = a->detect_positive != 0,
                       .minus_infinity = a->detect_negative != 0};
  ig_cpu_is_special(wanted, x->dtype, call->in[0], call->out[0], ig_storage_count(x));
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "reference", .reject = ig_reject_unary_reference, .run = run},
    {0},
};

const ig_op ig_op_is_inf = {
    .name = "IsInf",
    .since = 10,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_ELEMENTWISE | IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(is_inf_attrs),
    .infer = ig_infer_special,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
