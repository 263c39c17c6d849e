/* What the optimizer operators share. Their inputs are lr, step and scale (f32 scalars; scale may be
 * absent for 1), the parameter, its gradient, then the moments, and last, where there is one, a copy of
 * the parameter in 16 bits; their outputs are the new parameter, the new moments and the new copy, each
 * of which may overwrite the old one. */
#ifndef IG_OPS_UPDATE_H
#define IG_OPS_UPDATE_H

#include "engine/ops/op.h"
#include "kernels/optimizer.h"

enum {
  IG_UPDATE_LR,
  IG_UPDATE_STEP,
  IG_UPDATE_SCALE,
  IG_UPDATE_PARAM,
  IG_UPDATE_GRAD,
  IG_UPDATE_MOMENT
};

/* Of ingot.LossScale. */
typedef struct ig_loss_scale_attrs {
  int64_t interval;
} ig_loss_scale_attrs;

/* Checks operands, with as many moments as inputs after the gradient, between least and most. */
ig_status ig_update_infer(ig_node *node, int least_moments, int most_moments);
/* Moments of a node, and whether it has a copy. */
int ig_update_moments(const ig_node *node);
bool ig_update_has_copy(const ig_node *node);
/* Output 0 over the parameter, output i over moment i. */
int ig_update_inplace(const ig_node *node, int output);
/* A decay rate as it was written: attributes are f32, and 1 - 0.999f is off by 1e-5 of itself. */
double ig_update_beta(float attribute);
/* Whether the copy is rounded stochastically (attribute `stochastic`), and the key of a parameter's. */
bool ig_update_is_stochastic(const ig_node *node);
uint64_t ig_update_key(const ig_value *param);
/* How the copy of that input is rounded in this call, on the CPU. */
ig_rounding ig_update_rounding(const ig_call *call, int param);
/* The parameter, gradient and scalars of a call. */
ig_update ig_update_of(const ig_call *call);
/* The rule of an optimizer operator; false when `op` is none. */
bool ig_update_rule_of(const char *op, ig_update_rule *rule);
/* What the rule of operator `op` takes, from the attributes of a node that has them. */
ig_update_options ig_update_options_of(const ig_node *node, const char *op);

#endif
