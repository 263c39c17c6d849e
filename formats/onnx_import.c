/* Graphs of an ONNX file: inputs, initializers, outputs, and the list of what Ingot lacks. */
#include "formats/onnx_import.h"

#include <stdio.h>
#include <string.h>

#include "formats/onnx_import_parts.h"
#include "formats/onnx_tensor.h"

#define NEWEST_OPSET 27

ig_value *ig_onnx_constant(ig_graph *graph, const char *name, const ig_literal *literal) {
  return ig_graph_const(graph, name, literal->dtype, literal->shape, literal->data);
}

/* --- inputs ----------------------------------------------------------------------------------- */

static ig_status shaped_input(ig_onnx_importer *importer, ig_graph *graph, const char *name,
                              ig_dtype dtype, const ig_onnx_shape *from, ig_value **out) {
  ig_shape shape = {.rank = (int)from->n_dims};
  IG_CHECK(from->n_dims <= IG_MAX_RANK, IG_ERR_UNSUPPORTED,
           "%s: input '%s': rank %lld, at most %d is supported", importer->model->path, name,
           (long long)from->n_dims, IG_MAX_RANK);
  for (int d = 0; d < shape.rank; d++) {
    const ig_onnx_dim *dim = &from->dims[d];
    shape.dims[d] = dim->value >= 0 ? dim->value : 1; /* free ones are 1 until specialised */
  }
  *out = ig_graph_input(graph, name, dtype, shape);
  for (int d = 0; d < shape.rank; d++) {
    if (from->dims[d].value >= 0) continue;
    char made_up[48];
    snprintf(made_up, sizeof made_up, "%.30s.%d", name, d);
    const char *symbol = from->dims[d].symbol;
    ig_value_set_symbol(graph, *out, d, symbol && *symbol ? symbol : made_up);
  }
  return IG_OK;
}

static ig_status import_input(ig_onnx_importer *importer, ig_onnx_scope *scope, bool body,
                              const ig_onnx_value *source) {
  const char *name = source->name ? source->name : "", *path = importer->model->path;
  const ig_onnx_tensor_type *tensor = source->type ? source->type->tensor : NULL;
  IG_CHECK(*name, IG_ERR_INPUT, "%s: graph '%s': an input without a name", path, scope->graph->name);
  IG_CHECK(!source->type || !(source->type->map.bytes || source->type->sparse.bytes),
           IG_ERR_UNSUPPORTED, "%s: input '%s': maps and sparse tensors are not supported", path, name);
  ig_dtype dtype = tensor ? ig_dtype_from_onnx(tensor->elem) : IG_NONE;
  IG_CHECK(dtype != IG_NONE || !tensor || tensor->elem == 0, IG_ERR_UNSUPPORTED,
           "%s: input '%s': elements of ONNX type %lld are not supported", path, name,
           (long long)tensor->elem);
  ig_value *value = NULL;
  if (body || !tensor || !tensor->shape || dtype == IG_NONE) {
    value = ig_graph_input_any(scope->graph, name, dtype);
  } else {
    IG_TRY(shaped_input(importer, scope->graph, name, dtype, tensor->shape, &value));
  }
  return ig_onnx_bind(importer, scope, name, value);
}

/* --- initializers ----------------------------------------------------------------------------- */

/* What the nodes that read an initializer take it for. Statistics of batch normalisation change in
 * training, but by no gradient. */
typedef enum role { ROLE_PARAM = 1, ROLE_STATE, ROLE_CONSTANT } role;

static void note_readers(ig_onnx_importer *importer, const ig_onnx_node *node,
                         const ig_onnx_names *roles) {
  const char *op_name = ig_onnx_op_name(importer, node);
  const ig_op *op = op_name ? ig_op_find(op_name) : NULL;
  bool statistics = op && strcmp(op->name, "BatchNormalization") == 0;
  for (int64_t i = 0; i < node->n_inputs && op; i++) {
    role *found = ig_onnx_names_find(roles, node->inputs[i]);
    if (!found) continue;
    if (i < 32 && (op->settings >> i & 1)) *found = ROLE_CONSTANT;
    if (statistics && i >= 3 && *found == ROLE_PARAM) *found = ROLE_STATE;
  }
}

