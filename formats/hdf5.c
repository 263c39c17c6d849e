/* What of an HDF5 file Ingot agrees to look at: the checks of hdf5.h. A file is refused before the
 * library would follow it out of itself (links, virtual and external storage, plugins) or into more
 * memory than it holds. */
#include "formats/hdf5.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"

#define MAX_CHUNK_BYTES ((size_t)256 << 20)
#define FREE_CHUNK_BYTES ((size_t)1 << 20) /* below this a chunk may exceed its dataset */
#define MAX_RATIO 1000
#define MAX_PATH 4096

#define HEADROOM_BYTES ((size_t)8 << 20)

ig_status ig_h5_headroom(const char *path) {
  IG_CHECK(ig_memory_headroom(HEADROOM_BYTES), IG_ERR_MEMORY, "%s: out of memory", path);
  return IG_OK;
}

/* --- links ----------------------------------------------------------------------------------- */

static const char *link_kind(H5L_type_t type) {
  if (type == H5L_TYPE_SOFT) return "a soft link";
  if (type == H5L_TYPE_EXTERNAL) return "an external link";
  return "a user-defined link";
}

/* Checks every link of `name` from the root down; *found is false when one does not exist. */
static ig_status check_links(ig_h5_file *file, const char *name, bool *found) {
  char path[MAX_PATH];
  size_t length = strlen(name);
  IG_CHECK(length > 0 && length < sizeof path, IG_ERR_INPUT,
           "%s: the path of an object has %zu bytes", file->path, length);
  *found = true;
  for (size_t end = 1; end <= length; end++) {
    if ((name[end] != '/' && name[end] != '\0') || name[end - 1] == '/') continue;
    memcpy(path, name, end);
    path[end] = '\0';
    htri_t exists = H5Lexists(file->id, path, H5P_DEFAULT);
    if (exists < 0) return ig_h5_fail(file, IG_ERR_INPUT, "cannot look up %s", path);
    if (!exists) {
      *found = false;
      return IG_OK;
    }
    H5L_info_t link;
    if (H5Lget_info(file->id, path, &link, H5P_DEFAULT) < 0) {
      return ig_h5_fail(file, IG_ERR_INPUT, "cannot look up %s", path);
    }
    IG_CHECK(link.type == H5L_TYPE_HARD, IG_ERR_INPUT, "%s: %s is %s; only hard links are followed",
             file->path, path, link_kind(link.type));
  }
  return IG_OK;
}

static ig_status open_object(ig_h5_file *file, const char *name, bool optional, H5I_type_t kind,
                             const char *what, hid_t *out) {
  *out = -1;
  bool found = true;
  if (strcmp(name, "/") != 0) IG_TRY(check_links(file, name, &found));
  if (!found && optional) return IG_OK;
  IG_CHECK(found, IG_ERR_INPUT, "%s: has no %s %s", file->path, what, name);
  hid_t object = H5Oopen(file->id, name, H5P_DEFAULT);
  if (object < 0) return ig_h5_fail(file, IG_ERR_INPUT, "cannot open %s", name);
  if (H5Iget_type(object) != kind) {
    H5Oclose(object);
    return ig_fail(IG_ERR_INPUT, "%s: %s is not a %s", file->path, name, what);
  }
  *out = object;
  return IG_OK;
}

ig_status ig_h5_open_group(ig_h5_file *file, const char *name, bool optional, hid_t *out) {
  return open_object(file, name, optional, H5I_GROUP, "group", out);
}

ig_status ig_h5_open_dataset(ig_h5_file *file, const char *name, bool optional, unsigned rules,
                             hid_t *out) {
  IG_TRY(ig_h5_headroom(file->path));
  IG_TRY(open_object(file, name, optional, H5I_DATASET, "dataset", out));
  if (*out < 0) return IG_OK;
  ig_status status = ig_h5_check_dataset(file, *out, name, rules);
  if (status != IG_OK) {
    H5Dclose(*out);
    *out = -1;
  }
  return status;
}

