/* Graphs and their builders. Invariants: every value has a unique name; value->uses lists exactly
 * the node inputs that read it; node order is an execution order. The first failure of a builder
 * stays in the graph, and nothing is appended after it. */
#include "engine/graph/graph.h"

#include <string.h>

#include "engine/graph/attrs.h"
#include "engine/graph/names.h"
#include "engine/ops/op.h"

/* Graphs beyond these are taken for hostile. */
#define MAX_NODES (1 << 20)
#define MAX_VALUES (1 << 22)

ig_status ig_graph_create(const char *name, ig_graph **out) {
  ig_graph *graph = ig_alloc_zero(1, sizeof *graph);
  IG_CHECK_ALLOC(graph);
  graph->holders = 1;
  graph->arena = ig_arena_create();
  graph->names = ig_names_create();
  graph->name = graph->arena ? ig_arena_strdup(graph->arena, name ? name : "graph") : NULL;
  if (!graph->name || !graph->names) {
    ig_graph_destroy(graph);
    return ig_fail(IG_ERR_MEMORY, "graph: out of memory");
  }
  *out = graph;
  return IG_OK;
}

void ig_graph_destroy(ig_graph *graph) {
  if (!graph || __atomic_sub_fetch(&graph->holders, 1, __ATOMIC_ACQ_REL) > 0) return;
  for (int32_t i = 0; i < graph->n_bodies; i++) ig_graph_destroy(graph->bodies[i]);
  ig_free(graph->bodies);
  for (int32_t i = 0; i < graph->n_values; i++) ig_free(graph->values[i]->uses);
  ig_free(graph->values);
  ig_free(graph->nodes);
  ig_free(graph->inputs);
  ig_free(graph->outputs);
  ig_free(graph->output_names);
  ig_free(graph->assigns);
  ig_free(graph->error);
  ig_names_destroy(graph->names);
  ig_arena_destroy(graph->arena);
  ig_free(graph);
}

ig_graph *ig_graph_hold(const ig_graph *graph) {
  ig_graph *held = (ig_graph *)graph;
  __atomic_add_fetch(&held->holders, 1, __ATOMIC_RELAXED);
  return held;
}

ig_status ig_graph_status(const ig_graph *graph) {
  if (graph->status == IG_OK) return IG_OK;
  return ig_fail(graph->status, "%s", graph->error ? graph->error : "out of memory");
}

ig_value *ig_graph_fail(ig_graph *graph, ig_status status) {
  if (graph->status == IG_OK) {
    graph->status = status;
    graph->error = ig_strdup(ig_last_error());
  }
  return NULL;
}

static ig_value *out_of_memory(ig_graph *graph) {
  return ig_graph_fail(graph, ig_fail(IG_ERR_MEMORY, "graph '%s': out of memory", graph->name));
}

/* --- values ---------------------------------------------------------------------------------- */

static ig_value *value_create(ig_graph *graph, ig_value_kind kind, const char *name,
                              const char *stem) {
  if (graph->n_values >= MAX_VALUES) {
    return ig_graph_fail(graph, ig_fail(IG_ERR_INPUT, "graph '%s': more than %d values",
                                        graph->name, MAX_VALUES));
  }
  ig_value *value = ig_arena_alloc(graph->arena, sizeof *value);
  if (!value || !ig_grow((void **)&graph->values, &graph->value_capacity, graph->n_values + 1,
                         sizeof *graph->values)) {
    return out_of_memory(graph);
  }
  value->kind = kind;
  value->name = ig_names_claim(graph->names, graph->arena, name, stem, value);
  if (!value->name) return out_of_memory(graph);
  value->id = graph->n_values;
  graph->values[graph->n_values++] = value;
  return value;
}

static ig_value *typed_value(ig_graph *graph, ig_value_kind kind, const char *name,
                             const char *stem, ig_dtype dtype, ig_shape shape) {
  if (graph->status != IG_OK) return NULL;
  ig_status status = ig_shape_check(&shape, dtype);
  if (status != IG_OK) {
    return ig_graph_fail(graph, ig_fail_in(status, "'%s'", name ? name : stem));
  }
  ig_value *value = value_create(graph, kind, name, stem);
  if (!value) return NULL;
  value->dtype = dtype;
  value->shape = shape;
  return value;
}