/* An initializer that a node Identity hands on. Exporters merge equal tensors that way, such as the statistics of
 * layers that were never trained, which are parameters of their own all the same. */
static const char *handed_on(const ig_onnx_node *node) {
  bool plain = node->op && strcmp(node->op, "Identity") == 0 && (!node->domain || !*node->domain);
  return plain && node->n_inputs == 1 && node->n_outputs == 1 && *node->outputs[0] ? node->inputs[0]
                                                                                   : NULL;
}

static int64_t count_handed_on(const ig_onnx_graph *g) {
  int64_t n = 0;
  for (int64_t i = 0; i < g->n_nodes; i++) n += handed_on(&g->nodes[i]) != NULL;
  return n;
}

/* torch.onnx says of each initializer what it was in the module: a buffer, such as the frequencies of rotary
 * embeddings, is trained by no optimizer. */
static bool is_buffer(const ig_onnx_value *value) {
  for (int64_t i = 0; i < value->n_metadata; i++) {
    const ig_onnx_entry *e = &value->metadata[i];
    if (e->key && strcmp(e->key, "pkg.torch.export.graph_signature.InputSpec.kind") == 0)
      return e->value && strcmp(e->value, "BUFFER") == 0;
  }
  return false;
}

static void mark_constant(void *found) { *(role *)found = ROLE_CONSTANT; }

/* By name, of all initializers, and of their copies under other names; *list is the memory behind the
 * table. */
static ig_status roles_of(ig_onnx_importer *importer, bool body, const ig_onnx_graph *g,
                          ig_onnx_names *roles, role **list) {
  int64_t n = g->n_initializers;
  void *taken;
  *list = ig_alloc_zero((size_t)(n + count_handed_on(g)) + 1, sizeof **list);
  IG_CHECK(*list, IG_ERR_MEMORY, "%s: out of memory", importer->model->path);
  for (int64_t i = 0; i < g->n_initializers; i++) {
    const ig_onnx_tensor *t = &g->initializers[i];
    bool weights = t->n_dims > 0 && ig_dtype_is_float(ig_dtype_from_onnx(t->type));
    (*list)[i] = weights && !body ? ROLE_PARAM : ROLE_CONSTANT;
    IG_CHECK(t->name && *t->name, IG_ERR_INPUT, "%s: graph '%s': an initializer without a name",
             importer->model->path, g->name ? g->name : "");
    IG_TRY(ig_onnx_names_set(roles, t->name, &(*list)[i], &taken));
  }
  for (int64_t i = 0; i < g->n_nodes && !body; i++) {
    const char *from = handed_on(&g->nodes[i]);
    const role *found = from ? ig_onnx_names_find(roles, from) : NULL;
    if (!found || *found != ROLE_PARAM || ig_onnx_names_find(roles, g->nodes[i].outputs[0])) continue;
    (*list)[n] = ROLE_PARAM;
    IG_TRY(ig_onnx_names_set(roles, g->nodes[i].outputs[0], &(*list)[n++], &taken));
  }
  for (int64_t i = 0; i < g->n_nodes && !body; i++) note_readers(importer, &g->nodes[i], roles);
  for (int64_t i = 0; i < g->n_values && !body; i++) {
    role *found = g->values[i].name ? ig_onnx_names_find(roles, g->values[i].name) : NULL;
    if (found && *found == ROLE_PARAM && is_buffer(&g->values[i])) *found = ROLE_CONSTANT;
  }
  return body ? IG_OK : ig_onnx_mark_tables(g, roles, mark_constant);
}

static ig_value *stored(ig_onnx_scope *scope, role as, const char *name, const ig_literal *literal) {
  const ig_init init = {.kind = IG_INIT_DATA};
  ig_value *value =
      as == ROLE_STATE
          ? ig_graph_state(scope->graph, name, literal->dtype, literal->shape, init)
          : ig_graph_param(scope->graph, name, literal->dtype, literal->shape, init,
                           literal->shape.rank >= 2);
  if (value) value->data = literal->data;
  return value;
}

