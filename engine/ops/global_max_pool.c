/* GlobalMaxPool: the maximum of each channel, of any number of dimensions. */
#include "engine/ops/pooling.h"

/* To where the maximum is; elements that share it share the gradient. */
static void grad(const ig_grad *g) {
  ig_graph *graph = g->graph;
  ig_value *x = g->node->inputs[0], *y = g->node->outputs[0];
  if (!g->dy[0]) return;
  int64_t axes[IG_MAX_RANK];
  for (int i = 2; i < x->shape.rank; i++) axes[i - 2] = i;
  ig_value *at = ig_op1(graph, "Equal", NULL, IG_INS(x, y), IG_NO_ATTRS);
  at = ig_cast(graph, at, x->dtype);
  ig_value *over = ig_graph_const_i64s(graph, x->shape.rank - 2, axes);
  ig_value *count =
      ig_op1(graph, "ReduceSum", NULL, IG_INS(at, over), IG_ATTRS(IG_INT("keepdims", 1)));
  ig_value *share = ig_op1(graph, "Div", NULL, IG_INS(g->dy[0], count), IG_NO_ATTRS);
  g->dx[0] = ig_op1(graph, "Mul", NULL, IG_INS(at, share), IG_NO_ATTRS);
}

static ig_status run(const ig_call *call) {
  ig_pool pool;
  ig_pool_line_of(call->node, &pool);
  ig_cpu_max_pool_volume(&pool, call->in[0], call->out[0], NULL);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "reference", .run = run}, {0}};

const ig_op ig_op_global_max_pool = {
    .name = "GlobalMaxPool",
    .since = 1,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .infer = ig_pool_global_infer,
    .grad = grad,
    .cost = ig_pool_global_cost,
    .impls = impls,
};