/* --- storage --------------------------------------------------------------------------------- */

static ig_status check_filters(const ig_h5_file *file, hid_t plist, const char *name,
                               unsigned rules) {
  int n = H5Pget_nfilters(plist);
  if (n < 0) return ig_h5_fail(file, IG_ERR_INPUT, "cannot read the filters of %s", name);
  for (int i = 0; i < n; i++) {
    unsigned flags, config;
    size_t n_values = 0;
    H5Z_filter_t filter =
        H5Pget_filter2(plist, (unsigned)i, &flags, &n_values, NULL, 0, NULL, &config);
    bool allowed = filter == H5Z_FILTER_FLETCHER32;
    if (rules & IG_H5_COMPRESSED) {
      allowed = allowed || filter == H5Z_FILTER_DEFLATE || filter == H5Z_FILTER_SHUFFLE;
    }
    IG_CHECK(allowed, IG_ERR_INPUT, "%s: %s passes through HDF5 filter %d, which is not accepted",
             file->path, name, (int)filter);
  }
  return IG_OK;
}

static ig_status check_layout(const ig_h5_file *file, hid_t plist, const char *name, int rank,
                              hsize_t chunk[H5S_MAX_RANK]) {
  H5D_layout_t layout = H5Pget_layout(plist);
  IG_CHECK(layout == H5D_COMPACT || layout == H5D_CONTIGUOUS || layout == H5D_CHUNKED, IG_ERR_INPUT,
           "%s: %s has an unknown storage layout", file->path, name);
  IG_CHECK(H5Pget_external_count(plist) == 0, IG_ERR_INPUT,
           "%s: %s keeps its data in an external file", file->path, name);
  for (int i = 0; i < rank; i++) chunk[i] = 0;
  if (layout == H5D_CHUNKED && H5Pget_chunk(plist, rank, chunk) != rank) {
    return ig_h5_fail(file, IG_ERR_INPUT, "cannot read the chunks of %s", name);
  }
  return IG_OK;
}

/* Bytes = product of dims times `unit`, at most half the address space. */
static bool bytes_of(int rank, const hsize_t *dims, size_t unit, uint64_t *out) {
  uint64_t bytes = unit;
  for (int i = 0; i < rank; i++) {
    if (__builtin_mul_overflow(bytes, dims[i], &bytes)) return false;
  }
  *out = bytes;
  return bytes <= INT64_MAX;
}

static ig_status check_sizes(const ig_h5_file *file, hid_t dataset, const char *name, int rank,
                             const hsize_t *dims, const hsize_t *chunk) {
  hid_t type = H5Dget_type(dataset);
  size_t unit = type < 0 ? 0 : H5Tget_size(type);
  if (type >= 0) H5Tclose(type);
  if (unit == 0) return ig_h5_fail(file, IG_ERR_INPUT, "cannot read the type of %s", name);
  uint64_t declared, stored = H5Dget_storage_size(dataset), allowed;
  IG_CHECK(bytes_of(rank, dims, unit, &declared), IG_ERR_INPUT,
           "%s: %s declares more elements than can be counted", file->path, name);
  stored = IG_MIN(stored, file->size); /* chunks may share an address */
  allowed = stored > UINT64_MAX / MAX_RATIO ? UINT64_MAX : stored * MAX_RATIO;
  IG_CHECK(declared <= allowed, IG_ERR_INPUT,
           "%s: %s declares %llu bytes, but stores %llu; at most %d times is accepted", file->path,
           name, (unsigned long long)declared, (unsigned long long)stored, MAX_RATIO);
  if (rank == 0 || chunk[0] == 0) return IG_OK;
  uint64_t chunk_bytes;
  IG_CHECK(bytes_of(rank, chunk, unit, &chunk_bytes) && chunk_bytes <= MAX_CHUNK_BYTES &&
               (chunk_bytes <= FREE_CHUNK_BYTES || chunk_bytes <= allowed),
           IG_ERR_INPUT, "%s: a chunk of %s is larger than %zu bytes or than its data", file->path,
           name, MAX_CHUNK_BYTES);
  return IG_OK;
}

