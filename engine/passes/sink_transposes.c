/* Exporters of frameworks with channels last (tf2onnx) put each convolution between a Transpose to channels first and
 * one back. Those back sink here below what does not care for the order of dimensions (functions of elements, Pad,
 * Concat, Slice, reductions), until they meet one to channels first, and simplify makes nothing of the two. Before
 * autodiff; only in graphs that have both kinds. */
#include <string.h>

#include "engine/graph/attrs.h"
#include "engine/passes/rewrite.h"

/* Dimension d of channels last is dimension `last` of channels first: 0, 2, 3, ..., 1. */
static int first_of(int d, int rank) { return d == 0 ? 0 : d == rank - 1 ? 1 : d + 1; }
static int last_of(int d, int rank) { return d == 0 ? 0 : d == 1 ? rank - 1 : d - 1; }

static bool permutes(const ig_node *node, int (*order)(int d, int rank)) {
  ig_attr list[IG_MOST_ATTRS];
  int rank = node->inputs[0]->shape.rank;
  if ((rank != 4 && rank != 5) || ig_attr_list(node, list) != 1 || list[0].ints.n != rank) return false;
  for (int d = 0; d < rank; d++) {
    if (list[0].ints.v[d] != order(d, rank)) return false;
  }
  return true;
}

static ig_value *turn(ig_graph *graph, ig_value *value, int (*order)(int d, int rank)) {
  int64_t perm[IG_MAX_RANK];
  if (!value) return NULL;
  for (int d = 0; d < value->shape.rank; d++) perm[d] = order(d, value->shape.rank);
  return ig_op1(graph, "Transpose", NULL, IG_INS(value), IG_ATTRS(IG_INTS("perm", value->shape.rank, perm)));
}

/* What `value`, in channels last, is the transpose of; or NULL. */
static ig_value *before(const ig_value *value) {
  const ig_node *node = value->kind == IG_VALUE_RESULT ? value->producer : NULL;
  return ig_node_is(node, "Transpose") && permutes(node, first_of) ? node->inputs[0] : NULL;
}

/* Whether an operand that is broadcast to `rank` dimensions can be had in channels first for nothing at run time. */
static bool is_cheap(const ig_value *value, int rank) {
  bool known = value->kind == IG_VALUE_PARAM || ig_value_is_const(value) || ig_value_count(value) == 1;
  return before(value) ? value->shape.rank == rank : known && value->shape.rank <= rank;
}

static ig_value *channels_first(ig_graph *graph, ig_value *value, int rank) {
  ig_shape padded = {.rank = rank}, turned = {.rank = rank};
  int large = 0, missing = rank - value->shape.rank;
  if (before(value)) return before(value);
  if (ig_value_count(value) == 1) return value;
  for (int d = 0; d < rank; d++) padded.dims[d] = d < missing ? 1 : value->shape.dims[d - missing];
  for (int d = 0; d < rank; d++) {
    turned.dims[first_of(d, rank)] = padded.dims[d];
    large += padded.dims[d] != 1;
  }
  const ig_shape *to = large > 1 ? &padded : &turned; /* numbers along one dimension stay in order */
  value = ig_op1(graph, "Reshape", NULL, IG_INS(value, ig_graph_const_i64s(graph, rank, to->dims)), IG_NO_ATTRS);
  return large > 1 ? turn(graph, value, last_of) : value;
}

/* Puts a node like `node` with other inputs and attributes, and the transpose of its result, in its place. */
static ig_status replace(ig_graph *graph, ig_node *node, ig_value **in, int n_attrs, const ig_attr *attrs,
                         bool turned, int *changes) {
  ig_node *made = ig_graph_node(graph, node->op->name, node->name, node->n_inputs, in, n_attrs, attrs, 1);
  IG_TRY(ig_graph_status(graph));
  ig_value *result = turned ? turn(graph, made->outputs[0], first_of) : made->outputs[0];
  IG_TRY(ig_graph_status(graph));
  IG_TRY(ig_value_replace(graph, node->outputs[0], result));
  ig_node_remove(graph, node);
  (*changes)++;
  return IG_OK;
}

static ig_status sink_elementwise(ig_graph *graph, ig_node *node, int *changes) {
  ig_attr attrs[IG_MOST_ATTRS];
  ig_value *in[IG_MOST_ATTRS];
  int rank = node->outputs[0]->shape.rank;
  bool whole = false;
  if (node->n_inputs > IG_MOST_ATTRS || ig_attrs_field(node->op, "axis")) return IG_OK;
  for (int i = 0; i < node->n_inputs; i++) {
    const ig_value *v = node->inputs[i];
    if (v && !is_cheap(v, rank)) return IG_OK;
    whole = whole || (v && before(v) && ig_shape_equal(&v->shape, &node->outputs[0]->shape));
  }
  if (!whole) return IG_OK;
  for (int i = 0; i < node->n_inputs; i++) {
    in[i] = node->inputs[i] ? channels_first(graph, node->inputs[i], rank) : NULL;
  }
  return replace(graph, node, in, ig_attr_list(node, attrs), attrs, true, changes);
}

