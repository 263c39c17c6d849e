/* ConcatFromSequence: the tensors of a sequence one behind the other along an axis, or along a new one. */
#include "engine/graph/pieces.h"
#include "engine/ops/sequence.h"

typedef struct concat_attrs {
  int64_t axis, new_axis;
} concat_attrs;

static const ig_attr_field fields[] = {
    {.name = "axis", .type = IG_ATTR_INT, .offset = offsetof(concat_attrs, axis), .required = true},
    IG_FIELD_INT(concat_attrs, new_axis, 0),
    {.name = NULL},
};

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  const concat_attrs *a = IG_ATTRS_OF(concat_attrs, node);
  IG_TRY(ig_sequence_check(in[0]));
  IG_CHECK(in[0]->n > 0, IG_ERR_INPUT, "the sequence is empty");
  return a->new_axis ? ig_datum_stack(in[0]->n, in[0]->items, a->axis, false, &out[0])
                     : ig_datum_join(in[0]->n, in[0]->items, a->axis, false, &out[0]);
}

const ig_op ig_op_concat_from_sequence = {
    IG_INTERPRETED("ConcatFromSequence", 11, 1, 1, 1, interpret),
    .attrs = fields,
    .attrs_size = sizeof(concat_attrs),
};
