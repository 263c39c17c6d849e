/* The reading half of checkpoint_h5.h. The file is taken as hostile: nothing is allocated that the
 * file does not hold, every dataset's digest is checked, and what is not expected is refused by
 * name. The invariant: what all datasets together declare never exceeds the file's size. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/base/checked.h"
#include "formats/checkpoint_h5.h"
#include "formats/checkpoint_layout.h"

#define MAX_PROFILES (1 << 20)
#define MAX_NORMALIZATIONS 64
#define REHEARSED_BYTES ((size_t)1 << 20) /* of a dataset; of larger ones, the ends */

typedef struct reader {
  ig_h5_file *file;
  ig_snapshot *snapshot;
  bool rehearsal;      /* in the child process of ig_h5_rehearse */
  uint64_t declared;   /* bytes of all datasets so far */
  const char *group;   /* of the walk */
  ig_tensor_role role; /* of the walk */
} reader;

/* --- objects --------------------------------------------------------------------------------- */

static ig_status read_number(reader *r, hid_t object, const char *name, hid_t type, bool *present,
                             void *value) {
  htri_t exists = H5Aexists(object, name);
  if (exists < 0) return ig_h5_fail(r->file, IG_ERR_INPUT, "cannot look up attribute %s", name);
  *present = exists > 0;
  if (!exists) return IG_OK;
  hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
  hid_t found = attribute < 0 ? -1 : H5Aget_type(attribute);
  hid_t space = attribute < 0 ? -1 : H5Aget_space(attribute);
  bool ok = found >= 0 && space >= 0 && H5Tequal(found, type) > 0 &&
            H5Sget_simple_extent_type(space) == H5S_SCALAR && H5Aread(attribute, type, value) >= 0;
  if (space >= 0) H5Sclose(space);
  if (found >= 0) H5Tclose(found);
  if (attribute >= 0) H5Aclose(attribute);
  return ok ? IG_OK
            : ig_h5_fail(r->file, IG_ERR_INPUT, "attribute %s is not one 8-byte number", name);
}

/* Reads the first and the last element: enough for the library to show whether it can. */
static void read_ends(hid_t dataset, hid_t type) {
  char elements[2 * 64];
  hsize_t dims[H5S_MAX_RANK], points[2 * H5S_MAX_RANK] = {0}, two = 2;
  hid_t space = H5Dget_space(dataset), memory = H5Screate_simple(1, &two, NULL);
  int rank = H5Sget_simple_extent_dims(space, dims, NULL);
  for (int i = 0; i < rank; i++) points[rank + i] = dims[i] - 1;
  if (rank > 0 && H5Tget_size(type) <= sizeof elements / 2 &&
      H5Sselect_elements(space, H5S_SELECT_SET, 2, points) >= 0) {
    H5Dread(dataset, type, memory, space, H5P_DEFAULT, elements);
  }
  if (memory >= 0) H5Sclose(memory);
  if (space >= 0) H5Sclose(space);
}

/* Reads all of a dataset, of `bytes` bytes, and holds it against its digest. `trim` ends a text at
 * its padding before. */
static ig_status read_checked(reader *r, hid_t dataset, const char *name, hid_t type, size_t bytes,
                              bool trim, void *data) {
  uint64_t want = 0;
  bool present = false;
  IG_TRY(read_number(r, dataset, "xxh3", H5T_STD_U64LE, &present, &want));
  IG_CHECK(present, IG_ERR_INPUT, "%s: %s has no digest (attribute xxh3)", r->file->path, name);
  if (r->rehearsal && bytes > REHEARSED_BYTES) {
    read_ends(dataset, type);
    return IG_OK;
  }
  if (bytes && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) {
    return ig_h5_fail(r->file, IG_ERR_INPUT, "cannot read %s", name);
  }
  uint64_t found = XXH3_64bits(data, trim ? strnlen(data, bytes) : bytes);
  IG_CHECK(found == want, IG_ERR_INPUT, "%s: %s is damaged: digest %016llx, expected %016llx",
           r->file->path, name, (unsigned long long)found, (unsigned long long)want);
  return IG_OK;
}

