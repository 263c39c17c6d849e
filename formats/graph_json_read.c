/* The reading half of graph_json.h. The text is taken as hostile: every member is checked for its
 * type, names must be new and known, and all else goes through the graph's builders, which have the
 * limits on nodes, values and shapes. */
#include <float.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "engine/base/checked.h"
#include "engine/graph/attrs.h"
#include "engine/base/base64.h"
#include "formats/graph_json.h"

#define MAX_TEXT ((size_t)1 << 30)
#define MAX_LIST 65535 /* inputs of a node, numbers of an attribute */
#define MAX_ATTRS 32
#define MAX_DEPTH 32 /* bodies within one another */

typedef struct reader {
  ig_graph *graph;
  ig_arena *scratch; /* lists and bytes of the node or value at hand */
  int depth;
  char where[192];   /* "node 'relu_1'" */
} reader;

static ig_status read_document(reader *r, const json_t *document);

static ig_status bad(const reader *r, const char *member, const char *expected) {
  return ig_fail(IG_ERR_INPUT, "graph JSON: %s: \"%s\" is not %s", r->where, member, expected);
}

/* --- members --------------------------------------------------------------------------------- */

static ig_status text_of(const reader *r, const json_t *object, const char *key, const char **out) {
  const json_t *text = json_object_get(object, key);
  /* jansson accepts \u0000 only when asked to, so the length needs no check. */
  if (!json_is_string(text)) return bad(r, key, "a string");
  *out = json_string_value(text);
  return IG_OK;
}

static ig_status list_of(const reader *r, const json_t *object, const char *key, size_t most,
                         const json_t **out) {
  *out = json_object_get(object, key);
  if (!json_is_array(*out) || json_array_size(*out) > most) return bad(r, key, "a list");
  return IG_OK;
}

static bool flag_of(const json_t *object, const char *key) {
  return json_is_true(json_object_get(object, key));
}

static bool number_of(const json_t *item, double *out) {
  if (json_is_string(item)) {
    const char *text = json_string_value(item);
    if (strcmp(text, "nan") == 0)
      *out = NAN;
    else if (strcmp(text, "inf") == 0)
      *out = INFINITY;
    else if (strcmp(text, "-inf") == 0)
      *out = -INFINITY;
    else
      return false;
    return true;
  }
  if (!json_is_number(item)) return false;
  *out = json_number_value(item);
  return true;
}

static ig_status dtype_of(const reader *r, const json_t *object, ig_dtype *out) {
  const char *name = NULL;
  IG_TRY(text_of(r, object, "dtype", &name));
  *out = ig_dtype_parse(name);
  return *out == IG_NONE ? bad(r, "dtype", "an element type") : IG_OK;
}

static ig_status shape_of(const reader *r, const json_t *object, ig_dtype dtype, ig_shape *out) {
  const json_t *list = NULL;
  IG_TRY(list_of(r, object, "shape", IG_MAX_RANK, &list));
  *out = (ig_shape){.rank = (int)json_array_size(list)};
  for (int i = 0; i < out->rank; i++) {
    const json_t *dim = json_array_get(list, (size_t)i);
    if (!json_is_integer(dim)) return bad(r, "shape", "a list of integers");
    out->dims[i] = json_integer_value(dim);
  }
  ig_status status = ig_shape_check(out, dtype);
  return status == IG_OK ? IG_OK : ig_fail_in(IG_ERR_INPUT, "graph JSON: %s", r->where);
}

static ig_status plain_values(const reader *r, const json_t *list, ig_dtype dtype, void *data) {
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *item = json_array_get(list, i);
    double value;
    if (dtype == IG_I64 && json_is_integer(item)) {
      ((int64_t *)data)[i] = json_integer_value(item);
    } else if ((ig_dtype_is_float(dtype) || json_is_integer(item)) && number_of(item, &value)) {
      ig_store_f64(dtype, data, (int64_t)i, value);
    } else {
      return bad(r, "values", "a list of numbers of the dtype");
    }
  }
  return IG_OK;
}