static ig_status import_initializer(ig_onnx_importer *importer, ig_onnx_scope *scope, role as,
                                    const ig_onnx_tensor *tensor) {
  ig_literal literal;
  IG_TRY(ig_onnx_literal(importer->model, importer->root, tensor, as == ROLE_CONSTANT, &literal));
  ig_value *value = as == ROLE_CONSTANT ? ig_onnx_constant(scope->graph, tensor->name, &literal)
                                        : stored(scope, as, tensor->name, &literal);
  return ig_onnx_bind(importer, scope, tensor->name, value);
}

/* Parameters of their own under the names that Identity gives them; the nodes are left out. */
static ig_status import_copies(ig_onnx_importer *importer, ig_onnx_scope *scope, const ig_onnx_graph *g,
                               const ig_onnx_names *roles) {
  for (int64_t i = 0; i < g->n_nodes; i++) {
    const char *from = handed_on(&g->nodes[i]);
    const role *as = from ? ig_onnx_names_find(roles, g->nodes[i].outputs[0]) : NULL;
    const ig_value *original = as ? ig_onnx_names_find(&scope->names, from) : NULL;
    if (!original || *as == ROLE_CONSTANT || original->init.kind != IG_INIT_DATA) continue;
    const char *name = g->nodes[i].outputs[0];
    const ig_literal literal = {original->dtype, original->shape, original->data};
    IG_TRY(ig_onnx_bind(importer, scope, name, stored(scope, *as, name, &literal)));
  }
  return IG_OK;
}

static ig_status import_sparse(ig_onnx_importer *importer, ig_onnx_scope *scope,
                               const ig_onnx_graph *g) {
  for (int64_t i = 0; i < g->n_sparse; i++) {
    const ig_onnx_tensor *values = g->sparse[i].values;
    ig_literal literal;
    IG_TRY(ig_onnx_dense(importer->model, &g->sparse[i], &literal));
    const char *name = values->name ? values->name : "";
    IG_TRY(ig_onnx_bind(importer, scope, name, ig_onnx_constant(scope->graph, name, &literal)));
  }
  return IG_OK;
}

/* --- graphs ----------------------------------------------------------------------------------- */

static ig_status import_outputs(ig_onnx_importer *importer, ig_onnx_scope *scope,
                                const ig_onnx_graph *g) {
  for (int64_t i = 0; i < g->n_outputs; i++) {
    const char *name = g->outputs[i].name ? g->outputs[i].name : "";
    ig_value *value = NULL;
    IG_TRY(ig_onnx_lookup(importer, scope, name, &value));
    IG_CHECK(value || importer->n_missing, IG_ERR_INPUT, "%s: graph '%s': nothing gives its output '%s'",
             importer->model->path, scope->graph->name, name);
    ig_graph_output(scope->graph, name, value);
  }
  return ig_graph_status(scope->graph);
}

/* An input that is also an initializer has that as its default, with which Ingot runs. */
static ig_status import_leaves(ig_onnx_importer *importer, ig_onnx_scope *scope, bool body,
                               const ig_onnx_graph *g, const ig_onnx_names *roles) {
  for (int64_t i = 0; i < g->n_inputs; i++) {
    const char *name = g->inputs[i].name;
    if (name && ig_onnx_names_find(roles, name)) continue;
    IG_TRY(import_input(importer, scope, body, &g->inputs[i]));
  }
  for (int64_t i = 0; i < g->n_initializers; i++) {
    const role *as = ig_onnx_names_find(roles, g->initializers[i].name);
    IG_TRY(import_initializer(importer, scope, *as, &g->initializers[i]));
  }
  if (!body) IG_TRY(import_copies(importer, scope, g, roles));
  return import_sparse(importer, scope, g);
}

