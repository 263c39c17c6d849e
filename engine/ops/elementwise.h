/* What the elementwise operators share: each is a file of a few lines that names its kind, its
 * dtypes and its gradient, and takes inference, implementations and execution from here. */
#ifndef IG_OPS_ELEMENTWISE_H
#define IG_OPS_ELEMENTWISE_H

#include "engine/ops/op.h"
#include "kernels/elementwise.h"

/* Fails unless input `i` is of numbers to compute in: floats or integers of 8 bits and more. */
ig_status ig_require_number(const ig_node *node, int i);
/* Inference of one operand and of any number of broadcast operands. */
ig_status ig_infer_unary_float(ig_node *node);
ig_status ig_infer_unary_number(ig_node *node);
ig_status ig_infer_binary_number(ig_node *node);
ig_status ig_infer_binary_int(ig_node *node);
ig_status ig_infer_compare(ig_node *node); /* equal dtypes, numbers or bools; result bool */
ig_status ig_infer_logic(ig_node *node);   /* all bool */
ig_status ig_infer_special(ig_node *node); /* one operand of floats, the small ones too; result bool */

/* How the first `n` inputs are read while output 0 is written in memory order; NULL, or why the
 * operands' memory layouts do not allow it. */
const char *ig_walk_of(const ig_node *node, int n, ig_walk *walk);
/* The same of operands that stand elsewhere. */
const char *ig_walk_between(const ig_value *const *operands, int n, const ig_value *out,
                            ig_walk *walk);
/* Elements of output 0 in memory, layout padding included. */
int64_t ig_storage_count(const ig_value *value);
/* Makes the padding of a blocked output 0 zero again, after f(0) may have been written there. */
void ig_zero_padding(const ig_value *value, void *data);

/* The first element of operand `i`, a scalar bound; `fallback` when it is absent. */
double ig_call_scalar(const ig_call *call, int i, double fallback);
/* Execution; `kind` is an ig_unary or ig_binary. a and b as the kind says. */
ig_status ig_unary_vector(const ig_call *call, ig_unary kind, double a, double b);
ig_status ig_unary_reference(const ig_call *call, ig_unary kind, double a, double b);
ig_status ig_binary_vector(const ig_call *call, ig_binary kind);
ig_status ig_binary_reference(const ig_call *call, ig_binary kind);
const char *ig_reject_unary_vector(const ig_node *node);
const char *ig_reject_unary_reference(const ig_node *node);
const char *ig_reject_binary_vector(const ig_node *node);
const char *ig_reject_binary_reference(const ig_node *node);
/* The operand that is as large as the result and has the fewest readers, or -1. */
int ig_inplace_binary(const ig_node *node, int output);

/* dx[0] through ingot.UnaryGrad with attributes `of`, `alpha` and `beta`; the node's inputs beyond the
 * first (the bounds of Clip) are passed on. */
void ig_grad_unary_with(const ig_grad *grad, const char *of, float alpha, float beta);
void ig_grad_unary(const ig_grad *grad, const char *of, float alpha);

/* The function that ingot.UnaryGrad calls `name`; IG_UNARY_COUNT when there is none. */
ig_unary ig_unary_grad_kind(const char *name);

/* The two rows that an operator of one operand has; a and b are expressions over `call`. */
#define IG_UNARY_IMPLS(kind, a, b)                                                                 \
  static ig_status run_vector(const ig_call *call) {                                               \
    return ig_unary_vector(call, (kind), (a), (b));                                                \
  }                                                                                                \
  static ig_status run_reference(const ig_call *call) {                                            \
    return ig_unary_reference(call, (kind), (a), (b));                                             \
  }                                                                                                \
  static const ig_impl impls[] = {                                                                 \
      {.name = "vector", .reject = ig_reject_unary_vector, .run = run_vector},                     \
      {.name = "reference", .reject = ig_reject_unary_reference, .run = run_reference},            \
      {0}};

#define IG_BINARY_IMPLS(kind)                                                                      \
  static ig_status run_vector(const ig_call *call) {                                               \
    return ig_binary_vector(call, (kind));                                                         \
  }                                                                                                \
  static ig_status run_reference(const ig_call *call) {                                            \
    return ig_binary_reference(call, (kind));                                                      \
  }                                                                                                \
  static const ig_impl impls[] = {                                                                 \
      {.name = "vector", .reject = ig_reject_binary_vector, .run = run_vector},                    \
      {.name = "reference", .reject = ig_reject_binary_reference, .run = run_reference},           \
      {0}};

#define IG_ELEMENTWISE_FLAGS (IG_OP_INPLACE | IG_OP_ELEMENTWISE | IG_OP_PURE)

#endif