/* Adds to what the file has declared so far. */
static ig_status spend(reader *r, const char *name, uint64_t bytes) {
  IG_CHECK(ig_range_within(r->declared, bytes, r->file->size), IG_ERR_INPUT,
           "%s: with %s, the file declares more than its own %llu bytes", r->file->path, name,
           (unsigned long long)r->file->size);
  r->declared += bytes;
  return IG_OK;
}

/* The scalar string dataset at `path`; NULL when there is none. */
static ig_status read_text(reader *r, const char *path, const char **out) {
  hid_t dataset;
  IG_TRY(ig_h5_open_dataset(r->file, path, true, 0, &dataset));
  if (dataset < 0) return IG_OK;
  ig_status status = IG_OK;
  hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
  IG_CHECK_DONE(type >= 0 && space >= 0 && H5Tget_class(type) == H5T_STRING &&
                    H5Tis_variable_str(type) == 0 && H5Sget_simple_extent_type(space) == H5S_SCALAR,
                IG_ERR_INPUT, "%s: %s is not one string of fixed length", r->file->path, path);
  size_t bytes = H5Tget_size(type);
  IG_TRY_DONE(spend(r, path, bytes));
  char *text = ig_arena_alloc(r->snapshot->arena, bytes + 1);
  IG_CHECK_DONE(text, IG_ERR_MEMORY, "%s: no memory for %s", r->file->path, path);
  IG_TRY_DONE(read_checked(r, dataset, path, type, bytes, true, text));
  *out = text;
done:
  if (type >= 0) H5Tclose(type);
  if (space >= 0) H5Sclose(space);
  H5Dclose(dataset);
  return status;
}

/* The one-dimensional dataset at `path`, of that type and, unless *count is negative, length. */
static ig_status read_array(reader *r, const char *path, ig_dtype dtype, int64_t *count,
                            void *out_pointer) {
  hid_t dataset, type = -1;
  IG_TRY(ig_h5_open_dataset(r->file, path, false, 0, &dataset));
  ig_status status = IG_OK;
  ig_dtype found;
  ig_shape shape;
  IG_TRY_DONE(ig_h5_type(r->file, dataset, path, &found, &shape));
  IG_CHECK_DONE(found == dtype && shape.rank == 1 && (*count < 0 || shape.dims[0] == *count),
                IG_ERR_INPUT, "%s: %s is %s%s; expected %s and %lld elements", r->file->path, path,
                ig_dtype_name(found), IG_SHAPE_STR(&shape), ig_dtype_name(dtype),
                (long long)*count);
  IG_TRY_DONE(ig_shape_check(&shape, dtype));
  size_t bytes = ig_shape_bytes(&shape, dtype);
  IG_TRY_DONE(spend(r, path, bytes));
  void *data = ig_arena_alloc(r->snapshot->arena, bytes);
  IG_CHECK_DONE(data, IG_ERR_MEMORY, "%s: no memory for %s", r->file->path, path);
  type = ig_h5_file_type(dtype);
  IG_TRY_DONE(read_checked(r, dataset, path, type, bytes, false, data));
  *count = shape.dims[0];
  *(void **)out_pointer = data;
done:
  if (type >= 0) H5Tclose(type);
  H5Dclose(dataset);
  return status;
}

/* --- tensors --------------------------------------------------------------------------------- */

static ig_status role_of(reader *r, hid_t dataset, const char *name, ig_tensor_role *role) {
  *role = r->role;
  if (r->role != IG_ROLE_PARAMETER) return IG_OK;
  char text[16];
  bool present = false;
  IG_TRY(ig_h5_text_attribute(r->file, dataset, "role", text, sizeof text, &present));
  if (!present) return IG_OK;
  IG_CHECK(strcmp(text, "state") == 0, IG_ERR_INPUT, "%s: %s has role \"%s\"; expected state",
           r->file->path, name, text);
  *role = IG_ROLE_STATE;
  return IG_OK;
}

