/* The layers of a Keras file. Keras 2 says in attributes which layers there are and which datasets are
 * their weights; Keras 3 puts a layer's weights at layers/<name>/vars/0, 1, ... */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/hdf5.h"
#include "formats/hdf5_arrays.h"
#include "formats/keras.h"

#define MOST_PATH 512

typedef struct reader {
  ig_h5_file *file;
  ig_arena *arena;
  int64_t count;
  ig_keras_layer *layers;
} reader;

/* Variable-length strings, which h5py 3 makes of lists of bytes; n of them, through the library's guarded
 * heaps. */
static ig_status read_variable(reader *r, hid_t attribute, hid_t space, const char *what, int64_t n,
                               const char **out) {
  char **texts = ig_alloc_zero((size_t)n, sizeof *texts);
  IG_CHECK_ALLOC(texts);
  hid_t type = H5Tcopy(H5T_C_S1);
  ig_status status = ig_h5_headroom(r->file->path);
  ig_h5_guard_heap(r->file, true);
  bool ready = status == IG_OK && type >= 0 && H5Tset_size(type, H5T_VARIABLE) >= 0;
  bool read = ready && H5Aread(attribute, type, texts) >= 0;
  ig_h5_guard_heap(r->file, false);
  if (status == IG_OK && !read) {
    status = ig_h5_fail(r->file, IG_ERR_INPUT, "cannot read attribute '%s'", what);
  }
  for (int64_t i = 0; i < n && status == IG_OK; i++) {
    out[i] = ig_arena_format(r->arena, "%.*s", MOST_PATH, texts[i] ? texts[i] : "");
    if (!out[i]) status = ig_fail(IG_ERR_MEMORY, "%s: out of memory", r->file->path);
  }
  if (read) H5Dvlen_reclaim(type, space, H5P_DEFAULT, texts);
  if (type >= 0) H5Tclose(type);
  ig_free(texts);
  return status;
}

/* The list of strings in an attribute; *out stays NULL when there is none. */
static ig_status read_names(reader *r, hid_t object, const char *what, int64_t *count,
                            const char *const **out) {
  IG_TRY(ig_h5_strings(r->file, object, what, r->arena, count, out));
  if (*out || H5Aexists(object, what) <= 0) return IG_OK;
  hid_t attribute = H5Aopen(object, what, H5P_DEFAULT);
  hid_t type = attribute < 0 ? -1 : H5Aget_type(attribute);
  hid_t space = attribute < 0 ? -1 : H5Aget_space(attribute);
  hssize_t n = space < 0 ? -1 : H5Sget_simple_extent_npoints(space);
  ig_status status = IG_OK;
  if (type < 0 || n < 0) {
    status = ig_h5_fail(r->file, IG_ERR_INPUT, "cannot read attribute '%s'", what);
  } else if (n > 0 && H5Tis_variable_str(type) > 0) {
    const char **texts = NULL;
    IG_CHECK_DONE(n <= IG_KERAS_MOST_LAYERS, IG_ERR_INPUT,
                  "%s: attribute '%s' has more than %d names", r->file->path, what,
                  IG_KERAS_MOST_LAYERS);
    texts = ig_arena_alloc(r->arena, (size_t)n * sizeof *texts);
    IG_CHECK_DONE(texts, IG_ERR_MEMORY, "%s: out of memory", r->file->path);
    IG_TRY_DONE(read_variable(r, attribute, space, what, n, texts));
    *out = texts;
    *count = n;
  } /* an empty list is one of numbers */
done:
  if (type >= 0) H5Tclose(type);
  if (space >= 0) H5Sclose(space);
  if (attribute >= 0) H5Aclose(attribute);
  return status;
}

static ig_status new_layer(reader *r, const char *name, ig_keras_layer **out) {
  IG_CHECK(r->count < IG_KERAS_MOST_LAYERS, IG_ERR_INPUT, "%s: more than %d layers", r->file->path,
           IG_KERAS_MOST_LAYERS);
  *out = &r->layers[r->count++];
  **out = (ig_keras_layer){.name = ig_arena_strdup(r->arena, name)};
  IG_CHECK_ALLOC((*out)->name);
  return IG_OK;
}

