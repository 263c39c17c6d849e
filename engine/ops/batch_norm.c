/* Shared parts of the batch normalisation operators: layouts, checks, and the forward direction. */
#include "engine/ops/batch_norm.h"

enum { RESIDUAL = 5 };

static bool is_training(const ig_node *node) {
  return IG_ATTRS_OF(ig_batch_norm_attrs, node)->training_mode != 0;
}

static bool has_residual(const ig_node *node) {
  return node->n_inputs > RESIDUAL && node->inputs[RESIDUAL];
}

ig_channels ig_channels_of(const ig_value *x) {
  int64_t n = x->shape.dims[0], c = x->shape.dims[1];
  int64_t area = ig_shape_span(&x->shape, 2, x->shape.rank), blocks = (c + 15) / 16;
  if (x->layout == IG_LAYOUT_BLOCK16) {
    return (ig_channels){.outer = n,
                         .channels = c,
                         .inner = area,
                         .block = 16,
                         .outer_stride = blocks * area * 16,
                         .block_stride = area * 16,
                         .row_stride = 16,
                         .padded = true};
  }
  if (x->layout == IG_LAYOUT_NHWC || area == 1) { /* rows of channels */
    return (ig_channels){.outer = 1,
                         .channels = c,
                         .inner = n * area,
                         .block = 16,
                         .block_stride = 16,
                         .row_stride = c};
  }
  return (ig_channels){.outer = n,
                       .channels = c,
                       .inner = area,
                       .block = 1,
                       .outer_stride = c * area,
                       .block_stride = area,
                       .row_stride = 1};
}

ig_batch_norm ig_batch_norm_of(const ig_node *node, const ig_value *x) {
  const ig_batch_norm_attrs *attrs = IG_ATTRS_OF(ig_batch_norm_attrs, node);
  return (ig_batch_norm){
      .at = ig_channels_of(x), .epsilon = (double)attrs->epsilon, .relu = attrs->relu != 0};
}

ig_batch_norm_types ig_batch_norm_types_of(const ig_value *x, const ig_value *scale,
                                           const ig_value *mean) {
  return (ig_batch_norm_types){.x = x->dtype, .scale = scale->dtype, .stats = mean->dtype};
}

/* --- checks ------------------------------------------------------------------------------------- */

ig_status ig_batch_norm_check(const ig_node *node, const ig_value *x, int from, int to) {
  IG_CHECK(x->shape.rank >= 2 && ig_dtype_is_float(x->dtype), IG_ERR_SHAPE,
           "the input must be floats of rank 2 or more, found %s %s", ig_dtype_name(x->dtype),
           IG_SHAPE_STR(&x->shape));
  ig_shape channels = IG_SHAPE(x->shape.dims[1]);
  for (int i = from; i < to; i++) {
    const ig_value *v = node->inputs[i];
    IG_CHECK(ig_dtype_is_float(v->dtype) && ig_shape_equal(&v->shape, &channels), IG_ERR_SHAPE,
             "input %d must be floats %s, found %s %s", i, IG_SHAPE_STR(&channels),
             ig_dtype_name(v->dtype), IG_SHAPE_STR(&v->shape));
  }
  return IG_OK;
}

ig_status ig_batch_norm_check_like(const ig_node *node, const ig_value *x, int i) {
  const ig_value *v = i < node->n_inputs ? node->inputs[i] : NULL;
  IG_CHECK(!v || (v->dtype == x->dtype && ig_shape_equal(&v->shape, &x->shape)), IG_ERR_SHAPE,
           "input %d must be %s %s, found %s %s", i, ig_dtype_name(x->dtype),
           IG_SHAPE_STR(&x->shape), ig_dtype_name(v ? v->dtype : IG_NONE),
           v ? IG_SHAPE_STR(&v->shape) : "");
  return IG_OK;
}

const char *ig_batch_norm_reject_layouts(const ig_node *node) {
  const ig_value *first = NULL;
  for (int i = 0; i < node->n_inputs + node->n_outputs; i++) {
    const ig_value *v = i < node->n_inputs ? node->inputs[i] : node->outputs[i - node->n_inputs];
    if (!v || v->shape.rank < 2) continue;
    if (!first) first = v;
    if (v->layout != first->layout) return "operands have different layouts";
  }
  return NULL;
}

const char *ig_batch_norm_reject(const ig_node *node) {
  const char *reason = ig_reject_not_f32(node);
  return reason ? reason : ig_batch_norm_reject_layouts(node);
}

/* --- the forward direction ---------------------------------------------------------------------- */

ig_status ig_batch_norm_infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  IG_TRY(ig_batch_norm_check(node, x, 1, RESIDUAL));
  IG_TRY(ig_batch_norm_check_like(node, x, RESIDUAL));
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

/* ReLU's mask comes from the result where a residual went into it, otherwise from x again, so that
 * the result need not be kept for this. */