/* Bytes that the attribute "dtype" gives a type that HDF5 lacks. */
static ig_status foreign_type(reader *r, hid_t dataset, const char *path, ig_dtype *dtype) {
  char text[16];
  bool present = false;
  if (*dtype != IG_U8) return IG_OK;
  IG_TRY(ig_h5_text_attribute(r->file, dataset, "dtype", text, sizeof text, &present));
  if (!present) return IG_OK;
  bool f8 = strcmp(text, "float8_e4m3fn") == 0;
  IG_CHECK(f8 || strcmp(text, "int4") == 0, IG_ERR_INPUT,
           "%s: %s has dtype \"%s\"; expected int4 or float8_e4m3fn", r->file->path, path, text);
  *dtype = f8 ? IG_F8E4M3 : IG_I4;
  return IG_OK;
}

/* The shape of a packed tensor, which has to take exactly the bytes that there are. */
static ig_status packed_shape(reader *r, hid_t dataset, const char *path, int64_t bytes, ig_shape *out) {
  hid_t attribute = H5Aexists(dataset, "shape") > 0 ? H5Aopen(dataset, "shape", H5P_DEFAULT) : -1;
  hid_t space = attribute >= 0 ? H5Aget_space(attribute) : -1;
  hid_t type = attribute >= 0 ? H5Aget_type(attribute) : -1;
  hssize_t rank = space >= 0 ? H5Sget_simple_extent_npoints(space) : -1;
  bool fits = rank >= 0 && rank <= IG_MAX_RANK && type >= 0 && H5Tget_class(type) == H5T_INTEGER;
  *out = (ig_shape){.rank = fits ? (int)rank : 0};
  bool good = fits && H5Aread(attribute, H5T_NATIVE_INT64, out->dims) >= 0 &&
              ig_shape_check(out, IG_I4) == IG_OK &&
              (int64_t)ig_dtype_packed_size(IG_I4, ig_shape_count(out)) == bytes;
  if (type >= 0) H5Tclose(type);
  if (space >= 0) H5Sclose(space);
  if (attribute >= 0) H5Aclose(attribute);
  IG_CHECK(good, IG_ERR_INPUT, "%s: %s: its attribute \"shape\" does not say how its %lld bytes lie",
           r->file->path, path, (long long)bytes);
  return IG_OK;
}

static ig_status read_packed(reader *r, ig_tensor_role role, const char *name, const char *path,
                             hid_t dataset, const ig_shape *stored) {
  ig_shape shape;
  void *data;
  IG_CHECK(stored->rank == 1, IG_ERR_INPUT, "%s: %s is int4 in %d dimensions; expected 1",
           r->file->path, path, stored->rank);
  size_t bytes = (size_t)stored->dims[0];
  IG_TRY(packed_shape(r, dataset, path, stored->dims[0], &shape));
  IG_TRY(spend(r, path, bytes));
  uint8_t *packed = ig_alloc_zero(bytes + 1, 1);
  IG_CHECK(packed, IG_ERR_MEMORY, "%s: no memory for %s", r->file->path, path);
  hid_t type = ig_h5_file_type(IG_U8);
  ig_status status = read_checked(r, dataset, path, type, bytes, false, packed);
  if (type >= 0) H5Tclose(type);
  if (status == IG_OK) status = ig_snapshot_add(r->snapshot, role, name, IG_I4, &shape, &data);
  if (status == IG_OK) ig_dtype_unpack(IG_I4, packed, ig_shape_count(&shape), data);
  ig_free(packed);
  return status;
}

