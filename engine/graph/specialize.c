/* From a template to a graph for given input shapes: a copy that is inferred node by node, in which what
 * depends on shapes and constants alone is evaluated as soon as it is there, since Reshape and its kin need
 * it to be inferred themselves. This stands above the builders (graph.c), the operators' implementations
 * (engine/ops/dispatch.c) and the interpreter, which know nothing of it. */
#include <string.h>

#include "engine/graph/attrs.h"
#include "engine/graph/graph.h"
#include "engine/ops/body.h"
#include "engine/ops/op.h"
#include "engine/plan/interpret.h"

/* Arithmetic on shapes stays far below; what is larger is data, for the fold pass to judge. */
#define MOST_ELEMENTS 65536
#define MOST_OPERANDS 64
/* Of what the interpreter evaluates here (NonZero of a constant, sequences of sizes). */
#define MOST_BYTES ((size_t)64 << 20)
#define MOST_STEPS 100000
/* Bodies that are put in the place of Ifs within one another. */
#define MOST_DEPTH 32

/* `map` goes from the old value's id to the copy. */
typedef struct copier {
  ig_graph *copy;
  ig_value **map;
  int depth;
  /* Of a deferred template: float arithmetic is evaluated too, and the interpreter may help. */
  bool deferred;
} copier;

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
  value->lr_scale = old->lr_scale;
  for (int d = 0; d < IG_MAX_RANK; d++) {
    if (old->symbols[d]) ig_value_set_symbol(copy, value, d, old->symbols[d]);
  }
  return value;
}

static ig_status check_input(const ig_value *old, ig_dtype dtype, const ig_shape *shape) {
  IG_CHECK(old->dtype == IG_NONE || dtype == old->dtype, IG_ERR_SHAPE,
           "input '%s': expected %s, found %s", old->name, ig_dtype_name(old->dtype),
           ig_dtype_name(dtype));
  if (old->any_shape) return IG_OK;
  IG_CHECK(shape->rank == old->shape.rank, IG_ERR_SHAPE,
           "input '%s': expected rank %d %s, found %s", old->name, old->shape.rank,
           IG_SHAPE_STR(&old->shape), IG_SHAPE_STR(shape));
  for (int d = 0; d < shape->rank; d++) {
    IG_CHECK(old->symbols[d] || shape->dims[d] == old->shape.dims[d], IG_ERR_SHAPE,
             "input '%s': dimension %d must be %lld, found %lld", old->name, d,
             (long long)old->shape.dims[d], (long long)shape->dims[d]);
  }
  return IG_OK;
}

static ig_status copy_inputs(const ig_graph *graph, const ig_dtype *dtypes, const ig_shape *shapes,
                             ig_graph *copy, ig_value **map) {
  for (int32_t i = 0; i < graph->n_inputs; i++) {
    const ig_value *old = graph->inputs[i];
    ig_shape shape = shapes ? shapes[i] : old->shape;
    ig_dtype dtype = dtypes ? dtypes[i] : old->dtype;
    IG_CHECK(dtype != IG_NONE && (shapes || !old->any_shape), IG_ERR_UNSUPPORTED,
             "input '%s': its type or shape is not known", old->name);
    IG_TRY(check_input(old, dtype, &shape));
    map[old->id] = copy_leaf(copy, old, dtype, shape);
    IG_TRY(ig_graph_status(copy));
  }
  return IG_OK;
}

/* --- what is known before running ------------------------------------------------------------ */

static bool all_known(int n, ig_value *const *in) {
  for (int i = 0; i < n; i++) {
    if (in[i] && in[i]->kind != IG_VALUE_CONST) return false;
  }
  return true;
}

/* Results of known inputs (and of shapes) are what Reshape and its kin need to know while the copy is
 * being inferred. */
static bool wants_value_now(const ig_node *node, bool floats) {
  bool shapes = (node->op->flags & IG_OP_SHAPE) != 0;
  if (!(node->op->flags & IG_OP_PURE) && !shapes) return false;
  if (node->n_inputs > MOST_OPERANDS || node->n_outputs > MOST_OPERANDS) return false;
  for (int i = 0; i < node->n_outputs; i++) {
    const ig_value *out = node->outputs[i];
    bool whole = ig_dtype_is_int(out->dtype) || out->dtype == IG_BOOL;
    if (!(whole || floats) || out->dtype == IG_STRING) return false;
    if (ig_value_count(out) > MOST_ELEMENTS) return false;
  }
  if (shapes) return true;
  /* Quantized weights stay so: passes make products of integers of them. */
  if (strcmp(node->op->name, "DequantizeLinear") == 0) return false;
  for (int i = 0; i < node->n_inputs; i++) {
    if (node->inputs[i] && ig_value_count(node->inputs[i]) > MOST_ELEMENTS) return false;
  }
  return all_known(node->n_inputs, node->inputs);
}

