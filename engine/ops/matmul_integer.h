/* MatMulInteger as the kernels see it. */
#ifndef IG_OPS_MATMUL_INTEGER_H
#define IG_OPS_MATMUL_INTEGER_H

#include "engine/ops/op.h"
#include "kernels/matmul_integer.h"

/* The kernels' description of a node whose inputs were checked. */
ig_matmul_integer ig_matmul_integer_of(const ig_node *node);
/* Zero points of input 0 (which = 0) or 1, or NULL. */
const void *ig_matmul_integer_zero(const ig_call *call, int which);

#endif