static ig_status read_tensor(void *context, const char *path, hid_t dataset) {
  reader *r = context;
  char name[IG_CHECKPOINT_NAME + 1];
  IG_TRY(ig_h5_check_dataset(r->file, dataset, path, 0));
  ig_status status = ig_checkpoint_decode(r->role, path, name);
  if (status != IG_OK) return ig_fail_in(status, "%s", r->file->path);
  ig_dtype dtype;
  ig_shape shape;
  IG_TRY(ig_h5_type(r->file, dataset, path, &dtype, &shape));
  IG_CHECK(dtype != IG_NONE, IG_ERR_INPUT, "%s: %s/%s has an element type that tensors cannot have",
           r->file->path, r->group, path);
  ig_tensor_role role;
  IG_TRY(role_of(r, dataset, path, &role));
  IG_TRY(foreign_type(r, dataset, path, &dtype));
  if (dtype == IG_I4) return read_packed(r, role, name, path, dataset, &shape);
  status = ig_shape_check(&shape, dtype);
  if (status != IG_OK) return ig_fail_in(IG_ERR_INPUT, "%s: %s", r->file->path, path);
  size_t bytes = ig_shape_bytes(&shape, dtype);
  IG_TRY(spend(r, path, bytes));
  void *data;
  status = ig_snapshot_add(r->snapshot, role, name, dtype, &shape, &data);
  if (status != IG_OK) return ig_fail_in(status, "%s: %s", r->file->path, r->group);
  hid_t type = ig_h5_file_type(dtype == IG_F8E4M3 ? IG_U8 : dtype);
  status = read_checked(r, dataset, path, type, bytes, false, data);
  if (type >= 0) H5Tclose(type);
  return status;
}

static ig_status read_tensors(reader *r, ig_tensor_role role, bool optional) {
  hid_t group;
  r->role = role;
  r->group = ig_checkpoint_group(role);
  IG_TRY(ig_h5_open_group(r->file, r->group, optional, &group));
  if (group < 0) return IG_OK;
  ig_status status = ig_h5_walk(r->file, group, read_tensor, r);
  H5Gclose(group);
  return status;
}

/* --- the other parts ------------------------------------------------------------------------- */

static ig_status read_root(reader *r) {
  char text[64];
  bool present = false;
  int64_t version = 0;
  IG_TRY(ig_h5_text_attribute(r->file, r->file->id, "format", text, sizeof text, &present));
  IG_CHECK(present && strcmp(text, IG_CHECKPOINT_FORMAT) == 0, IG_ERR_INPUT,
           "%s: an HDF5 file, but not an Ingot checkpoint (attribute format is missing or another)",
           r->file->path);
  IG_TRY(read_number(r, r->file->id, "format_version", H5T_STD_I64LE, &present, &version));
  IG_CHECK(present && version >= 1, IG_ERR_INPUT, "%s: attribute format_version is missing or bad",
           r->file->path);
  IG_CHECK(version == IG_CHECKPOINT_VERSION, IG_ERR_UNSUPPORTED,
           "%s: checkpoint format %lld, of %s Ingot; this one reads %d", r->file->path,
           (long long)version, version < IG_CHECKPOINT_VERSION ? "an earlier" : "a later",
           IG_CHECKPOINT_VERSION);
  return IG_OK;
}

static ig_status read_progress(reader *r) {
  hid_t group;
  IG_TRY(ig_h5_open_group(r->file, "/progress", false, &group));
  ig_progress *progress = &r->snapshot->progress;
  ig_status status = IG_OK;
  for (const ig_progress_field *f = ig_progress_fields; f->name && status == IG_OK; f++) {
    bool present = false;
    status = read_number(r, group, f->name, ig_progress_type(f->kind), &present,
                         (char *)progress + f->offset);
    if (status == IG_OK && !present) {
      status = ig_fail(IG_ERR_INPUT, "%s: /progress has no attribute %s", r->file->path, f->name);
    }
  }
  H5Gclose(group);
  IG_TRY(status);
  IG_CHECK(progress->epoch >= 0 && progress->step >= 0 && progress->epoch_samples >= 0 &&
               progress->best_step >= 0 && progress->stale_evals >= 0 && progress->seconds >= 0,
           IG_ERR_INPUT, "%s: /progress has a negative count", r->file->path);
  return IG_OK;
}

static herr_t count_link(hid_t group, const char *name, const H5L_info_t *link, void *context) {
  IG_UNUSED(group);
  IG_UNUSED(link);
  reader *r = context;
  ig_snapshot *s = r->snapshot;
  char field[IG_CHECKPOINT_NAME + 1];
  if (s->n_normalizations >= MAX_NORMALIZATIONS ||
      ig_checkpoint_decode(IG_ROLE_PARAMETER, name, field) != IG_OK) {
    return -1;
  }
  char *copy = ig_arena_strdup(s->arena, field);
  if (!copy) return -1;
  s->normalizations[s->n_normalizations++].field = copy;
  return 0;
}