/* One text for each element, in base64. */
static ig_status texts_of(reader *r, const json_t *object, ig_literal *out) {
  const json_t *list = NULL;
  IG_TRY(list_of(r, object, "texts", MAX_LIST, &list));
  size_t n = json_array_size(list);
  if ((int64_t)n != ig_shape_count(&out->shape)) return bad(r, "texts", "a list of its length");
  ig_string *texts = ig_arena_alloc(r->scratch, (n + 1) * sizeof *texts);
  IG_CHECK_ALLOC(texts);
  for (size_t i = 0; i < n; i++) {
    const json_t *item = json_array_get(list, i);
    const char *text = json_string_value(item);
    size_t length = text ? json_string_length(item) : 1, size = length / 4 * 3;
    if (length % 4 != 0) return bad(r, "texts", "a list of texts in base64");
    for (size_t k = 1; k <= 2 && k <= length; k++) size -= text[length - k] == '=';
    char *bytes = ig_arena_alloc(r->scratch, size);
    IG_CHECK_ALLOC(bytes);
    if (!ig_base64_decode(text, length, bytes, size)) {
      return bad(r, "texts", "a list of texts in base64");
    }
    texts[i] = (ig_string){bytes, size};
  }
  out->data = texts;
  return IG_OK;
}

/* dtype, shape and bytes of a constant. What the text holds bounds the memory asked for. */
static ig_status literal_of(reader *r, const json_t *object, ig_literal *out) {
  IG_TRY(dtype_of(r, object, &out->dtype));
  IG_TRY(shape_of(r, object, out->dtype, &out->shape));
  if (out->dtype == IG_STRING) return texts_of(r, object, out);
  size_t bytes = ig_shape_bytes(&out->shape, out->dtype);
  const json_t *text = json_object_get(object, "base64"), *list = NULL;
  size_t length;
  if (text) {
    if (!json_is_string(text) || !ig_base64_length(bytes, &length) ||
        length != json_string_length(text)) {
      return bad(r, "base64", "a string of the constant's length");
    }
  } else {
    IG_TRY(list_of(r, object, "values", MAX_LIST, &list));
    if ((int64_t)json_array_size(list) != ig_shape_count(&out->shape)) {
      return bad(r, "values", "a list of the constant's length");
    }
  }
  void *data = ig_arena_alloc(r->scratch, bytes);
  IG_CHECK_ALLOC(data);
  out->data = data;
  if (list) return plain_values(r, list, out->dtype, data);
  if (!ig_base64_decode(json_string_value(text), length, data, bytes)) {
    return bad(r, "base64", "in base64");
  }
  return IG_OK;
}

/* --- values ---------------------------------------------------------------------------------- */

/* The name, which must be new: the builder would quietly give another. */
static ig_status new_name(reader *r, const json_t *object, const char **out) {
  IG_TRY(text_of(r, object, "name", out));
  snprintf(r->where, sizeof r->where, "value '%.100s'", *out);
  IG_CHECK(!ig_graph_find_value(r->graph, *out), IG_ERR_INPUT, "graph JSON: %s is defined twice",
           r->where);
  return IG_OK;
}

static ig_status init_of(const reader *r, const json_t *object, ig_init *out) {
  static const struct {
    const char *name;
    ig_init_kind kind;
    bool has_value;
  } kinds[] = {{"zero", IG_INIT_ZERO, false},        {"one", IG_INIT_ONE, false},
               {"constant", IG_INIT_CONSTANT, true}, {"normal", IG_INIT_NORMAL, true},
               {"uniform", IG_INIT_UNIFORM, true},   {"dirac", IG_INIT_DIRAC, true},
               {"data", IG_INIT_ZERO, false}};
  const json_t *init = json_object_get(object, "init");
  const char *name = NULL;
  if (!json_is_object(init)) return bad(r, "init", "an object");
  IG_TRY(text_of(r, init, "kind", &name));
  for (int i = 0; i < IG_COUNT(kinds); i++) {
    if (strcmp(name, kinds[i].name) != 0) continue;
    double value = 0;
    if (kinds[i].has_value && !number_of(json_object_get(init, "value"), &value)) {
      return bad(r, "value", "a number");
    }
    *out = (ig_init){.kind = kinds[i].kind, .value = (float)value};
    return IG_OK;
  }
  return bad(r, "kind", "a way to give initial values");
}

