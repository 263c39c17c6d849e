/* What GroupNormalization, InstanceNormalization and their gradient share. */
#ifndef IG_OPS_GROUP_NORM_H
#define IG_OPS_GROUP_NORM_H

#include "engine/ops/op.h"
#include "kernels/group_norm.h"

/* x [N, C, ...] in `groups` groups of channels. */
ig_status ig_group_norm_shape(const ig_value *x, int64_t groups, float epsilon, ig_group_norm *out);
/* Fails unless input `i` has x's dtype and one element a channel. */
ig_status ig_group_norm_check(const ig_node *node, const ig_value *x, int i, const char *what);
/* Output 0 like x; outputs 1 and 2, our own, mean and reciprocal standard deviation [N, groups]. */
ig_status ig_group_norm_infer(ig_node *node, int64_t groups, float epsilon);
void ig_group_norm_grad(const ig_grad *grad, int64_t groups);
ig_status ig_group_norm_run(const ig_call *call, int64_t groups, float epsilon, bool reference);
ig_cost ig_group_norm_cost(const ig_node *node);

#endif
