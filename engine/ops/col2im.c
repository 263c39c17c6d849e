/* Col2Im: columns [N, C * block, places] added up into images [N, C, image...]. */
#include "engine/ops/columns.h"

typedef struct col2im_attrs {
  ig_columns_attrs columns;
} col2im_attrs;

static const ig_attr_field attrs[] = {
    IG_COLUMNS_FIELDS(col2im_attrs),
    {0},
};

static ig_status columns_of(const ig_node *node, ig_columns *out) {
  const ig_shape *x = &node->inputs[0]->shape;
  int64_t image[IG_COLUMNS_MOST], block[IG_COLUMNS_MOST];
  int rank, n;
  IG_TRY(ig_value_const_ints(node->inputs[1], "image_shape", IG_COLUMNS_MOST, image, &rank));
  IG_TRY(ig_value_const_ints(node->inputs[2], "block_shape", IG_COLUMNS_MOST, block, &n));
  IG_CHECK(n == rank, IG_ERR_SHAPE, "image_shape has %d entries, block_shape %d", rank, n);
  IG_TRY(ig_columns_read(&IG_ATTRS_OF(col2im_attrs, node)->columns, rank, image, block, out));
  int64_t elements = ig_columns_block(out), places = ig_columns_places(out);
  IG_CHECK(x->rank == 3 && x->dims[1] % elements == 0 && x->dims[2] == places, IG_ERR_SHAPE,
           "input 0 must be [N, C * %lld, %lld], found %s", (long long)elements, (long long)places,
           IG_SHAPE_STR(x));
  out->planes = x->dims[0] * (x->dims[1] / elements);
  return IG_OK;
}

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  ig_columns c;
  IG_CHECK(ig_dtype_is_float(x->dtype) || ig_dtype_is_int(x->dtype) || x->dtype == IG_BOOL,
           IG_ERR_SHAPE, "input 0 must be numbers, found %s", ig_dtype_name(x->dtype));
  IG_TRY(columns_of(node, &c));
  ig_shape shape = {2 + c.rank, {x->shape.dims[0], x->shape.dims[1] / ig_columns_block(&c)}};
  for (int d = 0; d < c.rank; d++) shape.dims[2 + d] = c.image[d];
  return ig_infer_set(node, 0, x->dtype, &shape);
}

static void grad(const ig_grad *g) {
  const ig_columns_attrs *a = &IG_ATTRS_OF(col2im_attrs, g->node)->columns;
  int64_t block[IG_COLUMNS_MOST];
  int n;
  ig_status status =
      ig_value_const_ints(g->node->inputs[2], "block_shape", IG_COLUMNS_MOST, block, &n);
  if (status != IG_OK) {
    ig_graph_fail(g->graph, status);
    return;
  }
  g->dx[0] = ig_op1(g->graph, "ingot.Im2Col", NULL, IG_INS(g->dy[0]),
                    IG_ATTRS(IG_INTS("block", n, block),
                             IG_INTS("dilations", a->dilations.n, a->dilations.v),
                             IG_INTS("pads", a->pads.n, a->pads.v),
                             IG_INTS("strides", a->strides.n, a->strides.v)));
}

static ig_cost cost(const ig_node *node) {
  ig_cost total = ig_cost_copy(node);
  total.flops = (double)ig_value_count(node->inputs[0]);
  return total;
}

static ig_status run(const ig_call *call) {
  ig_columns c;
  IG_TRY(columns_of(call->node, &c));
  ig_cpu_columns_to_image(call->node->inputs[0]->dtype, &c, call->in[0], call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_col2im = {
    .name = "Col2Im",
    .since = 18,
    .n_in = {3, 3},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(col2im_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