static ig_status read_symbols(reader *r, const json_t *object, ig_value *input) {
  if (!json_object_get(object, "symbols")) return IG_OK;
  const json_t *list = NULL;
  IG_TRY(list_of(r, object, "symbols", IG_MAX_RANK, &list));
  for (int d = 0; d < (int)json_array_size(list); d++) {
    const json_t *symbol = json_array_get(list, (size_t)d);
    if (json_is_null(symbol)) continue;
    if (!json_is_string(symbol)) return bad(r, "symbols", "a list of strings and nulls");
    ig_value_set_symbol(r->graph, input, d, json_string_value(symbol));
  }
  return IG_OK;
}

/* An input of unknown shape, and, with "none", of unknown type. */
static ig_status open_input(reader *r, const json_t *object, const char *name) {
  const char *type = NULL;
  ig_dtype dtype = IG_NONE;
  IG_TRY(text_of(r, object, "dtype", &type));
  if (strcmp(type, "none") != 0) IG_TRY(dtype_of(r, object, &dtype));
  if (!r->graph->deferred) return bad(r, "any_shape", "for graphs that are not deferred");
  ig_graph_input_any(r->graph, name, dtype);
  return ig_graph_status(r->graph);
}

static ig_status read_lr_scale(const reader *r, const json_t *object, ig_value *value) {
  const json_t *item = json_object_get(object, "lr_scale");
  double scale = 0;
  if (item && !(number_of(item, &scale) && scale > 0 && scale <= (double)FLT_MAX)) {
    return bad(r, "lr_scale", "a number above 0");
  }
  value->lr_scale = (float)scale;
  return ig_graph_status(r->graph);
}

static ig_status read_value(reader *r, const json_t *object, ig_value_kind kind) {
  const char *name = NULL;
  IG_TRY(new_name(r, object, &name));
  if (kind == IG_VALUE_CONST) {
    ig_literal literal;
    IG_TRY(literal_of(r, object, &literal));
    ig_graph_const(r->graph, name, literal.dtype, literal.shape, literal.data);
    return ig_graph_status(r->graph);
  }
  ig_dtype dtype;
  ig_shape shape;
  ig_init init;
  if (kind == IG_VALUE_INPUT && flag_of(object, "any_shape")) return open_input(r, object, name);
  IG_TRY(dtype_of(r, object, &dtype));
  IG_TRY(shape_of(r, object, dtype, &shape));
  if (kind == IG_VALUE_INPUT) {
    ig_value *input = ig_graph_input(r->graph, name, dtype, shape);
    IG_TRY(read_symbols(r, object, input));
    return ig_graph_status(r->graph);
  }
  IG_TRY(init_of(r, object, &init));
  if (init.kind == IG_INIT_DIRAC && shape.rank < 2) return bad(r, "shape", "that of filters");
  ig_value *value = kind == IG_VALUE_PARAM ? ig_graph_param(r->graph, name, dtype, shape, init,
                                                            flag_of(object, "decay"))
                                           : ig_graph_state(r->graph, name, dtype, shape, init);
  if (value) value->frozen = flag_of(object, "frozen");
  return value ? read_lr_scale(r, object, value) : ig_graph_status(r->graph);
}

/* --- nodes ----------------------------------------------------------------------------------- */

static ig_status ints_of(reader *r, const json_t *list, const char *name, ig_ints *out) {
  if (!json_is_array(list) || json_array_size(list) > MAX_LIST) {
    return bad(r, name, "a list of integers");
  }
  size_t n = json_array_size(list);
  int64_t *values = ig_arena_alloc(r->scratch, n * sizeof *values);
  IG_CHECK_ALLOC(values);
  for (size_t i = 0; i < n; i++) {
    const json_t *item = json_array_get(list, i);
    if (!json_is_integer(item)) return bad(r, name, "a list of integers");
    values[i] = json_integer_value(item);
  }
  *out = (ig_ints){(int)n, values};
  return IG_OK;
}

