/* NonZero: the indices of the elements that are not 0, [rank, how many], in row-major order. How many
 * there are depends on the elements, which are to be known. */
#include "engine/ops/op.h"
#include "kernels/unique.h"

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  IG_CHECK(x->dtype != IG_STRING, IG_ERR_SHAPE, "input 0 must be numbers, found string");
  IG_CHECK(ig_value_is_const(x), IG_ERR_UNSUPPORTED, "the elements must be known before running");
  int64_t found = 0, count = ig_value_count(x);
  for (int64_t i = 0; i < count; i++) found += ig_cpu_is_nonzero(x->dtype, x->data, i);
  ig_shape shape = IG_SHAPE(x->shape.rank, found);
  return ig_infer_set(node, 0, IG_I64, &shape);
}

static ig_status run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0];
  int64_t found = call->node->outputs[0]->shape.dims[1], at = 0, *out = call->out[0];
  for (int64_t i = 0; at < found; i++) {
    if (!ig_cpu_is_nonzero(x->dtype, call->in[0], i)) continue;
    int64_t rest = i;
    for (int d = x->shape.rank - 1; d >= 0; d--) {
      out[d * found + at] = rest % x->shape.dims[d];
      rest /= x->shape.dims[d];
    }
    at++;
  }
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_non_zero = {
    .name = "NonZero",
    .since = 9,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .infer = infer,
    .cost = ig_cost_copy,
    .impls = impls,
};
