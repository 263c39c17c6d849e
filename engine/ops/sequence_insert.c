/* SequenceInsert: the sequence with a tensor at a position, by default behind the last. */
#include "engine/ops/sequence.h"

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  const ig_datum *sequence = in[0];
  int64_t at;
  IG_TRY(ig_sequence_check(sequence));
  IG_CHECK(in[1] && in[1]->kind == IG_DATUM_TENSOR &&
               (sequence->dtype == IG_NONE || in[1]->dtype == sequence->dtype),
           IG_ERR_SHAPE, "what is inserted must be a tensor of %s", ig_dtype_name(sequence->dtype));
  IG_TRY(ig_sequence_position(ig_sequence_input(node, in, 2), sequence->n, sequence->n, sequence->n,
                              &at));
  return ig_sequence_edit(sequence, -1, in[1], at, &out[0]);
}

const ig_op ig_op_sequence_insert = {
    IG_INTERPRETED("SequenceInsert", 11, 2, 3, 1, interpret),
};