static ig_status floats_of(reader *r, const json_t *list, const char *name, ig_floats *out) {
  if (!json_is_array(list) || json_array_size(list) > MAX_LIST) {
    return bad(r, name, "a list of numbers");
  }
  size_t n = json_array_size(list);
  float *values = ig_arena_alloc(r->scratch, n * sizeof *values);
  IG_CHECK_ALLOC(values);
  for (size_t i = 0; i < n; i++) {
    double value;
    if (!number_of(json_array_get(list, i), &value)) return bad(r, name, "a list of numbers");
    values[i] = (float)value;
  }
  *out = (ig_floats){(int)n, values};
  return IG_OK;
}

static ig_status strings_of(reader *r, const json_t *list, const char *name, ig_strings *out) {
  if (!json_is_array(list) || json_array_size(list) > MAX_LIST) {
    return bad(r, name, "a list of strings");
  }
  size_t n = json_array_size(list);
  const char **values = ig_arena_alloc(r->scratch, (n + 1) * sizeof *values);
  IG_CHECK_ALLOC(values);
  for (size_t i = 0; i < n; i++) {
    values[i] = json_string_value(json_array_get(list, i));
    if (!values[i]) return bad(r, name, "a list of strings");
  }
  *out = (ig_strings){(int)n, values};
  return IG_OK;
}

/* The caller destroys *out. */
static ig_status body_of(const reader *r, const json_t *item, const char *name, ig_graph **out) {
  reader inner = {.depth = r->depth + 1};
  if (json_is_null(item)) return IG_OK;
  if (!json_is_object(item) || inner.depth > MAX_DEPTH) return bad(r, name, "a graph");
  IG_TRY(ig_graph_create(json_string_value(json_object_get(item, "name")), &inner.graph));
  ig_status status = read_document(&inner, item);
  if (status != IG_OK) {
    ig_graph_destroy(inner.graph);
    return status;
  }
  *out = inner.graph;
  return IG_OK;
}

static ig_status attribute_of(reader *r, const ig_attr_field *field, const json_t *item,
                              ig_attr *out) {
  double number;
  ig_literal *literal;
  *out = (ig_attr){.name = field->name, .type = field->type};
  switch (field->type) {
  case IG_ATTR_INT:
    if (!json_is_integer(item)) return bad(r, field->name, "an integer");
    out->i = json_integer_value(item);
    return IG_OK;
  case IG_ATTR_FLOAT:
    if (!number_of(item, &number)) return bad(r, field->name, "a number");
    out->f = (float)number;
    return IG_OK;
  case IG_ATTR_STRING:
    if (!json_is_string(item) && !json_is_null(item)) return bad(r, field->name, "a string");
    out->s = json_string_value(item);
    return IG_OK;
  case IG_ATTR_INTS: return ints_of(r, item, field->name, &out->ints);
  case IG_ATTR_FLOATS: return floats_of(r, item, field->name, &out->floats);
  case IG_ATTR_TENSOR:
    if (json_is_null(item)) return IG_OK;
    literal = ig_arena_alloc(r->scratch, sizeof *literal);
    IG_CHECK_ALLOC(literal);
    out->tensor = literal;
    return literal_of(r, item, literal);
  case IG_ATTR_STRINGS: return strings_of(r, item, field->name, &out->strings);
  case IG_ATTR_GRAPH: return body_of(r, item, field->name, &out->graph);
  }
  return bad(r, field->name, "an attribute that JSON holds");
}

static ig_status attributes_of(reader *r, const ig_op *op, json_t *object, ig_attr *attrs,
                               int *count) {
  *count = 0;
  json_t *attributes = json_object_get(object, "attributes");
  if (!attributes) return IG_OK;
  if (!json_is_object(attributes)) return bad(r, "attributes", "an object");
  const char *name = NULL;
  json_t *item;
  json_object_foreach(attributes, name, item) {
    const ig_attr_field *field = ig_attrs_field(op, name);
    IG_CHECK(field && *count < MAX_ATTRS, IG_ERR_INPUT,
             "graph JSON: %s: %s has no attribute \"%s\"", r->where, op->name, name);
    IG_TRY(attribute_of(r, field, item, &attrs[(*count)++]));
  }
  return IG_OK;
}

