/* SequenceErase: the sequence without the tensor at a position, by default the last. */
#include "engine/ops/sequence.h"

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  const ig_datum *sequence = in[0];
  int64_t at;
  IG_TRY(ig_sequence_check(sequence));
  IG_CHECK(sequence->n > 0, IG_ERR_INPUT, "the sequence is empty");
  IG_TRY(ig_sequence_position(ig_sequence_input(node, in, 1), sequence->n, sequence->n - 1,
                              sequence->n - 1, &at));
  return ig_sequence_edit(sequence, at, NULL, 0, &out[0]);
}

const ig_op ig_op_sequence_erase = {
    IG_INTERPRETED("SequenceErase", 11, 1, 2, 1, interpret),
};
