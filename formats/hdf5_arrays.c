/* Finding and describing arrays. A dataset may say more about itself in attributes, which
 * our writer leaves: `kind`, `classes`, `columns`; files of others do without. */
#include "formats/hdf5_arrays.h"

#include <inttypes.h>
#include <string.h>

#include "engine/base/checked.h"
#include "formats/schema_json.h"

#define MAX_STRINGS 65536
#define MAX_STRING 4096
#define CHUNK_CACHE_BYTES ((size_t)64 << 20)

/* ---- which ---- */

typedef struct roots {
  ig_arena *arena;
  char *paths[IG_MAX_FIELDS];
  int n;
  bool more;
} roots;

static ig_status note_root(void *context, const char *path, hid_t dataset) {
  roots *r = context;
  IG_UNUSED(dataset);
  if (strchr(path, '/')) return IG_OK;
  if (r->n == IG_MAX_FIELDS) {
    r->more = true;
    return IG_OK;
  }
  r->paths[r->n] = ig_arena_format(r->arena, "/%s", path);
  IG_CHECK_ALLOC(r->paths[r->n]);
  r->n++;
  return IG_OK;
}

static int find(const roots *r, const char *const *names, int n) {
  for (int k = 0; k < n; k++) {
    for (int i = 0; i < r->n; i++) {
      if (strcmp(r->paths[i] + 1, names[k]) == 0) return i;
    }
  }
  return -1;
}

/* Input and target by their usual names; without such names, everything at the root. */
static ig_status choose_roots(const ig_source *source, const ig_dataset_open_options *options,
                              const roots *r, char **paths, int *count) {
  static const char *const inputs[] = {"x", "X", "images", "image", "data", "features", "inputs"};
  static const char *const targets[] = {"y", "Y", "labels", "label", "targets", "target"};
  IG_CHECK(r->n > 0, IG_ERR_INPUT,
           "%s: has no arrays at its root; name them, such as %s:/group/x,/group/y", source->spec,
           source->path);
  int x = find(r, inputs, IG_COUNT(inputs)), y = find(r, targets, IG_COUNT(targets));
  if (options->target) y = find(r, &options->target, 1);
  *count = 0;
  if (x >= 0 && (y >= 0 || !options->target)) {
    paths[(*count)++] = r->paths[x];
    if (y >= 0 && !options->no_target) paths[(*count)++] = r->paths[y];
    return IG_OK;
  }
  IG_CHECK(!r->more, IG_ERR_INPUT, "%s: has more than %d arrays at its root; name those to use",
           source->spec, IG_MAX_FIELDS);
  for (int i = 0; i < r->n; i++) {
    if (i != y || !options->no_target) paths[(*count)++] = r->paths[i];
  }
  return IG_OK;
}

ig_status ig_h5_choose_arrays(ig_h5_file *file, const ig_source *source,
                              const ig_dataset_open_options *options, ig_arena *arena,
                              char *paths[IG_MAX_FIELDS], int *count) {
  if (!source->arrays) {
    roots r = {.arena = arena};
    hid_t root;
    IG_TRY(ig_h5_open_group(file, "/", false, &root));
    ig_status status = ig_h5_walk(file, root, note_root, &r);
    H5Gclose(root);
    IG_TRY(status);
    return choose_roots(source, options, &r, paths, count);
  }
  *count = 0;
  for (const char *at = source->arrays; at;) {
    size_t length = strcspn(at, ",");
    IG_CHECK(*count < IG_MAX_FIELDS && length > 1 && at[0] == '/', IG_ERR_INPUT,
             "%s: expected 1 to %d arrays such as /x,/y, found '%s'", source->spec, IG_MAX_FIELDS,
             source->arrays);
    paths[*count] = ig_arena_format(arena, "%.*s", (int)length, at);
    IG_CHECK_ALLOC(paths[*count]);
    ++*count;
    at = at[length] ? at + length + 1 : NULL;
  }
  return IG_OK;
}

/* ---- what ---- */

