/* DepthToSpace: channels to blocks of pixels. Of the channels' index, mode DCR has the place in the block
 * first and the new channel last, CRD the other way about. */
#include <string.h>

#include "engine/ops/blocks.h"
#include "engine/ops/view.h"

typedef struct depth_to_space_attrs {
  int64_t blocksize;
  const char *mode;
} depth_to_space_attrs;

static const ig_attr_field attrs[] = {
    {.name = "blocksize",
     .type = IG_ATTR_INT,
     .offset = offsetof(depth_to_space_attrs, blocksize),
     .required = true},
    IG_FIELD_STRING(depth_to_space_attrs, mode, "DCR"),
    {0},
};

static ig_status infer(ig_node *node) {
  const depth_to_space_attrs *a = IG_ATTRS_OF(depth_to_space_attrs, node);
  int64_t square = 0;
  IG_TRY(ig_block_check(node, a->blocksize, &square));
  IG_CHECK(strcmp(a->mode, "DCR") == 0 || strcmp(a->mode, "CRD") == 0, IG_ERR_INPUT,
           "mode must be DCR or CRD, found '%s'", a->mode);
  ig_shape shape = node->inputs[0]->shape;
  bool fits = shape.dims[1] % square == 0;
  shape.dims[1] /= square;
  for (int d = 2; fits && d < 4; d++)
    fits = !__builtin_mul_overflow(shape.dims[d], a->blocksize, &shape.dims[d]);
  IG_CHECK(fits, IG_ERR_SHAPE, "%s has no channels for blocks of %lld x %lld",
           IG_SHAPE_STR(&node->inputs[0]->shape), (long long)a->blocksize, (long long)a->blocksize);
  return ig_infer_set(node, 0, node->inputs[0]->dtype, &shape);
}

/* SpaceToDepth is the inverse of DCR; for CRD the place in the block is moved behind the channel. */
static void grad(const ig_grad *g) {
  const depth_to_space_attrs *a = IG_ATTRS_OF(depth_to_space_attrs, g->node);
  ig_graph *graph = g->graph;
  ig_value *deep = ig_op1(graph, "SpaceToDepth", NULL, IG_INS(g->dy[0]),
                          IG_ATTRS(IG_INT("blocksize", a->blocksize)));
  if (deep && strcmp(a->mode, "CRD") == 0) {
    const ig_shape *s = &deep->shape;
    int64_t square = a->blocksize * a->blocksize;
    int64_t cut[4] = {s->dims[0], square, s->dims[1] / square, s->dims[2] * s->dims[3]};
    static const int64_t perm[4] = {0, 2, 1, 3};
    deep = ig_op1(graph, "Reshape", NULL, IG_INS(deep, ig_graph_const_i64s(graph, 4, cut)),
                  IG_ATTRS(IG_INT("allowzero", 1)));
    deep = ig_op1(graph, "Transpose", NULL, IG_INS(deep), IG_ATTRS(IG_INTS("perm", 4, perm)));
  }
  g->dx[0] = ig_reshape_like(graph, deep, g->node->inputs[0]);
}

static ig_status run(const ig_call *call) {
  const depth_to_space_attrs *a = IG_ATTRS_OF(depth_to_space_attrs, call->node);
  return ig_block_copy(call, a->blocksize, strcmp(a->mode, "CRD") == 0, true);
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_depth_to_space = {
    .name = "DepthToSpace",
    .since = 11,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(depth_to_space_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_copy,
    .impls = impls,
};
