/* GlobalLpPool: (sum |x|^p)^(1/p) over each channel, of any number of dimensions. */
#include <inttypes.h>

#include "engine/ops/pooling.h"

static const ig_attr_field attrs[] = {IG_FIELD_INT(ig_pool_attrs, p, 2), {0}};

static ig_status infer(ig_node *node) {
  int64_t p = IG_ATTRS_OF(ig_pool_attrs, node)->p;
  IG_CHECK(p >= 1, IG_ERR_USAGE, "attribute p is %" PRId64 ", expected at least 1", p);
  return ig_pool_global_infer(node);
}

static void grad(const ig_grad *g) {
  double p = (double)IG_ATTRS_OF(ig_pool_attrs, g->node)->p;
  if (!g->dy[0]) return;
  g->dx[0] = ig_op1(g->graph, "Mul", NULL,
                    IG_INS(ig_lp_grad_outer(g->graph, g->node->outputs[0], g->dy[0], p),
                           ig_lp_grad_inner(g->graph, g->node->inputs[0], p)),
                    IG_NO_ATTRS);
}

static ig_status run(const ig_call *call) {
  ig_pool pool;
  ig_pool_line_of(call->node, &pool);
  ig_cpu_lp_pool(&pool, (double)IG_ATTRS_OF(ig_pool_attrs, call->node)->p, call->in[0],
                 call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "reference", .run = run}, {0}};

const ig_op ig_op_global_lp_pool = {
    .name = "GlobalLpPool",
    .since = 2,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(ig_pool_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_pool_global_cost,
    .impls = impls,
};
