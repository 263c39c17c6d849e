/* The writing half of graph_json.h: a jansson tree from the graph and the operators' tables. jansson
 * returns NULL on bad UTF-8 and without memory, and its _new setters accept NULL and fail, so calls
 * nest and are checked once per object. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "engine/graph/attrs.h"
#include "engine/base/base64.h"
#include "formats/graph_json.h"

#define PLAIN_VALUES 16 /* constants up to this length are written as numbers, for people */

static json_t *number(double value) {
  if (isfinite(value)) return json_real(value);
  return json_string(isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
}

static json_t *shape_json(const ig_shape *shape) {
  json_t *list = json_array();
  for (int i = 0; i < shape->rank; i++) {
    if (json_array_append_new(list, json_integer(shape->dims[i])) != 0) {
      json_decref(list);
      return NULL;
    }
  }
  return list;
}

static json_t *plain_values(ig_dtype dtype, const void *data, int64_t count) {
  json_t *list = json_array();
  for (int64_t i = 0; i < count; i++) {
    json_t *item = dtype == IG_I64 ? json_integer(((const int64_t *)data)[i])
                   : ig_dtype_is_float(dtype)
                       ? number(ig_load_f64(dtype, data, i))
                       : json_integer((json_int_t)ig_load_f64(dtype, data, i));
    if (json_array_append_new(list, item) != 0) {
      json_decref(list);
      return NULL;
    }
  }
  return list;
}

static json_t *base64_json(const void *data, size_t size) {
  size_t length;
  char *text = ig_base64_length(size, &length) && length < SIZE_MAX ? ig_alloc(length + 1) : NULL;
  if (!text) return NULL;
  ig_base64_encode(data, size, text);
  json_t *string = json_stringn_nocheck(text, length);
  ig_free(text);
  return string;
}

/* Texts need not be UTF-8. */
static json_t *texts_json(const ig_string *texts, int64_t count) {
  json_t *list = json_array();
  for (int64_t i = 0; i < count; i++) {
    if (json_array_append_new(list, base64_json(texts[i].bytes, texts[i].size)) != 0) {
      json_decref(list);
      return NULL;
    }
  }
  return list;
}

/* Types whose values JSON's numbers hold. */
static bool is_plain(ig_dtype dtype) {
  return ig_dtype_is_float(dtype) || (ig_dtype_is_int(dtype) && dtype != IG_U64) ||
         dtype == IG_BOOL;
}

/* Adds "dtype", "shape" and the values to `object`; false without memory. */
static bool set_literal(json_t *object, ig_dtype dtype, const ig_shape *shape, const void *data) {
  int64_t count = ig_shape_count(shape);
  bool plain = count <= PLAIN_VALUES && is_plain(dtype);
  for (int64_t i = 0; i < count && plain; i++) plain = !isnan(ig_load_f64(dtype, data, i));
  bool ok = json_object_set_new(object, "dtype", json_string(ig_dtype_name(dtype))) == 0 &&
            json_object_set_new(object, "shape", shape_json(shape)) == 0;
  if (dtype == IG_STRING) {
    return ok && json_object_set_new(object, "texts", texts_json(data, count)) == 0;
  }
  if (plain) {
    return ok && json_object_set_new(object, "values", plain_values(dtype, data, count)) == 0;
  }
  json_t *text = ok ? base64_json(data, ig_shape_bytes(shape, dtype)) : NULL;
  return json_object_set_new(object, "base64", text) == 0;
}

/* --- attributes ------------------------------------------------------------------------------ */

static json_t *literal_json(const ig_literal *literal) {
  json_t *object = json_object();
  if (set_literal(object, literal->dtype, &literal->shape, literal->data)) return object;
  json_decref(object);
  return NULL;
}

static json_t *floats_json(const ig_floats *floats) {
  json_t *list = json_array();
  for (int i = 0; i < floats->n; i++) {
    if (json_array_append_new(list, number((double)floats->v[i])) != 0) {
      json_decref(list);
      return NULL;
    }
  }
  return list;
}

static json_t *strings_json(const ig_strings *strings) {
  json_t *list = json_array();
  for (int i = 0; i < strings->n; i++) {
    if (json_array_append_new(list, json_string(strings->v[i])) != 0) {
      json_decref(list);
      return NULL;
    }
  }
  return list;
}

static json_t *attribute_json(const ig_attr *attr) {
  switch (attr->type) {
  case IG_ATTR_INT: return json_integer(attr->i);
  case IG_ATTR_FLOAT: return number((double)attr->f);
  case IG_ATTR_STRING: return attr->s ? json_string(attr->s) : json_null();
  case IG_ATTR_INTS: return plain_values(IG_I64, attr->ints.v, attr->ints.n);
  case IG_ATTR_FLOATS: return floats_json(&attr->floats);
  case IG_ATTR_TENSOR: return attr->tensor ? literal_json(attr->tensor) : json_null();
  case IG_ATTR_STRINGS: return strings_json(&attr->strings);
  case IG_ATTR_GRAPH: break; /* add_body */
  }
  return NULL;
}

static ig_status fill(const ig_graph *graph, json_t *document);

static ig_status add_body(const ig_graph *body, const char *name, json_t *attributes) {
  json_t *document = body ? json_object() : json_null();
  IG_CHECK(json_object_set_new(attributes, name, document) == 0, IG_ERR_MEMORY, "out of memory");
  return body ? fill(body, document) : IG_OK;
}

static ig_status add_attributes(const ig_node *node, json_t *object) {
  json_t *attributes = NULL;
  for (const ig_attr_field *f = node->op->attrs; f && f->name; f++) {
    if (!f->required && ig_attrs_is_default(f, node->attrs)) continue;
    if (!attributes) {
      attributes = json_object();
      if (json_object_set_new(object, "attributes", attributes) != 0) attributes = NULL;
    }
    ig_attr attr = ig_attrs_get(f, node->attrs);
    if (f->type == IG_ATTR_GRAPH) {
      IG_TRY(add_body(attr.graph, f->name, attributes));
      continue;
    }
    IG_CHECK(json_object_set_new(attributes, f->name, attribute_json(&attr)) == 0, IG_ERR_MEMORY,
             "node '%s': attribute '%s' is not UTF-8, or memory is short", node->name, f->name);
  }
  return IG_OK;
}

/* --- values and nodes ------------------------------------------------------------------------ */

static json_t *init_json(const ig_init *init) {
  static const char *const kinds[] = {
      [IG_INIT_ZERO] = "zero",     [IG_INIT_ONE] = "one",         [IG_INIT_CONSTANT] = "constant",
      [IG_INIT_NORMAL] = "normal", [IG_INIT_UNIFORM] = "uniform", [IG_INIT_DIRAC] = "dirac",
      [IG_INIT_DATA] = "data",
  };
  json_t *object = json_object();
  bool ok = json_object_set_new(object, "kind", json_string(kinds[init->kind])) == 0;
  if (init->kind == IG_INIT_CONSTANT || init->kind == IG_INIT_NORMAL ||
      init->kind == IG_INIT_UNIFORM || init->kind == IG_INIT_DIRAC) {
    ok = ok && json_object_set_new(object, "value", number((double)init->value)) == 0;
  }
  if (ok) return object;
  json_decref(object);
  return NULL;
}

static bool set_symbols(json_t *object, const ig_value *v) {
  bool any = false;
  for (int d = 0; d < v->shape.rank; d++) any = any || v->symbols[d];
  if (!any) return true;
  json_t *list = json_array();
  bool ok = json_object_set_new(object, "symbols", list) == 0;
  for (int d = 0; d < v->shape.rank && ok; d++) {
    json_t *symbol = v->symbols[d] ? json_string(v->symbols[d]) : json_null();
    ok = json_array_append_new(list, symbol) == 0;
  }
  return ok;
}

static json_t *value_json(const ig_value *v) {
  json_t *object = json_object();
  bool ok = json_object_set_new(object, "name", json_string(v->name)) == 0;
  if (v->kind == IG_VALUE_CONST) {
    ok = ok && set_literal(object, v->dtype, &v->shape, v->data);
  } else {
    ok = ok && json_object_set_new(object, "dtype", json_string(ig_dtype_name(v->dtype))) == 0 &&
         json_object_set_new(object, "shape", shape_json(&v->shape)) == 0;
  }
  if (v->kind == IG_VALUE_INPUT) ok = ok && set_symbols(object, v);
  if (v->kind == IG_VALUE_PARAM || v->kind == IG_VALUE_STATE) {
    ok = ok && json_object_set_new(object, "init", init_json(&v->init)) == 0;
  }
  if (v->any_shape) ok = ok && json_object_set_new(object, "any_shape", json_true()) == 0;
  if (v->decay) ok = ok && json_object_set_new(object, "decay", json_true()) == 0;
  if (v->lr_scale > 0) ok = ok && json_object_set_new(object, "lr_scale", number((double)v->lr_scale)) == 0;
  if (v->frozen) ok = ok && json_object_set_new(object, "frozen", json_true()) == 0;
  if (ok) return object;
  json_decref(object);
  return NULL;
}

static json_t *names_json(int n, ig_value *const *values) {
  json_t *list = json_array();
  for (int i = 0; i < n; i++) {
    json_t *name = values[i] ? json_string(values[i]->name) : json_null();
    if (json_array_append_new(list, name) != 0) {
      json_decref(list);
      return NULL;
    }
  }
  return list;
}

static ig_status add_node(const ig_node *node, json_t *list) {
  json_t *object = json_object();
  bool ok = json_array_append_new(list, object) == 0 &&
            json_object_set_new(object, "op", json_string(node->op->name)) == 0 &&
            json_object_set_new(object, "name", json_string(node->name)) == 0 &&
            json_object_set_new(object, "inputs", names_json(node->n_inputs, node->inputs)) == 0 &&
            json_object_set_new(object, "outputs", names_json(node->n_outputs, node->outputs)) == 0;
  IG_CHECK(ok, IG_ERR_MEMORY, "node '%s': a name is not UTF-8, or memory is short", node->name);
  return add_attributes(node, object);
}

static ig_status add_values(const ig_graph *graph, ig_value_kind kind, json_t *list) {
  for (int32_t i = 0; i < graph->n_values; i++) {
    const ig_value *v = graph->values[i];
    if (v->kind != kind) continue;
    if (kind == IG_VALUE_CONST && ig_value_use_count(graph, v) == 0) continue;
    IG_CHECK(v->layout == IG_LAYOUT_ROWS, IG_ERR_USAGE, "'%s' is not in row-major layout", v->name);
    IG_CHECK(json_array_append_new(list, value_json(v)) == 0, IG_ERR_MEMORY,
             "value '%s': the name is not UTF-8, or memory is short", v->name);
  }
  return IG_OK;
}

/* --- the document ---------------------------------------------------------------------------- */

/* An empty list under `key`, owned by the document. */
static json_t *add_list(json_t *document, const char *key) {
  json_t *list = json_array();
  return json_object_set_new(document, key, list) == 0 ? list : NULL;
}

static bool add_pair(json_t *list, const char *key, const char *name, const char *other_key,
                     const ig_value *value) {
  json_t *object = json_object();
  return json_array_append_new(list, object) == 0 &&
         json_object_set_new(object, key, json_string(name)) == 0 &&
         json_object_set_new(object, other_key, json_string(value->name)) == 0;
}

static ig_status fill(const ig_graph *graph, json_t *document) {
  static const struct {
    const char *key;
    ig_value_kind kind;
  } lists[] = {{"inputs", IG_VALUE_INPUT},
               {"parameters", IG_VALUE_PARAM},
               {"states", IG_VALUE_STATE},
               {"constants", IG_VALUE_CONST}};
  bool ok = json_object_set_new(document, "format", json_string("ingot graph")) == 0 &&
            json_object_set_new(document, "version", json_integer(1)) == 0 &&
            json_object_set_new(document, "name", json_string(graph->name)) == 0;
  IG_CHECK(ok, IG_ERR_MEMORY, "graph: the name is not UTF-8, or memory is short");
  if (graph->deferred) ok = json_object_set_new(document, "deferred", json_true()) == 0;
  for (int i = 0; i < IG_COUNT(lists); i++) {
    json_t *list = add_list(document, lists[i].key);
    IG_CHECK_ALLOC(list);
    IG_TRY(add_values(graph, lists[i].kind, list));
  }
  json_t *nodes = add_list(document, "nodes");
  IG_CHECK_ALLOC(nodes);
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    if (ig_node_is_live(graph->nodes[i])) IG_TRY(add_node(graph->nodes[i], nodes));
  }
  json_t *outputs = add_list(document, "outputs");
  for (int32_t i = 0; i < graph->n_outputs && ok; i++) {
    ok = add_pair(outputs, "name", graph->output_names[i], "value", graph->outputs[i]);
  }
  json_t *assigns = add_list(document, "assignments");
  for (int32_t i = 0; i < graph->n_assigns && ok; i++) {
    ok = add_pair(assigns, "target", graph->assigns[i].target->name, "source",
                  graph->assigns[i].source);
  }
  IG_CHECK(ok && outputs && assigns, IG_ERR_MEMORY,
           "graph '%s': a name is not UTF-8, or memory is short", graph->name);
  return IG_OK;
}

typedef struct growing {
  char *text;
  int64_t size, capacity;
} growing;

static int append(const char *bytes, size_t size, void *context) {
  growing *g = context;
  void *block = g->text;
  if (!ig_grow(&block, &g->capacity, g->size + (int64_t)size + 1, 1)) return -1;
  g->text = block;
  memcpy(g->text + g->size, bytes, size);
  g->size += (int64_t)size;
  g->text[g->size] = '\0';
  return 0;
}

ig_status ig_graph_to_json(const ig_graph *graph, char **out) {
  json_t *document = json_object();
  growing g = {0};
  ig_status status = fill(graph, document);
  if (status == IG_OK &&
      json_dump_callback(document, append, &g, JSON_COMPACT | JSON_REAL_PRECISION(17)) != 0) {
    status = ig_fail(IG_ERR_MEMORY, "graph '%s': no memory for its text", graph->name);
  }
  json_decref(document);
  if (status == IG_OK) {
    *out = g.text;
  } else {
    ig_free(g.text);
  }
  return status;
}
