/* Runs a template graph node by node on the CPU, for graphs whose shapes depend on what their inputs
 * hold, and for values that plans do not have: sequences, optionals, texts. Everything a node reads is
 * known when its turn comes, so it is inferred and run as if its inputs were constants; a value is
 * released after its last reader. */
#ifndef IG_PLAN_INTERPRET_H
#define IG_PLAN_INTERPRET_H

#include "engine/ops/op.h"

typedef struct ig_interpreter_options {
  uint64_t seed;        /* of random operators */
  size_t memory_limit;  /* bytes of all values at one time; 0 for no limit */
  int64_t step_limit;   /* nodes run, those of loops' bodies each time; 0 for no limit */
  bool bodies;          /* it runs the bodies of an operator that stands in a plan */
} ig_interpreter_options;

ig_status ig_interpreter_create(const ig_interpreter_options *options, ig_interpreter **out);
void ig_interpreter_destroy(ig_interpreter *interpreter);
/* `in` follows graph->inputs; makes out[i] for every graph output, each the caller's to release.
 * Parameters and states have the bytes at their ig_value.data, or those of `store` (NULL: none).
 * Operators call it for their bodies; a body is planned once for each shape of its inputs where its
 * shapes follow from those, and the plans are kept with the interpreter. */
ig_status ig_interpret(ig_interpreter *interpreter, const ig_graph *graph, const ig_store *store,
                       ig_datum *const *in, ig_datum **out);
/* Before such an operator's run: its generator, and limits anew. Other interpreters do it themselves. */
void ig_interpreter_begin(ig_interpreter *interpreter, const ig_rng_state *rng);
/* Runs one node whose operator has implementations, for operators that are such nodes inside. */
ig_status ig_interpret_node(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                            ig_datum **out);

#endif
