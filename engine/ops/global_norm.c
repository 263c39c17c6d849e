/* ingot.GlobalNorm: the Euclidean norm of all elements of all inputs, as one f32. The norm of norms is
 * the norm of everything, so each gradient's can be taken where it is made. */
#include <math.h>

#include "engine/ops/op.h"
#include "kernels/optimizer.h"

static ig_status global_norm_infer(ig_node *node) {
  for (int i = 0; i < node->n_inputs; i++) {
    IG_CHECK(node->inputs[i], IG_ERR_SHAPE, "input %d is missing", i);
    IG_TRY(ig_require_float(node, i));
  }
  ig_shape scalar = IG_SCALAR;
  return ig_infer_set(node, 0, IG_F32, &scalar);
}

static size_t global_norm_workspace(const ig_node *node) {
  size_t most = 0;
  for (int i = 0; i < node->n_inputs; i++)
    most = IG_MAX(most, ig_cpu_sum_squares_workspace(ig_value_count(node->inputs[i])));
  return most;
}

static ig_status global_norm_run(const ig_call *call) {
  double sum = 0;
  for (int i = 0; i < call->node->n_inputs; i++) {
    const ig_value *x = call->node->inputs[i];
    sum += ig_cpu_sum_squares(x->dtype, call->in[i], ig_value_count(x), call->workspace);
  }
  *(float *)call->out[0] = (float)sqrt(sum);
  return IG_OK;
}

static ig_cost global_norm_cost(const ig_node *node) {
  ig_cost cost = ig_cost_copy(node);
  for (int i = 0; i < node->n_inputs; i++)
    cost.flops += 2.0 * (double)ig_value_count(node->inputs[i]);
  return cost;
}

static const ig_impl global_norm_impls[] = {
    {.name = "simd",                      .device = IG_CPU, .workspace = global_norm_workspace, .run = global_norm_run},
    {.name = NULL},
};

const ig_op ig_op_global_norm = {
    .name = "ingot.GlobalNorm",
    .n_in = {1, IG_VARIADIC},
    .n_out = {1, 1          },
    .flags = IG_OP_PURE,
    .infer = global_norm_infer,
    .cost = global_norm_cost,
    .impls = global_norm_impls,
};