/* Reads a dataset of floats as the layer's next weight. */
static ig_status add_weight(reader *r, ig_keras_layer *layer, const char *name, hid_t dataset) {
  IG_CHECK(layer->n < IG_KERAS_MOST_WEIGHTS, IG_ERR_INPUT,
           "%s: layer '%s' has more than %d weights", r->file->path, layer->name,
           IG_KERAS_MOST_WEIGHTS);
  ig_keras_weight *w = &layer->weights[layer->n++];
  ig_dtype dtype;
  IG_TRY(ig_h5_check_dataset(r->file, dataset, name, IG_H5_COMPRESSED));
  IG_TRY(ig_h5_type(r->file, dataset, name, &dtype, &w->shape));
  IG_CHECK(ig_dtype_is_float(dtype) && dtype != IG_BF16, IG_ERR_INPUT,
           "%s: weight '%s' of layer '%s' is %s, expected floats", r->file->path, name, layer->name,
           ig_dtype_name(dtype));
  IG_TRY(ig_shape_check(&w->shape, IG_F32));
  w->name = ig_arena_strdup(r->arena, name);
  w->data = ig_arena_alloc(r->arena, IG_MAX(ig_shape_bytes(&w->shape, IG_F32), 1));
  IG_CHECK_ALLOC(w->name);
  IG_CHECK(w->data, IG_ERR_MEMORY, "%s: no memory for layer '%s'", r->file->path, layer->name);
  IG_TRY(ig_h5_headroom(r->file->path));
  if (H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, w->data) < 0) {
    return ig_h5_fail(r->file, IG_ERR_INPUT, "cannot read '%s' of layer '%s'", name, layer->name);
  }
  return IG_OK;
}

/* --- Keras 2 -------------------------------------------------------------------------------------- */

/* "dense/kernel:0" is the weight "kernel". */
static const char *short_name(const char *name, char *out, size_t size) {
  const char *slash = strrchr(name, '/');
  if (slash) name = slash + 1;
  snprintf(out, size, "%.*s", (int)strcspn(name, ":"), name);
  return out;
}

static ig_status read_legacy_layer(reader *r, const char *prefix, const char *name) {
  char path[MOST_PATH], weight[MOST_PATH];
  const char *const *names = NULL;
  int64_t count = 0;
  hid_t group;
  int length = snprintf(path, sizeof path, "%s/%s", prefix, name);
  IG_CHECK(length > 0 && length < MOST_PATH, IG_ERR_INPUT,
           "%s: the layer name '%.64s...' is too long", r->file->path, name);
  IG_TRY(ig_h5_open_group(r->file, path, false, &group));
  ig_status status = read_names(r, group, "weight_names", &count, &names);
  H5Gclose(group);
  IG_TRY(status);
  if (!names) return IG_OK;
  ig_keras_layer *layer = NULL;
  IG_TRY(new_layer(r, name, &layer));
  for (int64_t i = 0; i < count; i++) {
    hid_t dataset;
    char full[2 * MOST_PATH];
    length = snprintf(full, sizeof full, "%s/%s", path, names[i]);
    IG_CHECK(length > 0 && length < (int)sizeof full, IG_ERR_INPUT,
             "%s: the weight name '%.64s...' is too long", r->file->path, names[i]);
    IG_TRY(ig_h5_open_dataset(r->file, full, false, IG_H5_COMPRESSED, &dataset));
    status = add_weight(r, layer, short_name(names[i], weight, sizeof weight), dataset);
    H5Dclose(dataset);
    IG_TRY(status);
  }
  return IG_OK;
}

/* The layers that an attribute of the group names; *found is false without one. */
static ig_status read_legacy(reader *r, const char *prefix, bool *found) {
  hid_t group;
  const char *const *names = NULL;
  int64_t count = 0;
  *found = false;
  IG_TRY(ig_h5_open_group(r->file, *prefix ? prefix : "/", true, &group));
  if (group < 0) return IG_OK;
  ig_status status = read_names(r, group, "layer_names", &count, &names);
  H5Gclose(group);
  IG_TRY(status);
  *found = names != NULL;
  for (int64_t i = 0; i < count; i++) IG_TRY(read_legacy_layer(r, prefix, names[i]));
  return IG_OK;
}

/* --- Keras 3 -------------------------------------------------------------------------------------- */