/* Fixed-length strings, padded with zeros. */
static ig_status copy_strings(ig_h5_file *file, hid_t attribute, const char *name, hid_t type,
                              int64_t n, ig_arena *arena, const char **out) {
  size_t width = H5Tget_size(type), bytes;
  IG_CHECK(ig_mul_size((size_t)n, width, &bytes) && bytes <= file->size, IG_ERR_INPUT,
           "%s: attribute '%s' is larger than the file", file->path, name);
  char *block = ig_alloc_zero(bytes, 1);
  IG_CHECK_ALLOC(block);
  ig_status status = IG_OK;
  if (H5Aread(attribute, type, block) < 0) {
    status = ig_h5_fail(file, IG_ERR_INPUT, "cannot read attribute '%s'", name);
  }
  for (int64_t i = 0; i < n && status == IG_OK; i++) {
    const char *text = block + (size_t)i * width;
    out[i] = ig_arena_format(arena, "%.*s", (int)strnlen(text, IG_MIN(width, MAX_STRING)), text);
    if (!out[i]) status = ig_fail(IG_ERR_MEMORY, "%s: out of memory", file->path);
  }
  ig_free(block);
  return status;
}

ig_status ig_h5_strings(ig_h5_file *file, hid_t object, const char *name, ig_arena *arena,
                        int64_t *count, const char *const **out) {
  htri_t exists = H5Aexists(object, name);
  if (exists < 0) return ig_h5_fail(file, IG_ERR_INPUT, "cannot look up attribute '%s'", name);
  if (!exists) return IG_OK;
  hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
  hid_t type = attribute < 0 ? -1 : H5Aget_type(attribute);
  hid_t space = attribute < 0 ? -1 : H5Aget_space(attribute);
  ig_status status = IG_OK;
  hssize_t n = space < 0 ? -1 : H5Sget_simple_extent_npoints(space);
  const char **texts = NULL;
  if (type < 0 || n < 0) {
    status = ig_h5_fail(file, IG_ERR_INPUT, "cannot read attribute '%s'", name);
    goto done;
  }
  if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0) goto done;
  IG_CHECK_DONE(n >= 1 && n <= MAX_STRINGS, IG_ERR_INPUT,
                "%s: attribute '%s' holds %lld strings; expected 1 to %d", file->path, name,
                (long long)n, MAX_STRINGS);
  texts = ig_arena_alloc(arena, (size_t)n * sizeof *texts);
  IG_CHECK_DONE(texts, IG_ERR_MEMORY, "%s: out of memory", file->path);
  IG_TRY_DONE(copy_strings(file, attribute, name, type, n, arena, texts));
  *out = texts;
  *count = n;
done:
  if (type >= 0) H5Tclose(type);
  if (space >= 0) H5Sclose(space);
  if (attribute >= 0) H5Aclose(attribute);
  return status;
}

static ig_status read_kind(ig_h5_file *file, ig_arena *arena, ig_h5_array *array) {
  const char *const *texts = NULL;
  int64_t n = 0;
  array->kind = -1;
  IG_TRY(ig_h5_strings(file, array->dataset, "kind", arena, &n, &texts));
  for (int k = IG_FIELD_FEATURES; n == 1 && k <= IG_FIELD_TARGETS; k++) {
    if (strcmp(texts[0], ig_field_kind_name((ig_field_kind)k)) == 0) array->kind = k;
  }
  return IG_OK;
}

static ig_status describe(ig_h5_file *file, ig_arena *arena, ig_h5_array *out) {
  IG_TRY(ig_h5_type(file, out->dataset, out->path, &out->dtype, &out->shape));
  ig_status status = ig_shape_check(&out->shape, IG_F64);
  if (status != IG_OK) return ig_fail_in(IG_ERR_INPUT, "%s: %s", file->path, out->path);
  IG_TRY(ig_h5_rows_create(file, out->dataset, out->path, &out->shape, CHUNK_CACHE_BYTES,
                           &out->rows));
  out->dtype = ig_h5_rows_dtype(out->rows);
  IG_TRY(read_kind(file, arena, out));
  IG_TRY(ig_h5_strings(file, out->dataset, "classes", arena, &out->n_classes, &out->classes));
  return ig_h5_strings(file, out->dataset, "columns", arena, &out->n_columns, &out->columns);
}

ig_status ig_h5_array_open(ig_h5_file *file, const char *path, ig_arena *arena,
                           ig_h5_array *out) {
  *out = (ig_h5_array){.dataset = -1, .path = ig_arena_strdup(arena, path)};
  IG_CHECK_ALLOC(out->path);
  out->name = strrchr(out->path, '/') + 1;
  IG_TRY(ig_h5_open_dataset(file, path, false, IG_H5_COMPRESSED, &out->dataset));
  ig_status status = describe(file, arena, out);
  if (status != IG_OK) ig_h5_array_close(out);
  return status;
}

void ig_h5_array_close(ig_h5_array *array) {
  ig_h5_rows_destroy(array->rows);
  array->rows = NULL;
  if (array->dataset >= 0) H5Dclose(array->dataset);
  array->dataset = -1;
}
