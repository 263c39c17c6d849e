/* Fields to JSON and back. The text comes out of a file that anybody may have written, so every
 * number is checked before it becomes a size. */
#include "formats/schema_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define MAX_CLASSES (1 << 24)

/* A single number is one column: a table's target keeps its name. */
static int64_t columns_of(const ig_field *field) {
  return field->shape.rank > 0 ? field->shape.dims[field->shape.rank - 1] : 1;
}

/* --- writing ----------------------------------------------------------------------------------- */

/* Names from files may not be UTF-8; JSON must be. */
static json_t *text_json(const char *text) {
  json_t *value = json_string(text);
  return value ? value : json_string("?");
}

static json_t *names_json(const char *const *names, int64_t count) {
  json_t *array = json_array();
  for (int64_t i = 0; i < count; i++) json_array_append_new(array, text_json(names[i]));
  return array;
}

static json_t *field_json(const ig_field *field) {
  json_t *object = json_object(), *shape = json_array();
  for (int d = 0; d < field->shape.rank; d++) {
    json_array_append_new(shape, json_integer(field->shape.dims[d]));
  }
  json_object_set_new(object, "name", text_json(field->name));
  json_object_set_new(object, "kind", json_string(ig_field_kind_name(field->kind)));
  json_object_set_new(object, "dtype", json_string(ig_dtype_name(field->dtype)));
  json_object_set_new(object, "shape", shape);
  json_object_set_new(object, "n_classes", json_integer(field->n_classes));
  if (field->classes) {
    json_object_set_new(object, "classes", names_json(field->classes, field->n_classes));
  }
  if (field->columns) {
    json_object_set_new(object, "columns", names_json(field->columns, columns_of(field)));
  }
  return object;
}

ig_status ig_schema_to_json(const ig_dataset *dataset, ig_arena *arena, const char **json) {
  json_t *object = json_object(), *fields = json_array();
  char digest[24];
  snprintf(digest, sizeof digest, "%016" PRIx64, dataset->digest);
  for (int f = 0; f < dataset->n_fields; f++) {
    json_array_append_new(fields, field_json(&dataset->fields[f]));
  }
  json_object_set_new(object, "path", text_json(dataset->path));
  json_object_set_new(object, "format", text_json(dataset->format));
  json_object_set_new(object, "samples", json_integer(dataset->n_samples));
  json_object_set_new(object, "sequential", json_boolean(dataset->sequential));
  json_object_set_new(object, "digest", json_string(digest));
  /* Every part above is lost together with this one when memory is short. */
  bool whole = json_object_set_new(object, "fields", fields) == 0 &&
               json_array_size(fields) == (size_t)dataset->n_fields;
  char *text = whole ? json_dumps(object, JSON_COMPACT) : NULL;
  json_decref(object);
  *json = text ? ig_arena_strdup(arena, text) : NULL;
  free(text);
  IG_CHECK(*json, IG_ERR_MEMORY, "%s: no memory for the schema", dataset->path);
  return IG_OK;
}

/* --- reading ----------------------------------------------------------------------------------- */

static const char *string_of(const json_t *object, const char *key) {
  return json_string_value(json_object_get(object, key));
}

static ig_status read_names(const json_t *array, int64_t count, const char *where, const char *what,
                            ig_arena *arena, const char *const **out) {
  *out = NULL;
  if (!array) return IG_OK;
  IG_CHECK(json_is_array(array) && json_array_size(array) == (size_t)count, IG_ERR_INPUT,
           "%s: %s: expected a list of %lld names", where, what, (long long)count);
  const char **names = ig_arena_alloc(arena, (size_t)count * sizeof *names);
  IG_CHECK_ALLOC(names);
  for (int64_t i = 0; i < count; i++) {
    const char *name = json_string_value(json_array_get(array, (size_t)i));
    IG_CHECK(name, IG_ERR_INPUT, "%s: %s: entry %lld is not a name", where, what, (long long)i);
    names[i] = ig_arena_strdup(arena, name);
    IG_CHECK_ALLOC(names[i]);
  }
  *out = names;
  return IG_OK;
}

