/* Images and their blocks: what DepthToSpace and SpaceToDepth share. */
#ifndef IG_OPS_BLOCKS_H
#define IG_OPS_BLOCKS_H

#include "engine/ops/op.h"

/* Fails unless input 0 is [N, C, H, W] and `size` a block that its square may have. */
ig_status ig_block_check(const ig_node *node, int64_t size, int64_t *square);
/* The deep tensor [N, C size^2, H, W] and the wide one [N, C, H size, W size] hold the same elements.
 * Copies the node's input to its output, either way; of a channel's index in the deep one, C comes
 * first with `channel_first`, else last. */
ig_status ig_block_copy(const ig_call *call, int64_t size, bool channel_first, bool to_space);

#endif
