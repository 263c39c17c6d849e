/* SequenceEmpty: a sequence of no tensors of a type. */
#include "engine/ops/sequence.h"

typedef struct empty_attrs {
  int64_t dtype;
} empty_attrs;

static const ig_attr_field fields[] = {
    IG_FIELD_INT(empty_attrs, dtype, 1), /* f32 */
    {.name = NULL},
};

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  int64_t type = IG_ATTRS_OF(empty_attrs, node)->dtype;
  ig_dtype dtype = ig_dtype_from_onnx(type);
  IG_CHECK(dtype != IG_NONE, IG_ERR_UNSUPPORTED, "no element type for ONNX type %lld",
           (long long)type);
  return ig_datum_sequence(dtype, 0, in, &out[0]);
}

const ig_op ig_op_sequence_empty = {
    IG_INTERPRETED("SequenceEmpty", 11, 0, 0, 1, interpret),
    .attrs = fields,
    .attrs_size = sizeof(empty_attrs),
};
