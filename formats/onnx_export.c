/* Graphs as ONNX has them. Names are claimed over all graphs of a model, since ONNX forbids a body to hide
 * an outer name: first those that users know, then the others. Captures of bodies become outer names again. */
#include "formats/onnx_export.h"

#include <stdio.h>
#include <string.h>

#include "engine/graph/attrs.h"
#include "formats/onnx_export_parts.h"
#include "formats/onnx_preprocess.h"
#include "formats/onnx_write.h"

#define DEFAULT_OPSET 18
#define OUTSIDE_LEAST 1024 /* bytes of a tensor that goes to the file of weights */
#define OUTSIDE_ALIGN ((uint64_t)4096)

static ig_status out_of_memory(const ig_onnx_exporter *x) {
  return ig_fail(IG_ERR_MEMORY, "%s: out of memory", x->path);
}

/* --- the opset --------------------------------------------------------------------------------- */

static bool is_own(const ig_op *op) {
  return strncmp(op->name, "ingot.", 6) == 0;
}

/* Whether a field is written: `captured` says how bodies read outer values, which names do in ONNX. */
static bool is_written(const ig_node *node, const ig_attr_field *field) {
  if (field->type == IG_ATTR_GRAPH) return false;
  if (field->type == IG_ATTR_INT && strcmp(field->name, "captured") == 0) return false;
  ig_attr value = ig_attrs_get(field, node->attrs);
  if (field->type == IG_ATTR_STRING && !value.s) return false;
  if (field->type == IG_ATTR_TENSOR && !value.tensor) return false;
  return field->required || !ig_attrs_is_default(field, node->attrs);
}

static int count_fields(const ig_op *op) {
  int n = 0;
  while (op->attrs && op->attrs[n].name) n++;
  return n;
}

static int written_attrs(const ig_node *node, ig_attr *attrs) {
  int n = 0;
  for (const ig_attr_field *f = node->op->attrs; f && f->name; f++) {
    if (is_written(node, f)) attrs[n++] = ig_attrs_get(f, node->attrs);
  }
  return n;
}

static int64_t captured(const ig_node *node) {
  const ig_attr_field *field = ig_attrs_field(node->op, "captured");
  return field && field->type == IG_ATTR_INT ? ig_attrs_get(field, node->attrs).i : 0;
}

static ig_status needs_of_graph(ig_onnx_exporter *x, const ig_graph *graph, const ig_onnx_known *known,
                                int64_t *needed);

static ig_status needs_of_node(ig_onnx_exporter *x, const ig_node *node, const ig_onnx_known *known,
                               int64_t *needed) {
  ig_attr *attrs = ig_arena_alloc(x->arena, ((size_t)count_fields(node->op) + 1) * sizeof *attrs);
  if (!attrs) return out_of_memory(x);
  uint32_t types = 0;
  for (int i = 0; i < node->n_inputs; i++) {
    const ig_value *v = node->inputs[i];
    ig_dtype dtype = !v ? IG_NONE : known ? known[v->id].dtype : v->dtype;
    types |= 1u << dtype;
  }
  for (int i = 0; i < node->n_outputs && known; i++) types |= 1u << known[node->outputs[i]->id].dtype;
  int n = written_attrs(node, attrs);
  int n_in = node->n_inputs - (int)captured(node);
  while (n_in > 0 && !node->inputs[n_in - 1]) n_in--;
  *needed = IG_MAX(*needed, ig_onnx_needs(node->op->name, n, attrs, n_in, types & ~1u));
  for (const ig_attr_field *f = node->op->attrs; f && f->name; f++) {
    if (f->type == IG_ATTR_GRAPH) {
      const ig_graph *body = ig_attrs_get(f, node->attrs).graph;
      if (body) IG_TRY(needs_of_graph(x, body, NULL, needed));
    }
  }
  return IG_OK;
}

