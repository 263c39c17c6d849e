/* oneDNN behind plain pointers and sizes: matrix products, convolutions and reorders between
 * activation layouts, for f32 and, where the processor has it, bf16. A primitive is created once
 * for given shapes (oneDNN keeps the generated code of equal primitives in a cache of its own, so
 * that creating the same one again is cheap) and then run any number of times: running allocates
 * nothing, takes its scratch from the caller's workspace, and reorders operands whose layout the
 * primitive does not read itself. One primitive must not run in two threads at once.
 *
 * Creation fails with IG_ERR_UNSUPPORTED when oneDNN has no optimised code for the case. */
#ifndef IG_KERNELS_LIB_ONEDNN_H
#define IG_KERNELS_LIB_ONEDNN_H

#include "engine/base/layout.h"
#include "engine/base/shape.h"
#include "kernels/conv_integer.h"
#include "kernels/matmul.h"
#include "kernels/quantized.h"

typedef struct ig_dnn ig_dnn;

/* Whether matrix products and convolutions of this type have optimised code on this processor. */
bool ig_dnn_supports(ig_dtype dtype);

/* Bytes of workspace that ig_dnn_run needs, 64-byte aligned. */
size_t ig_dnn_workspace(const ig_dnn *dnn);
/* Whether operand `index` was given at creation and is kept packed: the bytes given are not read
 * again. */
bool ig_dnn_keeps(const ig_dnn *dnn, int index);
/* oneDNN's name of the code it chose, e.g. "brg:avx512_core". */
const char *ig_dnn_code(const ig_dnn *dnn);
/* `operands` in the order that the creating function documents; they do not overlap. An operand
 * that was given at creation is not read here. */
ig_status ig_dnn_run(ig_dnn *dnn, const void *const *operands, void *workspace);
void ig_dnn_destroy(ig_dnn *dnn); /* NULL is allowed */

/* Operands: a, b, addend (any pointer when absent), c. `fixed_b`, unless NULL, holds b's bytes for
 * good: they are packed now. */
ig_status ig_dnn_matmul_create(const ig_matmul *spec, const void *fixed_b, ig_dnn **out);

/* Operands: src, weights [dst_channels, src_channels / groups, kh, kw] row-major, bias, dst.
 * `fixed_weights` as in ig_dnn_matmul_create. */
ig_status ig_dnn_conv_create(const ig_conv *spec, const void *fixed_weights, ig_dnn **out);
/* Gradient of src. Operands: dst gradient, weights, src gradient. */
ig_status ig_dnn_conv_src_create(const ig_conv *spec, const void *fixed_weights, ig_dnn **out);
/* Gradient of weights. Operands: src, dst gradient, weights gradient (row-major), bias gradient
 * when spec->bias. */
ig_status ig_dnn_conv_weights_create(const ig_conv *spec, ig_dnn **out);

/* Sums of i8 weights without zero points, and with `bias`. Operands: src, weights, bias, sums (both i32),
 * src's zero point as one i32. */
ig_status ig_dnn_conv_integer_create(const ig_conv_integer *spec, bool bias,
                                     const void *fixed_weights, ig_dnn **out);

/* Whether the two below have code on this processor that is faster than products of f32. */
bool ig_dnn_quantizes(void);
/* Products of 8-bit integers with their ends, for weights i8 that never change and are packed now, with
 * weight_scale (one or one a channel) and bias (f32, by channel; NULL for none). Operands: src, dst; where
 * there is a residual, dst holds it. spec->conv.dtype is src's. */
ig_status ig_dnn_quantized_conv_create(const ig_conv *spec, const ig_quantized_end *end,
                                       const int8_t *weights, const float *weight_scale,
                                       const float *bias, ig_dnn **out);
/* [m, k] by [k, n], row-major. */
ig_status ig_dnn_quantized_matmul_create(int64_t m, int64_t n, int64_t k,
                                         const ig_quantized_end *end, const int8_t *weights,
                                         const float *weight_scale, const float *bias,
                                         ig_dnn **out);

/* Copies an activation [N, C, H, W] from one layout to another. Operands: from, to. */
ig_status ig_dnn_reorder_create(ig_dtype dtype, const int64_t dims[4], ig_layout from, ig_layout to,
                                ig_dnn **out);

#endif
