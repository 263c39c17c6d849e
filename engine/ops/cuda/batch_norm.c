/* BatchNormalization, its fused form and their gradient on a GPU, in row-major order and with channels
 * last. */
#include "engine/ops/batch_norm.h"

enum { RESIDUAL = 5, BIAS = 5, RESULT = 6 };

static bool has(const ig_node *node, int input) {
  return node->n_inputs > input && node->inputs[input];
}

static bool is_training(const ig_node *node) {
  return IG_ATTRS_OF(ig_batch_norm_attrs, node)->training_mode != 0;
}

static const char *reject(const ig_node *node) {
  for (int i = 0; i < node->n_inputs; i++) {
    if (node->inputs[i] && node->inputs[i]->dtype == IG_F64) return "the dtype is f64";
  }
  if (node->inputs[0]->layout == IG_LAYOUT_BLOCK16) return "blocked memory layout";
  return ig_batch_norm_reject_layouts(node);
}

static size_t statistics_workspace(const ig_node *node) {
  ig_batch_norm norm = {.at = ig_channels_of(node->inputs[0])};
  return ig_cuda_batch_norm_workspace(&norm, node->inputs[0]->dtype);
}

static ig_status run_statistics(const ig_call *call) {
  const ig_value *x = call->node->inputs[0];
  ig_batch_norm norm = {.at = ig_channels_of(x)};
  ig_batch_norm_types types = {.x = x->dtype, .scale = IG_F32, .stats = IG_F32};
  ig_batch_norm_running running = {.dtype = IG_F32};
  ig_batch_norm_any t = {
      .x = call->in[0], .mean = call->out[0], .variance = call->out[1], .batch_stats = true};
  return ig_cuda_batch_norm(&norm, types, &t, &running, call->workspace, call->stream);
}

/* --- forward ------------------------------------------------------------------------------------- */

/* The sums, then a batch's mean and variance where they are not outputs; the latter's place. */
static size_t sums_room(const ig_node *node) {
  const ig_value *x = node->inputs[0];
  ig_batch_norm norm = ig_batch_norm_of(node, x);
  return is_training(node) ? ig_cuda_batch_norm_workspace(&norm, x->dtype) : 0;
}

static size_t workspace(const ig_node *node) {
  bool kept = !is_training(node) || node->n_outputs > 4;
  return sums_room(node) + (kept ? 0 : 2 * (size_t)node->inputs[0]->shape.dims[1] * sizeof(float));
}

static ig_status run(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_value *x = node->inputs[0];
  ig_batch_norm norm = ig_batch_norm_of(node, x);
  ig_batch_norm_types types = ig_batch_norm_types_of(x, node->inputs[1], node->inputs[3]);
  ig_batch_norm_running running = {.dtype = types.stats};
  ig_batch_norm_any t = {.x = call->in[0],
                         .residual = has(node, RESIDUAL) ? call->in[RESIDUAL] : NULL,
                         .scale = call->in[1],
                         .bias = call->in[2],
                         .mean = (void *)call->in[3],
                         .variance = (void *)call->in[4],
                         .out = call->out[0],
                         .batch_stats = is_training(node)};
  if (t.batch_stats) {
    float *room = (float *)(void *)((char *)call->workspace + sums_room(node));
    bool kept = node->n_outputs > 4;
    running.momentum = (double)IG_ATTRS_OF(ig_batch_norm_attrs, node)->momentum;
    running.old_mean = call->in[3];
    running.old_variance = call->in[4];
    running.new_mean = node->n_outputs > 1 ? call->out[1] : NULL;
    running.new_variance = node->n_outputs > 2 ? call->out[2] : NULL;
    t.mean = kept ? call->out[3] : room;
    t.variance = kept ? call->out[4] : room + norm.at.channels;
    types.stats = IG_F32;
  }
  return ig_cuda_batch_norm(&norm, types, &t, &running, call->workspace, call->stream);
}

/* --- gradient ------------------------------------------------------------------------------------ */

static size_t grad_workspace(const ig_node *node) {
  ig_batch_norm norm = ig_batch_norm_of(node, node->inputs[1]);
  return ig_cuda_batch_norm_grad_workspace(&norm, node->inputs[1]->dtype);
}

static ig_status run_grad(const ig_call *call) {
  const ig_node *node = call->node;
  ig_batch_norm norm = ig_batch_norm_of(node, node->inputs[1]);
  ig_batch_norm_any t = {.dy = call->in[0],
                         .x = call->in[1],
                         .scale = call->in[2],
                         .mean = (void *)call->in[3],
                         .variance = (void *)call->in[4],
                         .bias = has(node, BIAS) ? call->in[BIAS] : NULL,
                         .y = has(node, RESULT) ? call->in[RESULT] : NULL,
                         .dx = call->out[0],
                         .dscale = call->out[1],
                         .dbias = call->out[2],
                         .dresidual = node->n_outputs > 3 ? call->out[3] : NULL,
                         .batch_stats = is_training(node)};
  return ig_cuda_batch_norm_grad(
      &norm, ig_batch_norm_types_of(node->inputs[1], node->inputs[2], node->inputs[3]), &t,
      call->workspace, call->stream);
}

static const ig_impl impls[] = {
    {.name = "two stages", .device = IG_CUDA, .reject = reject, .workspace = workspace, .run = run},
    {0}};
static const ig_impl grad_impls[] = {{.name = "two stages",
                                      .device = IG_CUDA,
                                      .reject = reject,
                                      .workspace = grad_workspace,
                                      .run = run_grad},
                                     {0}};

static const ig_impl statistics_impls[] = {{.name = "two stages",
                                            .device = IG_CUDA,
                                            .reject = reject,
                                            .workspace = statistics_workspace,
                                            .run = run_statistics},
                                           {0}};

static const struct ig_op_impls ops[] = {{"BatchNormalization", impls},
                                         {"ingot.BatchStatistics", statistics_impls},
                                         {"ingot.FusedBatchNormalization", impls},
                                         {"ingot.BatchNormalizationGrad", grad_impls},
                                         {0}};

const ig_device_ops ig_cuda_ops_batch_norm = {.ops = ops};
