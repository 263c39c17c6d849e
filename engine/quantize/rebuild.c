/* Templates rewritten into templates. Leaves keep name, kind and type; their bytes go from store to store
 * through host memory, one tensor at a time. */
#include "engine/quantize/rebuild.h"

#include <string.h>

#include "engine/graph/attrs.h"

static ig_status copy_input(ig_rebuild *r, const ig_value *old) {
  ig_value *value = old->any_shape
                        ? ig_graph_input_any(r->graph, old->name, old->dtype)
                        : ig_graph_input(r->graph, old->name, old->dtype, old->shape);
  IG_TRY(ig_graph_status(r->graph));
  for (int d = 0; d < IG_MAX_RANK; d++) {
    if (old->symbols[d]) ig_value_set_symbol(r->graph, value, d, old->symbols[d]);
  }
  r->map[old->id] = value;
  return IG_OK;
}

ig_status ig_rebuild_start(const ig_graph *from, const ig_store *store, ig_rebuild *out) {
  *out = (ig_rebuild){.from = from, .from_store = store};
  IG_TRY(ig_graph_status(from));
  ig_status status = ig_graph_create(from->name, &out->graph);
  if (status == IG_OK) status = ig_store_create(ig_store_backend(store), &out->store);
  out->map = ig_alloc_zero((size_t)from->n_values + 1, sizeof *out->map);
  if (status == IG_OK && !out->map) {
    status = ig_fail(IG_ERR_MEMORY, "graph '%s': out of memory", from->name);
  }
  if (status == IG_OK) out->graph->deferred = from->deferred;
  for (int32_t i = 0; i < from->n_inputs && status == IG_OK; i++) {
    status = copy_input(out, from->inputs[i]);
  }
  if (status != IG_OK) ig_rebuild_release(out);
  return status;
}

/* --- leaves ------------------------------------------------------------------------------------ */

static ig_status read_leaf(const ig_rebuild *r, const ig_value *old, void **out) {
  const ig_store_entry *entry = ig_store_find(r->from_store, old->name);
  IG_CHECK(entry && entry->data && entry->dtype == old->dtype &&
               ig_shape_equal(&entry->shape, &old->shape),
           IG_ERR_INPUT, "'%s': the store has no such parameter of %s%s", old->name,
           ig_dtype_name(old->dtype), IG_SHAPE_STR(&old->shape));
  void *bytes = ig_alloc(ig_value_bytes(old));
  IG_CHECK_ALLOC(bytes);
  ig_status status = ig_store_read(r->from_store, entry, bytes);
  if (status == IG_OK) *out = bytes;
  else ig_free(bytes);
  return status;
}

static ig_status put(ig_rebuild *r, const ig_value *value, ig_tensor_role role, const void *bytes) {
  ig_store_entry *entry;
  IG_TRY(ig_store_get(r->store, value->name, role, value->dtype, &value->shape, &entry));
  return ig_store_write(r->store, entry, bytes);
}

static ig_status copy_leaf(ig_rebuild *r, const ig_value *old, ig_value **out) {
  const ig_init zero = {.kind = IG_INIT_ZERO};
  if (old->kind == IG_VALUE_CONST) {
    *out = ig_graph_const(r->graph, old->name, old->dtype, old->shape, old->data);
    return ig_graph_status(r->graph);
  }
  bool param = old->kind == IG_VALUE_PARAM;
  *out = param ? ig_graph_param(r->graph, old->name, old->dtype, old->shape, zero, old->decay)
               : ig_graph_state(r->graph, old->name, old->dtype, old->shape, zero);
  IG_TRY(ig_graph_status(r->graph));
  (*out)->frozen = old->frozen;
  (*out)->lr_scale = old->lr_scale;
  void *bytes;
  IG_TRY(read_leaf(r, old, &bytes));
  ig_status status = put(r, *out, param ? IG_ROLE_PARAMETER : IG_ROLE_STATE, bytes);
  ig_free(bytes);
  return status;
}

