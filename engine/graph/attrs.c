/* Attribute structs, read and written through the operator's table alone. */
#include "engine/graph/attrs.h"

#include <string.h>

static const char *const type_names[] = {"an integer", "a float",         "a string", "integers",
                                         "floats",     "a tensor constant", "a graph",  "strings"};

const ig_attr_field *ig_attrs_field(const ig_op *op, const char *name) {
  for (const ig_attr_field *f = op->attrs; f && f->name; f++) {
    if (strcmp(f->name, name) == 0) return f;
  }
  return NULL;
}

ig_attr ig_attrs_of(const ig_node *node, const char *name) {
  return ig_attrs_get(ig_attrs_field(node->op, name), node->attrs);
}

static void *member(const ig_attr_field *field, void *attrs) {
  return (char *)attrs + field->offset;
}

const void *ig_elements_copy(ig_arena *arena, ig_dtype dtype, const ig_shape *shape,
                             const void *data) {
  void *copy = ig_arena_copy(arena, data, ig_shape_bytes(shape, dtype));
  if (!copy || dtype != IG_STRING) return copy;
  ig_string *texts = copy;
  for (int64_t i = 0; i < ig_shape_count(shape); i++) {
    texts[i].bytes = ig_arena_copy(arena, texts[i].bytes, texts[i].size);
    if (!texts[i].bytes) return NULL;
  }
  return copy;
}

/* Writes a value into the struct; lists, strings and tensors are copied into the arena. */
static ig_status set(ig_arena *arena, const ig_attr_field *field, const ig_attr *value,
                     void *attrs) {
  void *at = member(field, attrs);
  switch (field->type) {
  case IG_ATTR_INT: *(int64_t *)at = value->i; break;
  case IG_ATTR_FLOAT: *(float *)at = value->f; break;
  case IG_ATTR_GRAPH: *(ig_graph **)at = value->graph; break;
  case IG_ATTR_STRING: {
    const char *copy = value->s ? ig_arena_strdup(arena, value->s) : NULL;
    IG_CHECK(copy || !value->s, IG_ERR_MEMORY, "out of memory");
    *(const char **)at = copy;
    break;
  }
  case IG_ATTR_INTS: {
    ig_ints list = {.n = value->ints.n};
    list.v = ig_arena_copy(arena, value->ints.v, (size_t)list.n * sizeof(int64_t));
    IG_CHECK_ALLOC(list.v);
    *(ig_ints *)at = list;
    break;
  }
  case IG_ATTR_FLOATS: {
    ig_floats list = {.n = value->floats.n};
    list.v = ig_arena_copy(arena, value->floats.v, (size_t)list.n * sizeof(float));
    IG_CHECK_ALLOC(list.v);
    *(ig_floats *)at = list;
    break;
  }
  case IG_ATTR_STRINGS: {
    ig_strings list = {.n = value->strings.n};
    const char **texts = ig_arena_alloc(arena, ((size_t)list.n + 1) * sizeof *texts);
    IG_CHECK_ALLOC(texts);
    for (int i = 0; i < list.n; i++) {
      texts[i] = ig_arena_strdup(arena, value->strings.v[i]);
      IG_CHECK_ALLOC(texts[i]);
    }
    list.v = texts;
    *(ig_strings *)at = list;
    break;
  }
  case IG_ATTR_TENSOR: {
    if (!value->tensor) break;
    ig_literal *copy = ig_arena_copy(arena, value->tensor, sizeof *copy);
    IG_CHECK_ALLOC(copy);
    IG_TRY(ig_shape_check(&copy->shape, copy->dtype));
    copy->data = ig_elements_copy(arena, copy->dtype, &copy->shape, copy->data);
    IG_CHECK_ALLOC(copy->data);
    *(const ig_literal **)at = copy;
    break;
  }
  }
  return IG_OK;
}

static ig_attr default_of(const ig_attr_field *field) {
  return (ig_attr){.name = field->name,
                   .type = field->type,
                   .i = field->default_i,
                   .f = field->default_f,
                   .s = field->type == IG_ATTR_STRING ? field->default_s : NULL};
}

