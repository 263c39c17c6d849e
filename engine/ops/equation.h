/* Einstein summation's equation, read against operands' shapes. A label is a letter or a dimension of an
 * ellipsis; the dimensions of ellipses are aligned at the right. */
#ifndef IG_OPS_EQUATION_H
#define IG_OPS_EQUATION_H

#include "engine/ops/op.h"

#define IG_LETTERS 52
#define IG_LABELS (IG_LETTERS + IG_MAX_RANK) /* those of ellipses come last */
#define IG_EINSUM_OPERANDS 32

typedef struct ig_term {
  int rank;
  int labels[IG_MAX_RANK];
} ig_term;

typedef struct ig_equation {
  int n; /* operands */
  ig_term terms[IG_EINSUM_OPERANDS], out;
  int64_t dims[IG_LABELS]; /* -1 where a label is not used */
} ig_equation;

/* Fails naming what does not fit. */
ig_status ig_equation_read(const ig_node *node, const char *text, ig_equation *out);
/* Whether a term has the label. */
bool ig_term_has(const ig_term *term, int label);

#endif