ig_value *ig_graph_input(ig_graph *graph, const char *name, ig_dtype dtype, ig_shape shape) {
  ig_value *value = typed_value(graph, IG_VALUE_INPUT, name, "input", dtype, shape);
  if (!value) return NULL;
  if (!ig_grow((void **)&graph->inputs, &graph->input_capacity, graph->n_inputs + 1,
               sizeof *graph->inputs)) {
    return out_of_memory(graph);
  }
  graph->inputs[graph->n_inputs++] = value;
  return value;
}

ig_value *ig_graph_input_any(ig_graph *graph, const char *name, ig_dtype dtype) {
  ig_value *value = ig_graph_input(graph, name, dtype ? dtype : IG_F32, IG_SCALAR);
  if (!value) return NULL;
  value->dtype = dtype;
  value->any_shape = true;
  return value;
}

void ig_value_set_symbol(ig_graph *graph, ig_value *input, int dim, const char *symbol) {
  if (graph->status != IG_OK || !input || dim < 0 || dim >= input->shape.rank) return;
  input->symbols[dim] = ig_arena_strdup(graph->arena, symbol);
  if (!input->symbols[dim]) out_of_memory(graph);
}

ig_value *ig_graph_param(ig_graph *graph, const char *name, ig_dtype dtype, ig_shape shape,
                         ig_init init, bool decay) {
  ig_value *value = typed_value(graph, IG_VALUE_PARAM, name, "param", dtype, shape);
  if (!value) return NULL;
  value->init = init;
  value->decay = decay;
  return value;
}

ig_value *ig_graph_state(ig_graph *graph, const char *name, ig_dtype dtype, ig_shape shape,
                         ig_init init) {
  ig_value *value = typed_value(graph, IG_VALUE_STATE, name, "state", dtype, shape);
  if (value) value->init = init;
  return value;
}

ig_value *ig_graph_const(ig_graph *graph, const char *name, ig_dtype dtype, ig_shape shape,
                         const void *data) {
  ig_value *value = typed_value(graph, IG_VALUE_CONST, name, "const", dtype, shape);
  if (!value) return NULL;
  value->data = ig_elements_copy(graph->arena, dtype, &shape, data);
  return value->data ? value : out_of_memory(graph);
}

ig_value *ig_graph_const_f32(ig_graph *graph, float number) {
  return ig_graph_const(graph, NULL, IG_F32, IG_SCALAR, &number);
}

ig_value *ig_graph_const_i64s(ig_graph *graph, int count, const int64_t *values) {
  return ig_graph_const(graph, NULL, IG_I64, IG_SHAPE(count), values);
}

void ig_graph_output(ig_graph *graph, const char *name, ig_value *value) {
  if (graph->status != IG_OK || !value) return;
  int64_t names_capacity = graph->output_capacity;
  if (!ig_grow((void **)&graph->output_names, &names_capacity, graph->n_outputs + 1,
               sizeof *graph->output_names) ||
      !ig_grow((void **)&graph->outputs, &graph->output_capacity, graph->n_outputs + 1,
               sizeof *graph->outputs)) {
    out_of_memory(graph);
    return;
  }
  const char *copy = ig_arena_strdup(graph->arena, name ? name : value->name);
  if (!copy) {
    out_of_memory(graph);
    return;
  }
  graph->output_names[graph->n_outputs] = copy;
  graph->outputs[graph->n_outputs++] = value;
}

