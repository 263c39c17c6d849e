/* CumSum: sums of all elements before each along an axis, itself among them unless `exclusive`; from the
 * end with `reverse`. */
#include "engine/ops/cumulative.h"

static ig_status infer(ig_node *node) {
  return ig_cumulative_infer(node, 1);
}

/* An element is in the sums that stand at or after it. */
static void grad(const ig_grad *g) {
  const ig_cumulative_attrs *a = IG_ATTRS_OF(ig_cumulative_attrs, g->node);
  g->dx[0] = ig_op1(g->graph, "CumSum", NULL, IG_INS(g->dy[0], g->node->inputs[1]),
                    IG_ATTRS(IG_INT("exclusive", a->exclusive), IG_INT("reverse", !a->reverse)));
}

static ig_status run(const ig_call *call) {
  return ig_cumulative_run(call, false);
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_cum_sum = {
    .name = "CumSum",
    .since = 11,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_cumulative_fields,
    .attrs_size = sizeof(ig_cumulative_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
