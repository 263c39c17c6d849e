/* The parts of a Loop, for the operator and the pass that unrolls it. */
#ifndef IG_OPS_LOOP_H
#define IG_OPS_LOOP_H

#include "engine/ops/op.h"

typedef struct ig_loop_attrs {
  ig_graph *body;
  int64_t captured;
} ig_loop_attrs;

typedef struct ig_loop_form {
  const ig_graph *body;
  int head; /* inputs before the carried ones: 2, or fewer where those at the end are absent */
  int carried, stacked, captured; /* values of each kind */
} ig_loop_form;

/* Checks the node's counts against the body's. */
ig_status ig_loop_form_of(const ig_node *node, ig_loop_form *out);
/* The body as it is at any turn of a node with inferred inputs; the caller's. */
ig_status ig_loop_specialize(const ig_node *node, const ig_loop_form *form, ig_graph **out);
/* How often a node with that specialised body turns; IG_ERR_UNSUPPORTED where only running tells. */
ig_status ig_loop_turns(const ig_node *node, const ig_loop_form *form, const ig_graph *body,
                        int64_t *out);

#endif
