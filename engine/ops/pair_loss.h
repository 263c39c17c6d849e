/* What the losses of (prediction, target) pairs share: equal shapes in, one mean out, in f32 (f64 for
 * f64). */
#ifndef IG_OPS_PAIR_LOSS_H
#define IG_OPS_PAIR_LOSS_H

#include "engine/ops/op.h"
#include "kernels/loss.h"

ig_status ig_pair_loss_infer(ig_node *node);
ig_cost ig_pair_loss_cost(const ig_node *node);
size_t ig_pair_loss_workspace(const ig_node *node);
const char *ig_reject_pair_loss_vector(const ig_node *node);
ig_status ig_pair_loss_vector(const ig_call *call, ig_pair_loss kind);
ig_status ig_pair_loss_reference(const ig_call *call, ig_pair_loss kind);
/* dloss times factor / n, as a scalar of the operands' dtype. */
ig_value *ig_pair_loss_scale(const ig_grad *grad, double factor);

#define IG_PAIR_LOSS_IMPLS(kind)                                                                   \
  static ig_status run_vector(const ig_call *call) {                                               \
    return ig_pair_loss_vector(call, (kind));                                                      \
  }                                                                                                \
  static ig_status run_reference(const ig_call *call) {                                            \
    return ig_pair_loss_reference(call, (kind));                                                   \
  }                                                                                                \
  static const ig_impl impls[] = {{.name = "vector",                                               \
                                   .reject = ig_reject_pair_loss_vector,                           \
                                   .workspace = ig_pair_loss_workspace,                            \
                                   .run = run_vector},                                             \
                                  {.name = "reference", .run = run_reference},                     \
                                  {0}};

#endif
