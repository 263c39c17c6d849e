/* OptionalHasElement: whether there is a value. */
#include "engine/ops/sequence.h"

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  const ig_datum *given = ig_sequence_input(node, in, 0);
  IG_TRY(ig_datum_tensor(IG_BOOL, &IG_SCALAR, &out[0]));
  *(uint8_t *)out[0]->data = given && given->kind != IG_DATUM_NONE;
  return IG_OK;
}

const ig_op ig_op_optional_has_element = {
    IG_INTERPRETED("OptionalHasElement", 15, 0, 1, 1, interpret),
};
