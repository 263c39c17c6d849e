/* LRN: x divided by a power of the sum of squares over neighbouring channels (Krizhevsky et al., 2012,
 * section 3.3). An even `size` has its extra channel behind. */
#include "engine/ops/lrn.h"

#include "engine/ops/softmax.h"

const ig_attr_field ig_lrn_fields[] = {
    IG_FIELD_FLOAT(ig_lrn_attrs, alpha, 0.0001f),
    IG_FIELD_FLOAT(ig_lrn_attrs, beta, 0.75f),
    IG_FIELD_FLOAT(ig_lrn_attrs, bias, 1.0f),
    {.name = "size", .type = IG_ATTR_INT, .offset = offsetof(ig_lrn_attrs, size), .required = true},
    {0},
};

ig_status ig_lrn_infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  int64_t size = IG_ATTRS_OF(ig_lrn_attrs, node)->size;
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(x->shape.rank >= 2, IG_ERR_SHAPE, "input 0 must be [N, C, ...], found %s",
           IG_SHAPE_STR(&x->shape));
  IG_CHECK(size >= 1, IG_ERR_INPUT, "size is %lld", (long long)size);
  return ig_infer_same(node);
}

/* Squares and sums of the window, and about twenty for the power. */
ig_cost ig_lrn_cost(const ig_node *node) {
  const ig_value *x = node->inputs[0];
  int64_t window = IG_MIN(IG_ATTRS_OF(ig_lrn_attrs, node)->size, x->shape.dims[1]);
  ig_cost cost = ig_cost_copy(node);
  cost.flops = (double)ig_value_count(x) * (20 + 2 * (double)window);
  return cost;
}

ig_lrn ig_lrn_of(const ig_node *node, ig_rows *rows) {
  const ig_lrn_attrs *a = IG_ATTRS_OF(ig_lrn_attrs, node);
  *rows = ig_rows_around(node->inputs[0], 1);
  return (ig_lrn){.alpha = (double)a->alpha,
                  .beta = (double)a->beta,
                  .bias = (double)a->bias,
                  .size = a->size,
                  .before = (a->size - 1) / 2,
                  .after = a->size / 2};
}

static void grad(const ig_grad *g) {
  const ig_lrn_attrs *a = IG_ATTRS_OF(ig_lrn_attrs, g->node);
  g->dx[0] = ig_op1(g->graph, "ingot.LRNGrad", NULL, IG_INS(g->dy[0], g->node->inputs[0]),
                    IG_ATTRS(IG_FLOAT("alpha", a->alpha), IG_FLOAT("beta", a->beta),
                             IG_FLOAT("bias", a->bias), IG_INT("size", a->size)));
}

static ig_status run(const ig_call *call) {
  ig_rows rows;
  ig_lrn lrn = ig_lrn_of(call->node, &rows);
  ig_cpu_lrn(call->node->inputs[0]->dtype, &lrn, &rows, call->in[0], call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_lrn = {
    .name = "LRN",
    .since = 1,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_lrn_fields,
    .attrs_size = sizeof(ig_lrn_attrs),
    .infer = ig_lrn_infer,
    .grad = grad,
    .cost = ig_lrn_cost,
    .impls = impls,
};