static ig_status evaluate_now(ig_graph *copy, ig_node *node) {
  const void *in[MOST_OPERANDS];
  void *out[MOST_OPERANDS];
  for (int i = 0; i < node->n_inputs; i++) in[i] = node->inputs[i] ? node->inputs[i]->data : NULL;
  for (int i = 0; i < node->n_outputs; i++) {
    out[i] = ig_arena_alloc(copy->arena, ig_value_bytes(node->outputs[i]));
    IG_CHECK(out[i], IG_ERR_MEMORY, "graph '%s': out of memory", copy->name);
  }
  IG_TRY(ig_op_evaluate(node, NULL, in, out));
  for (int i = 0; i < node->n_outputs; i++) {
    node->outputs[i]->kind = IG_VALUE_CONST;
    node->outputs[i]->producer = NULL;
    node->outputs[i]->data = out[i];
  }
  ig_node_remove(copy, node);
  return IG_OK;
}

static ig_status constants_of(copier *c, const ig_node *old, ig_datum *const *data, bool *known) {
  for (int i = 0; i < old->n_outputs; i++) {
    if (data[i]->kind != IG_DATUM_TENSOR || data[i]->dtype == IG_STRING) return IG_OK;
  }
  for (int i = 0; i < old->n_outputs; i++) {
    const ig_value *out = old->outputs[i];
    c->map[out->id] =
        ig_graph_const(c->copy, out->name, data[i]->dtype, data[i]->shape, data[i]->data);
  }
  *known = true;
  return ig_graph_status(c->copy);
}

/* A node that only the interpreter can run (NonZero, a Loop), with known inputs: its results become
 * constants. Where it fails, inferring the node says what is missing. */
static ig_status interpret_now(copier *c, const ig_node *old, ig_value *const *in, bool *known) {
  static const ig_interpreter_options limits = {.memory_limit = MOST_BYTES,
                                                .step_limit = MOST_STEPS};
  ig_datum *given[MOST_OPERANDS] = {0}, *made[MOST_OPERANDS] = {0};
  ig_interpreter *interpreter = NULL;
  ig_status status = ig_interpreter_create(&limits, &interpreter);
  for (int i = 0; i < old->n_inputs && status == IG_OK; i++) {
    if (!in[i]) continue;
    status = ig_datum_borrow(in[i]->dtype, &in[i]->shape, in[i]->data, &given[i]);
  }
  if (status == IG_OK && old->op->interpret(interpreter, old, given, made) == IG_OK) {
    status = constants_of(c, old, made, known);
  }
  for (int i = 0; i < MOST_OPERANDS; i++) {
    ig_datum_release(given[i]);
    ig_datum_release(made[i]);
  }
  ig_interpreter_destroy(interpreter);
  return status;
}

static bool wants_interpreter(const ig_node *old, ig_value *const *in) {
  if (!old->op->interpret || old->op->impls || !(old->op->flags & IG_OP_PURE)) return false;
  if (old->n_inputs > MOST_OPERANDS || old->n_outputs > MOST_OPERANDS) return false;
  for (int i = 0; i < old->n_inputs; i++) {
    if (in[i] && (in[i]->dtype == IG_STRING || ig_value_count(in[i]) > MOST_ELEMENTS)) return false;
  }
  return all_known(old->n_inputs, in);
}

/* --- nodes ----------------------------------------------------------------------------------- */

static ig_status copy_all_nodes(copier *c, const ig_graph *graph);

