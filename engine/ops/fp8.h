/* What the operators of 8-bit floats share: see kernels/fp8.h for the scaling. */
#ifndef IG_OPS_FP8_H
#define IG_OPS_FP8_H

#include "engine/ops/product.h"
#include "kernels/fp8.h"

/* ingot.QuantizeFp8. */
enum { IG_FP8_X, IG_FP8_PAST };
enum { IG_FP8_CODES, IG_FP8_INVERSE, IG_FP8_NEXT, IG_FP8_OTHER };
ig_fp8_cast ig_fp8_cast_of(const ig_node *node);
ig_fp8_results ig_fp8_results_of(const ig_call *call);

/* ingot.ScaledMatMul. */
enum { IG_SCALED_A, IG_SCALED_B, IG_SCALED_A_SCALE, IG_SCALED_B_SCALE, IG_SCALED_ADDEND };
/* C, or NULL. */
static inline const ig_value *ig_scaled_addend(const ig_node *node) {
  return node->n_inputs > IG_SCALED_ADDEND ? node->inputs[IG_SCALED_ADDEND] : NULL;
}
/* The kernels' description of its product, without the scales. */
void ig_scaled_mat_mul_describe(const ig_node *node, ig_matmul *out);

#endif
