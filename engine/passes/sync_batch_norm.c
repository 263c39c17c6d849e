/* Batch normalisation over the samples of all ranks. Forward, each rank's mean and variance travel, with
 * the number of its elements (0 for a rank whose samples do not count), as sums of d = mean - running
 * mean and of variance + d^2: around the running mean, which all ranks share, little is lost to
 * cancellation. Backward, the sums over the batch in
 *   dx = gain (dy - mean(dy) - h mean(dy h)),  h = (x - mean) / std
 * travel, which are the gradients of bias and scale; what they add to dx is an affine function of x by
 * channel, and so a batch normalisation with other parameters and gain dy for a residual. After
 * autodiff. */
#include "engine/passes/exchange.h"

enum { X, SCALE, BIAS, MEAN, VARIANCE }; /* inputs of the forward operators */
enum { GRAD_DY, GRAD_X, GRAD_SCALE, GRAD_MEAN, GRAD_VARIANCE };

/* A normalisation that was made to use statistics of all ranks. */
typedef struct synced {
  const ig_value *old_mean; /* of the batch, that its gradient read */
  ig_value *mean, *variance, *count;
  ig_value *counts; /* 1 where this rank's samples are part of the batch, else 0 */
} synced;

static ig_value *binary(ig_graph *graph, const char *op, ig_value *a, ig_value *b) {
  return ig_op1(graph, op, NULL, IG_INS(a, b), IG_NO_ATTRS);
}

static ig_value *scaled(ig_graph *graph, ig_value *a, float factor) {
  return binary(graph, "Mul", a, ig_graph_const_f32(graph, factor));
}

static bool is_forward(const ig_node *node) {
  return ig_node_is(node, "BatchNormalization") || ig_node_is(node, "ingot.FusedBatchNormalization");
}

static bool trains(const ig_node *node) {
  return ig_node_is_live(node) && ig_attr_int_of(node, "training_mode", 0) != 0;
}

/* momentum * running + (1 - momentum) * batch in the place of output `output`. */
static ig_status replace_running(ig_graph *graph, ig_node *node, int output, ig_value *batch) {
  if (output >= node->n_outputs) return IG_OK;
  float momentum = ig_attr_float_of(node, "momentum", 0.9f);
  ig_value *old = scaled(graph, node->inputs[MEAN + output - 1], momentum);
  ig_value *now = binary(graph, "Add", old, scaled(graph, batch, 1 - momentum));
  IG_TRY(ig_graph_status(graph));
  return ig_value_replace(graph, node->outputs[output], now);
}

/* Mean and variance of x over all ranks. */
static void exchange_statistics(ig_exchange *x, ig_node *node, synced *s) {
  ig_graph *graph = x->graph;
  ig_value *running = node->inputs[MEAN];
  ig_node *own =
      ig_graph_node(graph, "ingot.BatchStatistics", NULL, IG_INS(node->inputs[X]), IG_NO_ATTRS, 2);
  if (!own) return;
  const ig_shape *shape = &node->inputs[X]->shape;
  float elements = (float)(shape->dims[0] * ig_shape_span(shape, 2, shape->rank));
  ig_value *weight = ig_graph_find_value(graph, "weight");
  s->counts = ig_op1(graph, "Sign", NULL, IG_INS(weight), IG_NO_ATTRS);
  ig_value *count = scaled(graph, s->counts, elements);
  ig_value *d = binary(graph, "Sub", own->outputs[0], running);
  ig_value *squares = binary(graph, "Add", own->outputs[1], binary(graph, "Mul", d, d));
  ig_value *values[] = {binary(graph, "Mul", d, count), binary(graph, "Mul", squares, count), count};
  if (graph->status != IG_OK) return;
  ig_node *sums = ig_exchange_reduce(x, values, 3, IG_F32, 0);
  if (!sums) return;
  s->count = sums->outputs[2];
  d = binary(graph, "Div", sums->outputs[0], s->count);
  squares = binary(graph, "Div", sums->outputs[1], s->count);
  s->mean = binary(graph, "Add", running, d);
  s->variance = ig_op1(graph, "Relu", NULL,
                       IG_INS(binary(graph, "Sub", squares, binary(graph, "Mul", d, d))),
                       IG_NO_ATTRS); /* rounding may make it negative */
}

static ig_status check_types(const ig_node *node) {
  for (int i = SCALE; i <= VARIANCE; i++) {
    IG_CHECK(node->inputs[i]->dtype == IG_F32, IG_ERR_UNSUPPORTED,
             "node '%s': batch statistics of all ranks need f32 parameters, found %s", node->name,
             ig_dtype_name(node->inputs[i]->dtype));
  }
  return IG_OK;
}

