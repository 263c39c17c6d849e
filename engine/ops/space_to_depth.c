/* SpaceToDepth: blocks of pixels to channels, the place in the block before the old channel. */
#include "engine/base/checked.h"
#include "engine/ops/blocks.h"

typedef struct space_to_depth_attrs {
  int64_t blocksize;
} space_to_depth_attrs;

static const ig_attr_field attrs[] = {
    {.name = "blocksize",
     .type = IG_ATTR_INT,
     .offset = offsetof(space_to_depth_attrs, blocksize),
     .required = true},
    {0},
};

static ig_status infer(ig_node *node) {
  int64_t size = IG_ATTRS_OF(space_to_depth_attrs, node)->blocksize, square = 0;
  IG_TRY(ig_block_check(node, size, &square));
  ig_shape shape = node->inputs[0]->shape;
  IG_CHECK(shape.dims[2] % size == 0 && shape.dims[3] % size == 0 &&
               ig_mul_dim(shape.dims[1], square, &shape.dims[1]),
           IG_ERR_SHAPE, "%s cannot be cut into blocks of %lld x %lld",
           IG_SHAPE_STR(&node->inputs[0]->shape), (long long)size, (long long)size);
  shape.dims[2] /= size;
  shape.dims[3] /= size;
  return ig_infer_set(node, 0, node->inputs[0]->dtype, &shape);
}

static void grad(const ig_grad *g) {
  int64_t size = IG_ATTRS_OF(space_to_depth_attrs, g->node)->blocksize;
  g->dx[0] =
      ig_op1(g->graph, "DepthToSpace", NULL, IG_INS(g->dy[0]), IG_ATTRS(IG_INT("blocksize", size)));
}

static ig_status run(const ig_call *call) {
  return ig_block_copy(call, IG_ATTRS_OF(space_to_depth_attrs, call->node)->blocksize, false,
                       false);
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_space_to_depth = {
    .name = "SpaceToDepth",
    .since = 1,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(space_to_depth_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_copy,
    .impls = impls,
};