ig_status ig_h5_check_dataset(const ig_h5_file *file, hid_t dataset, const char *name,
                              unsigned rules) {
  hid_t plist = H5Dget_create_plist(dataset);
  if (plist < 0) return ig_h5_fail(file, IG_ERR_INPUT, "cannot read the layout of %s", name);
  ig_status status = IG_OK;
  hid_t space = -1;
  hsize_t dims[H5S_MAX_RANK], chunk[H5S_MAX_RANK];
  /* Layout first: asking a virtual dataset for its extent may open its sources. */
  IG_CHECK_DONE(H5Pget_layout(plist) != H5D_VIRTUAL, IG_ERR_INPUT,
                "%s: %s is a virtual dataset, whose data would come from other files", file->path,
                name);
  space = H5Dget_space(dataset);
  int rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
  if (rank < 0 || H5Sget_simple_extent_dims(space, dims, NULL) != rank) {
    status = ig_h5_fail(file, IG_ERR_INPUT, "cannot read the shape of %s", name);
    goto done;
  }
  IG_TRY_DONE(check_layout(file, plist, name, rank, chunk));
  IG_TRY_DONE(check_filters(file, plist, name, rules));
  IG_TRY_DONE(check_sizes(file, dataset, name, rank, dims, chunk));
done:
  if (space >= 0) H5Sclose(space);
  H5Pclose(plist);
  return status;
}

/* --- types ----------------------------------------------------------------------------------- */

static hid_t half_type(void) {
  hid_t type = H5Tcopy(H5T_IEEE_F32LE);
  if (type < 0) return -1;
  if (H5Tset_fields(type, 15, 10, 5, 0, 10) < 0 || H5Tset_size(type, 2) < 0 ||
      H5Tset_ebias(type, 15) < 0) {
    H5Tclose(type);
    return -1;
  }
  return type;
}

/* The way h5py writes numpy's bool. */
static hid_t bool_type(void) {
  hid_t type = H5Tenum_create(H5T_STD_I8LE);
  if (type < 0) return -1;
  int8_t no = 0, yes = 1;
  if (H5Tenum_insert(type, "FALSE", &no) < 0 || H5Tenum_insert(type, "TRUE", &yes) < 0) {
    H5Tclose(type);
    return -1;
  }
  return type;
}

hid_t ig_h5_file_type(ig_dtype dtype) {
  switch (dtype) {
  case IG_F64: return H5Tcopy(H5T_IEEE_F64LE);
  case IG_F32: return H5Tcopy(H5T_IEEE_F32LE);
  case IG_F16: return half_type();
  case IG_BF16: return H5Tcopy(H5T_STD_U16LE);
  case IG_I64: return H5Tcopy(H5T_STD_I64LE);
  case IG_I32: return H5Tcopy(H5T_STD_I32LE);
  case IG_I8: return H5Tcopy(H5T_STD_I8LE);
  case IG_U8: return H5Tcopy(H5T_STD_U8LE);
  case IG_BOOL: return bool_type();
  default: return -1;
  }
}

static ig_status dtype_of(ig_h5_file *file, hid_t object, const char *name, hid_t type,
                          ig_dtype *out) {
  *out = IG_NONE;
  for (ig_dtype d = IG_F64; d <= IG_BOOL && *out == IG_NONE; d++) {
    hid_t candidate = ig_h5_file_type(d);
    if (candidate < 0) return ig_h5_fail(file, IG_ERR_INTERNAL, "cannot make a type");
    if (H5Tequal(type, candidate) > 0) *out = d;
    H5Tclose(candidate);
  }
  if (*out != IG_BF16) return IG_OK;
  char text[16];
  bool present = false;
  IG_TRY(ig_h5_text_attribute(file, object, "dtype", text, sizeof text, &present));
  if (!present) {
    *out = IG_NONE; /* plain 16-bit unsigned integers */
    return IG_OK;
  }
  IG_CHECK(strcmp(text, "bfloat16") == 0, IG_ERR_INPUT,
           "%s: %s has dtype \"%s\"; expected bfloat16", file->path, name, text);
  return IG_OK;
}

