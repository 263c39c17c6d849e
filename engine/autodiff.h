/* Reverse-mode differentiation over the graph (op->grad), by appending nodes. */
#ifndef IG_AUTODIFF_H
#define IG_AUTODIFF_H

#include "engine/graph/graph.h"

/* Appends the gradients of scalar `loss` with respect to the `n` values `wrt`; `grads[i]` is NULL
 * when loss does not depend on wrt[i]. Fails naming a node without a gradient on the way. `seed`
 * multiplies the loss (a loss scale, scalar f32) and may be NULL for 1. */
ig_status ig_autodiff(ig_graph *graph, ig_value *loss, ig_value *seed, int n,
                      ig_value *const *wrt, ig_value **grads);

#endif