/* PATH is LAYER/vars/INDEX; `layer` is its part before "/vars/". */
static const char *split_path(const char *path, char layer[MOST_PATH]) {
  const char *vars = strstr(path, "/vars/");
  for (const char *next = vars; next; next = strstr(next + 1, "/vars/")) vars = next;
  size_t length = vars ? (size_t)(vars - path) : 0;
  if (!vars || length >= MOST_PATH || strchr(vars + 6, '/')) return NULL;
  memcpy(layer, path, length);
  layer[length] = '\0';
  return vars + 6;
}

/* Datasets come in order of their paths, a layer's weights one after another. */
static ig_status visit(void *context, const char *path, hid_t dataset) {
  reader *r = context;
  char name[MOST_PATH];
  if (strncmp(path, "optimizer/", 10) == 0) return IG_OK;
  const char *index = split_path(path, name);
  if (!index || strstr(name, "seed_generator")) return IG_OK; /* states of random layers */
  ig_keras_layer *layer = r->count > 0 ? &r->layers[r->count - 1] : NULL;
  if (!layer || strcmp(layer->name, name) != 0) IG_TRY(new_layer(r, name, &layer));
  char expected[16];
  snprintf(expected, sizeof expected, "%d", layer->n);
  IG_CHECK(strcmp(index, expected) == 0, IG_ERR_INPUT,
           "%s: layer '%s' has the weight '%.32s', expected %s", r->file->path, name, index,
           expected);
  return add_weight(r, layer, index, dataset);
}

/* Numbers in names count as numbers: dense, dense_1, dense_2, ... dense_10. */
static int by_number(const void *a_, const void *b_) {
  const char *a = ((const ig_keras_layer *)a_)->name, *b = ((const ig_keras_layer *)b_)->name;
  while (*a && *b) {
    if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
      char *a_end, *b_end;
      unsigned long x = strtoul(a, &a_end, 10), y = strtoul(b, &b_end, 10);
      if (x != y) return x < y ? -1 : 1;
      a = a_end;
      b = b_end;
    } else if (*a != *b) {
      return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
    } else {
      a++;
      b++;
    }
  }
  return (*a != '\0') - (*b != '\0');
}

/* layers/sequential/layers/dense_1 is known as dense_1. */
static void shorten(ig_keras_layer *layer) {
  const char *slash = strrchr(layer->name, '/');
  if (slash) layer->name = slash + 1;
}

static ig_status read_vars(reader *r) {
  hid_t root;
  IG_TRY(ig_h5_open_group(r->file, "/", false, &root));
  ig_status status = ig_h5_walk(r->file, root, visit, r);
  H5Gclose(root);
  IG_TRY(status);
  qsort(r->layers, (size_t)r->count, sizeof *r->layers, by_number);
  for (int64_t i = 0; i < r->count; i++) shorten(&r->layers[i]);
  return IG_OK;
}

/* --- the file ------------------------------------------------------------------------------------- */

static ig_status read_layers(reader *r) {
  bool found;
  r->layers = ig_arena_alloc(r->arena, IG_KERAS_MOST_LAYERS * sizeof *r->layers);
  IG_CHECK_ALLOC(r->layers);
  IG_TRY(read_legacy(r, "", &found));
  if (!found) IG_TRY(read_legacy(r, "/model_weights", &found));
  if (!found) IG_TRY(read_vars(r));
  IG_CHECK(r->count > 0, IG_ERR_INPUT,
           "%s: holds no layers of Keras, neither by layer_names nor at layers/NAME/vars",
           r->file->path);
  return IG_OK;
}

static ig_status read_file(const char *path, reader *r) {
  ig_h5_enter();
  ig_status status = ig_h5_open(path, &r->file);
  if (status == IG_OK) status = read_layers(r);
  ig_h5_close(r->file);
  ig_h5_leave();
  return status;
}

static void rehearse(void *context) {
  reader r = {.arena = ig_arena_create()};
  if (r.arena && read_file(context, &r) == IG_OK) ig_clear_error();
  ig_arena_destroy(r.arena);
}

ig_status ig_keras_read(const char *path, ig_arena *arena, int64_t *count, ig_keras_layer **out) {
  IG_TRY(ig_h5_rehearse(path, rehearse, (void *)(uintptr_t)path));
  reader r = {.arena = arena};
  IG_TRY(read_file(path, &r));
  *count = r.count;
  *out = r.layers;
  return IG_OK;
}
