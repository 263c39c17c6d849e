/* SequenceConstruct: a sequence of the inputs, tensors of one type. */
#include "engine/ops/sequence.h"

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  for (int i = 0; i < node->n_inputs; i++) {
    IG_CHECK(in[i] && in[i]->kind == IG_DATUM_TENSOR && in[i]->dtype == in[0]->dtype, IG_ERR_SHAPE,
             "input %d is no tensor of the first one's type", i);
  }
  return ig_datum_sequence(in[0]->dtype, node->n_inputs, in, &out[0]);
}

const ig_op ig_op_sequence_construct = {
    IG_INTERPRETED("SequenceConstruct", 11, 1, IG_VARIADIC, 1, interpret),
};