static ig_status inline_body(ig_graph *graph, const ig_graph *body, ig_value *const *in,
                             ig_value **out, int depth) {
  IG_CHECK(depth < MOST_DEPTH, IG_ERR_UNSUPPORTED,
           "graph '%s': more than %d bodies within one another", body->name, MOST_DEPTH);
  IG_TRY(ig_graph_status(body));
  IG_CHECK(body->n_assigns == 0, IG_ERR_UNSUPPORTED, "body '%s' changes states", body->name);
  copier c = {.copy = graph, .depth = depth, .deferred = true};
  c.map = ig_alloc_zero((size_t)body->n_values + 1, sizeof *c.map);
  IG_CHECK(c.map, IG_ERR_MEMORY, "graph '%s': out of memory", body->name);
  ig_status status = IG_OK;
  for (int32_t i = 0; i < body->n_inputs; i++) c.map[body->inputs[i]->id] = in[i];
  for (int32_t i = 0; i < body->n_values && status == IG_OK; i++) {
    const ig_value *old = body->values[i];
    if (old->kind == IG_VALUE_INPUT || old->kind == IG_VALUE_RESULT) continue;
    IG_CHECK_DONE(old->data || ig_value_count(old) == 0, IG_ERR_UNSUPPORTED,
                  "'%s' of body '%s' has no value", old->name, body->name);
    c.map[old->id] = ig_graph_const(graph, old->name, old->dtype, old->shape, old->data);
    status = ig_graph_status(graph);
  }
  if (status == IG_OK) status = copy_all_nodes(&c, body);
  for (int32_t i = 0; i < body->n_outputs && status == IG_OK; i++) {
    out[i] = c.map[body->outputs[i]->id];
  }
done:
  ig_free(c.map);
  return status;
}

ig_status ig_graph_inline(ig_graph *graph, const ig_graph *body, ig_value *const *in,
                          ig_value **out) {
  return inline_body(graph, body, in, out, 0);
}

/* An If whose condition is known: the chosen body's nodes in its place. */
static ig_status copy_branch(copier *c, const ig_node *old, const ig_graph *body,
                             ig_value *const *in) {
  ig_value **out =
      ig_arena_alloc(c->copy->arena, ((size_t)body->n_outputs + 1) * sizeof *out);
  IG_CHECK(out, IG_ERR_MEMORY, "graph '%s': out of memory", c->copy->name);
  ig_status status = inline_body(c->copy, body, in + 1, out, c->depth + 1);
  if (status != IG_OK) return ig_fail_in(status, "node '%s' (%s)", old->name, old->op->name);
  for (int i = 0; i < old->n_outputs; i++) c->map[old->outputs[i]->id] = out[i];
  return IG_OK;
}

static ig_status append_copy(copier *c, const ig_node *old, ig_value *const *in) {
  void *attrs;
  IG_TRY(ig_attrs_copy(c->copy->arena, old->op, old->attrs, &attrs));
  const char **names =
      ig_arena_alloc(c->copy->arena, ((size_t)old->n_outputs + 1) * sizeof *names);
  IG_CHECK(names, IG_ERR_MEMORY, "graph '%s': out of memory", c->copy->name);
  for (int i = 0; i < old->n_outputs; i++) names[i] = old->outputs[i]->name;
  ig_node *node =
      ig_graph_append(c->copy, old->op, old->name, old->n_inputs, in, attrs, old->n_outputs, names);
  IG_TRY(ig_graph_status(c->copy));
  for (int i = 0; i < old->n_outputs; i++) c->map[old->outputs[i]->id] = node->outputs[i];
  if (!wants_value_now(node, c->deferred)) return IG_OK;
  ig_status status = evaluate_now(c->copy, node);
  return status == IG_ERR_UNSUPPORTED ? IG_OK : status; /* it may still run on another device */
}

static ig_status copy_node(copier *c, const ig_node *old) {
  size_t n_in = (size_t)old->n_inputs;
  ig_value **in = ig_arena_alloc(c->copy->arena, (n_in + 1) * sizeof *in);
  IG_CHECK(in, IG_ERR_MEMORY, "graph '%s': out of memory", c->copy->name);
  for (size_t i = 0; i < n_in; i++) in[i] = old->inputs[i] ? c->map[old->inputs[i]->id] : NULL;
  const ig_graph *branch = NULL;
  IG_TRY(ig_body_branch(old, in, &branch));
  if (branch) return copy_branch(c, old, branch, in);
  bool known = false;
  if (c->deferred && wants_interpreter(old, in)) IG_TRY(interpret_now(c, old, in, &known));
  return known ? IG_OK : append_copy(c, old, in);
}