static ig_status read_normalization(reader *r, ig_normalization *n) {
  char leaf[IG_CHECKPOINT_PATH], path[IG_CHECKPOINT_PATH + 40];
  IG_TRY(ig_checkpoint_encode_flat(n->field, leaf));
  int root = snprintf(path, sizeof path, "/data/normalization/%s", leaf);
  hid_t group;
  IG_TRY(ig_h5_open_group(r->file, path, false, &group));
  bool present = false;
  ig_status status = read_number(r, group, "scale", H5T_IEEE_F64LE, &present, &n->scale);
  H5Gclose(group);
  IG_TRY(status);
  IG_CHECK(present, IG_ERR_INPUT, "%s: %s has no attribute scale", r->file->path, path);
  n->count = -1;
  snprintf(path + root, sizeof path - (size_t)root, "/mean");
  IG_TRY(read_array(r, path, IG_F64, &n->count, &n->mean));
  snprintf(path + root, sizeof path - (size_t)root, "/std");
  IG_TRY(read_array(r, path, IG_F64, &n->count, &n->std));
  bool ok = isfinite(n->scale);
  for (int64_t i = 0; i < n->count; i++) ok = ok && isfinite(n->mean[i]) && n->std[i] > 0;
  IG_CHECK(ok, IG_ERR_INPUT,
           "%s: the normalization of %s has values that are not finite, or a "
           "standard deviation that is not positive",
           r->file->path, n->field);
  return IG_OK;
}

static ig_status read_normalizations(reader *r) {
  ig_snapshot *s = r->snapshot;
  hid_t group;
  IG_TRY(ig_h5_open_group(r->file, "/data/normalization", true, &group));
  if (group < 0) return IG_OK;
  s->normalizations = ig_arena_alloc(s->arena, MAX_NORMALIZATIONS * sizeof *s->normalizations);
  bool ok =
      s->normalizations && H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, count_link, r) >= 0;
  H5Gclose(group);
  if (!ok) {
    return ig_h5_fail(r->file, IG_ERR_INPUT,
                      "cannot read the at most %d fields of "
                      "/data/normalization",
                      MAX_NORMALIZATIONS);
  }
  for (int i = 0; i < s->n_normalizations; i++)
    IG_TRY(read_normalization(r, &s->normalizations[i]));
  return IG_OK;
}

/* The names column: fixed-length strings, each copied out with its terminator. */
static ig_status read_names(reader *r, int64_t n) {
  static const char path[] = "/data/profiles/name";
  hid_t dataset;
  IG_TRY(ig_h5_open_dataset(r->file, path, false, 0, &dataset));
  ig_status status = IG_OK;
  ig_dtype dtype;
  ig_shape shape;
  char *block = NULL;
  hid_t type = H5Dget_type(dataset);
  IG_TRY_DONE(ig_h5_type(r->file, dataset, path, &dtype, &shape));
  IG_CHECK_DONE(type >= 0 && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 &&
                    shape.rank == 1 && shape.dims[0] == n,
                IG_ERR_INPUT, "%s: %s is not %lld strings of fixed length", r->file->path, path,
                (long long)n);
  size_t each = H5Tget_size(type), bytes;
  IG_CHECK_DONE(ig_mul_size(each, (size_t)n, &bytes), IG_ERR_INPUT, "%s: %s is too large",
                r->file->path, path);
  IG_TRY_DONE(spend(r, path, bytes));
  block = ig_alloc(bytes);
  IG_CHECK_DONE(block, IG_ERR_MEMORY, "%s: no memory for %s", r->file->path, path);
  IG_TRY_DONE(read_checked(r, dataset, path, type, bytes, false, block));
  for (int64_t i = 0; i < n; i++) {
    size_t length = strnlen(block + (size_t)i * each, each);
    char *name = ig_arena_alloc(r->snapshot->arena, length + 1);
    IG_CHECK_DONE(name, IG_ERR_MEMORY, "%s: no memory for %s", r->file->path, path);
    memcpy(name, block + (size_t)i * each, length);
    r->snapshot->profiles[i].name = name;
  }
done:
  ig_free(block);
  if (type >= 0) H5Tclose(type);
  H5Dclose(dataset);
  return status;
}

