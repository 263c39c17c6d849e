/* Trilu: the upper or lower triangle of matrices, from diagonal `k` (input 1, 0 when absent) on; zero
 * elsewhere. */
#include "engine/ops/op.h"
#include "kernels/indexing.h"

typedef struct trilu_attrs {
  int64_t upper;
} trilu_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_INT(trilu_attrs, upper, 1),
    {0},
};

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0], *k = node->n_inputs > 1 ? node->inputs[1] : NULL;
  IG_CHECK(x->shape.rank >= 2 && x->dtype != IG_STRING, IG_ERR_SHAPE,
           "input 0 must be matrices of numbers, found %s%s", ig_dtype_name(x->dtype),
           IG_SHAPE_STR(&x->shape));
  IG_CHECK(!k || (k->dtype == IG_I64 && ig_value_count(k) == 1), IG_ERR_SHAPE,
           "k must be one i64, found %s%s", k ? ig_dtype_name(k->dtype) : "",
           k ? IG_SHAPE_STR(&k->shape) : "");
  return ig_infer_same(node);
}

static void grad(const ig_grad *g) {
  ig_value *k = g->node->n_inputs > 1 ? g->node->inputs[1] : NULL;
  g->dx[0] = ig_op1(g->graph, "Trilu", NULL, IG_INS(g->dy[0], k),
                    IG_ATTRS(IG_INT("upper", IG_ATTRS_OF(trilu_attrs, g->node)->upper)));
}

static ig_status run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0];
  int rank = x->shape.rank;
  int64_t k = call->node->n_inputs > 1 && call->in[1] ? *(const int64_t *)call->in[1] : 0;
  ig_cpu_trilu(ig_dtype_size(x->dtype), ig_shape_span(&x->shape, 0, rank - 2),
               x->shape.dims[rank - 2], x->shape.dims[rank - 1],
               IG_ATTRS_OF(trilu_attrs, call->node)->upper != 0, k, call->in[0], call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_trilu = {
    .name = "Trilu",
    .since = 14,
    .n_in = {1, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(trilu_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_copy,
    .impls = impls,
};
