/* SequenceAt: the tensor at a position of a sequence. */
#include "engine/ops/sequence.h"

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  IG_UNUSED(node);
  int64_t at;
  IG_TRY(ig_sequence_check(in[0]));
  IG_CHECK(in[0]->n > 0, IG_ERR_INPUT, "the sequence is empty");
  IG_TRY(ig_sequence_position(in[1], in[0]->n, in[0]->n - 1, 0, &at));
  out[0] = ig_datum_hold(in[0]->items[at]);
  return IG_OK;
}

const ig_op ig_op_sequence_at = {
    IG_INTERPRETED("SequenceAt", 11, 2, 2, 1, interpret),
};