/* Hands out the concatenated edges and counts by profile. */
static ig_status share_bins(reader *r, const int64_t *bins, const uint8_t *numeric,
                            const double *edges, int64_t n_edges, const int64_t *counts,
                            int64_t n_counts) {
  int64_t edge = 0, count = 0;
  for (int i = 0; i < r->snapshot->n_profiles; i++) {
    ig_profile *p = &r->snapshot->profiles[i];
    bool ok = bins[i] >= 0 && bins[i] <= n_counts - count;
    int64_t needed = ok && numeric[i] ? bins[i] + 1 : 0;
    IG_CHECK(ok && needed <= n_edges - edge, IG_ERR_INPUT,
             "%s: /data/profiles counts %lld bins for %s, more than are stored", r->file->path,
             (long long)bins[i], p->name);
    p->bins = (int)bins[i];
    p->counts = counts + count;
    p->edges = numeric[i] ? edges + edge : NULL;
    count += bins[i];
    edge += needed;
  }
  return IG_OK;
}

static ig_status read_profiles(reader *r) {
  ig_snapshot *s = r->snapshot;
  hid_t group;
  IG_TRY(ig_h5_open_group(r->file, "/data/profiles", true, &group));
  if (group < 0) return IG_OK;
  H5Gclose(group);
  int64_t n = -1, n_edges = -1, n_counts = -1;
  const int64_t *samples, *missing, *bins, *counts;
  const double *min, *max, *mean, *std, *edges;
  const uint8_t *numeric;
  IG_TRY(read_array(r, "/data/profiles/samples", IG_I64, &n, &samples));
  IG_CHECK(n <= MAX_PROFILES, IG_ERR_INPUT, "%s: more than %d profiles", r->file->path,
           MAX_PROFILES);
  IG_TRY(read_array(r, "/data/profiles/missing", IG_I64, &n, &missing));
  IG_TRY(read_array(r, "/data/profiles/min", IG_F64, &n, &min));
  IG_TRY(read_array(r, "/data/profiles/max", IG_F64, &n, &max));
  IG_TRY(read_array(r, "/data/profiles/mean", IG_F64, &n, &mean));
  IG_TRY(read_array(r, "/data/profiles/std", IG_F64, &n, &std));
  IG_TRY(read_array(r, "/data/profiles/bins", IG_I64, &n, &bins));
  IG_TRY(read_array(r, "/data/profiles/numeric", IG_U8, &n, &numeric));
  IG_TRY(read_array(r, "/data/profiles/edges", IG_F64, &n_edges, &edges));
  IG_TRY(read_array(r, "/data/profiles/counts", IG_I64, &n_counts, &counts));
  IG_CHECK(n_counts <= INT32_MAX, IG_ERR_INPUT, "%s: too many bins", r->file->path);
  s->profiles = ig_arena_alloc(s->arena, (size_t)n * sizeof *s->profiles);
  IG_CHECK_ALLOC(s->profiles);
  IG_TRY(read_names(r, n));
  s->n_profiles = (int)n;
  for (int64_t i = 0; i < n; i++) {
    ig_profile *p = &s->profiles[i];
    p->samples = samples[i];
    p->missing = missing[i];
    p->min = min[i];
    p->max = max[i];
    p->mean = mean[i];
    p->std = std[i];
  }
  return share_bins(r, bins, numeric, edges, n_edges, counts, n_counts);
}

/* --- the file -------------------------------------------------------------------------------- */