static ig_status read_shape(const json_t *array, const char *where, ig_field *field) {
  IG_CHECK(json_is_array(array) && json_array_size(array) < IG_MAX_RANK, IG_ERR_INPUT,
           "%s: field '%s': expected a shape of fewer than %d dimensions", where, field->name,
           IG_MAX_RANK);
  field->shape.rank = (int)json_array_size(array);
  for (int d = 0; d < field->shape.rank; d++) {
    const json_t *dim = json_array_get(array, (size_t)d);
    IG_CHECK(json_is_integer(dim), IG_ERR_INPUT, "%s: field '%s': dimension %d is not a count",
             where, field->name, d);
    field->shape.dims[d] = json_integer_value(dim);
  }
  ig_status status = ig_shape_check(&field->shape, field->dtype);
  return status == IG_OK ? IG_OK : ig_fail_in(IG_ERR_INPUT, "%s: field '%s'", where, field->name);
}

static ig_status read_field(const json_t *object, const char *where, ig_arena *arena,
                            ig_field *field) {
  const char *name = string_of(object, "name"), *kind = string_of(object, "kind");
  const char *dtype = string_of(object, "dtype");
  IG_CHECK(name && kind && dtype, IG_ERR_INPUT, "%s: a field lacks name, kind or dtype", where);
  field->name = ig_arena_strdup(arena, name);
  IG_CHECK_ALLOC(field->name);
  int k = 0;
  while (k <= IG_FIELD_TARGETS && strcmp(ig_field_kind_name((ig_field_kind)k), kind) != 0) k++;
  IG_CHECK(k <= IG_FIELD_TARGETS, IG_ERR_INPUT, "%s: field '%s': unknown kind '%s'", where,
           field->name, kind);
  field->kind = (ig_field_kind)k;
  field->dtype = ig_dtype_parse(dtype);
  IG_CHECK(field->dtype != IG_NONE, IG_ERR_INPUT, "%s: field '%s': unknown dtype '%s'", where,
           field->name, dtype);
  IG_TRY(read_shape(json_object_get(object, "shape"), where, field));
  json_int_t n_classes = json_integer_value(json_object_get(object, "n_classes"));
  IG_CHECK(n_classes >= 0 && n_classes <= MAX_CLASSES, IG_ERR_INPUT,
           "%s: field '%s': %lld classes, expected 0 to %d", where, field->name,
           (long long)n_classes, MAX_CLASSES);
  field->n_classes = n_classes;
  IG_TRY(read_names(json_object_get(object, "classes"), n_classes, where, "classes", arena,
                    &field->classes));
  return read_names(json_object_get(object, "columns"), columns_of(field), where, "columns", arena,
                    &field->columns);
}

static ig_status read_fields(const json_t *array, const char *where, ig_arena *arena, int *n_fields,
                             ig_field **out) {
  size_t count = json_array_size(array);
  IG_CHECK(count >= 1 && count <= IG_MAX_FIELDS, IG_ERR_INPUT, "%s: %zu fields, expected 1 to %d",
           where, count, IG_MAX_FIELDS);
  ig_field *fields = ig_arena_alloc(arena, count * sizeof *fields);
  IG_CHECK_ALLOC(fields);
  for (size_t f = 0; f < count; f++) {
    IG_TRY(read_field(json_array_get(array, f), where, arena, &fields[f]));
  }
  *n_fields = (int)count;
  *out = fields;
  return IG_OK;
}

ig_status ig_schema_from_json(const char *json, const char *where, ig_arena *arena, int *n_fields,
                              ig_field **fields) {
  json_error_t error;
  json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &error);
  IG_CHECK(root, IG_ERR_INPUT, "%s: the data's schema is not JSON: %s", where, error.text);
  ig_status status = read_fields(json_object_get(root, "fields"), where, arena, n_fields, fields);
  json_decref(root);
  return status;
}
