/* Optional: a value that may be absent: the input, or nothing. What type the absent value would have is of
 * no use here. */
#include "engine/ops/sequence.h"

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  ig_datum *given = ig_sequence_input(node, in, 0);
  if (!given) return ig_datum_none(&out[0]);
  out[0] = ig_datum_hold(given);
  return IG_OK;
}

const ig_op ig_op_optional = {
    IG_INTERPRETED("Optional", 15, 0, 1, 1, interpret),
};
