/* What the convolution operators share. Each describes itself as an ig_conv (the forward
 * direction) and runs one of three kernels over it: forward, gradient of the source, gradient of
 * the weights. */
#ifndef IG_OPS_CONVOLUTION_H
#define IG_OPS_CONVOLUTION_H

#include "engine/ops/window.h"
#include "kernels/conv.h"

/* Checks source, filter and optional bias of a convolution from source to destination. */
ig_status ig_conv_check_filter(const ig_value *x, const ig_value *w, int64_t group,
                               const char *what);
ig_status ig_conv_check_bias(const ig_node *node, int input, int64_t channels);

/* The description of a convolution from `src` to `dst`, whose shapes inference has checked. */
void ig_conv_describe(const ig_value *src, const ig_value *dst, const ig_window *window,
                      int64_t group, ig_conv *out);

/* The description of a node: of Conv and ingot.FusedConv, ingot.ConvGradInput, ingot.ConvGradWeight,
 * ConvTranspose. */
ig_status ig_conv_forward_describe(const ig_node *node, ig_conv *out);
ig_status ig_conv_grad_input_describe(const ig_node *node, ig_conv *out);
ig_status ig_conv_grad_weight_describe(const ig_node *node, ig_conv *out);
ig_status ig_conv_transpose_describe(const ig_node *node, ig_conv *out);

/* 2 flops for each element of `dst` and weight of its window; bytes of all operands. */
ig_cost ig_conv_cost(const ig_node *node, const ig_value *dst, const ig_shape *filter);

/* NULL when oneDNN may have code for the node: type and emptiness. */
const char *ig_conv_reject_onednn(const ig_node *node);
/* A 1-d convolution stands for a 2-d one only in row-major memory. */
const char *ig_conv_reject_reference(const ig_node *node);
/* Of kernels for volumes, [N, C, D, H, W]. */
const char *ig_conv_reject_volume(const ig_node *node);
void ig_conv_release(ig_call *call);

/* Gradient builders: attributes `list` with explicit pads (IG_WINDOW_ATTRS of them), group
 * added. */
ig_value *ig_conv_grad_input(ig_graph *graph, ig_value *dy, ig_value *w, const ig_value *x,
                             const ig_window *window, int64_t group);
/* dw, and db when it is not NULL. */
void ig_conv_grad_weight(ig_graph *graph, ig_value *x, ig_value *dy, const ig_window *window,
                         int64_t group, ig_value **dw, ig_value **db);

#endif