static ig_status needs_of_graph(ig_onnx_exporter *x, const ig_graph *graph, const ig_onnx_known *known,
                                int64_t *needed) {
  for (int32_t i = 0; i < graph->n_values; i++) {
    if (graph->values[i]->kind != IG_VALUE_RESULT)
      *needed = IG_MAX(*needed, ig_onnx_type_since(graph->values[i]->dtype));
  }
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    if (ig_node_is_live(graph->nodes[i]) && !is_own(graph->nodes[i]->op))
      IG_TRY(needs_of_node(x, graph->nodes[i], known, needed));
  }
  return IG_OK;
}

static ig_status choose_opset(ig_onnx_exporter *x, const ig_graph *graph, const ig_onnx_known *known) {
  const ig_onnx_message *m = x->options->source;
  int64_t needed = DEFAULT_OPSET, given = m ? ig_onnx_opset_of(m->n_opsets, m->opsets, "") : 0;
  needed = IG_MAX(needed, IG_MIN(given, IG_ONNX_NEWEST));
  x->opset = x->options->opset;
  IG_CHECK(x->opset == 0 || (x->opset >= IG_ONNX_OLDEST_EXPORT && x->opset <= IG_ONNX_NEWEST),
           IG_ERR_USAGE, "opset %lld is not one of those that are written, %d to %d", (long long)x->opset,
           IG_ONNX_OLDEST_EXPORT, IG_ONNX_NEWEST);
  if (x->opset) return IG_OK;
  IG_TRY(needs_of_graph(x, graph, known, &needed));
  x->opset = needed;
  return IG_OK;
}

/* --- values ------------------------------------------------------------------------------------ */

/* Bytes of a parameter, state or constant. */
static ig_status bytes_of(const ig_onnx_exporter *x, const ig_value *value, const void **out) {
  const ig_snapshot *s = x->options->snapshot;
  *out = value->data;
  if (value->kind == IG_VALUE_CONST) return IG_OK;
  const ig_tensor *t = NULL;
  if (s) t = ig_snapshot_find(s, value->kind == IG_VALUE_PARAM ? IG_ROLE_PARAMETER : IG_ROLE_STATE, value->name);
  if (t) {
    IG_CHECK(t->dtype == value->dtype && ig_shape_equal(&t->shape, &value->shape) && t->data, IG_ERR_SHAPE,
             "'%s': expected %s%s, found %s%s", value->name, ig_dtype_name(value->dtype),
             IG_SHAPE_STR(&value->shape), ig_dtype_name(t->dtype), IG_SHAPE_STR(&t->shape));
    *out = t->data;
    return IG_OK;
  }
  IG_CHECK(value->init.kind == IG_INIT_DATA && value->data, IG_ERR_INPUT, "'%s' has no values",
           value->name);
  return IG_OK;
}

static void claim_value(ig_onnx_block *block, const ig_value *value, const char *wanted) {
  const char *name = ig_onnx_claim(block->exporter, wanted);
  if (name) block->args[value->id].name = name;
}

/* A result that is an output bears the output's name; others reach it through Identity. */
static bool bears_output(const ig_onnx_block *block, int32_t output, bool body) {
  const ig_value *value = block->graph->outputs[output];
  if (value->kind == IG_VALUE_INPUT) {
    const char *name = block->args[value->id].name;
    return !body && strcmp(name, block->graph->output_names[output]) == 0;
  }
  if (value->kind != IG_VALUE_RESULT) return false;
  for (int32_t i = 0; i < output; i++) {
    if (block->graph->outputs[i] == value) return false;
  }
  return true;
}

static ig_status write_leaf(ig_onnx_block *block, const ig_value *value) {
  ig_onnx_arg *arg = &block->args[value->id];
  const void *bytes;
  IG_TRY(bytes_of(block->exporter, value, &bytes));
  if (value->kind == IG_VALUE_CONST) {
    arg->data = bytes;
    ig_onnx_constant_later(block, arg->name, value->dtype, &value->shape, bytes);
  } else {
    ig_onnx_initializer(block, arg->name, value->dtype, &value->shape, bytes);
  }
  return block->exporter->status;
}