static ig_status copy_all_nodes(copier *c, const ig_graph *graph) {
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    if (ig_node_is_live(graph->nodes[i])) IG_TRY(copy_node(c, graph->nodes[i]));
  }
  return IG_OK;
}

/* --- graphs ---------------------------------------------------------------------------------- */

/* Plans have no memory for texts. */
static ig_status check_numbers(const ig_graph *graph) {
  for (int32_t i = 0; i < graph->n_values; i++) {
    IG_CHECK(graph->values[i]->dtype != IG_STRING, IG_ERR_UNSUPPORTED, "'%s' holds texts",
             graph->values[i]->name);
  }
  return IG_OK;
}

static ig_status finish(ig_graph *copy) {
  IG_TRY(ig_graph_status(copy));
  IG_TRY(ig_graph_compact(copy, false));
  return check_numbers(copy);
}

static ig_status copy_all(const ig_graph *graph, const ig_dtype *dtypes, const ig_shape *shapes,
                          copier *c) {
  ig_graph *copy = c->copy;
  ig_value **map = c->map;
  IG_TRY(copy_inputs(graph, dtypes, shapes, copy, map));
  for (int32_t i = 0; i < graph->n_values; i++) {
    const ig_value *old = graph->values[i];
    if (old->kind == IG_VALUE_INPUT || old->kind == IG_VALUE_RESULT) continue;
    map[old->id] = copy_leaf(copy, old, old->dtype, old->shape);
    IG_TRY(ig_graph_status(copy));
  }
  IG_TRY(copy_all_nodes(c, graph));
  for (int32_t i = 0; i < graph->n_outputs; i++) {
    ig_graph_output(copy, graph->output_names[i], map[graph->outputs[i]->id]);
  }
  for (int32_t i = 0; i < graph->n_assigns; i++) {
    ig_graph_assign(copy, map[graph->assigns[i].target->id], map[graph->assigns[i].source->id]);
  }
  return finish(copy);
}

ig_status ig_graph_specialize(const ig_graph *graph, const ig_shape *shapes, ig_graph **out) {
  return ig_graph_specialize_typed(graph, NULL, shapes, out);
}

ig_status ig_graph_specialize_typed(const ig_graph *graph, const ig_dtype *dtypes,
                                    const ig_shape *shapes, ig_graph **out) {
  IG_TRY(ig_graph_status(graph));
  copier c = {.deferred = graph->deferred};
  IG_TRY(ig_graph_create(graph->name, &c.copy));
  c.map = ig_alloc_zero((size_t)graph->n_values + 1, sizeof *c.map);
  ig_status status = c.map ? copy_all(graph, dtypes, shapes, &c)
                           : ig_fail(IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  ig_free(c.map);
  if (status != IG_OK) {
    ig_graph_destroy(c.copy);
    return status;
  }
  *out = c.copy;
  return IG_OK;
}

static ig_status copy_body(const ig_graph *body, ig_value *const *like, ig_graph *copy) {
  size_t n_in = (size_t)body->n_inputs + 1, n_out = (size_t)body->n_outputs + 1;
  ig_value **in = ig_arena_alloc(copy->arena, n_in * sizeof *in);
  ig_value **out = ig_arena_alloc(copy->arena, n_out * sizeof *out);
  IG_CHECK(in && out, IG_ERR_MEMORY, "graph '%s': out of memory", body->name);
  for (int32_t i = 0; i < body->n_inputs; i++) {
    const ig_value *v = like[i];
    in[i] = ig_graph_input(copy, body->inputs[i]->name, v->dtype, v->shape);
    if (v->kind != IG_VALUE_CONST) continue;
    in[i] = ig_graph_const(copy, body->inputs[i]->name, v->dtype, v->shape, v->data);
  }
  IG_TRY(ig_graph_status(copy));
  IG_TRY(ig_graph_inline(copy, body, in, out));
  for (int32_t i = 0; i < body->n_outputs; i++) {
    ig_graph_output(copy, body->output_names[i], out[i]);
  }
  return finish(copy);
}

ig_status ig_graph_specialize_body(const ig_graph *body, ig_value *const *like, ig_graph **out) {
  ig_graph *copy;
  IG_TRY(ig_graph_create(body->name, &copy));
  ig_status status = copy_body(body, like, copy);
  if (status != IG_OK) {
    ig_graph_destroy(copy);
    return status;
  }
  *out = copy;
  return IG_OK;
}
