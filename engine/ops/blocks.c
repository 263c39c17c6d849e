/* One strided copy between [N, C size^2, H, W] and [N, C, H size, W size], as boxes of six dimensions. */
#include "engine/ops/blocks.h"

#include "engine/base/checked.h"
#include "kernels/movement.h"

ig_status ig_block_check(const ig_node *node, int64_t size, int64_t *square) {
  const ig_value *x = node->inputs[0];
  IG_CHECK(x->shape.rank == 4, IG_ERR_SHAPE, "input 0 must be [N, C, H, W], found %s",
           IG_SHAPE_STR(&x->shape));
  IG_CHECK(size >= 1 && ig_mul_dim(size, size, square), IG_ERR_SHAPE, "blocksize is %lld",
           (long long)size);
  return IG_OK;
}

ig_status ig_block_copy(const ig_call *call, int64_t size, bool channel_first, bool to_space) {
  const ig_value *x = call->node->inputs[0], *y = call->node->outputs[0];
  const ig_shape *wide = to_space ? &y->shape : &x->shape;
  int64_t n = wide->dims[0], c = wide->dims[1], h = wide->dims[2] / size, w = wide->dims[3] / size;
  int64_t area = h * w, row = w * size;
  /* Indices n, c, place in the block (down, across), h, w. */
  int64_t dims[6] = {n, c, size, size, h, w};
  int64_t block = channel_first ? area : c * area;
  int64_t deep_strides[6] = {
      c * size * size * area, channel_first ? size * size * area : area, size * block, block, w, 1};
  int64_t wide_strides[6] = {c * area * size * size, area * size * size, row, 1, row * size, size};
  ig_cpu_strided_copy(ig_dtype_size(x->dtype), 6, dims, call->in[0],
                      to_space ? deep_strides : wide_strides, call->out[0],
                      to_space ? wide_strides : deep_strides);
  return IG_OK;
}
