/* What BatchNormalization, its fused form and their gradients share. */
#ifndef IG_OPS_BATCH_NORM_H
#define IG_OPS_BATCH_NORM_H

#include "engine/ops/op.h"
#include "kernels/batch_norm.h"

/* How the channels of `x`, which has rank 2 at least, lie in memory. */
ig_channels ig_channels_of(const ig_value *x);
/* Types of x, of parameters like `scale`, and of statistics like `mean`. */
ig_batch_norm_types ig_batch_norm_types_of(const ig_value *x, const ig_value *scale,
                                           const ig_value *mean);
/* Fails unless inputs [from, to) are floats with one element a channel of x. */
ig_status ig_batch_norm_check(const ig_node *node, const ig_value *x, int from, int to);
/* Accepts f32 in any layout that all four-dimensional operands share. */
const char *ig_batch_norm_reject(const ig_node *node);
/* The same layouts, any float types. */
const char *ig_batch_norm_reject_layouts(const ig_node *node);
/* running = momentum * running + (1 - momentum) * batch, by channel. */
void ig_batch_norm_run(ig_dtype dtype, const void *running, ig_dtype batch_dtype, const void *batch,
                       double momentum, int64_t channels, void *out);

#endif