/* The named value; it must have been defined before. */
static ig_status find(const reader *r, const char *name, ig_value **out) {
  *out = ig_graph_find_value(r->graph, name);
  IG_CHECK(*out, IG_ERR_INPUT, "graph JSON: %s uses '%s', which is not defined before it", r->where,
           name);
  return IG_OK;
}

static ig_status inputs_of(reader *r, const json_t *object, int *count, ig_value ***out) {
  const json_t *list = NULL;
  IG_TRY(list_of(r, object, "inputs", MAX_LIST, &list));
  size_t n = json_array_size(list);
  ig_value **inputs = ig_arena_alloc(r->scratch, n * sizeof *inputs);
  IG_CHECK_ALLOC(inputs);
  for (size_t i = 0; i < n; i++) {
    const json_t *item = json_array_get(list, i);
    if (json_is_null(item)) continue;
    if (!json_is_string(item)) return bad(r, "inputs", "a list of names and nulls");
    IG_TRY(find(r, json_string_value(item), &inputs[i]));
  }
  *count = (int)n;
  *out = inputs;
  return IG_OK;
}

static ig_status outputs_of(reader *r, const json_t *object, int *count, const char ***out) {
  const json_t *list = NULL;
  IG_TRY(list_of(r, object, "outputs", MAX_LIST, &list));
  size_t n = json_array_size(list);
  const char **names = ig_arena_alloc(r->scratch, n * sizeof *names);
  IG_CHECK_ALLOC(names);
  for (size_t i = 0; i < n; i++) {
    const json_t *item = json_array_get(list, i);
    if (!json_is_string(item)) return bad(r, "outputs", "a list of names");
    names[i] = json_string_value(item);
    IG_CHECK(!ig_graph_find_value(r->graph, names[i]), IG_ERR_INPUT,
             "graph JSON: %s: '%s' is defined twice", r->where, names[i]);
  }
  *count = (int)n;
  *out = names;
  return IG_OK;
}

static ig_status make_node(reader *r, const json_t *object, const char *op_name, const char *name,
                           int n_attrs, const ig_attr *attrs) {
  const char **outputs = NULL;
  ig_value **inputs = NULL;
  int n_in = 0, n_out = 0;
  IG_TRY(inputs_of(r, object, &n_in, &inputs));
  IG_TRY(outputs_of(r, object, &n_out, &outputs));
  const ig_node *node =
      ig_graph_node_named(r->graph, op_name, name, n_in, inputs, n_attrs, attrs, n_out, outputs);
  if (!node) return ig_graph_status(r->graph);
  for (int i = 0; i < n_out; i++) { /* two of its own outputs of one name */
    IG_CHECK(strcmp(node->outputs[i]->name, outputs[i]) == 0, IG_ERR_INPUT,
             "graph JSON: %s: '%s' is defined twice", r->where, outputs[i]);
  }
  return IG_OK;
}

static ig_status read_node(reader *r, json_t *object) {
  const char *op_name = NULL, *name = NULL;
  ig_attr attrs[MAX_ATTRS];
  int n_attrs = 0;
  IG_TRY(text_of(r, object, "name", &name));
  snprintf(r->where, sizeof r->where, "node '%.100s'", name);
  IG_TRY(text_of(r, object, "op", &op_name));
  const ig_op *op = ig_op_find(op_name);
  IG_CHECK(op, IG_ERR_UNSUPPORTED, "graph JSON: %s: unknown operator '%s'", r->where, op_name);
  ig_status status = attributes_of(r, op, object, attrs, &n_attrs);
  if (status == IG_OK) status = make_node(r, object, op_name, name, n_attrs, attrs);
  for (int i = 0; i < n_attrs; i++) ig_graph_destroy(attrs[i].graph); /* the node holds it */
  return status;
}

/* --- the document ---------------------------------------------------------------------------- */