static ig_status sink_concat(ig_graph *graph, ig_node *node, int *changes) {
  ig_attr attrs[IG_MOST_ATTRS];
  int rank = node->outputs[0]->shape.rank, n = ig_attr_list(node, attrs);
  int axis = ig_shape_axis(&node->outputs[0]->shape, ig_attr_int_of(node, "axis", 0));
  for (int i = 0; i < node->n_inputs; i++) {
    if (!before(node->inputs[i])) return IG_OK;
  }
  ig_value **in = ig_arena_alloc(graph->arena, (size_t)node->n_inputs * sizeof *in);
  IG_CHECK_ALLOC(in);
  for (int i = 0; i < node->n_inputs; i++) in[i] = before(node->inputs[i]);
  ig_attr_put(attrs, &n, IG_INT("axis", first_of(axis, rank)));
  return replace(graph, node, in, n, attrs, true, changes);
}

/* Input `index` lists axes, which are known; as those of channels first. NULL where they are not known. */
static ig_value *axes_of(ig_graph *graph, const ig_node *node, int index, unsigned *which) {
  int64_t axes[IG_MAX_RANK];
  int n = 0, rank = node->inputs[0]->shape.rank;
  const ig_value *list = node->n_inputs > index ? node->inputs[index] : NULL;
  if (!ig_value_is_const(list) || ig_value_count(list) > rank) return NULL;
  if (ig_value_const_ints(list, "axes", IG_MAX_RANK, axes, &n) != IG_OK) return NULL;
  *which = 0;
  for (int i = 0; i < n; i++) {
    int axis = ig_shape_axis(&node->inputs[0]->shape, axes[i]);
    if (axis < 0) return NULL;
    axes[i] = first_of(axis, rank);
    *which |= 1u << axes[i];
  }
  return n ? ig_graph_const_i64s(graph, n, axes) : NULL;
}

/* Reductions and slices: the axes are others. A result without the reduced dimensions is in order where all but
 * batch and channels are reduced. */
static ig_status sink_axes(ig_graph *graph, ig_node *node, int index, int *changes) {
  ig_attr attrs[IG_MOST_ATTRS];
  ig_value *in[5];
  unsigned which, rank = (unsigned)node->inputs[0]->shape.rank;
  ig_value *x = before(node->inputs[0]);
  bool keeps = index == 3 || ig_attr_int_of(node, "keepdims", 1) == 1;
  if (!x || node->n_inputs > IG_COUNT(in)) return IG_OK;
  ig_value *axes = axes_of(graph, node, index, &which);
  if (!axes || (!keeps && which != (1u << rank) - 1 - 3)) return IG_OK;
  memcpy(in, node->inputs, (size_t)node->n_inputs * sizeof *in);
  in[0] = x;
  in[index] = axes;
  return replace(graph, node, in, ig_attr_list(node, attrs), attrs, keeps, changes);
}

static ig_status sink_pad(ig_graph *graph, ig_node *node, int *changes) {
  ig_attr attrs[IG_MOST_ATTRS];
  int64_t pads[2 * IG_MAX_RANK], turned[2 * IG_MAX_RANK];
  int n = 0, rank = node->inputs[0]->shape.rank;
  ig_value *x = before(node->inputs[0]);
  if (!x || !ig_value_is_const(node->inputs[1]) || (node->n_inputs > 3 && node->inputs[3])) return IG_OK;
  if (ig_value_const_ints(node->inputs[1], "pads", IG_COUNT(pads), pads, &n) != IG_OK || n != 2 * rank) return IG_OK;
  for (int i = 0; i < n; i++) turned[i / rank * rank + first_of(i % rank, rank)] = pads[i];
  ig_value *in[4] = {x, ig_graph_const_i64s(graph, n, turned), node->n_inputs > 2 ? node->inputs[2] : NULL};
  return replace(graph, node, in, ig_attr_list(node, attrs), attrs, true, changes);
}

static ig_status sink(ig_graph *graph, ig_node *node, int *changes) {
  if (node->n_outputs != 1 || node->n_inputs == 0 || ig_node_is(node, "Transpose")) return IG_OK;
  if (node->op->flags & IG_OP_ELEMENTWISE) return sink_elementwise(graph, node, changes);
  if (ig_node_is(node, "Concat")) return sink_concat(graph, node, changes);
  if (ig_node_is(node, "Pad")) return sink_pad(graph, node, changes);
  if (ig_node_is(node, "Slice")) return sink_axes(graph, node, 3, changes);
  return strncmp(node->op->name, "Reduce", 6) == 0 ? sink_axes(graph, node, 1, changes) : IG_OK;
}

static ig_status sink_transposes_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  IG_UNUSED(options);
  bool to_first = false, to_last = false;
  int32_t n_nodes = graph->n_nodes; /* in order: what replaces an input is seen by its users */
  for (int32_t i = 0; i < n_nodes; i++) {
    const ig_node *node = graph->nodes[i];
    if (!ig_node_is_live(node) || !ig_node_is(node, "Transpose")) continue;
    to_first = to_first || permutes(node, last_of);
    to_last = to_last || permutes(node, first_of);
  }
  for (int32_t i = 0; i < n_nodes && to_first && to_last; i++) {
    if (ig_node_is_live(graph->nodes[i])) IG_TRY(sink(graph, graph->nodes[i], changes));
  }
  return IG_OK;
}

const ig_pass ig_pass_sink_transposes = {
    .name = "sink_transposes",
    .what = "transposes around convolutions of channels last, until they cancel",
    .run = sink_transposes_run,
};