void ig_graph_assign(ig_graph *graph, ig_value *target, ig_value *source) {
  if (graph->status != IG_OK || !target || !source) return;
  bool persistent = target->kind == IG_VALUE_PARAM || target->kind == IG_VALUE_STATE;
  if (!persistent || target->dtype != source->dtype ||
      !ig_shape_equal(&target->shape, &source->shape)) {
    ig_graph_fail(graph, ig_fail(IG_ERR_SHAPE, "'%s' %s%s cannot take the value of '%s' %s%s",
                                 target->name, ig_dtype_name(target->dtype),
                                 IG_SHAPE_STR(&target->shape), source->name,
                                 ig_dtype_name(source->dtype), IG_SHAPE_STR(&source->shape)));
    return;
  }
  if (!ig_grow((void **)&graph->assigns, &graph->assign_capacity, graph->n_assigns + 1,
               sizeof *graph->assigns)) {
    out_of_memory(graph);
    return;
  }
  graph->assigns[graph->n_assigns++] = (ig_assign){target, source};
}

/* --- nodes ----------------------------------------------------------------------------------- */

static bool add_use(ig_value *value, ig_node *node, int input) {
  if (!ig_grow((void **)&value->uses, &value->use_capacity, value->n_uses + 1,
               sizeof *value->uses)) {
    return false;
  }
  value->uses[value->n_uses++] = (ig_use){node, input};
  return true;
}

ig_status ig_node_infer(ig_node *node) {
  IG_CHECK(node->op->infer, IG_ERR_UNSUPPORTED,
           "node '%s' (%s): what it gives depends on what its inputs hold", node->name,
           node->op->name);
  ig_status status = node->op->infer(node);
  if (status != IG_OK) return ig_fail_in(status, "node '%s' (%s)", node->name, node->op->name);
  for (int i = 0; i < node->n_outputs; i++) {
    status = ig_shape_check(&node->outputs[i]->shape, node->outputs[i]->dtype);
    if (status != IG_OK) {
      return ig_fail_in(status, "node '%s' (%s), output %d", node->name, node->op->name, i);
    }
    IG_CHECK(node->outputs[i]->dtype != IG_NONE, IG_ERR_INTERNAL,
             "node '%s' (%s): output %d was not inferred", node->name, node->op->name, i);
  }
  return IG_OK;
}

static ig_status check_counts(const ig_op *op, const char *name, int n_in, ig_value *const *in,
                              int n_out) {
  IG_CHECK(n_in >= op->n_in[0] && n_in <= op->n_in[1], IG_ERR_SHAPE,
           "node '%s' (%s): takes %d to %d inputs, found %d", name, op->name, op->n_in[0],
           op->n_in[1], n_in);
  IG_CHECK(n_out >= op->n_out[0] && n_out <= op->n_out[1], IG_ERR_SHAPE,
           "node '%s' (%s): has %d to %d outputs, found %d", name, op->name, op->n_out[0],
           op->n_out[1], n_out);
  for (int i = 0; i < op->n_in[0]; i++) {
    IG_CHECK(in[i], IG_ERR_SHAPE, "node '%s' (%s): input %d is missing", name, op->name, i);
  }
  return IG_OK;
}

static ig_node *node_fail(ig_graph *graph, ig_status status) {
  ig_graph_fail(graph, status);
  return NULL;
}

/* Makes the node with outputs and uses. */
static ig_node *node_create(ig_graph *graph, const ig_op *op, const char *name, int n_in,
                            ig_value *const *in, void *attrs, int n_out,
                            const char *const *out_names) {
  if (graph->n_nodes >= MAX_NODES) {
    return node_fail(graph, ig_fail(IG_ERR_INPUT, "graph '%s': more than %d nodes", graph->name,
                                    MAX_NODES));
  }
  ig_node *node = ig_arena_alloc(graph->arena, sizeof *node);
  if (!node || !ig_grow((void **)&graph->nodes, &graph->node_capacity, graph->n_nodes + 1,
                        sizeof *graph->nodes)) {
    return (ig_node *)(void *)out_of_memory(graph);
  }
  node->op = op;
  node->attrs = attrs;
  node->forward = graph->forward;
  node->n_inputs = n_in;
  node->n_outputs = n_out;
  node->name = ig_names_claim(graph->names, graph->arena, name, op->name, NULL);
  node->inputs = ig_arena_copy(graph->arena, in, (size_t)n_in * sizeof *in);
  node->outputs = ig_arena_alloc(graph->arena, (size_t)n_out * sizeof *node->outputs);
  if (!node->name || !node->inputs || !node->outputs) {
    return (ig_node *)(void *)out_of_memory(graph);
  }
  for (int i = 0; i < n_out; i++) {
    const char *wanted = out_names ? out_names[i] : name;
    ig_value *value = value_create(graph, IG_VALUE_RESULT, wanted, op->name);
    if (!value) return NULL;
    value->producer = node;
    value->output = i;
    node->outputs[i] = value;
  }
  for (int i = 0; i < n_in; i++) {
    if (in[i] && !add_use(in[i], node, i)) return (ig_node *)(void *)out_of_memory(graph);
  }
  node->id = graph->n_nodes;
  graph->nodes[graph->n_nodes++] = node;
  return node;
}