/* Names of all values, and initializers. `outer` are operands that the last inputs stand for. */
static ig_status start_block(ig_onnx_block *block, int n_outer, const ig_onnx_arg *outer,
                             const char **output_names) {
  ig_onnx_exporter *x = block->exporter;
  const ig_graph *g = block->graph;
  bool body = outer != NULL;
  for (int32_t i = 0; i < g->n_inputs; i++) {
    const ig_value *in = g->inputs[i];
    int capture = i - (g->n_inputs - n_outer);
    if (capture >= 0) block->args[in->id] = outer[capture];
    else claim_value(block, in, in->name);
  }
  for (int32_t i = 0; i < g->n_outputs && x->status == IG_OK; i++) {
    const ig_value *value = g->outputs[i];
    if (bears_output(block, i, body) && value->kind == IG_VALUE_INPUT) {
      output_names[i] = block->args[value->id].name;
      continue;
    }
    output_names[i] = ig_onnx_claim(x, g->output_names[i]);
    if (bears_output(block, i, body)) block->args[value->id].name = output_names[i];
  }
  for (int32_t i = 0; i < g->n_values && x->status == IG_OK; i++) {
    const ig_value *value = g->values[i];
    if (value->kind == IG_VALUE_INPUT || value->kind == IG_VALUE_RESULT) continue;
    if (ig_value_use_count(g, value) == 0) continue;
    claim_value(block, value, value->name);
    IG_TRY(write_leaf(block, value));
  }
  for (int32_t i = 0; i < g->n_nodes && x->status == IG_OK; i++) {
    const ig_node *node = g->nodes[i];
    for (int k = 0; k < node->n_outputs && ig_node_is_live(node); k++) {
      if (!block->args[node->outputs[k]->id].name) claim_value(block, node->outputs[k], node->outputs[k]->name);
    }
  }
  return x->status;
}

/* --- nodes ------------------------------------------------------------------------------------- */

static const ig_onnx_arg absent = {.name = "", .known = {.rank = -1}};

static ig_status write_body(ig_onnx_exporter *x, const ig_node *node, const ig_graph *body, int n_outer,
                            const ig_onnx_arg *outer, const ig_onnx_graph **out);

/* Outputs that nothing reads, of those that an operator need not give, are left out. */
static bool is_unread(const ig_onnx_block *block, const ig_node *node, int output) {
  if (output < node->op->n_out[0] || node->op->n_out[1] == IG_VARIADIC) return false;
  return ig_value_use_count(block->graph, node->outputs[output]) == 0;
}

static ig_status write_bodies(ig_onnx_block *block, const ig_node *node, ig_onnx_out *out) {
  ig_onnx_exporter *x = block->exporter;
  int n_outer = (int)captured(node), inner = node->n_inputs - n_outer;
  ig_onnx_attr *bodies = ig_arena_alloc(x->arena, ((size_t)count_fields(node->op) + 1) * sizeof *bodies);
  if (!bodies) return out_of_memory(x);
  IG_CHECK(inner >= 0, IG_ERR_INTERNAL, "node '%s': more captures than inputs", node->name);
  for (const ig_attr_field *f = node->op->attrs; f && f->name; f++) {
    const ig_graph *body = f->type == IG_ATTR_GRAPH ? ig_attrs_get(f, node->attrs).graph : NULL;
    if (!body) continue;
    ig_onnx_attr *to = &bodies[out->n_bodies++];
    *to = (ig_onnx_attr){.name = f->name, .type = IG_ONNX_GRAPH};
    IG_TRY(write_body(x, node, body, n_outer, out->in + inner, &to->graph));
  }
  out->bodies = bodies;
  out->n_in = inner;
  return IG_OK;
}

