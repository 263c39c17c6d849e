/* What Sum, Mean, Max and Min share: any number of operands, broadcast, become one. */
#ifndef IG_OPS_FOLD_H
#define IG_OPS_FOLD_H

#include "engine/ops/elementwise.h"

const char *ig_fold_reject(const ig_node *node);
size_t ig_fold_workspace(const ig_node *node);
ig_status ig_fold_run(const ig_call *call, ig_fold fold);
ig_cost ig_fold_cost(const ig_node *node);
/* Each operand gets `dy`, summed where it was broadcast. */
void ig_fold_grad_sum(const ig_grad *grad, ig_value *dy);
/* Where an operand has the result it gets dy, in equal parts with the others that have it. */
void ig_fold_grad_extreme(const ig_grad *grad);

#define IG_FOLD_IMPLS(fold)                                                                        \
  static ig_status run(const ig_call *call) {                                                      \
    return ig_fold_run(call, (fold));                                                              \
  }                                                                                                \
  static const ig_impl impls[] = {                                                                 \
      {.name = "chunks", .reject = ig_fold_reject, .workspace = ig_fold_workspace, .run = run},    \
      {0}};

#endif