ig_status ig_rebuild_value(ig_rebuild *r, const ig_value *old, ig_value **out) {
  *out = NULL;
  if (!old) return IG_OK;
  if (!r->map[old->id]) {
    IG_CHECK(old->kind != IG_VALUE_RESULT && old->kind != IG_VALUE_INPUT, IG_ERR_INTERNAL,
             "'%s' is read before it is made", old->name);
    IG_TRY(copy_leaf(r, old, &r->map[old->id]));
  }
  *out = r->map[old->id];
  return IG_OK;
}

ig_status ig_rebuild_param(ig_rebuild *r, const char *name, ig_dtype dtype, const ig_shape *shape,
                           const void *bytes, bool frozen, ig_value **out) {
  *out = ig_graph_param(r->graph, name, dtype, *shape, (ig_init){.kind = IG_INIT_ZERO}, false);
  IG_TRY(ig_graph_status(r->graph));
  (*out)->frozen = frozen;
  return put(r, *out, IG_ROLE_PARAMETER, bytes);
}

ig_status ig_rebuild_numbers(const ig_rebuild *r, const ig_value *old, double **out) {
  int64_t count = ig_value_count(old);
  double *numbers = ig_alloc_zero((size_t)count + 1, sizeof *numbers);
  IG_CHECK_ALLOC(numbers);
  void *bytes = NULL;
  ig_status status = old->kind == IG_VALUE_CONST ? IG_OK : read_leaf(r, old, &bytes);
  const void *from = bytes ? bytes : old->data;
  for (int64_t i = 0; i < count && status == IG_OK; i++) numbers[i] = ig_load_f64(old->dtype, from, i);
  ig_free(bytes);
  if (status == IG_OK) *out = numbers;
  else ig_free(numbers);
  return status;
}

/* --- nodes ------------------------------------------------------------------------------------- */

ig_status ig_rebuild_node(ig_rebuild *r, const ig_node *old, ig_value *const *in, ig_node **out) {
  void *attrs;
  const char **names = ig_arena_alloc(r->graph->arena, ((size_t)old->n_outputs + 1) * sizeof *names);
  IG_CHECK_ALLOC(names);
  IG_TRY(ig_attrs_copy(r->graph->arena, old->op, old->attrs, &attrs));
  for (int i = 0; i < old->n_outputs; i++) names[i] = old->outputs[i]->name;
  ig_node *node = ig_graph_append(r->graph, old->op, old->name, old->n_inputs, in, attrs,
                                  old->n_outputs, names);
  IG_TRY(ig_graph_status(r->graph));
  for (int i = 0; i < old->n_outputs; i++) r->map[old->outputs[i]->id] = node->outputs[i];
  if (out) *out = node;
  return IG_OK;
}

ig_status ig_rebuild_copy(ig_rebuild *r, const ig_node *old) {
  size_t n = (size_t)old->n_inputs;
  ig_value **in = ig_arena_alloc(r->graph->arena, (n + 1) * sizeof *in);
  IG_CHECK_ALLOC(in);
  for (size_t i = 0; i < n; i++) IG_TRY(ig_rebuild_value(r, old->inputs[i], &in[i]));
  return ig_rebuild_node(r, old, in, NULL);
}

/* --- the end ----------------------------------------------------------------------------------- */

ig_status ig_rebuild_finish(ig_rebuild *r, ig_graph **graph, ig_store **store) {
  const ig_graph *from = r->from;
  for (int32_t i = 0; i < from->n_outputs; i++) {
    ig_value *value;
    IG_TRY(ig_rebuild_value(r, from->outputs[i], &value));
    ig_graph_output(r->graph, from->output_names[i], value);
  }
  for (int32_t i = 0; i < from->n_assigns; i++) {
    ig_value *target, *source;
    IG_TRY(ig_rebuild_value(r, from->assigns[i].target, &target));
    IG_TRY(ig_rebuild_value(r, from->assigns[i].source, &source));
    ig_graph_assign(r->graph, target, source);
  }
  IG_TRY(ig_graph_status(r->graph));
  IG_TRY(ig_graph_compact(r->graph, false));
  *graph = r->graph;
  *store = r->store;
  r->graph = NULL;
  r->store = NULL;
  return IG_OK;
}

void ig_rebuild_release(ig_rebuild *r) {
  ig_graph_destroy(r->graph);
  ig_store_destroy(r->store);
  ig_free(r->map);
  *r = (ig_rebuild){0};
}