static ig_status write_node(ig_onnx_block *block, const ig_node *node) {
  ig_onnx_exporter *x = block->exporter;
  size_t n_in = (size_t)node->n_inputs, n_out = (size_t)node->n_outputs;
  ig_onnx_arg *in = ig_arena_alloc(x->arena, (n_in + IG_ONNX_SPARE) * sizeof *in);
  ig_onnx_arg *results = ig_arena_alloc(x->arena, (n_out + 1) * sizeof *results);
  size_t n_fields = (size_t)count_fields(node->op);
  ig_attr *attrs = ig_arena_alloc(x->arena, (n_fields + IG_ONNX_SPARE) * sizeof *attrs);
  if (!in || !results || !attrs) return out_of_memory(x);
  for (size_t i = 0; i < n_in; i++) in[i] = node->inputs[i] ? block->args[node->inputs[i]->id] : absent;
  for (size_t i = 0; i < n_out; i++) {
    results[i] = is_unread(block, node, (int)i) ? absent : block->args[node->outputs[i]->id];
  }
  ig_onnx_out out = {.block = block,
                     .op = node->op->name,
                     .name = node->name,
                     .n_in = node->n_inputs,
                     .n_out = node->n_outputs,
                     .n_attrs = written_attrs(node, attrs),
                     .in = in,
                     .attrs = attrs,
                     .out = results};
  IG_TRY(write_bodies(block, node, &out));
  ig_onnx_emit(&out);
  return x->status;
}

static ig_status write_identities(ig_onnx_block *block, bool body, const char *const *output_names) {
  const ig_graph *g = block->graph;
  for (int32_t i = 0; i < g->n_outputs; i++) {
    if (bears_output(block, i, body)) continue;
    ig_onnx_arg in[1 + IG_ONNX_SPARE] = {block->args[g->outputs[i]->id]}, result = in[0];
    result.name = output_names[i];
    ig_onnx_out out = {.block = block,
                       .op = "Identity",
                       .name = output_names[i],
                       .n_in = 1,
                       .n_out = 1,
                       .in = in,
                       .out = &result};
    ig_onnx_emit(&out);
  }
  return block->exporter->status;
}

/* --- types of inputs and outputs --------------------------------------------------------------- */

static ig_status type_of(ig_onnx_exporter *x, const ig_onnx_known *known, const ig_onnx_type **out) {
  *out = NULL;
  if (known->dtype == IG_NONE) return IG_OK;
  ig_onnx_type *type = ig_arena_alloc(x->arena, sizeof *type);
  ig_onnx_tensor_type *tensor = ig_arena_alloc(x->arena, sizeof *tensor);
  ig_onnx_shape *shape = ig_arena_alloc(x->arena, sizeof *shape);
  ig_onnx_dim *dims = ig_arena_alloc(x->arena, (IG_MAX_RANK + 1) * sizeof *dims);
  if (!type || !tensor || !shape || !dims) return out_of_memory(x);
  for (int d = 0; d < known->rank; d++) {
    dims[d] = (ig_onnx_dim){.value = known->dims[d], .symbol = known->symbols[d]};
    if (known->symbols[d]) dims[d].value = -1;
  }
  *shape = (ig_onnx_shape){.n_dims = known->rank, .dims = dims};
  tensor->elem = ig_dtype_to_onnx(known->dtype);
  if (known->rank >= 0) tensor->shape = shape;
  type->tensor = tensor;
  *out = type;
  return IG_OK;
}

static const ig_onnx_type *said(int64_t n, const ig_onnx_value *values, const char *name) {
  for (int64_t i = 0; i < n; i++) {
    if (values[i].name && strcmp(values[i].name, name) == 0) return values[i].type;
  }
  return NULL;
}

/* What the file that the graph came from said, where that is more. */
static ig_status typed(ig_onnx_exporter *x, bool body, const ig_onnx_known *known, int64_t n,
                       const ig_onnx_value *source, ig_onnx_value *out) {
  if (known->dtype == IG_NONE || known->rank < 0) out->type = said(n, source, out->name);
  if (out->type || (body && known->rank < 0)) return IG_OK; /* without rank, some readers take it ill */
  return type_of(x, known, &out->type);
}

