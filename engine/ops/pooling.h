/* What the pooling operators share: attributes, shapes, and the kernels' description. */
#ifndef IG_OPS_POOLING_H
#define IG_OPS_POOLING_H

#include "engine/ops/window.h"
#include "kernels/pool.h"

typedef struct ig_pool_attrs {
  ig_window_attrs window;
  int64_t ceil_mode;
  int64_t count_include_pad; /* of means */
  int64_t storage_order;     /* of MaxPool's indices */
  int64_t p;                 /* of LpPool */
  ig_ints shape;             /* of gradients: spatial dims of the input */
} ig_pool_attrs;

/* Checks input 0 as [N, C, spatial...] and sets `window` and the result's shape. */
ig_status ig_pool_shape(const ig_node *node, ig_window *window, ig_shape *result);
/* The same for a gradient node, whose input 0 is the result's gradient: gives the input's shape. */
ig_status ig_pool_grad_shape(const ig_node *node, ig_window *window, ig_shape *input);
/* The pooling that a node says: of MaxPool, ingot.MaxPool and AveragePool, of their gradients, and of
 * GlobalAveragePool. */
ig_status ig_pool_of(const ig_node *node, ig_pool *out);
ig_status ig_pool_grad_of(const ig_node *node, ig_pool *out);
void ig_pool_global_of(const ig_node *node, ig_pool *out);
/* The gradient's attributes: explicit pads, and the input's spatial dims. */
#define IG_POOL_GRAD_ATTRS (IG_WINDOW_ATTRS + 3)
void ig_pool_grad_attrs(const ig_node *node, const ig_window *window,
                        int64_t pads[2 * IG_WINDOW_AXES], ig_attr list[IG_POOL_GRAD_ATTRS]);

/* Global poolings other than means: of any number of spatial dimensions, which become one line. */
ig_status ig_pool_global_infer(ig_node *node);
ig_cost ig_pool_global_cost(const ig_node *node);
void ig_pool_line_of(const ig_node *node, ig_pool *out);
/* The derivative of y = (sum |x|^p)^(1/p): dy y^(1-p) of the sum, 0 where y is 0, and sign(x) |x|^(p-1)
 * of each element. */
ig_value *ig_lp_grad_outer(ig_graph *graph, ig_value *y, ig_value *dy, double p);
ig_value *ig_lp_grad_inner(ig_graph *graph, ig_value *x, double p);

/* One flop for each tap. */
ig_cost ig_pool_cost(const ig_node *node);
const char *ig_pool_reject_lanes(const ig_node *node);
/* Of gradients: 16-bit sums in memory would round at every step. */
const char *ig_pool_reject_grad_lanes(const ig_node *node);
/* Of kernels for volumes, [N, C, D, H, W]. */
const char *ig_pool_reject_volume(const ig_node *node);
/* Layouts of all operands agree, and only [N, C, H, W] has one. */
const char *ig_pool_reject_layouts(const ig_node *node);

#endif
