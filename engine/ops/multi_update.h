/* ingot.MultiUpdate: many parameters updated by one optimizer. Inputs lr and step (f32 scalars), then
 * for each parameter scale (or none), parameter, gradient, moments, with `copies` its copy in 16 bits, and
 * with `averages` its moving average (see ingot.Ema); outputs, for each, the new parameter, moments, copy
 * and average. */
#ifndef IG_OPS_MULTI_UPDATE_H
#define IG_OPS_MULTI_UPDATE_H

#include "engine/ops/update.h"

typedef struct ig_multi_update_attrs {
  const char *optimizer; /* the operator that does the same for one */
  int64_t moments;
  float momentum, weight_decay, beta1, beta2, epsilon, average_decay;
  int64_t nesterov, copies, averages, stochastic;
} ig_multi_update_attrs;

enum { IG_MULTI_LR, IG_MULTI_STEP, IG_MULTI_ITEMS };

/* Parameters of the node, and where one's operands begin. */
int ig_multi_update_count(const ig_node *node);
int ig_multi_update_in(const ig_node *node, int item);
int ig_multi_update_out(const ig_node *node, int item);

#endif
