/* What QuantizeLinear and DequantizeLinear share: which numbers share a scale and a zero point. */
#ifndef IG_OPS_QUANTIZE_H
#define IG_OPS_QUANTIZE_H

#include "engine/ops/op.h"
#include "kernels/quantize.h"

typedef struct ig_quantize_attrs {
  int64_t axis, block_size, output_dtype, precision, saturate;
} ig_quantize_attrs;

/* axis, block_size and output_dtype. */
#define IG_QUANTIZE_FIELDS                                                                         \
  IG_FIELD_INT(ig_quantize_attrs, axis, 1), IG_FIELD_INT(ig_quantize_attrs, block_size, 0),        \
      IG_FIELD_INT(ig_quantize_attrs, output_dtype, 0)

/* Fails unless scale (input 1; i32 only with an input 0 of that type) and zero point (input 2, of type
 * `whole` where it is given) fit input 0: one number, also as [1]; one for each place along the axis; or with block_size, one for each block
 * along the axis at every other place. */
ig_status ig_quantize_check(const ig_node *node, ig_dtype whole);
/* The kernels' description of a node whose outputs were inferred. */
ig_quantize ig_quantize_of(const ig_node *node, const ig_value *real, const ig_value *whole);
/* Why kernels of f32 and 8-bit integers do not take the node; NULL where they do. `wide` lets the 16-bit
 * floats pass, too. */
const char *ig_quantize_reject(const ig_node *node, const ig_value *real, const ig_value *whole,
                               bool wide);
/* NULL unless an operand's memory layout is not for these operators: with one scale, channels last will do. */
const char *ig_quantize_reject_layouts(const ig_node *node);
/* The zero points, or NULL. */
const void *ig_quantize_zero(const ig_call *call);
ig_cost ig_quantize_cost(const ig_node *node);

#endif
