/* What the reductions share: axes as an optional constant operand, keepdims,
 * noop_with_empty_axes. */
#ifndef IG_OPS_REDUCE_H
#define IG_OPS_REDUCE_H

#include "engine/ops/op.h"
#include "kernels/reduce.h"

typedef struct ig_reduce_attrs {
  int64_t keepdims, noop_with_empty_axes;
} ig_reduce_attrs;

extern const ig_attr_field ig_reduce_fields[];

ig_status ig_reduce_infer(ig_node *node);
/* The same for those that take bool too. */
ig_status ig_reduce_infer_extreme(ig_node *node);
/* Which dimensions of the operand are reduced. */
ig_status ig_reduce_dims(const ig_node *node, bool reduced[IG_MAX_RANK]);
ig_cost ig_reduce_cost(const ig_node *node);
/* dy in the shape that the result has with keepdims. */
ig_value *ig_reduce_kept(const ig_grad *grad, ig_value *reduced);
/* dy times `scale`, expanded to the operand's shape. */
ig_value *ig_reduce_spread(const ig_grad *grad, double scale);
/* The gradient of a maximum or minimum: operands that share it share its gradient equally. */
void ig_reduce_extreme_grad(const ig_grad *grad);
/* What the kernels take: neighbouring dimensions of one kind merged, single elements dropped. */
ig_reduction ig_reduction_of(const ig_node *node);
/* Elements that make one result. */
int64_t ig_reduce_count(const ig_node *node);

size_t ig_reduce_workspace(const ig_node *node);
const char *ig_reject_reduce_vector(const ig_node *node);
ig_status ig_reduce_vector(const ig_call *call, ig_reduce kind);
ig_status ig_reduce_reference(const ig_call *call, ig_reduce kind);

#define IG_REDUCE_IMPLS(kind)                                                                      \
  static ig_status run_vector(const ig_call *call) {                                               \
    return ig_reduce_vector(call, (kind));                                                         \
  }                                                                                                \
  static ig_status run_reference(const ig_call *call) {                                            \
    return ig_reduce_reference(call, (kind));                                                      \
  }                                                                                                \
  static const ig_impl impls[] = {{.name = "vector",                                               \
                                   .reject = ig_reject_reduce_vector,                              \
                                   .workspace = ig_reduce_workspace,                               \
                                   .run = run_vector},                                             \
                                  {.name = "reference", .run = run_reference},                     \
                                  {0}};

#endif
