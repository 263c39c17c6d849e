/* Cast: to another element type. Floats round to nearest even; float to integer truncates and saturates
 * (ONNX leaves what does not fit undefined), but wraps to those of 4 and 2 bits, as ONNX's tests have it;
 * integer to integer wraps; bool is x != 0. Small floats: ig_small_float_encode. */
#include "engine/ops/cast_text.h"
#include "engine/ops/casting.h"

static const ig_attr_field fields[] = {
    {.name = "to", .type = IG_ATTR_INT, .offset = offsetof(ig_cast_attrs, to), .required = true},
    IG_CAST_FIELDS,
    {.name = NULL},
};

static ig_status infer(ig_node *node) {
  int64_t to = IG_ATTRS_OF(ig_cast_attrs, node)->to;
  ig_dtype dtype = ig_dtype_from_onnx(to);
  IG_CHECK(dtype != IG_NONE, IG_ERR_UNSUPPORTED, "no element type for ONNX type %lld",
           (long long)to);
  return ig_cast_infer(node, dtype);
}

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  ig_dtype to = ig_dtype_from_onnx(IG_ATTRS_OF(ig_cast_attrs, node)->to);
  return ig_cast_interpret(interpreter, node, to, in, out);
}

static const ig_impl impls[] = {{.name = "cpu", .device = IG_CPU, .run = ig_cast_run}, {0}};

const ig_op ig_op_cast = {
    .name = "Cast",
    .since = 13,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_ELEMENTWISE | IG_OP_INPLACE,
    .attrs = fields,
    .attrs_size = sizeof(ig_cast_attrs),
    .infer = infer,
    .grad = ig_cast_grad,
    .cost = ig_cost_elementwise,
    .inplace = ig_cast_inplace,
    .interpret = interpret,
    .impls = impls,
};
