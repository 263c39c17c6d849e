/* What ConvInteger and QLinearConv share: operands, their checks, and the kernels' description. */
#ifndef IG_OPS_INTEGER_CONVOLUTION_H
#define IG_OPS_INTEGER_CONVOLUTION_H

#include "engine/ops/conv_forward.h"
#include "engine/ops/matmul_integer.h"
#include "kernels/conv_integer.h"

/* a is the source, b the filter, as in ig_q_linear_mat_mul_operands for QLinearConv. */
extern const ig_integer_operands ig_conv_integer_operands;

extern const ig_attr_field ig_integer_conv_attrs[];

/* Checks source, filter and zero points, and gives the result's shape. */
ig_status ig_integer_conv_shape(const ig_node *node, const ig_integer_operands *which, ig_shape *y);
/* Of a node whose inputs were checked. */
ig_status ig_integer_conv_describe(const ig_node *node, const ig_integer_operands *which,
                                   ig_conv_integer *out);
/* The description and the bytes of a call, and how QLinearConv ends. */
ig_status ig_integer_conv_gather(const ig_call *call, const ig_integer_operands *which,
                                 ig_conv_integer *spec, ig_conv_integer_in *in);
ig_conv_requantize ig_integer_conv_requantize(const ig_call *call);
/* NULL unless an operand's layout is not for these kernels. */
const char *ig_integer_conv_reject(const ig_node *node);
/* oneDNN's sums: i8 filters whose zero points are known to be 0. `reject`, `prepare` (which leaves room for
 * the sums in front of the workspace where they are not the result) and `run`, which gives them. */
const char *ig_integer_conv_reject_onednn(const ig_node *node, const ig_integer_operands *which);
ig_status ig_integer_conv_prepare_onednn(ig_call *call, const ig_integer_operands *which);
ig_status ig_integer_conv_run_onednn(const ig_call *call, const ig_integer_operands *which,
                                     int32_t *sums, void *workspace);
ig_cost ig_integer_conv_cost(const ig_node *node);

#endif