ig_status ig_h5_type(ig_h5_file *file, hid_t dataset, const char *name, ig_dtype *dtype,
                     ig_shape *shape) {
  hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
  ig_status status = IG_OK;
  if (type < 0 || space < 0) {
    status = ig_h5_fail(file, IG_ERR_INPUT, "cannot read the type of %s", name);
    goto done;
  }
  int rank = H5Sget_simple_extent_ndims(space);
  IG_CHECK_DONE(rank >= 0 && rank <= IG_MAX_RANK && H5Sget_simple_extent_type(space) != H5S_NULL,
                IG_ERR_INPUT, "%s: %s has rank %d; expected 0 to %d", file->path, name, rank,
                IG_MAX_RANK);
  hsize_t dims[IG_MAX_RANK];
  H5Sget_simple_extent_dims(space, dims, NULL);
  *shape = (ig_shape){.rank = rank};
  for (int i = 0; i < rank; i++) {
    IG_CHECK_DONE(dims[i] <= INT64_MAX, IG_ERR_INPUT, "%s: dimension %d of %s is too large",
                  file->path, i, name);
    shape->dims[i] = (int64_t)dims[i];
  }
  IG_TRY_DONE(dtype_of(file, dataset, name, type, dtype));
done:
  if (type >= 0) H5Tclose(type);
  if (space >= 0) H5Sclose(space);
  return status;
}

/* --- attributes ------------------------------------------------------------------------------ */

static ig_status read_text(ig_h5_file *file, hid_t attribute, const char *name, char *text,
                           size_t size) {
  hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  ig_status status = IG_OK;
  char *variable = NULL;
  IG_CHECK_DONE(type >= 0 && space >= 0 && H5Tget_class(type) == H5T_STRING &&
                    H5Sget_simple_extent_type(space) == H5S_SCALAR,
                IG_ERR_INPUT, "%s: attribute %s is not one string", file->path, name);
  size_t length;
  if (H5Tis_variable_str(type) > 0) {
    ig_h5_guard_heap(file, true);
    herr_t read = H5Aread(attribute, type, &variable);
    ig_h5_guard_heap(file, false);
    if (read < 0) {
      status = ig_h5_fail(file, IG_ERR_INPUT, "cannot read attribute %s", name);
      goto done;
    }
    length = variable ? strlen(variable) : 0;
    IG_CHECK_DONE(length < size, IG_ERR_INPUT, "%s: attribute %s has %zu bytes; at most %zu fit",
                  file->path, name, length, size - 1);
    memcpy(text, variable ? variable : "", length);
  } else {
    length = H5Tget_size(type);
    IG_CHECK_DONE(length < size, IG_ERR_INPUT, "%s: attribute %s has %zu bytes; at most %zu fit",
                  file->path, name, length, size - 1);
    if (H5Aread(attribute, type, text) < 0) {
      status = ig_h5_fail(file, IG_ERR_INPUT, "cannot read attribute %s", name);
      goto done;
    }
  }
  text[length] = '\0';
done:
  if (variable) H5free_memory(variable);
  if (type >= 0) H5Tclose(type);
  if (space >= 0) H5Sclose(space);
  return status;
}