/* Ranks that are threads of one process specialise one template at a time each: the count is atomic. */
static bool hold_bodies(ig_graph *graph, const ig_op *op, const void *attrs) {
  for (const ig_attr_field *f = op->attrs; f && f->name; f++) {
    ig_graph *body = f->type == IG_ATTR_GRAPH ? ig_attrs_get(f, attrs).graph : NULL;
    if (!body) continue;
    if (!ig_grow((void **)&graph->bodies, &graph->body_capacity, graph->n_bodies + 1,
                 sizeof(ig_graph *)))
      return false;
    graph->bodies[graph->n_bodies++] = ig_graph_hold(body);
  }
  return true;
}

ig_node *ig_graph_append(ig_graph *graph, const ig_op *op, const char *name, int n_in,
                         ig_value *const *in, void *attrs, int n_out,
                         const char *const *out_names) {
  if (graph->status != IG_OK) return NULL;
  ig_node *node = node_create(graph, op, name, n_in, in, attrs, n_out, out_names);
  if (!node) return NULL;
  if (!hold_bodies(graph, op, attrs)) return (ig_node *)(void *)out_of_memory(graph);
  if (graph->deferred) return node;
  ig_status status = ig_node_infer(node);
  return status == IG_OK ? node : node_fail(graph, status);
}

ig_node *ig_graph_node_named(ig_graph *graph, const char *op_name, const char *name, int n_in,
                             ig_value *const *in, int n_attrs, const ig_attr *attrs, int n_out,
                             const char *const *out_names) {
  if (graph->status != IG_OK) return NULL;
  const ig_op *op = ig_op_find(op_name);
  if (!op) {
    return node_fail(graph, ig_fail(IG_ERR_UNSUPPORTED, "node '%s': unknown operator '%s'",
                                    name ? name : "?", op_name));
  }
  while (n_in > op->n_in[0] && !in[n_in - 1]) n_in--; /* trailing absent inputs do not count */
  const char *shown = name ? name : op->name;
  ig_status status = check_counts(op, shown, n_in, in, n_out);
  void *attr_struct = NULL;
  if (status == IG_OK) {
    status = ig_attrs_create(graph->arena, op, n_attrs, attrs, &attr_struct);
    if (status != IG_OK) ig_fail_in(status, "node '%s'", shown);
  }
  if (status != IG_OK) return node_fail(graph, status);
  return ig_graph_append(graph, op, name, n_in, in, attr_struct, n_out, out_names);
}

ig_node *ig_graph_node(ig_graph *graph, const char *op, const char *name, int n_in,
                       ig_value *const *in, int n_attrs, const ig_attr *attrs, int n_out) {
  return ig_graph_node_named(graph, op, name, n_in, in, n_attrs, attrs, n_out, NULL);
}

ig_value *ig_op1(ig_graph *graph, const char *op, const char *name, int n_in, ig_value *const *in,
                 int n_attrs, const ig_attr *attrs) {
  ig_node *node = ig_graph_node(graph, op, name, n_in, in, n_attrs, attrs, 1);
  return node ? node->outputs[0] : NULL;
}

