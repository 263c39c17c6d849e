/* Folds a BatchNormalization in inference form into the Conv before it:
 *     s = scale / sqrt(var + epsilon),  W' = W * s,  b' = bias + (b - mean) * s,
 * by output channel. The arithmetic is appended as nodes on the parameters, which a plan with frozen
 * parameters runs once when it is made; so the pass needs no parameter values and the graph stays
 * true to the store. Training graphs are left alone: their statistics are the batch's. */
#include "engine/passes/rewrite.h"

static ig_value *two(ig_graph *graph, const char *op, ig_value *a, ig_value *b) {
  return ig_op1(graph, op, NULL, IG_INS(a, b), IG_NO_ATTRS);
}

static ig_status fuse(ig_graph *graph, ig_node *conv, ig_node *norm) {
  ig_value *weight = conv->inputs[1], *bias = conv->n_inputs > 2 ? conv->inputs[2] : NULL;
  ig_value *scale = norm->inputs[1], *shift = norm->inputs[2];
  ig_value *mean = norm->inputs[3], *variance = norm->inputs[4];
  float epsilon = ig_attr_float_of(norm, "epsilon", 1e-5f);

  ig_value *deviation =
      ig_op1(graph, "Sqrt", NULL,
             IG_INS(two(graph, "Add", variance, ig_graph_const_f32(graph, epsilon))), IG_NO_ATTRS);
  ig_value *s = two(graph, "Div", scale, deviation);
  int64_t by_filter[IG_MAX_RANK];
  by_filter[0] = -1;
  for (int d = 1; d < weight->shape.rank; d++) by_filter[d] = 1;
  ig_value *column =
      two(graph, "Reshape", s, ig_graph_const_i64s(graph, weight->shape.rank, by_filter));
  weight = two(graph, "Mul", weight, column);
  ig_value *moved =
      bias ? two(graph, "Sub", bias, mean) : ig_op1(graph, "Neg", NULL, IG_INS(mean), IG_NO_ATTRS);
  bias = two(graph, "Add", shift, two(graph, "Mul", moved, s));

  ig_attr attrs[IG_MOST_ATTRS];
  int n_attrs = ig_attr_list(conv, attrs);
  ig_node *fused = ig_graph_node(graph, "Conv", conv->name, IG_INS(conv->inputs[0], weight, bias),
                                 n_attrs, attrs, 1);
  IG_TRY(ig_graph_status(graph));
  IG_TRY(ig_node_replace(graph, norm, fused, 1));
  ig_node_remove(graph, conv);
  return IG_OK;
}

static ig_status fuse_conv_bn_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  if (options->training) return IG_OK;
  int32_t n_nodes = graph->n_nodes;
  for (int32_t i = 0; i < n_nodes; i++) {
    ig_node *norm = graph->nodes[i];
    if (!ig_node_is_live(norm) || !ig_node_is(norm, "BatchNormalization")) continue;
    if (ig_attr_int_of(norm, "training_mode", 0) || norm->n_outputs != 1) continue;
    ig_node *conv = ig_sole_producer(graph, norm->inputs[0], "Conv");
    if (!conv || norm->inputs[0]->dtype != IG_F32) continue;
    IG_TRY(fuse(graph, conv, norm));
    (*changes)++;
  }
  return IG_OK;
}

const ig_pass ig_pass_fuse_conv_bn = {
    .name = "fuse_conv_bn",
    .what = "fold BatchNormalization into the convolution before it (inference)",
    .run = fuse_conv_bn_run,
};