static ig_status write_borders(ig_onnx_block *block, bool body, int n_outer,
                               const char *const *output_names, ig_onnx_graph *out) {
  ig_onnx_exporter *x = block->exporter;
  const ig_graph *g = block->graph;
  const ig_onnx_graph *source = !body && x->options->source ? x->options->source->graph : NULL;
  int64_t n_in = g->n_inputs - n_outer, n_out = g->n_outputs;
  ig_onnx_value *in = ig_arena_alloc(x->arena, ((size_t)n_in + 1) * sizeof *in);
  ig_onnx_value *results = ig_arena_alloc(x->arena, ((size_t)n_out + 1) * sizeof *results);
  if (!in || !results) return out_of_memory(x);
  for (int64_t i = 0; i < n_in; i++) {
    const ig_onnx_arg *arg = &block->args[g->inputs[i]->id];
    in[i].name = arg->name;
    IG_TRY(typed(x, body, &arg->known, source ? source->n_inputs : 0, source ? source->inputs : NULL,
                 &in[i]));
    IG_CHECK(in[i].type || body, IG_ERR_UNSUPPORTED, "input '%s': its type is not known", arg->name);
  }
  for (int64_t i = 0; i < n_out; i++) {
    const ig_onnx_known *known = &block->args[g->outputs[i]->id].known;
    results[i].name = output_names[i];
    IG_TRY(typed(x, body, known, source ? source->n_outputs : 0, source ? source->outputs : NULL,
                 &results[i]));
    IG_CHECK(results[i].type || body, IG_ERR_UNSUPPORTED, "output '%s': its type is not known",
             output_names[i]);
  }
  *out = (ig_onnx_graph){.name = g->name && *g->name ? g->name : "graph",
                         .n_nodes = block->n_nodes,
                         .nodes = block->nodes,
                         .n_initializers = block->n_initializers,
                         .initializers = block->initializers,
                         .n_inputs = n_in,
                         .inputs = in,
                         .n_outputs = n_out,
                         .outputs = results};
  return IG_OK;
}

/* --- graphs ------------------------------------------------------------------------------------ */

static ig_status write_nodes(ig_onnx_block *block, bool body, const char *const *output_names) {
  const ig_graph *g = block->graph;
  for (int32_t i = 0; i < g->n_nodes; i++) {
    if (ig_node_is_live(g->nodes[i])) IG_TRY(write_node(block, g->nodes[i]));
  }
  return write_identities(block, body, output_names);
}

static void release_block(ig_onnx_block *block) {
  ig_free(block->nodes);
  ig_free(block->initializers);
}

/* Lists that grow are copied into the arena once they are whole. */
static ig_status settle(ig_onnx_exporter *x, ig_onnx_graph *g) {
  g->nodes = ig_arena_copy(x->arena, g->nodes, (size_t)g->n_nodes * sizeof *g->nodes);
  g->initializers =
      ig_arena_copy(x->arena, g->initializers, (size_t)g->n_initializers * sizeof *g->initializers);
  return g->nodes && g->initializers ? IG_OK : out_of_memory(x);
}

/* The count and the condition that a Loop's body begins with are scalars, which ONNX Runtime wants said. */
static void know_loop_inputs(const ig_node *node, ig_onnx_block *block) {
  const ig_graph *body = block->graph;
  const ig_dtype dtypes[] = {IG_I64, IG_BOOL};
  for (int i = 0; i < 2 && i < body->n_inputs && strcmp(node->op->name, "Loop") == 0; i++) {
    block->args[body->inputs[i]->id].known = (ig_onnx_known){.dtype = dtypes[i], .rank = 0};
  }
}

