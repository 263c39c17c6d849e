/* From a template to a graph for given input shapes: a copy that is inferred node by node, in which what
 * depends on shapes alone is evaluated as soon as it is there, since Reshape and its kin need it to be
 * inferred themselves. This stands above the builders (graph.c) and the operators' implementations
 * (engine/ops/dispatch.c), which know nothing of each other. */
#include "engine/graph/attrs.h"
#include "engine/graph/graph.h"
#include "engine/ops/op.h"

static ig_value *copy_leaf(ig_graph *copy, const ig_value *old, ig_dtype dtype, ig_shape shape) {
  ig_value *value = NULL;
  switch (old->kind) {
  case IG_VALUE_INPUT: value = ig_graph_input(copy, old->name, dtype, shape); break;
  case IG_VALUE_PARAM:
    value = ig_graph_param(copy, old->name, old->dtype, shape, old->init, old->decay);
    break;
  case IG_VALUE_STATE: value = ig_graph_state(copy, old->name, old->dtype, shape, old->init); break;
  case IG_VALUE_CONST: value = ig_graph_const(copy, old->name, old->dtype, shape, old->data); break;
  case IG_VALUE_RESULT: break; /* made by its node */
  }
  if (!value) return NULL;
  value->layout = old->layout;
  if (old->kind != IG_VALUE_CONST) value->data = old->data;
  value->frozen = old->frozen;
  for (int d = 0; d < IG_MAX_RANK; d++) {
    if (old->symbols[d]) ig_value_set_symbol(copy, value, d, old->symbols[d]);
  }
  return value;
}

/* `map` goes from the old value's id to the copy. */
static ig_status copy_inputs(const ig_graph *graph, const ig_dtype *dtypes, const ig_shape *shapes,
                             ig_graph *copy, ig_value **map) {
  for (int32_t i = 0; i < graph->n_inputs; i++) {
    const ig_value *old = graph->inputs[i];
    ig_shape shape = shapes ? shapes[i] : old->shape;
    ig_dtype dtype = dtypes ? dtypes[i] : old->dtype;
    IG_CHECK(dtype != IG_NONE && (shapes || !old->any_shape), IG_ERR_SHAPE,
             "input '%s': its type or shape is not known", old->name);
    IG_CHECK(old->dtype == IG_NONE || dtype == old->dtype, IG_ERR_SHAPE,
             "input '%s': expected %s, found %s", old->name, ig_dtype_name(old->dtype),
             ig_dtype_name(dtype));
    IG_CHECK(old->any_shape || shape.rank == old->shape.rank, IG_ERR_SHAPE,
             "input '%s': expected rank %d %s, found %s", old->name, old->shape.rank,
             IG_SHAPE_STR(&old->shape), IG_SHAPE_STR(&shape));
    for (int d = 0; d < shape.rank && !old->any_shape; d++) {
      IG_CHECK(old->symbols[d] || shape.dims[d] == old->shape.dims[d], IG_ERR_SHAPE,
               "input '%s': dimension %d must be %lld, found %lld", old->name, d,
               (long long)old->shape.dims[d], (long long)shape.dims[d]);
    }
    map[old->id] = copy_leaf(copy, old, dtype, shape);
    IG_TRY(ig_graph_status(copy));
  }
  return IG_OK;
}

/* Small integer results of known inputs (and of shapes) are what Reshape and its kin need to know
 * while the copy is being inferred. */
static bool wants_value_now(const ig_node *node) {
  if (!(node->op->flags & IG_OP_PURE) && !(node->op->flags & IG_OP_SHAPE)) return false;
  for (int i = 0; i < node->n_outputs; i++) {
    const ig_value *out = node->outputs[i];
    if (!(ig_dtype_is_int(out->dtype) || out->dtype == IG_BOOL) || ig_value_count(out) > 1024) {
      return false;
    }
  }
  if (node->op->flags & IG_OP_SHAPE) return true;
  for (int i = 0; i < node->n_inputs; i++) {
    if (node->inputs[i] && node->inputs[i]->kind != IG_VALUE_CONST) return false;
  }
  return true;
}

