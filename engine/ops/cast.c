/* Cast: to another element type. Floats round to nearest even; float to integer truncates and
 * saturates (ONNX leaves what does not fit undefined), as float to 8-bit float does; integer to integer
 * wraps; bool is x != 0. */
#include "engine/ops/op.h"
#include "kernels/convert.h"

typedef struct cast_attrs {
  int64_t to, saturate;
  const char *round_mode;
} cast_attrs;

/* saturate only concerns 8-bit floats, round_mode one that Ingot lacks. */
static const ig_attr_field cast_fields[] = {
    {.name = "to",                   .type = IG_ATTR_INT, .offset = offsetof(cast_attrs, to), .required = true},
    IG_FIELD_INT(cast_attrs, saturate, 1),
    IG_FIELD_STRING(cast_attrs, round_mode, "up"),
    {.name = NULL},
};

static ig_status cast_infer(ig_node *node) {
  int64_t to = IG_ATTRS_OF(cast_attrs, node)->to;
  ig_dtype dtype = ig_dtype_from_onnx(to);
  IG_CHECK(dtype != IG_NONE, IG_ERR_UNSUPPORTED, "no element type for ONNX type %lld",
           (long long)to);
  IG_CHECK(IG_ATTRS_OF(cast_attrs, node)->saturate || !ig_dtype_is_f8(dtype), IG_ERR_UNSUPPORTED,
           "casts to %s saturate", ig_dtype_name(dtype));
  return ig_infer_set(node, 0, dtype, &node->inputs[0]->shape);
}

static void cast_grad(const ig_grad *grad) {
  int64_t back = ig_dtype_to_onnx(grad->node->inputs[0]->dtype);
  grad->dx[0] =
      ig_op1(grad->graph, "Cast", NULL, IG_INS(grad->dy[0]), IG_ATTRS(IG_INT("to", back)));
}

static ig_status cast_run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0], *y = call->node->outputs[0];
  ig_cpu_convert(x->dtype, call->in[0], y->dtype, call->out[0],
                 (int64_t)(ig_value_storage(x) / ig_dtype_size(x->dtype)));
  return IG_OK;
}

static int cast_inplace(const ig_node *node, int output) {
  bool same = node->inputs[0]->dtype == node->outputs[0]->dtype;
  return output == 0 && same ? 0 : -1;
}

static const ig_impl cast_impls[] = {
    {.name = "cpu",    .device = IG_CPU, .run = cast_run},
    {.name = NULL},
};

const ig_op ig_op_cast = {
    .name = "Cast",
    .since = 13,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_ELEMENTWISE | IG_OP_INPLACE,
    .attrs = cast_fields,
    .attrs_size = sizeof(cast_attrs),
    .infer = cast_infer,
    .grad = cast_grad,
    .cost = ig_cost_elementwise,
    .inplace = cast_inplace,
    .impls = cast_impls,
};
