/* ConstantOfShape: one number (f32 zero unless `value` says otherwise) in a tensor of the shape that
 * the constant input lists. */
#include "engine/ops/op.h"
#include "kernels/movement.h"

typedef struct constant_of_shape_attrs {
  const ig_literal *value;
} constant_of_shape_attrs;

static const ig_attr_field constant_of_shape_fields[] = {
    {.name = "value",                             .type = IG_ATTR_TENSOR, .offset = offsetof(constant_of_shape_attrs, value)},
    {.name = NULL},
};

static ig_status constant_of_shape_infer(ig_node *node) {
  const ig_literal *value = IG_ATTRS_OF(constant_of_shape_attrs, node)->value;
  IG_CHECK(!value || ig_shape_count(&value->shape) == 1, IG_ERR_INPUT,
           "value must be one number, found shape %s", IG_SHAPE_STR(&value->shape));
  ig_shape out = {.rank = 0};
  IG_TRY(ig_value_const_ints(node->inputs[0], "shape", IG_MAX_RANK, out.dims, &out.rank));
  return ig_infer_set(node, 0, value ? value->dtype : IG_F32, &out);
}

static ig_status constant_of_shape_run(const ig_call *call) {
  const ig_literal *value = IG_ATTRS_OF(constant_of_shape_attrs, call->node)->value;
  const ig_value *y = call->node->outputs[0];
  const float zero = 0;
  ig_cpu_fill(ig_dtype_size(y->dtype), value ? value->data : &zero, call->out[0],
              ig_value_count(y));
  return IG_OK;
}

static const ig_impl constant_of_shape_impls[] = {
    {.name = "cpu",                 .device = IG_CPU, .run = constant_of_shape_run},
    {.name = NULL},
};

const ig_op ig_op_constant_of_shape = {
    .name = "ConstantOfShape",
    .since = 9,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = constant_of_shape_fields,
    .attrs_size = sizeof(constant_of_shape_attrs),
    .infer = constant_of_shape_infer,
    .cost = ig_cost_copy,
    .impls = constant_of_shape_impls,
};
