/* RotaryEmbedding's operands as kernels see them, for the implementations of every device. */
#ifndef IG_OPS_ROTARY_EMBEDDING_H
#define IG_OPS_ROTARY_EMBEDDING_H

#include "engine/ops/op.h"
#include "kernels/rotary.h"

ig_status ig_rotary_embedding_describe(const ig_node *node, ig_rotary *out);

#endif
