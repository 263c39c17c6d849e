/* GatherND: slices of data named by tuples of indices, beyond `batch_dims` that data and indices
 * share. */
#include "engine/ops/scatter.h"
#include "engine/ops/view.h"

typedef struct gather_nd_attrs {
  int64_t batch_dims;
} gather_nd_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_INT(gather_nd_attrs, batch_dims, 0),
    {0},
};

static ig_status infer(ig_node *node) {
  int64_t batch_dims = IG_ATTRS_OF(gather_nd_attrs, node)->batch_dims;
  ig_shape shape;
  IG_TRY(ig_slices_check(node, batch_dims));
  IG_TRY(ig_slices_shape(node, (int)batch_dims, &shape));
  return ig_infer_set(node, 0, node->inputs[0]->dtype, &shape);
}

/* The indices with those of the batch before them, as ScatterND takes them. */
static ig_value *whole_tuples(const ig_grad *g, int batch_dims) {
  ig_value *indices = g->node->inputs[1];
  if (batch_dims == 0) return indices;
  ig_shape shape = indices->shape;
  shape.dims[shape.rank - 1] = batch_dims;
  int64_t *batch = ig_arena_alloc(g->graph->arena, ig_shape_bytes(&shape, IG_I64));
  if (!batch) return ig_graph_fail(g->graph, ig_fail(IG_ERR_MEMORY, "GatherND: out of memory"));
  int64_t each = ig_shape_span(&shape, batch_dims, shape.rank - 1);
  for (int64_t i = 0; i < ig_shape_count(&shape) / batch_dims; i++) {
    int64_t rest = each ? i / each : 0;
    for (int d = batch_dims - 1; d >= 0; d--) {
      batch[i * batch_dims + d] = rest % shape.dims[d];
      rest /= shape.dims[d];
    }
  }
  ig_value *first = ig_graph_const(g->graph, NULL, IG_I64, shape, batch);
  return ig_op1(g->graph, "Concat", NULL, IG_INS(first, indices), IG_ATTRS(IG_INT("axis", -1)));
}

static void grad(const ig_grad *g) {
  if (!g->need[0]) return;
  ig_value *tuples = whole_tuples(g, (int)IG_ATTRS_OF(gather_nd_attrs, g->node)->batch_dims);
  ig_value *zeros = ig_zeros_like(g->graph, g->node->inputs[0]);
  g->dx[0] = ig_op1(g->graph, "ScatterND", NULL, IG_INS(zeros, tuples, g->dy[0]),
                    IG_ATTRS(IG_STRING("reduction", "add")));
}

static ig_status run(const ig_call *call) {
  const ig_node *node = call->node;
  ig_slices s = ig_slices_of(node, (int)IG_ATTRS_OF(gather_nd_attrs, node)->batch_dims);
  IG_TRY(ig_slices_inside(call, &s));
  ig_cpu_gather_slices(ig_dtype_size(node->inputs[0]->dtype), &s, call->in[0], call->in[1],
                       call->out[0]);
  return IG_OK;
}

/* Of the data, only what is taken is read. */
static ig_cost cost(const ig_node *node) {
  return (ig_cost){0, 2.0 * (double)ig_value_bytes(node->outputs[0]) +
                          (double)ig_value_bytes(node->inputs[1])};
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_gather_nd = {
    .name = "GatherND",
    .since = 12,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(gather_nd_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
