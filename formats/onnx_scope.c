/* Names of an ONNX graph to values of ours, and what bodies read of the graphs around them. */
#include <string.h>

#include "engine/base/rng.h"
#include "formats/onnx_import_parts.h"

/* Constants up to this many bytes are repeated in a body that reads them, since they may be shapes. */
#define SMALL_CONSTANT 8192

static struct ig_onnx_binding *slot_of(const ig_onnx_names *names, const char *name) {
  uint64_t mask = (uint64_t)names->n_slots - 1, at = ig_hash_name(name) & mask;
  while (names->slots[at].name && strcmp(names->slots[at].name, name) != 0) at = (at + 1) & mask;
  return &names->slots[at];
}

static bool grow(ig_onnx_names *names) {
  ig_onnx_names larger = {names->n, names->n_slots ? names->n_slots * 2 : 64, NULL};
  larger.slots = ig_alloc_zero((size_t)larger.n_slots, sizeof *larger.slots);
  if (!larger.slots) return false;
  for (int64_t i = 0; i < names->n_slots; i++) {
    if (names->slots[i].name) *slot_of(&larger, names->slots[i].name) = names->slots[i];
  }
  ig_free(names->slots);
  *names = larger;
  return true;
}

void *ig_onnx_names_find(const ig_onnx_names *names, const char *name) {
  return names->n_slots ? slot_of(names, name)->what : NULL;
}

ig_status ig_onnx_names_set(ig_onnx_names *names, const char *name, void *what, void **taken) {
  bool room = (names->n + 1) * 2 <= names->n_slots || grow(names);
  IG_CHECK(room, IG_ERR_MEMORY, "names of a model: out of memory");
  struct ig_onnx_binding *slot = slot_of(names, name);
  *taken = slot->what;
  if (!slot->name) names->n++;
  *slot = (struct ig_onnx_binding){name, what};
  return IG_OK;
}

void ig_onnx_names_release(ig_onnx_names *names) {
  ig_free(names->slots);
  *names = (ig_onnx_names){0};
}

void ig_onnx_scope_release(ig_onnx_scope *scope) {
  ig_onnx_names_release(&scope->names);
  ig_free(scope->captures);
  ig_free(scope->capture_names);
  scope->captures = NULL;
  scope->capture_names = NULL;
}

ig_status ig_onnx_bind(ig_onnx_importer *importer, ig_onnx_scope *scope, const char *name,
                       ig_value *value) {
  void *taken;
  if (!value) return ig_graph_status(scope->graph);
  IG_TRY(ig_onnx_names_set(&scope->names, name, value, &taken));
  IG_CHECK(!taken, IG_ERR_INPUT, "%s: graph '%s': '%s' is given twice", importer->model->path,
           scope->graph->name, name);
  return IG_OK;
}

ig_status ig_onnx_capture(ig_onnx_importer *importer, ig_onnx_scope *scope, const char *name,
                          ig_value *outer, ig_value **out) {
  int64_t n = scope->n_captures + 1;
  bool room = ig_grow((void **)&scope->captures, &scope->capture_capacity, n, sizeof(ig_value *)) &&
              ig_grow((void **)&scope->capture_names, &scope->capture_name_capacity, n,
                      sizeof(const char *));
  IG_CHECK(room, IG_ERR_MEMORY, "%s: out of memory", importer->model->path);
  /* A name that the body has for something of its own hides the outer one, which is there unread. */
  bool hidden = ig_onnx_names_find(&scope->names, name) != NULL;
  *out = ig_graph_input_any(scope->graph, hidden ? NULL : name, outer->dtype);
  scope->captures[scope->n_captures] = outer;
  scope->capture_names[scope->n_captures++] = name;
  return hidden ? ig_graph_status(scope->graph) : ig_onnx_bind(importer, scope, name, *out);
}

ig_status ig_onnx_lookup(ig_onnx_importer *importer, ig_onnx_scope *scope, const char *name,
                         ig_value **out) {
  *out = ig_onnx_names_find(&scope->names, name);
  if (*out || !scope->parent) return IG_OK;
  ig_value *outer = NULL;
  IG_TRY(ig_onnx_lookup(importer, scope->parent, name, &outer));
  if (!outer) return IG_OK;
  if (outer->kind == IG_VALUE_CONST && ig_value_bytes(outer) <= SMALL_CONSTANT) {
    *out = ig_graph_const(scope->graph, name, outer->dtype, outer->shape, outer->data);
    return ig_onnx_bind(importer, scope, name, *out);
  }
  return ig_onnx_capture(importer, scope, name, outer, out);
}