static ig_status read_output(reader *r, json_t *object) {
  const char *name = NULL, *value_name = NULL;
  ig_value *value = NULL;
  snprintf(r->where, sizeof r->where, "output");
  IG_TRY(text_of(r, object, "name", &name));
  IG_TRY(text_of(r, object, "value", &value_name));
  IG_TRY(find(r, value_name, &value));
  ig_graph_output(r->graph, name, value);
  return ig_graph_status(r->graph);
}

static ig_status read_assignment(reader *r, json_t *object) {
  const char *target_name = NULL, *source_name = NULL;
  ig_value *target = NULL, *source = NULL;
  snprintf(r->where, sizeof r->where, "assignment");
  IG_TRY(text_of(r, object, "target", &target_name));
  IG_TRY(text_of(r, object, "source", &source_name));
  IG_TRY(find(r, target_name, &target));
  IG_TRY(find(r, source_name, &source));
  ig_graph_assign(r->graph, target, source);
  return ig_graph_status(r->graph);
}

static ig_status read_list(reader *r, const json_t *document, const char *key, ig_value_kind kind,
                           ig_status (*read)(reader *, json_t *)) {
  const json_t *list = NULL;
  snprintf(r->where, sizeof r->where, "graph");
  IG_TRY(list_of(r, document, key, SIZE_MAX, &list));
  for (size_t i = 0; i < json_array_size(list); i++) {
    json_t *object = json_array_get(list, i);
    snprintf(r->where, sizeof r->where, "%s[%zu]", key, i);
    r->scratch = ig_arena_create();
    IG_CHECK_ALLOC(r->scratch);
    ig_status status = read ? read(r, object) : read_value(r, object, kind);
    ig_arena_destroy(r->scratch);
    IG_TRY(status);
  }
  return IG_OK;
}

static ig_status read_document(reader *r, const json_t *document) {
  const char *format = NULL;
  snprintf(r->where, sizeof r->where, "graph");
  IG_TRY(text_of(r, document, "format", &format));
  if (strcmp(format, "ingot graph") != 0) return bad(r, "format", "\"ingot graph\"");
  const json_t *version = json_object_get(document, "version");
  if (!json_is_integer(version) || json_integer_value(version) < 1) {
    return bad(r, "version", "a positive integer");
  }
  IG_CHECK(json_integer_value(version) == 1, IG_ERR_UNSUPPORTED,
           "graph JSON: version %lld; this Ingot reads 1", (long long)json_integer_value(version));
  r->graph->deferred = flag_of(document, "deferred");
  IG_TRY(read_list(r, document, "inputs", IG_VALUE_INPUT, NULL));
  IG_TRY(read_list(r, document, "parameters", IG_VALUE_PARAM, NULL));
  IG_TRY(read_list(r, document, "states", IG_VALUE_STATE, NULL));
  IG_TRY(read_list(r, document, "constants", IG_VALUE_CONST, NULL));
  IG_TRY(read_list(r, document, "nodes", IG_VALUE_RESULT, read_node));
  IG_TRY(read_list(r, document, "outputs", IG_VALUE_RESULT, read_output));
  return read_list(r, document, "assignments", IG_VALUE_RESULT, read_assignment);
}

ig_status ig_graph_from_json(const char *text, ig_graph **out) {
  size_t length = strnlen(text, MAX_TEXT + 1);
  IG_CHECK(length <= MAX_TEXT, IG_ERR_INPUT, "graph JSON: more than %zu bytes", MAX_TEXT);
  json_error_t error;
  json_t *document = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
  if (!document) {
    ig_status code =
        json_error_code(&error) == json_error_out_of_memory ? IG_ERR_MEMORY : IG_ERR_INPUT;
    return ig_fail(code, "graph JSON: line %d: %s", error.line, error.text);
  }
  reader r = {0};
  const char *name = json_string_value(json_object_get(document, "name"));
  ig_status status = ig_graph_create(name, &r.graph);
  if (status == IG_OK) status = read_document(&r, document);
  json_decref(document);
  if (status == IG_OK) {
    *out = r.graph;
  } else {
    ig_graph_destroy(r.graph);
  }
  return status;
}
