/* Operators that compute in double: their float operands are carried to double and back, so that one
 * plain function serves f64, f32, f16 and bf16. Integers come along, exact up to 2^53. And the gradient
 * operator that stands beside such a function ("twin"): its inputs are the forward operator's, padded to
 * the most that it takes, then the gradients of its outputs; its attributes are the forward's; its
 * outputs are the gradients of the differentiable inputs that are present, in order. */
#ifndef IG_OPS_DOUBLES_H
#define IG_OPS_DOUBLES_H

#include "engine/ops/op.h"

#define IG_DOUBLES_MOST 24

typedef struct ig_doubles {
  const double *in[IG_DOUBLES_MOST]; /* NULL where absent */
  double *out[IG_DOUBLES_MOST];      /* zeroed; NULL where the node lacks it */
} ig_doubles;

/* Of a node without operands of texts. */
size_t ig_doubles_workspace(const ig_node *node);
ig_status ig_doubles_open(const ig_call *call, ig_doubles *out);
void ig_doubles_close(const ig_call *call, const ig_doubles *doubles);

typedef struct ig_twin {
  const char *op;      /* the gradient operator */
  int n_in, n_out;     /* most inputs and outputs of the forward operator */
  unsigned wrt;        /* bits of the inputs that have gradients */
} ig_twin;

void ig_twin_grad(const ig_twin *twin, const ig_grad *grad);
/* `shapes` has those of the forward operator's outputs, which the gradients must have. */
ig_status ig_twin_infer(const ig_twin *twin, ig_node *node, const ig_shape *shapes);
/* What `run` fills: the gradient of input i, or NULL when it is not wanted. */
double *ig_twin_out(const ig_twin *twin, const ig_node *node, const ig_doubles *doubles, int i);
/* Input `i` of any node, or NULL. */
static inline const ig_value *ig_input_or_null(const ig_node *node, int i) {
  return i < node->n_inputs ? node->inputs[i] : NULL;
}

/* The implementation table of an operator whose work is `void work(node, doubles)`. */
#define IG_DOUBLES_IMPLS(work)                                                                     \
  static ig_status run(const ig_call *call) {                                                      \
    ig_doubles d;                                                                                  \
    IG_TRY(ig_doubles_open(call, &d));                                                             \
    IG_TRY(work(call->node, &d));                                                                  \
    ig_doubles_close(call, &d);                                                                    \
    return IG_OK;                                                                                  \
  }                                                                                                \
  static const ig_impl impls[] = {                                                                 \
      {.name = "reference", .workspace = ig_doubles_workspace, .run = run}, {0}};

#endif
