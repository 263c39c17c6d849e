/* A slice as start, step and length of every dimension, shared by Slice and its gradient. */
#ifndef IG_OPS_SLICE_H
#define IG_OPS_SLICE_H

#include "engine/ops/op.h"

typedef struct ig_slice {
  int64_t start[IG_MAX_RANK], step[IG_MAX_RANK];
  ig_shape out;
} ig_slice;

/* From the constant inputs starts, ends, axes and steps of a Slice node. */
ig_status ig_slice_of(const ig_node *node, ig_slice *out);

#endif