/* The node normalises by what all ranks have. */
static ig_status sync_forward(ig_exchange *x, ig_node *node, synced *s) {
  ig_graph *graph = x->graph;
  IG_TRY(check_types(node));
  exchange_statistics(x, node, s);
  IG_TRY(ig_graph_status(graph));
  s->old_mean = node->n_outputs > 3 ? node->outputs[3] : NULL;
  ig_attr attrs[IG_MOST_ATTRS];
  int n_attrs = ig_attr_list(node, attrs), n_in = node->n_inputs;
  ig_attr_put(attrs, &n_attrs, IG_INT("training_mode", 0));
  ig_value *in[6] = {node->inputs[X], node->inputs[SCALE], node->inputs[BIAS], s->mean, s->variance,
                     n_in > 5 ? node->inputs[5] : NULL};
  ig_value *y = ig_op1(graph, node->op->name, node->name, n_in, in, n_attrs, attrs);
  IG_TRY(ig_graph_status(graph));
  IG_TRY(ig_value_replace(graph, node->outputs[0], y));
  IG_TRY(replace_running(graph, node, 1, s->mean));
  return replace_running(graph, node, 2, s->variance);
}

/* dx from that of constant statistics and what the sums over all ranks add to it. */
static ig_value *add_batch_terms(ig_exchange *x, const ig_node *node, ig_node *own, const synced *s) {
  ig_graph *graph = x->graph;
  float epsilon = ig_attr_float_of(node, "epsilon", 1e-5f);
  ig_value *sums_of[] = {own->outputs[1], own->outputs[2]};
  ig_node *sums = ig_exchange_reduce(x, sums_of, 2, IG_F32, 0);
  if (!sums) return NULL;
  ig_value *root = binary(graph, "Add", s->variance, ig_graph_const_f32(graph, epsilon));
  root = ig_op1(graph, "Sqrt", NULL, IG_INS(root), IG_NO_ATTRS);
  ig_value *gain = binary(graph, "Div", node->inputs[GRAD_SCALE], root);
  ig_value *factor = binary(graph, "Div", gain, s->count);
  factor = binary(graph, "Mul", factor, scaled(graph, s->counts, -1));
  ig_value *slope = binary(graph, "Mul", factor, sums->outputs[0]);
  ig_value *shift = binary(graph, "Mul", factor, sums->outputs[1]);
  return ig_op1(graph, "ingot.FusedBatchNormalization", NULL,
                IG_INS(node->inputs[GRAD_X], slope, shift, s->mean, s->variance, own->outputs[0]),
                IG_ATTRS(IG_FLOAT("epsilon", epsilon), IG_INT("relu", 0)));
}

static ig_status sync_gradient(ig_exchange *x, ig_node *node, const synced *s) {
  ig_graph *graph = x->graph;
  ig_attr attrs[IG_MOST_ATTRS];
  int n_attrs = ig_attr_list(node, attrs);
  ig_attr_put(attrs, &n_attrs, IG_INT("training_mode", 0));
  ig_value *in[7] = {NULL};
  for (int i = 0; i < node->n_inputs; i++) in[i] = node->inputs[i];
  in[GRAD_MEAN] = s->mean;
  in[GRAD_VARIANCE] = s->variance;
  bool wanted = ig_value_use_count(graph, node->outputs[0]) > 0;
  graph->forward = node->forward;
  ig_node *own = ig_graph_node(graph, node->op->name, node->name, node->n_inputs, in, n_attrs, attrs,
                               node->n_outputs);
  ig_value *dx = own && wanted ? add_batch_terms(x, node, own, s) : NULL;
  graph->forward = NULL;
  IG_TRY(ig_graph_status(graph));
  for (int i = 0; i < node->n_outputs; i++)
    IG_TRY(ig_value_replace(graph, node->outputs[i], i == 0 && dx ? dx : own->outputs[i]));
  ig_node_remove(graph, node);
  return IG_OK;
}

/* Forward nodes come before their gradients. */
static ig_status sync_all(ig_exchange *x, synced *done) {
  ig_graph *graph = x->graph;
  int32_t n_nodes = graph->n_nodes;
  int n = 0;
  for (int32_t i = 0; i < n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    if (is_forward(node) && trains(node)) IG_TRY(sync_forward(x, node, &done[n++]));
    if (!ig_node_is(node, "ingot.BatchNormalizationGrad") || !trains(node)) continue;
    int k = 0;
    while (k < n && done[k].old_mean != node->inputs[GRAD_MEAN]) k++;
    IG_CHECK(k < n, IG_ERR_INTERNAL, "node '%s' is the gradient of no known normalisation",
             node->name);
    IG_TRY(sync_gradient(x, node, &done[k]));
  }
  return IG_OK;
}

static ig_status sync_batch_norm_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  const ig_parallel *parallel = options->parallel;
  if (!parallel || parallel->size <= 1 || !parallel->sync_batch_norm) return IG_OK;
  IG_CHECK(!parallel->weighted, IG_ERR_USAGE,
           "batch statistics of all ranks do not go with elastic parts, of which a rank computes one "
           "after the other");
  IG_CHECK(ig_graph_find_value(graph, "weight"), IG_ERR_INTERNAL,
           "graph '%s': a step of several ranks has an input 'weight'", graph->name);
  synced *done = ig_alloc_zero((size_t)graph->n_nodes + 1, sizeof *done);
  IG_CHECK(done, IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  ig_exchange x = {.graph = graph, .parallel = parallel, .dtype = IG_F32};
  ig_status status = sync_all(&x, done);
  *changes += x.n;
  ig_exchange_free(&x);
  ig_free(done);
  return status;
}

const ig_pass ig_pass_sync_batch_norm = {
    .name = "sync_batch_norm",
    .what = "batch statistics over the samples of all ranks",
    .run = sync_batch_norm_run,
};