ig_value *ig_node_output(ig_graph *graph, ig_node *node, int index) {
  if (graph->status != IG_OK || !node) return NULL;
  if (index < node->n_outputs) return node->outputs[index];
  if (index >= node->op->n_out[1]) {
    return ig_graph_fail(graph, ig_fail(IG_ERR_INTERNAL, "node '%s' (%s) has no output %d",
                                        node->name, node->op->name, index));
  }
  ig_value **outputs =
      ig_arena_alloc(graph->arena, (size_t)(index + 1) * sizeof *outputs);
  if (!outputs) return out_of_memory(graph);
  memcpy(outputs, node->outputs, (size_t)node->n_outputs * sizeof *outputs);
  for (int i = node->n_outputs; i <= index; i++) {
    outputs[i] = value_create(graph, IG_VALUE_RESULT, NULL, node->op->name);
    if (!outputs[i]) return NULL;
    outputs[i]->producer = node;
    outputs[i]->output = i;
  }
  node->outputs = outputs;
  node->n_outputs = index + 1;
  if (graph->deferred) return outputs[index];
  ig_status status = ig_node_infer(node);
  return status == IG_OK ? outputs[index] : ig_graph_fail(graph, status);
}

/* --- queries --------------------------------------------------------------------------------- */

ig_value *ig_graph_find_value(const ig_graph *graph, const char *name) {
  return ig_names_find(graph->names, name);
}

ig_node *ig_graph_find_node(const ig_graph *graph, const char *name) {
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    if (ig_node_is_live(node) && strcmp(node->name, name) == 0) return node;
  }
  return NULL;
}

bool ig_value_is_output(const ig_graph *graph, const ig_value *value) {
  for (int32_t i = 0; i < graph->n_outputs; i++) {
    if (graph->outputs[i] == value) return true;
  }
  return false;
}

int ig_value_use_count(const ig_graph *graph, const ig_value *value) {
  int count = value->n_uses;
  for (int32_t i = 0; i < graph->n_outputs; i++) count += graph->outputs[i] == value;
  for (int32_t i = 0; i < graph->n_assigns; i++) {
    count += (graph->assigns[i].source == value) + (graph->assigns[i].target == value);
  }
  return count;
}

ig_status ig_value_const_ints(const ig_value *value, const char *what, int capacity, int64_t *out,
                              int *count) {
  IG_CHECK(value && value->kind == IG_VALUE_CONST, IG_ERR_UNSUPPORTED,
           "%s must be known before running", what);
  IG_CHECK(value->dtype == IG_I64 || value->dtype == IG_I32, IG_ERR_SHAPE,
           "%s must be i64 or i32, found %s", what, ig_dtype_name(value->dtype));
  int64_t n = ig_value_count(value);
  IG_CHECK(n <= capacity, IG_ERR_SHAPE, "%s has %lld elements, at most %d are possible", what,
           (long long)n, capacity);
  ig_convert(value->dtype, value->data, IG_I64, out, n);
  *count = (int)n;
  return IG_OK;
}

ig_status ig_value_const_scalar(const ig_value *value, const char *what, double fallback,
                                double *out) {
  *out = fallback;
  if (!value) return IG_OK;
  IG_CHECK(value->kind == IG_VALUE_CONST, IG_ERR_UNSUPPORTED, "%s must be known before running",
           what);
  IG_CHECK(ig_value_count(value) == 1, IG_ERR_SHAPE, "%s must be one number, found shape %s", what,
           IG_SHAPE_STR(&value->shape));
  *out = ig_load_f64(value->dtype, value->data, 0);
  return IG_OK;
}

size_t ig_value_storage(const ig_value *v) {
  if (v->layout != IG_LAYOUT_BLOCK16 || v->shape.rank < 2) return ig_value_bytes(v);
  size_t channels = ((size_t)v->shape.dims[1] + 15) / 16 * 16;
  size_t rest = (size_t)v->shape.dims[0] * (size_t)ig_shape_span(&v->shape, 2, v->shape.rank);
  return channels * rest * ig_dtype_size(v->dtype);
}