ig_status ig_attrs_create(ig_arena *arena, const ig_op *op, int n_attrs, const ig_attr *attrs,
                          void **out) {
  *out = NULL;
  if (op->attrs_size == 0) {
    IG_CHECK(n_attrs == 0, IG_ERR_USAGE, "%s has no attribute '%s'", op->name, attrs[0].name);
    return IG_OK;
  }
  void *created = ig_arena_alloc(arena, op->attrs_size);
  IG_CHECK_ALLOC(created);
  for (const ig_attr_field *f = op->attrs; f->name; f++) {
    ig_attr value = default_of(f);
    IG_TRY(set(arena, f, &value, created));
  }
  for (int i = 0; i < n_attrs; i++) {
    const ig_attr_field *f = ig_attrs_field(op, attrs[i].name);
    IG_CHECK(f, IG_ERR_USAGE, "%s has no attribute '%s'", op->name, attrs[i].name);
    IG_CHECK(f->type == attrs[i].type, IG_ERR_USAGE, "attribute '%s' of %s must be %s, not %s",
             f->name, op->name, type_names[f->type], type_names[attrs[i].type]);
    IG_TRY(set(arena, f, &attrs[i], created));
  }
  for (const ig_attr_field *f = op->attrs; f->name; f++) {
    bool given = !f->required;
    for (int i = 0; i < n_attrs; i++) given = given || strcmp(attrs[i].name, f->name) == 0;
    IG_CHECK(given, IG_ERR_USAGE, "%s needs the attribute '%s'", op->name, f->name);
  }
  *out = created;
  return IG_OK;
}

ig_attr ig_attrs_get(const ig_attr_field *field, const void *attrs) {
  const void *at = member(field, (void *)attrs);
  ig_attr value = {.name = field->name, .type = field->type};
  switch (field->type) {
  case IG_ATTR_INT: value.i = *(const int64_t *)at; break;
  case IG_ATTR_FLOAT: value.f = *(const float *)at; break;
  case IG_ATTR_STRING: value.s = *(const char *const *)at; break;
  case IG_ATTR_INTS: value.ints = *(const ig_ints *)at; break;
  case IG_ATTR_FLOATS: value.floats = *(const ig_floats *)at; break;
  case IG_ATTR_TENSOR: value.tensor = *(const ig_literal *const *)at; break;
  case IG_ATTR_GRAPH: value.graph = *(ig_graph *const *)at; break;
  case IG_ATTR_STRINGS: value.strings = *(const ig_strings *)at; break;
  }
  return value;
}

ig_status ig_attrs_copy(ig_arena *arena, const ig_op *op, const void *attrs, void **out) {
  *out = NULL;
  if (op->attrs_size == 0) return IG_OK;
  void *created = ig_arena_alloc(arena, op->attrs_size);
  IG_CHECK_ALLOC(created);
  for (const ig_attr_field *f = op->attrs; f->name; f++) {
    ig_attr value = ig_attrs_get(f, attrs);
    IG_TRY(set(arena, f, &value, created));
  }
  *out = created;
  return IG_OK;
}

static bool same_text(const char *a, const char *b) {
  return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_texts(const ig_strings *a, const ig_strings *b) {
  bool equal = a->n == b->n;
  for (int i = 0; equal && i < a->n; i++) equal = strcmp(a->v[i], b->v[i]) == 0;
  return equal;
}

static bool same_literal(const ig_literal *a, const ig_literal *b) {
  if (a == b) return true;
  return a && b && a->dtype == b->dtype && ig_shape_equal(&a->shape, &b->shape) &&
         memcmp(a->data, b->data, ig_shape_bytes(&a->shape, a->dtype)) == 0;
}

static bool same(const ig_attr *a, const ig_attr *b) {
  switch (a->type) {
  case IG_ATTR_INT: return a->i == b->i;
  case IG_ATTR_FLOAT: return memcmp(&a->f, &b->f, sizeof a->f) == 0;
  case IG_ATTR_STRING: return same_text(a->s, b->s);
  case IG_ATTR_INTS:
    return a->ints.n == b->ints.n &&
           (a->ints.n == 0 ||
            memcmp(a->ints.v, b->ints.v, (size_t)a->ints.n * sizeof *a->ints.v) == 0);
  case IG_ATTR_FLOATS:
    return a->floats.n == b->floats.n &&
           (a->floats.n == 0 ||
            memcmp(a->floats.v, b->floats.v, (size_t)a->floats.n * sizeof *a->floats.v) == 0);
  case IG_ATTR_TENSOR: return same_literal(a->tensor, b->tensor);
  case IG_ATTR_GRAPH: return a->graph == b->graph;
  case IG_ATTR_STRINGS: return same_texts(&a->strings, &b->strings);
  }
  return false;
}

bool ig_attrs_is_default(const ig_attr_field *field, const void *attrs) {
  ig_attr value = ig_attrs_get(field, attrs), standard = default_of(field);
  return same(&value, &standard);
}

bool ig_attrs_equal(const ig_op *op, const void *a, const void *b) {
  if (op->attrs_size == 0) return true;
  for (const ig_attr_field *f = op->attrs; f->name; f++) {
    ig_attr left = ig_attrs_get(f, a), right = ig_attrs_get(f, b);
    if (!same(&left, &right)) return false;
  }
  return true;
}
