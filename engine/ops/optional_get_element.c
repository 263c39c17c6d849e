/* OptionalGetElement: what an optional holds; a tensor or sequence is handed on. */
#include "engine/ops/sequence.h"

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  IG_UNUSED(node);
  IG_CHECK(in[0]->kind != IG_DATUM_NONE, IG_ERR_INPUT, "the optional is empty");
  out[0] = ig_datum_hold(in[0]);
  return IG_OK;
}

const ig_op ig_op_optional_get_element = {
    IG_INTERPRETED("OptionalGetElement", 15, 1, 1, 1, interpret),
};
