/* Executes an equation as a chain of products of matrices, operand by operand from the left. */
#ifndef IG_OPS_CONTRACTION_H
#define IG_OPS_CONTRACTION_H

#include "engine/ops/equation.h"

typedef struct ig_contraction {
  size_t workspace;
  double flops;
} ig_contraction;

/* What executing takes. Fails where a piece has more dimensions or elements than the kernels handle. */
ig_status ig_contraction_plan(const ig_node *node, const ig_equation *e, ig_contraction *out);
ig_status ig_contraction_run(const ig_call *call, const ig_equation *e);

#endif