static ig_status write_body(ig_onnx_exporter *x, const ig_node *node, const ig_graph *body, int n_outer,
                            const ig_onnx_arg *outer, const ig_onnx_graph **out) {
  size_t n = (size_t)body->n_values + 1;
  ig_onnx_block block = {.exporter = x, .graph = body, .args = ig_arena_alloc(x->arena, n * sizeof *block.args)};
  const char **names = ig_arena_alloc(x->arena, ((size_t)body->n_outputs + 1) * sizeof *names);
  ig_onnx_graph *made = ig_arena_alloc(x->arena, sizeof *made);
  if (!block.args || !names || !made) return out_of_memory(x);
  for (int32_t i = 0; i < body->n_values; i++) {
    ig_onnx_known *known = &block.args[body->values[i]->id].known;
    known->rank = -1;
    known->dtype = body->values[i]->dtype;
  }
  know_loop_inputs(node, &block);
  ig_status status = start_block(&block, n_outer, outer, names);
  if (status == IG_OK) status = write_nodes(&block, true, names);
  if (status == IG_OK) status = write_borders(&block, true, n_outer, names, made);
  if (status == IG_OK) status = settle(x, made);
  release_block(&block);
  *out = made;
  return status;
}

/* --- the model --------------------------------------------------------------------------------- */

static ig_status report_problems(const ig_onnx_exporter *x) {
  char list[1024] = "";
  size_t used = 0;
  for (int i = 0; i < x->n_problems && used + 1 < sizeof list; i++) {
    const struct ig_onnx_problem *p = &x->problems[i];
    int n = snprintf(list + used, sizeof list - used, "%s%s: %s (%lld x, first in '%.60s')",
                     i ? "; " : "", p->op, p->why, (long long)p->times, p->node);
    used += n > 0 ? (size_t)n : 0;
  }
  return ig_fail(IG_ERR_UNSUPPORTED, "ONNX's opset %lld cannot say: %s", (long long)x->opset, list);
}

/* Large tensors of the model's own graph go to a file of weights. */
static ig_status move_outside(ig_onnx_exporter *x, ig_onnx_graph *g, const char *location,
                              ig_onnx_outside *out) {
  ig_onnx_tensor *tensors = (ig_onnx_tensor *)g->initializers;
  *out = (ig_onnx_outside){.location = location};
  out->pieces = ig_arena_alloc(x->arena, ((size_t)g->n_initializers + 1) * sizeof *out->pieces);
  if (!out->pieces) return out_of_memory(x);
  uint64_t offset = 0;
  for (int64_t i = 0; i < g->n_initializers; i++) {
    ig_onnx_tensor *t = &tensors[i];
    if (!t->raw.bytes || t->raw.size < OUTSIDE_LEAST) continue;
    offset = (offset + OUTSIDE_ALIGN - 1) & ~(OUTSIDE_ALIGN - 1);
    ig_onnx_entry *places = ig_arena_alloc(x->arena, 3 * sizeof *places);
    if (!places) return out_of_memory(x);
    places[0] = (ig_onnx_entry){"location", location};
    places[1] = (ig_onnx_entry){"offset", ig_arena_format(x->arena, "%llu", (unsigned long long)offset)};
    places[2] = (ig_onnx_entry){"length", ig_arena_format(x->arena, "%zu", t->raw.size)};
    if (!places[1].value || !places[2].value) return out_of_memory(x);
    out->pieces[out->n++] = (struct ig_onnx_piece){t->raw.bytes, t->raw.size, offset};
    offset += t->raw.size;
    t->raw = (ig_onnx_text){NULL, 0};
    t->location = 1;
    t->n_places = 3;
    t->places = places;
  }
  x->report.external = out->n > 0;
  return IG_OK;
}

static ig_status check_location(const char *name) {
  bool plain = *name && !strchr(name, '/') && !strchr(name, '\\') && strcmp(name, ".") != 0 &&
               strcmp(name, "..") != 0;
  IG_CHECK(plain, IG_ERR_USAGE, "'%s': the file of weights lies beside the model: expected a name without a folder",
           name);
  return IG_OK;
}