static ig_status evaluate_now(ig_graph *copy, ig_node *node) {
  const ig_impl *impl;
  IG_TRY(ig_op_choose(node, IG_CPU, &impl));
  const void **in = ig_arena_alloc(copy->arena, (size_t)(node->n_inputs + 1) * sizeof *in);
  void **out = ig_arena_alloc(copy->arena, (size_t)(node->n_outputs + 1) * sizeof *out);
  IG_CHECK(in && out, IG_ERR_MEMORY, "graph '%s': out of memory", copy->name);
  for (int i = 0; i < node->n_inputs; i++) in[i] = node->inputs[i] ? node->inputs[i]->data : NULL;
  for (int i = 0; i < node->n_outputs; i++) {
    out[i] = ig_arena_alloc(copy->arena, ig_value_bytes(node->outputs[i]));
    IG_CHECK(out[i], IG_ERR_MEMORY, "graph '%s': out of memory", copy->name);
  }
  IG_TRY(ig_op_evaluate(node, impl, in, out));
  for (int i = 0; i < node->n_outputs; i++) {
    node->outputs[i]->kind = IG_VALUE_CONST;
    node->outputs[i]->producer = NULL;
    node->outputs[i]->data = out[i];
  }
  ig_node_remove(copy, node);
  return IG_OK;
}

static ig_status copy_node(ig_graph *copy, const ig_node *old, ig_value **map) {
  void *attrs;
  IG_TRY(ig_attrs_copy(copy->arena, old->op, old->attrs, &attrs));
  size_t n_in = (size_t)old->n_inputs, n_out = (size_t)old->n_outputs;
  ig_value **in = ig_arena_alloc(copy->arena, (n_in + 1) * sizeof *in);
  const char **names = ig_arena_alloc(copy->arena, (n_out + 1) * sizeof *names);
  IG_CHECK(in && names, IG_ERR_MEMORY, "graph '%s': out of memory", copy->name);
  for (size_t i = 0; i < n_in; i++) in[i] = old->inputs[i] ? map[old->inputs[i]->id] : NULL;
  for (size_t i = 0; i < n_out; i++) names[i] = old->outputs[i]->name;
  ig_node *node =
      ig_graph_append(copy, old->op, old->name, old->n_inputs, in, attrs, old->n_outputs, names);
  IG_TRY(ig_graph_status(copy));
  for (size_t i = 0; i < n_out; i++) map[old->outputs[i]->id] = node->outputs[i];
  if (wants_value_now(node)) IG_TRY(evaluate_now(copy, node));
  return IG_OK;
}

static ig_status copy_all(const ig_graph *graph, const ig_dtype *dtypes, const ig_shape *shapes,
                          ig_graph *copy, ig_value **map) {
  IG_TRY(copy_inputs(graph, dtypes, shapes, copy, map));
  for (int32_t i = 0; i < graph->n_values; i++) {
    const ig_value *old = graph->values[i];
    if (old->kind == IG_VALUE_INPUT || old->kind == IG_VALUE_RESULT) continue;
    map[old->id] = copy_leaf(copy, old, old->dtype, old->shape);
    IG_TRY(ig_graph_status(copy));
  }
  for (int32_t i = 0; i < graph->n_nodes; i++) IG_TRY(copy_node(copy, graph->nodes[i], map));
  for (int32_t i = 0; i < graph->n_outputs; i++) {
    ig_graph_output(copy, graph->output_names[i], map[graph->outputs[i]->id]);
  }
  for (int32_t i = 0; i < graph->n_assigns; i++) {
    ig_graph_assign(copy, map[graph->assigns[i].target->id], map[graph->assigns[i].source->id]);
  }
  IG_TRY(ig_graph_status(copy));
  return ig_graph_compact(copy, false);
}

ig_status ig_graph_specialize(const ig_graph *graph, const ig_shape *shapes, ig_graph **out) {
  return ig_graph_specialize_typed(graph, NULL, shapes, out);
}

ig_status ig_graph_specialize_typed(const ig_graph *graph, const ig_dtype *dtypes,
                                    const ig_shape *shapes, ig_graph **out) {
  IG_TRY(ig_graph_status(graph));
  ig_graph *copy;
  IG_TRY(ig_graph_create(graph->name, &copy));
  ig_value **map = ig_alloc_zero((size_t)graph->n_values + 1, sizeof *map);
  ig_status status = map ? copy_all(graph, dtypes, shapes, copy, map)
                         : ig_fail(IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  ig_free(map);
  if (status != IG_OK) {
    ig_graph_destroy(copy);
    return status;
  }
  *out = copy;
  return IG_OK;
}
