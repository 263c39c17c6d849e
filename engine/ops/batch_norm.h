/* What BatchNormalization, its fused form and their gradient share. */
#ifndef IG_OPS_BATCH_NORM_H
#define IG_OPS_BATCH_NORM_H

#include "engine/ops/op.h"
#include "kernels/batch_norm.h"

/* Attributes of all of them; those that an operator's table lacks stay 0. */
typedef struct ig_batch_norm_attrs {
  float epsilon, momentum;
  int64_t training_mode;
  int64_t relu;
} ig_batch_norm_attrs;

/* How the channels of `x`, which has rank 2 at least, lie in memory; with the attributes. */
ig_batch_norm ig_batch_norm_of(const ig_node *node, const ig_value *x);
/* How the channels of `x` lie in memory, alone. */
ig_channels ig_channels_of(const ig_value *x);
/* Types of x, of parameters like `scale`, and of statistics like `mean`. */
ig_batch_norm_types ig_batch_norm_types_of(const ig_value *x, const ig_value *scale,
                                           const ig_value *mean);
/* Fails unless inputs [from, to) are floats with one element a channel of x. */
ig_status ig_batch_norm_check(const ig_node *node, const ig_value *x, int from, int to);
/* Fails unless input `i`, where present, is like x. */
ig_status ig_batch_norm_check_like(const ig_node *node, const ig_value *x, int i);
/* Accepts any layout that all operands share which have one. */
const char *ig_batch_norm_reject_layouts(const ig_node *node);
/* The same, in f32 alone. */
const char *ig_batch_norm_reject(const ig_node *node);

/* The forward operators: inputs X, scale, bias, mean, variance and, fused, a residual; outputs Y, the
 * new running statistics, and the batch's. */
ig_status ig_batch_norm_infer(ig_node *node);
void ig_batch_norm_grad(const ig_grad *grad);
ig_cost ig_batch_norm_cost(const ig_node *node);
int ig_batch_norm_inplace(const ig_node *node, int output);
extern const ig_impl ig_batch_norm_impls[];

#endif