static ig_status save(ig_onnx_exporter *x, ig_onnx_message *model, ig_onnx_graph *graph) {
  const char *location = x->options->external;
  ig_onnx_outside outside = {0};
  size_t size = 0, largest = x->options->largest ? x->options->largest : IG_ONNX_LARGEST;
  IG_TRY(ig_onnx_measure(&ig_onnx_schema_model, model, &size));
  if (!location && size > largest) {
    const char *slash = strrchr(x->path, '/');
    location = ig_arena_format(x->arena, "%s.data", slash ? slash + 1 : x->path);
    if (!location) return out_of_memory(x);
  }
  if (location) {
    IG_TRY(check_location(location));
    IG_TRY(move_outside(x, graph, location, &outside));
  }
  return ig_onnx_write(x->path, model, &outside, x->options->from);
}

static ig_status write_message(ig_onnx_exporter *x, ig_onnx_graph *graph) {
  const ig_onnx_message *source = x->options->source;
  ig_onnx_opset *opsets = ig_arena_alloc(x->arena, ((size_t)x->n_domains + 1) * sizeof *opsets);
  if (!opsets) return out_of_memory(x);
  opsets[0] = (ig_onnx_opset){"", x->opset};
  if (x->n_domains) memcpy(opsets + 1, x->domains, (size_t)x->n_domains * sizeof *opsets);
  ig_onnx_message model = {.ir_version = ig_onnx_ir_version(x->opset),
                           .producer = "ingot",
                           .producer_version = ig_version(),
                           .domain = source ? source->domain : NULL,
                           .model_version = source ? source->model_version : 0,
                           .doc = source ? source->doc : NULL,
                           .n_opsets = x->n_domains + 1,
                           .opsets = opsets,
                           .n_metadata = x->options->n_metadata,
                           .metadata = x->options->metadata,
                           .graph = graph};
  return save(x, &model, graph);
}

static ig_status write_graph(ig_onnx_exporter *x, ig_onnx_block *block, ig_onnx_graph *made) {
  const ig_graph *g = block->graph;
  size_t n = (size_t)g->n_values + 1;
  block->args = ig_arena_alloc(x->arena, n * sizeof *block->args);
  ig_onnx_known *known = ig_arena_alloc(x->arena, n * sizeof *known);
  const char **names = ig_arena_alloc(x->arena, ((size_t)g->n_outputs + 1) * sizeof *names);
  if (!block->args || !known || !names) return out_of_memory(x);
  ig_onnx_probe(g, known);
  for (size_t i = 0; i < n; i++) block->args[i].known = known[i];
  IG_TRY(choose_opset(x, g, known));
  IG_TRY(start_block(block, 0, NULL, names));
  IG_TRY(ig_onnx_preprocess_inputs(block));
  IG_TRY(write_nodes(block, false, names));
  IG_TRY(write_borders(block, false, 0, names, made));
  IG_TRY(ig_onnx_finish_borders(block, made));
  IG_TRY(settle(x, made));
  return x->n_problems ? report_problems(x) : IG_OK;
}

ig_status ig_onnx_export(const ig_graph *graph, const ig_onnx_export_options *options, const char *path,
                         ig_onnx_exported *out) {
  static const ig_onnx_export_options none;
  ig_onnx_exporter x = {.options = options ? options : &none, .path = path};
  ig_onnx_block block = {.exporter = &x, .graph = graph};
  ig_onnx_graph made = {0};
  IG_TRY(ig_graph_status(graph));
  IG_CHECK(graph->n_assigns == 0, IG_ERR_UNSUPPORTED,
           "graph '%s' changes its own state, which ONNX has no way to say", graph->name);
  x.arena = ig_arena_create();
  IG_CHECK(x.arena, IG_ERR_MEMORY, "%s: out of memory", path);
  ig_status status = write_graph(&x, &block, &made);
  if (status == IG_OK) status = write_message(&x, &made);
  x.report.opset = x.opset;
  if (status == IG_OK && out) *out = x.report;
  release_block(&block);
  ig_onnx_names_release(&x.names);
  ig_free(x.problems);
  ig_free(x.domains);
  ig_arena_destroy(x.arena);
  return status;
}
