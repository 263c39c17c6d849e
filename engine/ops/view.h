/* What operators share that only change the shape of a tensor. */
#ifndef IG_OPS_VIEW_H
#define IG_OPS_VIEW_H

#include "engine/ops/op.h"

/* Copies input 0's bytes to output 0, for when a view is evaluated outside a plan. */
extern const ig_impl ig_view_impls[];
/* No flops and no bytes: a view does not run. */
ig_cost ig_view_cost(const ig_node *node);
/* `value` under the shape of `like`, which has as many elements. */
ig_value *ig_reshape_like(ig_graph *graph, ig_value *value, const ig_value *like);
/* The gradient of a view: dy under the input's shape. */
void ig_view_grad(const ig_grad *grad);
/* A tensor of zeros like `like`, for gradients that do not flow. */
ig_value *ig_zeros_like(ig_graph *graph, const ig_value *like);
/* Reads constant input `i` as axes of `rank` dimensions, each once, into a mask; an absent input
 * gives no axes. */
ig_status ig_const_axes(const ig_node *node, int i, int rank, bool is_axis[IG_MAX_RANK],
                        int *count);

#endif
