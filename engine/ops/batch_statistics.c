/* ingot.BatchStatistics: mean and variance of each channel of x, as BatchNormalization takes them in
 * training. Apart from it, they can be put together with those of other ranks before they are used. */
#include <string.h>

#include "engine/ops/batch_norm.h"

static ig_status batch_statistics_infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  IG_TRY(ig_batch_norm_check(node, x, 0, 0));
  ig_shape channels = {.rank = 1, .dims = {x->shape.dims[1]}};
  ig_dtype dtype = x->dtype == IG_F64 ? IG_F64 : IG_F32;
  IG_TRY(ig_infer_set(node, 0, dtype, &channels));
  return ig_infer_set(node, 1, dtype, &channels);
}

static size_t batch_statistics_workspace(const ig_node *node) {
  ig_batch_norm norm = {.at = ig_channels_of(node->inputs[0])};
  return ig_cpu_batch_norm_workspace(&norm);
}

/* Of no element at all, both are 0. */
static bool nothing(const ig_call *call) {
  const ig_value *x = call->node->inputs[0];
  if (ig_value_count(x) > 0) return false;
  for (int i = 0; i < 2; i++) memset(call->out[i], 0, ig_value_bytes(call->node->outputs[i]));
  return true;
}

static ig_status batch_statistics_run(const ig_call *call) {
  ig_batch_norm norm = {.at = ig_channels_of(call->node->inputs[0])};
  ig_batch_norm_forward t = {
      .x = call->in[0], .mean = call->out[0], .variance = call->out[1], .batch_stats = true};
  if (!nothing(call)) ig_cpu_batch_norm_f32(&norm, &t, call->workspace);
  return IG_OK;
}

static ig_status batch_statistics_reference(const ig_call *call) {
  const ig_value *x = call->node->inputs[0], *mean = call->node->outputs[0];
  ig_batch_norm norm = {.at = ig_channels_of(x)};
  ig_batch_norm_any t = {
      .x = call->in[0], .mean = call->out[0], .variance = call->out[1], .batch_stats = true};
  if (!nothing(call)) ig_cpu_batch_norm_reference(&norm, ig_batch_norm_types_of(x, mean, mean), &t);
  return IG_OK;
}

static const ig_impl batch_statistics_impls[] = {
    {.name = "simd",
     .device = IG_CPU,
     .reject = ig_batch_norm_reject,
     .workspace = batch_statistics_workspace,
     .run = batch_statistics_run},
    {.name = "reference",
     .device = IG_CPU,
     .reject = ig_batch_norm_reject_layouts,
     .run = batch_statistics_reference},
    {.name = NULL},
};

static ig_cost batch_statistics_cost(const ig_node *node) {
  return (ig_cost){4 * (double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}

const ig_op ig_op_batch_statistics = {
    .name = "ingot.BatchStatistics",
    .n_in = {1, 1},
    .n_out = {2, 2},
    .flags = IG_OP_PURE | IG_OP_LAYOUT,
    .infer = batch_statistics_infer,
    .cost = batch_statistics_cost,
    .impls = batch_statistics_impls,
};
