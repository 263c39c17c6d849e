/* The proximal term mu / 2 |w - w0|^2 that keeps a client's parameters near those that its round began
 * with (Li et al., "Federated Optimization in Heterogeneous Networks", MLSys 2020, equation 2). */
#ifndef IG_TRAIN_PROXIMAL_H
#define IG_TRAIN_PROXIMAL_H

#include "engine/graph/graph.h"

/* Before a parameter's name: the state that holds w0. */
#define IG_ANCHOR_PREFIX "optimizer.anchor."

/* Adds mu (w - w0) to each gradient, times `loss_scale` where the gradients are (NULL otherwise). The
 * graph's status tells of failure. */
void ig_proximal_append(ig_graph *graph, double mu, ig_value *loss_scale, int n,
                        ig_value *const *params, ig_value **grads);

#endif