void ig_batch_norm_grad(const ig_grad *grad) {
  ig_node *node = grad->node;
  ig_graph *graph = grad->graph;
  const ig_batch_norm_attrs *attrs = IG_ATTRS_OF(ig_batch_norm_attrs, node);
  if (!grad->dy[0]) return;
  bool training = is_training(node), residual = has_residual(node), relu = attrs->relu != 0;
  ig_value *variance = training ? ig_node_output(graph, node, 4) : node->inputs[4];
  if (!variance) return;
  ig_value *mean = training ? node->outputs[3] : node->inputs[3];
  ig_value *bias = relu && !residual ? node->inputs[2] : NULL;
  ig_value *y = relu && residual ? node->outputs[0] : NULL;
  ig_node *back =
      ig_graph_node(graph, "ingot.BatchNormalizationGrad", NULL,
                    IG_INS(grad->dy[0], node->inputs[0], node->inputs[1], mean, variance, bias, y),
                    IG_ATTRS(IG_FLOAT("epsilon", attrs->epsilon), IG_INT("training_mode", training),
                             IG_INT("relu", relu)),
                    relu && residual ? 4 : 3);
  for (int i = 0; back && i < 3; i++) grad->dx[i] = back->outputs[i];
  if (back && residual) grad->dx[RESIDUAL] = relu ? back->outputs[3] : grad->dy[0];
}

/* Room for the sums, then for a batch's mean and variance where they are not outputs. */
static size_t batch_norm_workspace(const ig_node *node) {
  ig_batch_norm norm = ig_batch_norm_of(node, node->inputs[0]);
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

/* out = momentum * running + (1 - momentum) * batch, by channel; out may be running. */
static void update(const ig_call *call, int output, ig_dtype dtype, const void *batch) {
  const ig_node *node = call->node;
  double momentum = (double)IG_ATTRS_OF(ig_batch_norm_attrs, node)->momentum;
  const ig_value *running = node->inputs[output + 2];
  for (int64_t c = 0; output < node->n_outputs && c < ig_value_count(running); c++) {
    double old = ig_load_f64(running->dtype, call->in[output + 2], c);
    double fresh = ig_load_f64(dtype, batch, c);
    ig_store_f64(running->dtype, call->out[output], c, momentum * old + (1 - momentum) * fresh);
  }
}

static ig_status batch_norm_run(const ig_call *call) {
  const ig_node *node = call->node;
  ig_batch_norm norm = ig_batch_norm_of(node, node->inputs[0]);
  void *mean, *variance;
  statistics(call, &norm, &mean, &variance);
  ig_batch_norm_forward t = {.x = call->in[0],
                             .residual = has_residual(node) ? call->in[RESIDUAL] : NULL,
                             .scale = call->in[1],
                             .bias = call->in[2],
                             .mean = mean,
                             .variance = variance,
                             .y = call->out[0],
                             .batch_stats = is_training(node)};
  ig_cpu_batch_norm_f32(&norm, &t, call->workspace);
  if (!t.batch_stats) return IG_OK;
  update(call, 1, IG_F32, mean);
  update(call, 2, IG_F32, variance);
  return IG_OK;
}

static ig_status batch_norm_reference(const ig_call *call) {
  const ig_node *node = call->node;
  ig_batch_norm norm = ig_batch_norm_of(node, node->inputs[0]);
  void *mean, *variance;
  statistics(call, &norm, &mean, &variance);
  ig_batch_norm_any t = {.x = call->in[0],
                         .residual = has_residual(node) ? call->in[RESIDUAL] : NULL,
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
  if (!t.batch_stats) return IG_OK;
  update(call, 1, types.stats, mean);
  update(call, 2, types.stats, variance);
  return IG_OK;
}

/* Normalisation 3 an element, statistics 4 more, residual and ReLU 1 each. */
ig_cost ig_batch_norm_cost(const ig_node *node) {
  int each = (is_training(node) ? 7 : 3) + has_residual(node) +
             (IG_ATTRS_OF(ig_batch_norm_attrs, node)->relu != 0);
  return (ig_cost){each * (double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}

/* In training x is kept for the gradient, so the residual is the better place. Running statistics may
 * be updated in place: the batch's are made before. */
int ig_batch_norm_inplace(const ig_node *node, int output) {
  if (output == 0) return has_residual(node) ? RESIDUAL : 0;
  return output < 3 && is_training(node) ? output + 2 : -1;
}

const ig_impl ig_batch_norm_impls[] = {
    {.name = "simd",
     .device = IG_CPU,
     .reject = ig_batch_norm_reject,
     .workspace = batch_norm_workspace,
     .run = batch_norm_run},
    {.name = "reference",
     .device = IG_CPU,
     .reject = ig_batch_norm_reject_layouts,
     .workspace = batch_norm_workspace,
     .run = batch_norm_reference},
    {.name = NULL},
};
