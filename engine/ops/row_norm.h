/* What the operators that normalise rows share: LayerNormalization, RMSNormalization, the fused
 * residual form, and their gradients. */
#ifndef IG_OPS_ROW_NORM_H
#define IG_OPS_ROW_NORM_H

#include "engine/ops/op.h"
#include "kernels/layer_norm.h"

/* Statistics are f64 for f64, otherwise f32. */
ig_dtype ig_row_norm_stats(const ig_node *node);
/* Rows and columns of a tensor normalised over the dimensions from `axis` on; with the shape of its
 * statistics (those dimensions being 1) when `stats` is not NULL. */
ig_status ig_row_norm_shape(const ig_value *x, int64_t axis, bool center, float epsilon,
                            ig_row_norm *out, ig_shape *stats);
/* Fails unless input `i`, where present, has x's dtype and one element a column. */
ig_status ig_row_norm_check(const ig_node *node, const ig_value *x, int i, const char *what,
                            int64_t columns);
/* Fails unless input `i`, where present, holds statistics of that shape. */
ig_status ig_row_norm_check_stats(const ig_node *node, int i, const ig_shape *shape);
/* Pointer of an optional operand, NULL when absent. */
const void *ig_row_norm_in(const ig_call *call, int i);
void *ig_row_norm_out(const ig_call *call, int i);

#endif