ig_status ig_h5_text_attribute(ig_h5_file *file, hid_t object, const char *name, char *text,
                               size_t size, bool *present) {
  htri_t exists = H5Aexists(object, name);
  if (exists < 0) return ig_h5_fail(file, IG_ERR_INPUT, "cannot look up attribute %s", name);
  *present = exists > 0;
  if (!exists) return IG_OK;
  hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
  if (attribute < 0) return ig_h5_fail(file, IG_ERR_INPUT, "cannot open attribute %s", name);
  ig_status status = read_text(file, attribute, name, text, size);
  H5Aclose(attribute);
  return status;
}

/* --- walk ------------------------------------------------------------------------------------ */

typedef struct walk {
  ig_h5_file *file;
  ig_h5_visit visit;
  void *context;
  ig_status status;
  int depth, objects;
  size_t length;
  char path[MAX_PATH]; /* relative to where the walk began */
} walk;

static ig_status walk_group(walk *w, hid_t group);

static ig_status walk_object(walk *w, hid_t object) {
  switch (H5Iget_type(object)) {
  case H5I_GROUP:
    IG_CHECK(w->depth < IG_H5_MAX_DEPTH, IG_ERR_INPUT, "%s: groups are nested deeper than %d",
             w->file->path, IG_H5_MAX_DEPTH);
    w->depth++;
    IG_TRY(walk_group(w, object));
    w->depth--;
    return IG_OK;
  case H5I_DATASET: return w->visit(w->context, w->path, object);
  default:
    return ig_fail(IG_ERR_INPUT, "%s: %s is neither a group nor a dataset", w->file->path, w->path);
  }
}

static herr_t walk_link(hid_t group, const char *name, const H5L_info_t *link, void *context) {
  walk *w = context;
  size_t before = w->length, extra = strlen(name) + (before ? 1 : 0);
  if (++w->objects > IG_H5_MAX_OBJECTS || before + extra >= sizeof w->path) {
    w->status = ig_fail(IG_ERR_INPUT, "%s: more than %d objects, or a path longer than %d bytes",
                        w->file->path, IG_H5_MAX_OBJECTS, MAX_PATH - 1);
    return -1;
  }
  snprintf(w->path + before, sizeof w->path - before, "%s%s", before ? "/" : "", name);
  w->length = before + extra;
  if (link->type != H5L_TYPE_HARD) {
    w->status = ig_fail(IG_ERR_INPUT, "%s: %s is %s; only hard links are followed", w->file->path,
                        w->path, link_kind(link->type));
    return -1;
  }
  hid_t object = H5Oopen(group, name, H5P_DEFAULT);
  if (object < 0) {
    w->status = ig_h5_fail(w->file, IG_ERR_INPUT, "cannot open %s", w->path);
    return -1;
  }
  w->status = walk_object(w, object);
  H5Oclose(object);
  w->path[before] = '\0';
  w->length = before;
  return w->status == IG_OK ? 0 : -1;
}

static ig_status walk_group(walk *w, hid_t group) {
  H5G_info_t info;
  if (H5Gget_info(group, &info) < 0) {
    return ig_h5_fail(w->file, IG_ERR_INPUT, "cannot read group %s", w->path);
  }
  IG_CHECK(info.nlinks <= IG_H5_MAX_OBJECTS, IG_ERR_INPUT, "%s: group %s has more than %d objects",
           w->file->path, w->path, IG_H5_MAX_OBJECTS);
  if (H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, walk_link, w) < 0 && w->status == IG_OK) {
    w->status = ig_h5_fail(w->file, IG_ERR_INPUT, "cannot read group %s", w->path);
  }
  H5Eclear2(H5E_DEFAULT);
  return w->status;
}

ig_status ig_h5_walk(ig_h5_file *file, hid_t group, ig_h5_visit visit, void *context) {
  walk *w = ig_alloc_zero(1, sizeof *w);
  IG_CHECK_ALLOC(w);
  w->file = file;
  w->visit = visit;
  w->context = context;
  ig_status status = walk_group(w, group);
  ig_free(w);
  return status;
}
