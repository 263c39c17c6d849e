/* Cast outside of plans, where it turns texts into numbers and back. */
#ifndef IG_OPS_CAST_TEXT_H
#define IG_OPS_CAST_TEXT_H

#include "engine/ops/op.h"

/* To the type `to`: IG_ERR_INPUT names a text that is no number. */
ig_status ig_cast_interpret(ig_interpreter *interpreter, const ig_node *node, ig_dtype to,
                            ig_datum *const *in, ig_datum **out);

#endif
