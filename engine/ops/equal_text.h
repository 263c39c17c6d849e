/* Equal outside of plans, where it compares texts too. */
#ifndef IG_OPS_EQUAL_TEXT_H
#define IG_OPS_EQUAL_TEXT_H

#include "engine/ops/op.h"

ig_status ig_equal_interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                             ig_datum **out);

#endif