static ig_status import_graph(ig_onnx_importer *importer, ig_onnx_scope *scope, bool body,
                              const ig_onnx_graph *g) {
  ig_onnx_names roles = {0};
  role *list = NULL;
  ig_status status = roles_of(importer, body, g, &roles, &list);
  if (status == IG_OK) status = import_leaves(importer, scope, body, g, &roles);
  ig_onnx_names_release(&roles);
  ig_free(list);
  return status;
}

ig_status ig_onnx_import_body(ig_onnx_importer *importer, const ig_onnx_graph *source,
                              ig_onnx_scope *scope, int captured, ig_value *const *values,
                              const char *const *names) {
  IG_TRY(import_graph(importer, scope, true, source));
  for (int i = 0; i < captured; i++) {
    ig_value *made;
    IG_TRY(ig_onnx_capture(importer, scope, names[i], values[i], &made));
  }
  IG_TRY(ig_onnx_import_nodes(importer, scope, source->n_nodes, source->nodes));
  return import_outputs(importer, scope, source);
}

/* --- the model -------------------------------------------------------------------------------- */

static ig_status check_versions(const ig_onnx_model *model) {
  const ig_onnx_message *m = &model->says;
  int64_t opset = ig_onnx_opset_of(m->n_opsets, m->opsets, "");
  IG_CHECK(m->ir_version >= 3, IG_ERR_UNSUPPORTED, "%s: IR version 3 or newer is needed, found %lld",
           model->path, (long long)m->ir_version);
  IG_CHECK(opset <= NEWEST_OPSET, IG_ERR_UNSUPPORTED,
           "%s: ONNX's opsets up to %d are known, found %lld", model->path, NEWEST_OPSET,
           (long long)opset);
  return IG_OK;
}

static ig_status report_missing(const ig_onnx_importer *importer) {
  char list[1024] = "";
  size_t used = 0;
  for (int i = 0; i < importer->n_missing && used + 1 < sizeof list; i++) {
    const struct ig_onnx_missing *m = &importer->missing[i];
    int n = snprintf(list + used, sizeof list - used, "%s%s (%lld x, first in node '%.60s')",
                     i ? ", " : "", m->op, (long long)m->times, m->node);
    used += n > 0 ? (size_t)n : 0;
  }
  return ig_fail(IG_ERR_UNSUPPORTED, "%s: operators that Ingot lacks: %s", importer->model->path, list);
}

/* Sequences whose parts are all taken by Split (onnx_upgrade.c): no plan could hold them. */
static ig_status drop_sequences(ig_graph *graph) {
  bool any = false;
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    const ig_value *made = node->outputs[0];
    bool unread = strcmp(node->op->name, "SplitToSequence") == 0 && made->n_uses == 0;
    for (int32_t k = 0; k < graph->n_outputs; k++) unread = unread && graph->outputs[k] != made;
    if (unread) ig_node_remove(graph, node);
    any = any || unread;
  }
  return any ? ig_graph_compact(graph, false) : IG_OK;
}

ig_status ig_onnx_import(ig_onnx_model *model, const ig_onnx_import_options *options,
                         ig_graph **out) {
  IG_TRY(check_versions(model));
  const ig_onnx_graph *g = model->says.graph;
  ig_onnx_importer importer = {.model = model, .root = options ? options->data_root : NULL};
  ig_onnx_scope scope = {.n_opsets = model->says.n_opsets, .opsets = model->says.opsets};
  IG_TRY(ig_graph_create(g->name, &scope.graph));
  scope.graph->deferred = true;
  ig_status status = import_graph(&importer, &scope, false, g);
  if (status == IG_OK) status = ig_onnx_import_nodes(&importer, &scope, g->n_nodes, g->nodes);
  if (status == IG_OK) status = import_outputs(&importer, &scope, g);
  if (status == IG_OK && importer.n_missing) status = report_missing(&importer);
  if (status == IG_OK) status = drop_sequences(scope.graph);
  ig_onnx_scope_release(&scope);
  ig_free(importer.missing);
  if (status != IG_OK) {
    ig_graph_destroy(scope.graph);
    return status;
  }
  *out = scope.graph;
  return IG_OK;
}
