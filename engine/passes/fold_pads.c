/* A Pad of zeros before a Conv becomes pads of the convolution, which need no copy of the activation: Keras's
 * ZeroPadding, and what exporters write for unequal pads. Before autodiff. */
#include <string.h>

#include "engine/graph/attrs.h"
#include "engine/passes/rewrite.h"

/* Pads of all dimensions, where they are known, of zeros, and not negative; none of the first two. */
static bool read_pads(const ig_node *pad, int rank, int64_t pads[2 * IG_MAX_RANK]) {
  double value = 0;
  int n = 0;
  bool zeros = pad->n_inputs < 3 || !pad->inputs[2] || (ig_const_splat(pad->inputs[2], &value) && value == 0);
  if (!zeros || strcmp(ig_attr_string_of(pad, "mode", "constant"), "constant") != 0) return false;
  if ((pad->n_inputs > 3 && pad->inputs[3]) || !ig_value_is_const(pad->inputs[1])) return false;
  if (ig_value_const_ints(pad->inputs[1], "pads", 2 * IG_MAX_RANK, pads, &n) != IG_OK || n != 2 * rank) return false;
  for (int i = 0; i < n; i++) {
    if (pads[i] < 0 || (i % rank < 2 && pads[i] != 0)) return false;
  }
  return true;
}

static ig_status fold(ig_graph *graph, ig_node *conv, int *changes) {
  ig_attr attrs[IG_MOST_ATTRS];
  int64_t pads[2 * IG_MAX_RANK], sum[2 * IG_MAX_RANK];
  int rank = conv->inputs[0]->shape.rank, axes = rank - 2, n = ig_attr_list(conv, attrs);
  ig_node *pad = ig_sole_producer(graph, conv->inputs[0], "Pad");
  const char *mode = ig_attr_string_of(conv, "auto_pad", "NOTSET");
  if (!pad || (strcmp(mode, "NOTSET") != 0 && strcmp(mode, "VALID") != 0)) return IG_OK;
  if (axes < 1 || !read_pads(pad, rank, pads)) return IG_OK;
  for (int a = 0; a < axes; a++) {
    sum[a] = pads[2 + a];
    sum[axes + a] = pads[rank + 2 + a];
  }
  for (int i = 0; i < n; i++) {
    if (strcmp(attrs[i].name, "pads") != 0 || strcmp(mode, "NOTSET") != 0) continue;
    for (int k = 0; k < attrs[i].ints.n && k < 2 * axes; k++) sum[k] += attrs[i].ints.v[k];
  }
  ig_attr_put(attrs, &n, IG_STRING("auto_pad", "NOTSET"));
  ig_attr_put(attrs, &n, IG_INTS("pads", 2 * axes, sum));
  ig_node *made = ig_graph_node(graph, "Conv", conv->name,
                                IG_INS(pad->inputs[0], conv->inputs[1], conv->n_inputs > 2 ? conv->inputs[2] : NULL),
                                n, attrs, 1);
  IG_TRY(ig_graph_status(graph));
  (*changes)++;
  return ig_node_replace(graph, conv, made, 1);
}

static ig_status fold_pads_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  IG_UNUSED(options);
  int32_t n_nodes = graph->n_nodes;
  for (int32_t i = 0; i < n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    if (ig_node_is_live(node) && ig_node_is(node, "Conv")) IG_TRY(fold(graph, node, changes));
  }
  return IG_OK;
}

const ig_pass ig_pass_fold_pads = {
    .name = "fold_pads",
    .what = "zeros around a convolution's input as its pads",
    .run = fold_pads_run,
};
