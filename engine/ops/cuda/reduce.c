/* Reductions, places of the greatest, and norms on a GPU. */
#include "engine/ops/reduce.h"

#include "engine/graph/attrs.h"
#include "engine/ops/softmax.h"
#include "kernels/optimizer.h"
#include "kernels/order.h"

static const char *reject(const ig_node *node) {
  return node->inputs[0]->dtype == IG_F64 ? "f64" : NULL;
}

static size_t workspace(const ig_node *node) {
  ig_reduction r = ig_reduction_of(node);
  return ig_cuda_reduce_workspace(node->inputs[0]->dtype, &r);
}

static ig_status run(const ig_call *call, ig_reduce kind) {
  ig_reduction r = ig_reduction_of(call->node);
  return ig_cuda_reduce(kind, call->node->inputs[0]->dtype, &r, call->in[0], call->out[0],
                        call->workspace, call->stream);
}

#define REDUCE(stem, kind)                                                                         \
  static ig_status run_##stem(const ig_call *call) {                                               \
    return run(call, (kind));                                                                      \
  }                                                                                                \
  static const ig_impl stem##_impls[] = {{.name = "blocks",                                        \
                                          .device = IG_CUDA,                                       \
                                          .reject = reject,                                        \
                                          .workspace = workspace,                                  \
                                          .run = run_##stem},                                      \
                                         {0}};

REDUCE(sum, IG_REDUCE_SUM)
REDUCE(mean, IG_REDUCE_MEAN)
REDUCE(max, IG_REDUCE_MAX)

/* --- places ------------------------------------------------------------------------------------- */

static ig_status run_arg_max(const ig_call *call) {
  const ig_value *x = call->node->inputs[0];
  ig_rows rows = ig_rows_around(x, ig_attrs_of(call->node, "axis").i);
  return ig_cuda_arg_max(x->dtype, &rows, call->in[0],
                         ig_attrs_of(call->node, "select_last_index").i != 0, call->out[0],
                         call->stream);
}

static ig_status run_top_k(const ig_call *call) {
  const ig_value *x = call->node->inputs[0];
  int64_t axis = ig_attrs_of(call->node, "axis").i;
  ig_rows rows = ig_rows_around(x, axis);
  int64_t k = ig_rows_around(call->node->outputs[0], axis).n;
  return ig_cuda_top_k(x->dtype, &rows, call->in[0], k, !ig_attrs_of(call->node, "largest").i,
                       call->out[0], call->out[1], call->stream);
}

static ig_status run_top_k_grad(const ig_call *call) {
  const ig_value *dy = call->node->inputs[0];
  ig_rows rows = ig_rows_around(dy, ig_attrs_of(call->node, "axis").i);
  int64_t k = rows.n;
  rows.n = ig_attrs_of(call->node, "size").i;
  return ig_cuda_top_k_grad(dy->dtype, &rows, k, call->in[0], call->in[1], call->out[0],
                            call->stream);
}

static const ig_impl arg_max_impls[] = {
    {.name = "blocks", .device = IG_CUDA, .reject = reject, .run = run_arg_max}, {0}};
static const ig_impl top_k_impls[] = {
    {.name = "selection", .device = IG_CUDA, .reject = reject, .run = run_top_k}, {0}};
static const ig_impl top_k_grad_impls[] = {
    {.name = "words", .device = IG_CUDA, .run = run_top_k_grad}, {0}};

/* --- norms -------------------------------------------------------------------------------------- */

static const char *reject_norm(const ig_node *node) {
  for (int i = 0; i < node->n_inputs; i++) {
    if (node->inputs[i]->dtype == IG_F64) return "f64";
  }
  return NULL;
}

static size_t workspace_norm(const ig_node *node) {
  int64_t parts = 0;
  for (int i = 0; i < node->n_inputs; i++) {
    parts += ig_cuda_norm_parts(ig_value_count(node->inputs[i]));
  }
  return sizeof(float) * (size_t)parts;
}

static ig_status run_norm(const ig_call *call) {
  const ig_node *node = call->node;
  int64_t parts = 0;
  for (int i = 0; i < node->n_inputs;) {
    ig_norm_list list = {0};
    int64_t first = parts;
    for (; i < node->n_inputs && list.n < IG_NORM_TENSORS; i++, list.n++) {
      list.data[list.n] = call->in[i];
      list.count[list.n] = ig_value_count(node->inputs[i]);
      list.dtype[list.n] = node->inputs[i]->dtype;
      parts += ig_cuda_norm_parts(list.count[list.n]);
    }
    IG_TRY(ig_cuda_sum_squares(&list, (float *)call->workspace + first, call->stream));
  }
  return ig_cuda_norm_finish(call->workspace, parts, call->out[0], call->stream);
}

static ig_status run_clip_factor(const ig_call *call) {
  return ig_cuda_clip_factor(call->in[0], ig_attrs_of(call->node, "max_norm").f, call->out[0],
                             call->stream);
}

static const ig_impl norm_impls[] = {{.name = "list",
                                      .device = IG_CUDA,
                                      .reject = reject_norm,
                                      .workspace = workspace_norm,
                                      .run = run_norm},
                                     {0}};
static const ig_impl clip_factor_impls[] = {
    {.name = "scalar", .device = IG_CUDA, .run = run_clip_factor}, {0}};

static const struct ig_op_impls ops[] = {
    {"ReduceSum", sum_impls},
    {"ReduceMean", mean_impls},
    {"ReduceMax", max_impls},
    {"ArgMax", arg_max_impls},
    {"TopK", top_k_impls},
    {"ingot.TopKGrad", top_k_grad_impls},
    {"ingot.GlobalNorm", norm_impls},
    {"ingot.ClipFactor", clip_factor_impls},
    {0},
};

const ig_device_ops ig_cuda_ops_reduce = {.ops = ops};
