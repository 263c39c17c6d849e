/* Generic access to attributes through the operator's table, and questions about uses. */
#include "engine/passes/rewrite.h"

#include <string.h>

#include "engine/graph/attrs.h"

static bool find(const ig_node *node, const char *name, ig_attr_type type, ig_attr *out) {
  const ig_attr_field *field = ig_attrs_field(node->op, name);
  if (!field || field->type != type) return false;
  *out = ig_attrs_get(field, node->attrs);
  return true;
}

int64_t ig_attr_int_of(const ig_node *node, const char *name, int64_t fallback) {
  ig_attr attr;
  return find(node, name, IG_ATTR_INT, &attr) ? attr.i : fallback;
}

float ig_attr_float_of(const ig_node *node, const char *name, float fallback) {
  ig_attr attr;
  return find(node, name, IG_ATTR_FLOAT, &attr) ? attr.f : fallback;
}

const char *ig_attr_string_of(const ig_node *node, const char *name, const char *fallback) {
  ig_attr attr;
  return find(node, name, IG_ATTR_STRING, &attr) && attr.s ? attr.s : fallback;
}

int ig_attr_list(const ig_node *node, ig_attr out[IG_MOST_ATTRS]) {
  int count = 0;
  for (const ig_attr_field *f = node->op->attrs; f && f->name && count < IG_MOST_ATTRS; f++) {
    if (!ig_attrs_is_default(f, node->attrs)) out[count++] = ig_attrs_get(f, node->attrs);
  }
  return count;
}

void ig_attr_put(ig_attr list[IG_MOST_ATTRS], int *count, ig_attr attr) {
  int i = 0;
  while (i < *count && strcmp(list[i].name, attr.name) != 0) i++;
  if (i == IG_MOST_ATTRS) return;
  list[i] = attr;
  if (i == *count) (*count)++;
}

bool ig_node_is(const ig_node *node, const char *op) {
  return node && strcmp(node->op->name, op) == 0;
}

ig_node *ig_sole_producer(const ig_graph *graph, const ig_value *value, const char *op) {
  if (!value || value->kind != IG_VALUE_RESULT || !ig_node_is(value->producer, op)) return NULL;
  return ig_value_use_count(graph, value) == 1 ? value->producer : NULL;
}

ig_node *ig_sole_user(const ig_graph *graph, const ig_value *value) {
  if (value->n_uses != 1 || ig_value_use_count(graph, value) != 1) return NULL;
  return value->uses[0].node;
}

bool ig_const_splat(const ig_value *value, double *out) {
  if (!ig_value_is_const(value)) return false;
  int64_t count = ig_value_count(value);
  if (count < 1) return false;
  double first = ig_load_f64(value->dtype, value->data, 0);
  for (int64_t i = 1; i < count; i++) {
    if (ig_load_f64(value->dtype, value->data, i) != first) return false;
  }
  *out = first;
  return true;
}

ig_status ig_node_replace(ig_graph *graph, ig_node *node, ig_node *by, int n) {
  for (int i = 0; i < n; i++) IG_TRY(ig_value_replace(graph, node->outputs[i], by->outputs[i]));
  ig_node_remove(graph, node);
  return IG_OK;
}
