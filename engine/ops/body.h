/* What the operators with bodies (If, Loop, Scan, SequenceMap) share: how their inputs and those of their
 * bodies go together, and their implementation in plans, which interprets the bodies. In all of them the
 * last `captured` inputs of the node are the last inputs of each body. */
#ifndef IG_OPS_BODY_H
#define IG_OPS_BODY_H

#include "engine/ops/op.h"

/* The body that runs in the place of a node whose condition `in` already tells (an If with a constant
 * condition; its inputs are in[1], ...); NULL for all other nodes. */
ig_status ig_body_branch(const ig_node *node, ig_value *const *in, const ig_graph **out);
/* Fails unless the body is there and has these counts. */
ig_status ig_body_check(const ig_node *node, const ig_graph *body, int n_in, int n_out);
/* Fails unless the last `captured` of that many inputs can be captures. */
ig_status ig_body_check_captured(int64_t captured, int n_inputs);

/* The one bool that a condition is. */
ig_status ig_body_condition(const ig_datum *datum, bool *out);
ig_status ig_body_scalar(ig_dtype dtype, int64_t value, ig_datum **out);
/* The result of stacking none of what the specialised body gives as output `index`. */
ig_status ig_body_stack_none(const ig_graph *body, ig_value *const *like, int index, int64_t axis,
                                ig_datum **out);

/* Calls the operator's `interpret` on a plan's buffers, with an interpreter that the plan keeps. The shapes
 * must be those that were inferred. */
extern const ig_impl ig_body_impls[];
/* What the values cost; what happens in the bodies is not counted. */
ig_cost ig_body_cost(const ig_node *node);

#endif
