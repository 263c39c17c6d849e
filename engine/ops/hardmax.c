/* Hardmax: 1 where the first greatest element along an axis stands, 0 elsewhere. */
#include "engine/ops/softmax.h"
#include "kernels/movement.h"
#include "kernels/order.h"

static size_t workspace(const ig_node *node) {
  ig_rows rows = ig_rows_around(node->inputs[0], IG_ATTRS_OF(ig_axis_attrs, node)->axis);
  return (size_t)(rows.outer * rows.inner) * sizeof(int64_t);
}

static ig_status run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0];
  ig_rows rows = ig_rows_around(x, IG_ATTRS_OF(ig_axis_attrs, call->node)->axis);
  int64_t *places = call->workspace;
  const uint64_t zero = 0;
  if (rows.n == 0) return IG_OK;
  ig_cpu_arg_extreme(x->dtype, &rows, call->in[0], false, false, places);
  ig_cpu_fill(ig_dtype_size(x->dtype), &zero, call->out[0], ig_value_count(x));
  for (int64_t i = 0; i < rows.outer * rows.inner; i++) {
    int64_t at = (i / rows.inner * rows.n + places[i]) * rows.inner + i % rows.inner;
    ig_store_f64(x->dtype, call->out[0], at, 1);
  }
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .workspace = workspace, .run = run}, {0}};

const ig_op ig_op_hardmax = {
    .name = "Hardmax",
    .since = 13,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_axis_last_fields,
    .attrs_size = sizeof(ig_axis_attrs),
    .infer = ig_softmax_infer,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