static ig_status read_parts(reader *r, unsigned parts) {
  ig_snapshot *s = r->snapshot;
  IG_TRY(read_root(r));
  if (parts & IG_CHECKPOINT_MODEL) {
    IG_TRY(read_text(r, "/model/preset", &s->model));
    IG_TRY(read_text(r, "/model/graph", &s->graph_json));
  }
  if (parts & IG_CHECKPOINT_PROGRESS) IG_TRY(read_progress(r));
  if (parts & IG_CHECKPOINT_DATA) {
    IG_TRY(read_text(r, "/data/task", &s->task));
    IG_TRY(read_text(r, "/data/schema", &s->data_json));
    IG_TRY(read_text(r, "/data/tokenizer", &s->tokenizer));
    IG_TRY(read_normalizations(r));
    IG_TRY(read_profiles(r));
  }
  if (parts & IG_CHECKPOINT_PROVENANCE) {
    IG_TRY(read_text(r, "/provenance/config", &s->config_json));
    IG_TRY(read_text(r, "/provenance/run", &s->provenance_json));
    IG_TRY(read_text(r, "/provenance/metrics", &s->metrics_json));
  }
  if (parts & IG_CHECKPOINT_PARAMETERS) IG_TRY(read_tensors(r, IG_ROLE_PARAMETER, false));
  if (parts & IG_CHECKPOINT_OPTIMIZER) IG_TRY(read_tensors(r, IG_ROLE_OPTIMIZER, true));
  if (parts & IG_CHECKPOINT_EMA) IG_TRY(read_tensors(r, IG_ROLE_EMA, true));
  return IG_OK;
}

/* Whether a readable file begins like HDF5. */
static ig_status has_signature(const char *path, bool *out) {
  static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
  unsigned char head[sizeof signature];
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return ig_fail_errno("open", path);
  ssize_t got;
  do {
    got = read(fd, head, sizeof head);
  } while (got < 0 && errno == EINTR);
  ig_status status = got < 0 ? ig_fail_errno("read", path) : IG_OK;
  close(fd);
  *out = got == (ssize_t)sizeof head && memcmp(head, signature, sizeof head) == 0;
  return status;
}

static ig_status load(const char *path, unsigned parts, bool rehearsal, ig_snapshot **out) {
  reader r = {.rehearsal = rehearsal};
  IG_TRY(ig_h5_open(path, &r.file));
  ig_status status = ig_snapshot_create(&r.snapshot);
  if (status == IG_OK) {
    ig_h5_enter();
    status = read_parts(&r, parts);
    ig_h5_leave();
  }
  ig_h5_close(r.file);
  if (status == IG_OK) {
    *out = r.snapshot;
  } else {
    ig_snapshot_destroy(r.snapshot);
  }
  return status;
}

typedef struct request {
  const char *path;
  unsigned parts;
} request;

static void rehearse(void *context) {
  const request *wanted = context;
  ig_snapshot *snapshot;
  /* What it finds does not matter, and the process ends with it. */
  if (load(wanted->path, wanted->parts, true, &snapshot) == IG_OK) ig_snapshot_destroy(snapshot);
}

ig_status ig_checkpoint_load(const char *path, unsigned parts, ig_snapshot **out) {
  bool hdf5 = false;
  IG_TRY(has_signature(path, &hdf5));
  IG_CHECK(hdf5, IG_ERR_INPUT, "%s: not an HDF5 file, as checkpoints are", path);
  IG_TRY(ig_h5_rehearse(path, rehearse, &(request){path, parts}));
  return load(path, parts, false, out);
}

ig_status ig_checkpoint_probe(const char *path, bool *is_checkpoint) {
  *is_checkpoint = false;
  bool hdf5 = false;
  IG_TRY(has_signature(path, &hdf5));
  if (!hdf5) return IG_OK;
  ig_h5_file *file;
  IG_TRY(ig_h5_open(path, &file));
  char text[64];
  bool present = false;
  ig_h5_enter();
  ig_status status = ig_h5_text_attribute(file, file->id, "format", text, sizeof text, &present);
  ig_h5_leave();
  ig_h5_close(file);
  if (status == IG_ERR_INPUT) return IG_OK; /* `format` is something of another program's */
  *is_checkpoint = status == IG_OK && present && strcmp(text, IG_CHECKPOINT_FORMAT) == 0;
  return status;
}
