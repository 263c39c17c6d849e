/* ingot.Im2Col: blocks of images [N, C, image...] as columns [N, C * block, places]; the gradient of
 * Col2Im, as that is its own. */
#include "engine/ops/columns.h"

#include "engine/base/checked.h"

typedef struct im2col_attrs {
  ig_columns_attrs columns;
  ig_ints block;
} im2col_attrs;

static const ig_attr_field attrs[] = {
    IG_COLUMNS_FIELDS(im2col_attrs),
    IG_FIELD_INTS(im2col_attrs, block),
    {0},
};

static ig_status columns_of(const ig_node *node, ig_columns *out) {
  const ig_shape *x = &node->inputs[0]->shape;
  const im2col_attrs *a = IG_ATTRS_OF(im2col_attrs, node);
  IG_CHECK(x->rank == 2 + a->block.n, IG_ERR_SHAPE, "a block of %d dimensions for images %s",
           a->block.n, IG_SHAPE_STR(x));
  IG_TRY(ig_columns_read(&a->columns, a->block.n, x->dims + 2, a->block.v, out));
  out->planes = x->dims[0] * x->dims[1];
  return IG_OK;
}

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  ig_columns c;
  IG_CHECK(x->dtype != IG_STRING, IG_ERR_SHAPE, "input 0 must be numbers, found string");
  IG_TRY(columns_of(node, &c));
  ig_shape shape = IG_SHAPE(x->shape.dims[0], 0, ig_columns_places(&c));
  IG_CHECK(ig_mul_dim(x->shape.dims[1], ig_columns_block(&c), &shape.dims[1]), IG_ERR_SHAPE,
           "more elements than can be counted");
  return ig_infer_set(node, 0, x->dtype, &shape);
}

static void grad(const ig_grad *g) {
  const im2col_attrs *a = IG_ATTRS_OF(im2col_attrs, g->node);
  const ig_shape *x = &g->node->inputs[0]->shape;
  ig_value *image = ig_graph_const_i64s(g->graph, x->rank - 2, x->dims + 2);
  ig_value *block = ig_graph_const_i64s(g->graph, a->block.n, a->block.v);
  g->dx[0] = ig_op1(g->graph, "Col2Im", NULL, IG_INS(g->dy[0], image, block),
                    IG_ATTRS(IG_INTS("dilations", a->columns.dilations.n, a->columns.dilations.v),
                             IG_INTS("pads", a->columns.pads.n, a->columns.pads.v),
                             IG_INTS("strides", a->columns.strides.n, a->columns.strides.v)));
}

static ig_status run(const ig_call *call) {
  ig_columns c;
  IG_TRY(columns_of(call->node, &c));
  ig_cpu_image_to_columns(call->node->inputs[0]->dtype, &c, call->in[0], call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_im2col = {
    .name = "ingot.Im2Col",
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(im2col_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_copy,
    .impls = impls,
};
