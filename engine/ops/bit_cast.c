/* BitCast: the same bits as another element type of the same width. Bits have no derivative. */
#include <string.h>

#include "engine/ops/op.h"

typedef struct bit_cast_attrs {
  int64_t to;
} bit_cast_attrs;

static const ig_attr_field fields[] = {
    {.name = "to", .type = IG_ATTR_INT, .offset = offsetof(bit_cast_attrs, to), .required = true},
    {.name = NULL},
};

static ig_status infer(ig_node *node) {
  int64_t to = IG_ATTRS_OF(bit_cast_attrs, node)->to;
  const ig_value *x = node->inputs[0];
  ig_dtype dtype = ig_dtype_from_onnx(to);
  IG_CHECK(dtype != IG_NONE && dtype != IG_STRING, IG_ERR_UNSUPPORTED,
           "no element type of bits for ONNX type %lld", (long long)to);
  IG_CHECK(ig_dtype_bits(dtype) == ig_dtype_bits(x->dtype), IG_ERR_SHAPE,
           "%s has %d bits where %s has %d", ig_dtype_name(dtype), ig_dtype_bits(dtype),
           ig_dtype_name(x->dtype), ig_dtype_bits(x->dtype));
  return ig_infer_set(node, 0, dtype, &x->shape);
}

/* Below a byte, what fills the byte up follows the type. */
static ig_status run(const ig_call *call) {
  const ig_value *y = call->node->outputs[0];
  if (ig_dtype_is_packed(y->dtype)) {
    ig_dtype bits = ig_dtype_is_short_int(y->dtype) ? y->dtype : IG_U4;
    ig_convert(IG_U8, call->in[0], bits, call->out[0], (int64_t)ig_value_storage(y));
  } else if (call->in[0] != call->out[0]) {
    memcpy(call->out[0], call->in[0], ig_value_storage(y));
  }
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .device = IG_CPU, .run = run}, {0}};

const ig_op ig_op_bit_cast = {
    .name = "BitCast",
    .since = 26,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_ELEMENTWISE | IG_OP_INPLACE,
    .attrs = fields,
    .attrs_size = sizeof(bit_cast_attrs),
    .infer = infer,
    .cost = ig_cost_copy,
    .impls = impls,
};
