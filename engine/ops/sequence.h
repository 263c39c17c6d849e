/* What the operators on sequences share. They are interpreted: plans have no sequences. */
#ifndef IG_OPS_SEQUENCE_H
#define IG_OPS_SEQUENCE_H

#include "engine/ops/op.h"

/* Fails unless it is one. */
ig_status ig_sequence_check(const ig_datum *datum);
/* The one integer of a position, negative ones counted from the end, within [0, most]; `missing` without
 * one. */
ig_status ig_sequence_position(const ig_datum *position, int64_t n, int64_t most, int64_t missing,
                               int64_t *out);
/* Input `i`, or NULL where the node has none. */
static inline ig_datum *ig_sequence_input(const ig_node *node, ig_datum *const *in, int i) {
  return i < node->n_inputs ? in[i] : NULL;
}
/* The sequence without element `drop` (-1: with all), and with `more` before element `at` (NULL: nothing). */
ig_status ig_sequence_edit(const ig_datum *sequence, int64_t drop, ig_datum *more, int64_t at,
                           ig_datum **out);

#define IG_INTERPRETED(name_, since_, least_in, most_in, n_outputs, interpret_)                    \
  .name = name_, .since = since_, .n_in = {least_in, most_in}, .n_out = {n_outputs, n_outputs},    \
  .flags = IG_OP_PURE, .interpret = interpret_

#endif
