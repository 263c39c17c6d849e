/* SequenceLength: how many tensors a sequence has. */
#include "engine/ops/sequence.h"

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  IG_UNUSED(node);
  IG_TRY(ig_sequence_check(in[0]));
  IG_TRY(ig_datum_tensor(IG_I64, &IG_SCALAR, &out[0]));
  *(int64_t *)out[0]->data = in[0]->n;
  return IG_OK;
}

const ig_op ig_op_sequence_length = {
    IG_INTERPRETED("SequenceLength", 11, 1, 1, 1, interpret),
};
