/* Conv and ingot.FusedConv: one implementation, two descriptors. */
#ifndef IG_OPS_CONV_FORWARD_H
#define IG_OPS_CONV_FORWARD_H

#include "engine/ops/convolution.h"

typedef struct ig_conv_attrs {
  ig_window_attrs window;
  int64_t group;
  const char *activation; /* NULL where the operator has none */
  float activation_alpha, activation_beta;
} ig_conv_attrs;

ig_status ig_conv_infer(ig_node *node);
void ig_conv_grad(const ig_grad *grad);
ig_cost ig_conv_forward_cost(const ig_node *node);
extern const ig_impl ig_conv_impls[];

#endif
