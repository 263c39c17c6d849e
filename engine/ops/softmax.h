/* What Softmax, LogSoftmax and their gradients share: one axis, and the dimensions around it. */
#ifndef IG_OPS_SOFTMAX_H
#define IG_OPS_SOFTMAX_H

#include "engine/ops/op.h"
#include "kernels/softmax.h"

typedef struct ig_axis_attrs {
  int64_t axis;
} ig_axis_attrs;

extern const ig_attr_field ig_axis_last_fields[]; /* axis, -1 by default */

/* The tensor as [outer, n, inner] around dimension `axis`, which inference has checked. */
ig_rows ig_rows_around(const ig_value *value, int64_t axis);

ig_status ig_softmax_infer(ig_node *node);
ig_status ig_softmax_grad_infer(ig_node *node);
/* Five flops an element: maximum, difference, exponential, sum, product. */
ig_cost ig_softmax_cost(const ig_node *node);
/* dx[0] through the operator `op`, which reads dy and the result. */
void ig_softmax_grad(const ig_grad *grad, const char *op);
const char *ig_reject_softmax_vector(const ig_node *node);
ig_status ig_softmax_vector(const ig_call *call, bool log);
ig_status ig_softmax_reference(const ig_call *call, bool log);
ig_status ig_softmax_grad_vector(const ig_call *call, bool log);
ig_status ig_softmax_grad_reference(const ig_call *call, bool log);

#define IG_SOFTMAX_IMPLS(vector, reference, log)                                                   \
  static ig_status run_vector(const ig_call *call) {                                               \
    return vector(call, (log));                                                                    \
  }                                                                                                \
  static ig_status run_reference(const ig_call *call) {                                            \
    return reference(call, (log));                                                                 \
  }                                                                                                \
  static const ig_impl impls[] = {                                                                 \
      {.name = "vector", .reject = ig_reject_softmax_vector, .run = run_vector},                   \
      {.name = "reference", .run = run_reference},                                                 \
      {0}};

#endif
