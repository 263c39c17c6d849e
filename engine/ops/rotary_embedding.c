/* RotaryEmbedding: turns pairs of each head's elements by the angle of their position. X is
 * [batch, heads, tokens, size], or [batch, tokens, heads * size] with num_heads given. With
 * position_ids [batch, tokens] the tables are [positions, half], otherwise [batch, tokens, half], where PyTorch's exporter
 * writes 1 for the batch when all have the same positions. The
 * gradient turns back: the same operator with the sines negated. */
#include "engine/ops/rotary_embedding.h"

typedef struct rotary_embedding_attrs {
  int64_t interleaved, num_heads, rotary_embedding_dim;
} rotary_embedding_attrs;

static const ig_attr_field rotary_embedding_fields[] = {
    IG_FIELD_INT(rotary_embedding_attrs, interleaved, 0),
    IG_FIELD_INT(rotary_embedding_attrs, num_heads, 0),
    IG_FIELD_INT(rotary_embedding_attrs, rotary_embedding_dim, 0),
    {.name = NULL},
};

static const ig_value *positions_of(const ig_node *node) {
  return node->n_inputs > 3 ? node->inputs[3] : NULL;
}

ig_status ig_rotary_embedding_describe(const ig_node *node, ig_rotary *out) {
  const rotary_embedding_attrs *attrs = IG_ATTRS_OF(rotary_embedding_attrs, node);
  const ig_shape *x = &node->inputs[0]->shape;
  IG_CHECK(x->rank == 3 || x->rank == 4, IG_ERR_SHAPE, "X must have rank 3 or 4, found %s",
           IG_SHAPE_STR(x));
  ig_rotary r = {.batch = x->dims[0], .interleaved = attrs->interleaved != 0};
  if (x->rank == 4) {
    r.heads = x->dims[1];
    r.tokens = x->dims[2];
    r.size = x->dims[3];
    r.stride_s = r.size;
    r.stride_h = r.tokens * r.size;
  } else {
    IG_CHECK(attrs->num_heads > 0 && x->dims[2] % attrs->num_heads == 0, IG_ERR_SHAPE,
             "num_heads %lld does not divide the last dimension of %s", (long long)attrs->num_heads,
             IG_SHAPE_STR(x));
    r.heads = attrs->num_heads;
    r.tokens = x->dims[1];
    r.size = x->dims[2] / r.heads;
    r.stride_h = r.size;
    r.stride_s = x->dims[2];
  }
  r.stride_b = r.heads * r.tokens * r.size;
  int64_t turned = attrs->rotary_embedding_dim ? attrs->rotary_embedding_dim : r.size;
  IG_CHECK(turned >= 0 && turned <= r.size && turned % 2 == 0, IG_ERR_SHAPE,
           "%lld elements of heads of %lld cannot be turned in pairs", (long long)turned,
           (long long)r.size);
  r.half = turned / 2;
  r.shared = !positions_of(node) && node->inputs[1]->shape.rank == 3 && node->inputs[1]->shape.dims[0] == 1;
  *out = r;
  return IG_OK;
}

static ig_status rotary_embedding_infer(ig_node *node) {
  const ig_value *x = node->inputs[0], *positions = positions_of(node);
  ig_rotary r = {0};
  IG_TRY(ig_require_float(node, 0));
  IG_TRY(ig_rotary_embedding_describe(node, &r));
  ig_shape ids = IG_SHAPE(r.batch, r.tokens);
  IG_CHECK(!positions || (positions->dtype == IG_I64 && ig_shape_equal(&positions->shape, &ids)),
           IG_ERR_SHAPE, "position_ids must be i64 %s", IG_SHAPE_STR(&ids));
  for (int i = 1; i <= 2; i++) {
    const ig_value *table = node->inputs[i];
    ig_shape want = positions ? IG_SHAPE(0, r.half) : IG_SHAPE(r.batch, r.tokens, r.half);
    if (positions && table->shape.rank == 2) want.dims[0] = node->inputs[1]->shape.dims[0];
    if (r.shared) want.dims[0] = 1;
    IG_CHECK(table->dtype == x->dtype && ig_shape_equal(&table->shape, &want), IG_ERR_SHAPE,
             "the table of %s is %s %s, expected %s %s", i == 1 ? "cosines" : "sines",
             ig_dtype_name(table->dtype), IG_SHAPE_STR(&table->shape), ig_dtype_name(x->dtype),
             IG_SHAPE_STR(&want));
  }
  return ig_infer_set(node, 0, x->dtype, &x->shape);
}

static void rotary_embedding_grad(const ig_grad *grad) {
  const ig_node *node = grad->node;
  const rotary_embedding_attrs *attrs = IG_ATTRS_OF(rotary_embedding_attrs, node);
  ig_graph *graph = grad->graph;
  if (grad->need[1] || grad->need[2]) {
    ig_graph_fail(graph, ig_fail(IG_ERR_UNSUPPORTED,
                                 "RotaryEmbedding: no gradient for the tables of angles"));
    return;
  }
  ig_value *back = ig_op1(graph, "Neg", NULL, IG_INS(node->inputs[2]), IG_NO_ATTRS);
  ig_value *positions = node->n_inputs > 3 ? node->inputs[3] : NULL;
  grad->dx[0] = ig_op1(
      graph, "RotaryEmbedding", NULL, IG_INS(grad->dy[0], node->inputs[1], back, positions),
      IG_ATTRS(IG_INT("interleaved", attrs->interleaved), IG_INT("num_heads", attrs->num_heads),
               IG_INT("rotary_embedding_dim", attrs->rotary_embedding_dim)));
}

static ig_status rotary_embedding_run(const ig_call *call) {
  const ig_node *node = call->node;
  ig_rotary r = {0};
  IG_TRY(ig_rotary_embedding_describe(node, &r));
  const int64_t *positions = positions_of(node) ? call->in[3] : NULL;
  int64_t rows = node->inputs[1]->shape.dims[0];
  for (int64_t i = 0; positions && i < r.batch * r.tokens; i++)
    IG_CHECK(positions[i] >= 0 && positions[i] < rows, IG_ERR_INPUT,
             "%s: position %lld is outside the table of %lld", node->name, (long long)positions[i],
             (long long)rows);
  ig_cpu_rotary(node->inputs[0]->dtype, &r, call->in[0], call->in[1], call->in[2], positions,
                call->out[0]);
  return IG_OK;
}

/* Four products and two sums a pair. */
static ig_cost rotary_embedding_cost(const ig_node *node) {
  ig_rotary r = {0};
  ig_cost cost = ig_cost_copy(node);
  if (ig_rotary_embedding_describe(node, &r) == IG_OK)
    cost.flops = 6.0 * (double)(r.batch * r.heads * r.tokens) * (double)r.half;
  return cost;
}

static const ig_impl rotary_embedding_impls[] = {
    {.name = "cpu",                .device = IG_CPU, .run = rotary_embedding_run},
    {.name = NULL},
};

const ig_op ig_op_rotary_embedding = {
    .name = "RotaryEmbedding",
    .since = 23,
    .n_in = {3, 4},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_INPLACE,
    .attrs = rotary_embedding_fields,
    .attrs_size = sizeof(rotary_embedding_attrs),
    .infer = rotary_embedding_infer,
    .grad = rotary_embedding_grad,
    .cost = rotary_embedding_cost,
    .impls = rotary_embedding_impls,
};
