/* BatchNormalization over dimension 1. In training mode outputs 1 and 2 are the new running mean and
 * variance, and outputs 3 and 4, our own, the batch's, for the gradient. As ONNX defines it, the
 * running variance takes in the batch's variance over N elements, not N - 1. */
#include "engine/ops/batch_norm.h"

typedef struct batch_normalization_attrs {
  float epsilon, momentum;
  int64_t training_mode;
} batch_normalization_attrs;

static const ig_attr_field batch_normalization_fields[] = {
    IG_FIELD_FLOAT(batch_normalization_attrs, epsilon, 1e-5f),
    IG_FIELD_FLOAT(batch_normalization_attrs, momentum, 0.9f),
    IG_FIELD_INT(batch_normalization_attrs, training_mode, 0),
    {.name = NULL},
};

static bool is_training(const ig_node *node) {
  return IG_ATTRS_OF(batch_normalization_attrs, node)->training_mode != 0;
}

static ig_status batch_normalization_infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  IG_TRY(ig_batch_norm_check(node, x, 1, 5));
  IG_CHECK(node->inputs[1]->dtype == node->inputs[2]->dtype &&
               node->inputs[3]->dtype == node->inputs[4]->dtype,
           IG_ERR_SHAPE, "scale and bias, and mean and variance, must have equal types");
  IG_CHECK(is_training(node) || node->n_outputs == 1, IG_ERR_SHAPE,
           "has one output outside training mode, found %d", node->n_outputs);
  const ig_value *mean = node->inputs[3];
  IG_TRY(ig_infer_set(node, 0, x->dtype, &x->shape));
  for (int i = 1; i < 5; i++) {
    ig_dtype batch = x->dtype == IG_F64 ? IG_F64 : IG_F32;
    IG_TRY(ig_infer_set(node, i, i < 3 ? mean->dtype : batch, &mean->shape));
  }
  return IG_OK;
}

static void batch_normalization_grad(const ig_grad *grad) {
  ig_node *node = grad->node;
  ig_graph *graph = grad->graph;
  if (!grad->dy[0]) return;
  bool training = is_training(node);
  ig_value *variance = training ? ig_node_output(graph, node, 4) : node->inputs[4];
  if (!variance) return;
  ig_value *mean = training ? node->outputs[3] : node->inputs[3];
  ig_node *back = ig_graph_node(
      graph, "ingot.BatchNormalizationGrad", NULL,
      IG_INS(grad->dy[0], node->inputs[0], node->inputs[1], mean, variance),
      IG_ATTRS(IG_FLOAT("epsilon", IG_ATTRS_OF(batch_normalization_attrs, node)->epsilon),
               IG_INT("training_mode", training)),
      3);
  for (int i = 0; back && i < 3; i++) grad->dx[i] = back->outputs[i];
}

static ig_batch_norm shape_of(const ig_node *node) {
  return (ig_batch_norm){.at = ig_channels_of(node->inputs[0]),
                         .epsilon = (double)IG_ATTRS_OF(batch_normalization_attrs, node)->epsilon};
}

/* Room for the sums, then for a batch's mean and variance where they are not outputs. */
static size_t batch_normalization_workspace(const ig_node *node) {
  ig_batch_norm norm = shape_of(node);
  return ig_cpu_batch_norm_workspace(&norm) + 2 * (size_t)norm.at.channels * sizeof(double);
}

/* Where the statistics of a call are: the inputs, or what the batch's are written to. */
static void statistics(const ig_call *call, const ig_batch_norm *norm, void **mean,
                       void **variance) {
  const ig_node *node = call->node;
  double *room = (double *)(void *)((char *)call->workspace + ig_cpu_batch_norm_workspace(norm));
  *mean = node->n_outputs > 4 ? call->out[3] : room;
  *variance = node->n_outputs > 4 ? call->out[4] : room + norm->at.channels;
  if (is_training(node)) return;
  *mean = (void *)call->in[3];
  *variance = (void *)call->in[4];
}

static void update_running(const ig_call *call, ig_dtype batch, const void *mean,
                           const void *variance) {
  const ig_node *node = call->node;
  double momentum = (double)IG_ATTRS_OF(batch_normalization_attrs, node)->momentum;
  int64_t channels = ig_value_count(node->inputs[3]);
  ig_dtype dtype = node->inputs[3]->dtype;
  if (node->n_outputs > 1)
    ig_batch_norm_run(dtype, call->in[3], batch, mean, momentum, channels, call->out[1]);
  if (node->n_outputs > 2)
    ig_batch_norm_run(dtype, call->in[4], batch, variance, momentum, channels, call->out[2]);
}

static ig_status batch_normalization_run(const ig_call *call) {
  ig_batch_norm norm = shape_of(call->node);
  void *mean, *variance;
  statistics(call, &norm, &mean, &variance);
  ig_batch_norm_forward t = {.x = call->in[0],
                             .scale = call->in[1],
                             .bias = call->in[2],
                             .mean = mean,
                             .variance = variance,
                             .y = call->out[0],
                             .batch_stats = is_training(call->node)};
  ig_cpu_batch_norm_f32(&norm, &t, call->workspace);
  if (t.batch_stats) update_running(call, IG_F32, mean, variance);
  return IG_OK;
}

static ig_status batch_normalization_reference(const ig_call *call) {
  const ig_node *node = call->node;
  ig_batch_norm norm = shape_of(node);
  void *mean, *variance;
  statistics(call, &norm, &mean, &variance);
  ig_batch_norm_any t = {.x = call->in[0],
                         .scale = call->in[1],
                         .bias = call->in[2],
                         .mean = mean,
                         .variance = variance,
                         .out = call->out[0],
                         .batch_stats = is_training(node)};
  ig_batch_norm_types types =
      ig_batch_norm_types_of(node->inputs[0], node->inputs[1], node->inputs[3]);
  if (t.batch_stats) types.stats = types.x == IG_F64 ? IG_F64 : IG_F32;
  ig_cpu_batch_norm_reference(&norm, types, &t);
  if (t.batch_stats) update_running(call, types.stats, mean, variance);
  return IG_OK;
}

/* Normalisation 3 an element, statistics 4 more. */
static ig_cost batch_normalization_cost(const ig_node *node) {
  double each = is_training(node) ? 7 : 3;
  return (ig_cost){each * (double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}

/* Running statistics may be updated in place: the batch's are made before. */
static int batch_normalization_inplace(const ig_node *node, int output) {
  return output == 0 ? 0 : output < 3 && is_training(node) ? output + 2 : -1;
}

static const ig_impl batch_normalization_impls[] = {
    {.name = "simd",
     .device = IG_CPU,
     .reject = ig_batch_norm_reject,
     .workspace = batch_normalization_workspace,
     .run = batch_normalization_run},
    {.name = "reference",
     .device = IG_CPU,
     .reject = ig_batch_norm_reject_layouts,
     .workspace = batch_normalization_workspace,
     .run = batch_normalization_reference},
    {.name = NULL},
};

const ig_op ig_op_batch_normalization = {
    .name = "BatchNormalization",
    .since = 15,
    .n_in = {5, 5},
    .n_out = {1, 5},
    .flags = IG_OP_PURE | IG_OP_INPLACE | IG_OP_LAYOUT,
    .attrs = batch_normalization_fields,
    .attrs_size = sizeof(batch_normalization_attrs),
    .infer = batch_normalization_infer,
    .grad = batch_normalization_grad,
    .cost = batch_normalization_cost,
    .inplace = batch_normalization_inplace,
    .impls = batch_normalization_impls,
};
