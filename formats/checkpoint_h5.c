/* The writing half of checkpoint_h5.h: a snapshot laid out as HDF5 objects on a file descriptor. The
 * file depends on the snapshot alone (no times, no addresses), so equal snapshots give equal bytes.
 * The lock is taken object by object: readers of HDF5 data go on in between. */
#include "formats/checkpoint_h5.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/base/checked.h"
#include "formats/checkpoint_files.h"
#include "formats/checkpoint_layout.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "tensors are written as they lie in memory, and files are little-endian");

/* Large enough that the checksum's start-up does not count, small enough for the caches. */
#define CHUNK_BYTES ((size_t)1 << 20)

/* --- objects --------------------------------------------------------------------------------- */

static ig_status put_number(ig_h5_file *file, hid_t object, const char *name, hid_t type,
                            const void *value) {
  hid_t space = H5Screate(H5S_SCALAR);
  hid_t attribute =
      space < 0 ? -1 : H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  bool ok = attribute >= 0 && H5Awrite(attribute, type, value) >= 0;
  if (attribute >= 0) ok = H5Aclose(attribute) >= 0 && ok;
  if (space >= 0) H5Sclose(space);
  return ok ? IG_OK : ig_h5_fail(file, IG_ERR_INTERNAL, "cannot write attribute %s", name);
}

/* Variable length, because h5py gives such attributes as str. */
static ig_status put_word(ig_h5_file *file, hid_t object, const char *name, const char *word) {
  hid_t type = H5Tcopy(H5T_C_S1);
  ig_status status = IG_OK;
  if (type < 0 || H5Tset_size(type, H5T_VARIABLE) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0) {
    status = ig_h5_fail(file, IG_ERR_INTERNAL, "cannot make a type");
  } else {
    status = put_number(file, object, name, type, &word);
  }
  if (type >= 0) H5Tclose(type);
  return status;
}

/* Opens the group at an absolute path, making what is missing of it. */
static ig_status make_group(ig_h5_file *file, const char *path, hid_t *out) {
  hid_t plist = H5Pcreate(H5P_GROUP_CREATE);
  hid_t links = H5Pcreate(H5P_LINK_CREATE);
  ig_status status = IG_OK;
  hid_t group = -1;
  if (plist < 0 || links < 0 || H5Pset_obj_track_times(plist, false) < 0 ||
      H5Pset_char_encoding(links, H5T_CSET_UTF8) < 0) {
    status = ig_h5_fail(file, IG_ERR_INTERNAL, "cannot make a group");
    goto done;
  }
  char prefix[IG_CHECKPOINT_PATH + 64];
  size_t length = strlen(path);
  for (size_t end = 1; end <= length; end++) {
    if (path[end] != '/' && path[end] != '\0') continue;
    memcpy(prefix, path, end);
    prefix[end] = '\0';
    if (group >= 0) H5Gclose(group);
    group = H5Lexists(file->id, prefix, H5P_DEFAULT) > 0
                ? H5Gopen2(file->id, prefix, H5P_DEFAULT)
                : H5Gcreate2(file->id, prefix, links, plist, H5P_DEFAULT);
    if (group < 0) {
      status = ig_h5_fail(file, IG_ERR_INTERNAL, "cannot make group %s", prefix);
      goto done;
    }
  }
  *out = group;
done:
  if (plist >= 0) H5Pclose(plist);
  if (links >= 0) H5Pclose(links);
  return status;
}

/* Chunks of about CHUNK_BYTES: whole trailing dimensions, an even share of the one before, so that
 * little of the last chunk is padding. */
static void choose_chunk(const ig_shape *shape, size_t unit, hsize_t chunk[IG_MAX_RANK]) {
  int64_t room = IG_MAX((int64_t)(CHUNK_BYTES / unit), 1);
  int64_t inner = 1;
  for (int i = shape->rank - 1; i >= 0; i--) {
    int64_t most = IG_MAX(room / inner, 1);
    int64_t parts = (shape->dims[i] + most - 1) / most;
    chunk[i] = (hsize_t)((shape->dims[i] + parts - 1) / parts);
    inner *= (int64_t)chunk[i];
  }
}

static hid_t dataset_plist(const ig_shape *shape, size_t unit) {
  hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
  if (plist < 0) return -1;
  bool ok = H5Pset_obj_track_times(plist, false) >= 0;
  if (ok && shape->rank > 0 && ig_shape_count(shape) > 0) {
    hsize_t chunk[IG_MAX_RANK];
    choose_chunk(shape, unit, chunk);
    ok = H5Pset_chunk(plist, shape->rank, chunk) >= 0 && H5Pset_fletcher32(plist) >= 0;
  }
  if (ok) return plist;
  H5Pclose(plist);
  return -1;
}

static hid_t link_plist(void) {
  hid_t links = H5Pcreate(H5P_LINK_CREATE);
  if (links >= 0) H5Pset_char_encoding(links, H5T_CSET_UTF8);
  return links;
}

/* Writes a dataset below `folder` and returns it open, so that attributes can be added. `type` may
 * be negative (a failed call before), which fails here; it is closed in any case. */
static ig_status put_dataset(ig_h5_file *file, hid_t folder, const char *name, hid_t type,
                             const ig_shape *shape, const void *data, uint64_t digest, hid_t *out) {
  ig_status enough = ig_h5_headroom(file->path);
  if (enough != IG_OK) {
    if (type >= 0) H5Tclose(type);
    return enough;
  }
  hsize_t dims[IG_MAX_RANK] = {0};
  for (int i = 0; i < shape->rank; i++) dims[i] = (hsize_t)shape->dims[i];
  hid_t space = shape->rank ? H5Screate_simple(shape->rank, dims, NULL) : H5Screate(H5S_SCALAR);
  hid_t plist = type < 0 ? -1 : dataset_plist(shape, H5Tget_size(type));
  hid_t links = link_plist();
  hid_t dataset = -1;
  if (type >= 0 && space >= 0 && plist >= 0 && links >= 0) {
    dataset = H5Dcreate2(folder, name, type, space, links, plist, H5P_DEFAULT);
  }
  ig_status status = IG_OK;
  if (dataset < 0 || H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) {
    status = ig_h5_fail(file, IG_ERR_INTERNAL, "cannot write %s", name);
  } else {
    status = put_number(file, dataset, "xxh3", H5T_STD_U64LE, &digest);
  }
  if (status != IG_OK && dataset >= 0) H5Dclose(dataset);
  if (status == IG_OK) *out = dataset;
  if (type >= 0) H5Tclose(type);
  if (space >= 0) H5Sclose(space);
  if (plist >= 0) H5Pclose(plist);
  if (links >= 0) H5Pclose(links);
  return status;
}

/* A text as a scalar string dataset; NULL is left out. */
static ig_status put_text(ig_h5_file *file, hid_t folder, const char *name, const char *text) {
  if (!text) return IG_OK;
  size_t length = strlen(text);
  hid_t type = H5Tcopy(H5T_C_S1);
  if (type >= 0 &&
      (H5Tset_size(type, IG_MAX(length, 1)) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0 ||
       H5Tset_cset(type, H5T_CSET_UTF8) < 0)) {
    H5Tclose(type);
    type = -1;
  }
  hid_t dataset;
  uint64_t digest = XXH3_64bits(text, length);
  IG_TRY(put_dataset(file, folder, name, type, &IG_SCALAR, text, digest, &dataset));
  H5Dclose(dataset);
  return IG_OK;
}

/* A plain array of numbers. */
static ig_status put_array(ig_h5_file *file, hid_t folder, const char *name, ig_dtype dtype,
                           int64_t count, const void *data) {
  ig_shape shape = {.rank = 1, .dims = {count}};
  uint64_t digest = XXH3_64bits(data, ig_shape_bytes(&shape, dtype));
  hid_t dataset;
  IG_TRY(put_dataset(file, folder, name, ig_h5_file_type(dtype), &shape, data, digest, &dataset));
  H5Dclose(dataset);
  return IG_OK;
}

/* --- parts ----------------------------------------------------------------------------------- */

/* Integers of 4 bits as bytes of two, in one dimension; the attribute "shape" has the tensor's. */
static ig_status put_packed(ig_h5_file *file, hid_t group, const char *leaf, const ig_tensor *tensor,
                            hid_t *out) {
  int64_t count = ig_shape_count(&tensor->shape);
  size_t size = ig_dtype_packed_size(tensor->dtype, count);
  const ig_shape packed_shape = {.rank = 1, .dims = {(int64_t)size}};
  uint8_t *packed = ig_alloc(size);
  IG_CHECK_ALLOC(packed);
  ig_dtype_pack(tensor->dtype, tensor->data, count, packed);
  ig_status status = put_dataset(file, group, leaf, ig_h5_file_type(IG_U8), &packed_shape, packed,
                                 XXH3_64bits(packed, size), out);
  ig_free(packed);
  IG_TRY(status);
  hsize_t rank = (hsize_t)tensor->shape.rank;
  hid_t space = H5Screate_simple(1, &rank, NULL);
  hid_t attribute = space < 0 ? -1
                              : H5Acreate2(*out, "shape", H5T_STD_I64LE, space, H5P_DEFAULT,
                                           H5P_DEFAULT);
  if (attribute < 0 || H5Awrite(attribute, H5T_NATIVE_INT64, tensor->shape.dims) < 0) {
    status = ig_h5_fail(file, IG_ERR_INTERNAL, "cannot write the shape of %s", leaf);
  }
  if (attribute >= 0) H5Aclose(attribute);
  if (space >= 0) H5Sclose(space);
  return status;
}

/* What a type that HDF5 lacks is called in the attribute "dtype"; NULL for the others. */
static const char *foreign_type(ig_dtype dtype) {
  switch (dtype) {
  case IG_BF16: return "bfloat16";
  case IG_F8E4M3: return "float8_e4m3fn";
  case IG_I4: return "int4";
  default: return NULL;
  }
}

static ig_status put_elements(ig_h5_file *file, hid_t group, const char *leaf, const ig_tensor *tensor,
                              hid_t *out) {
  if (tensor->dtype == IG_I4) return put_packed(file, group, leaf, tensor, out);
  ig_dtype stored = tensor->dtype == IG_F8E4M3 ? IG_U8 : tensor->dtype;
  uint64_t digest = XXH3_64bits(tensor->data, ig_shape_bytes(&tensor->shape, tensor->dtype));
  return put_dataset(file, group, leaf, ig_h5_file_type(stored), &tensor->shape, tensor->data, digest,
                     out);
}

static ig_status put_tensor(ig_h5_file *file, const ig_snapshot *snapshot,
                            const ig_tensor *tensor) {
  char path[IG_CHECKPOINT_PATH], folder[IG_CHECKPOINT_PATH + 32];
  IG_TRY(ig_checkpoint_encode(snapshot, tensor, path));
  char *slash = strrchr(path, '/');
  const char *leaf = slash ? slash + 1 : path;
  snprintf(folder, sizeof folder, "%s%s%.*s", ig_checkpoint_group(tensor->role), slash ? "/" : "",
           slash ? (int)(slash - path) : 0, path);
  const char *foreign = foreign_type(tensor->dtype);
  hid_t group = -1, dataset = -1;
  ig_status status;
  IG_TRY_DONE(make_group(file, folder, &group));
  IG_TRY_DONE(put_elements(file, group, leaf, tensor, &dataset));
  if (foreign) IG_TRY_DONE(put_word(file, dataset, "dtype", foreign));
  if (tensor->role == IG_ROLE_STATE) IG_TRY_DONE(put_word(file, dataset, "role", "state"));
done:
  if (dataset >= 0) H5Dclose(dataset);
  if (group >= 0) H5Gclose(group);
  return status;
}

static ig_status put_root(ig_h5_file *file) {
  int64_t version = IG_CHECKPOINT_VERSION;
  IG_TRY(put_word(file, file->id, "format", IG_CHECKPOINT_FORMAT));
  IG_TRY(put_number(file, file->id, "format_version", H5T_STD_I64LE, &version));
  return put_word(file, file->id, "ingot_version", ig_version());
}

static ig_status put_model(ig_h5_file *file, const ig_snapshot *snapshot) {
  hid_t group;
  IG_TRY(make_group(file, "/model", &group));
  ig_status status = put_text(file, group, "preset", snapshot->model);
  if (status == IG_OK) status = put_text(file, group, "graph", snapshot->graph_json);
  H5Gclose(group);
  return status;
}

static ig_status put_progress(ig_h5_file *file, const ig_snapshot *snapshot) {
  hid_t group;
  IG_TRY(make_group(file, "/progress", &group));
  ig_status status = IG_OK;
  for (const ig_progress_field *f = ig_progress_fields; f->name && status == IG_OK; f++) {
    const char *value = (const char *)&snapshot->progress + f->offset;
    status = put_number(file, group, f->name, ig_progress_type(f->kind), value);
  }
  H5Gclose(group);
  return status;
}

static ig_status put_normalization(ig_h5_file *file, const ig_normalization *n) {
  char leaf[IG_CHECKPOINT_PATH], path[IG_CHECKPOINT_PATH + 32];
  IG_TRY(ig_checkpoint_encode_flat(n->field, leaf));
  snprintf(path, sizeof path, "/data/normalization/%s", leaf);
  hid_t group;
  ig_status status;
  IG_TRY(make_group(file, path, &group));
  IG_TRY_DONE(put_number(file, group, "scale", H5T_IEEE_F64LE, &n->scale));
  IG_TRY_DONE(put_array(file, group, "mean", IG_F64, n->count, n->mean));
  IG_TRY_DONE(put_array(file, group, "std", IG_F64, n->count, n->std));
done:
  H5Gclose(group);
  return status;
}

/* The profiles as columns of one table: thousands of features stay a handful of datasets. */
typedef struct profile_table {
  ig_arena *arena;
  int64_t n, n_edges, n_counts, name_bytes;
  int64_t *samples, *missing, *bins, *counts;
  double *min, *max, *mean, *std, *edges;
  uint8_t *numeric;
  char *names;
} profile_table;

static bool allocate_table(profile_table *t) {
  size_t n = (size_t)t->n;
  t->samples = ig_arena_alloc(t->arena, n * sizeof(int64_t));
  t->missing = ig_arena_alloc(t->arena, n * sizeof(int64_t));
  t->bins = ig_arena_alloc(t->arena, n * sizeof(int64_t));
  t->counts = ig_arena_alloc(t->arena, (size_t)t->n_counts * sizeof(int64_t));
  t->min = ig_arena_alloc(t->arena, n * sizeof(double));
  t->max = ig_arena_alloc(t->arena, n * sizeof(double));
  t->mean = ig_arena_alloc(t->arena, n * sizeof(double));
  t->std = ig_arena_alloc(t->arena, n * sizeof(double));
  t->edges = ig_arena_alloc(t->arena, (size_t)t->n_edges * sizeof(double));
  t->numeric = ig_arena_alloc(t->arena, n);
  t->names = ig_arena_alloc(t->arena, n * (size_t)t->name_bytes);
  return t->samples && t->missing && t->bins && t->counts && t->min && t->max && t->mean &&
         t->std && t->edges && t->numeric && t->names;
}

static ig_status fill_table(const ig_snapshot *snapshot, profile_table *t) {
  t->n = snapshot->n_profiles;
  t->name_bytes = 1;
  for (int64_t i = 0; i < t->n; i++) {
    const ig_profile *p = &snapshot->profiles[i];
    t->n_counts += p->bins;
    t->n_edges += p->edges ? p->bins + 1 : 0;
    t->name_bytes = IG_MAX(t->name_bytes, (int64_t)strlen(p->name));
  }
  IG_CHECK(allocate_table(t), IG_ERR_MEMORY, "%s: out of memory", __func__);
  int64_t edge = 0, count = 0;
  for (int64_t i = 0; i < t->n; i++) {
    const ig_profile *p = &snapshot->profiles[i];
    t->samples[i] = p->samples;
    t->missing[i] = p->missing;
    t->bins[i] = p->bins;
    t->min[i] = p->min;
    t->max[i] = p->max;
    t->mean[i] = p->mean;
    t->std[i] = p->std;
    t->numeric[i] = p->edges != NULL;
    memcpy(t->names + i * t->name_bytes, p->name, strlen(p->name));
    if (p->bins) memcpy(t->counts + count, p->counts, (size_t)p->bins * sizeof(int64_t));
    count += p->bins;
    if (!p->edges) continue;
    memcpy(t->edges + edge, p->edges, (size_t)(p->bins + 1) * sizeof(double));
    edge += p->bins + 1;
  }
  return IG_OK;
}

static ig_status put_names(ig_h5_file *file, hid_t group, const profile_table *t) {
  hid_t type = H5Tcopy(H5T_C_S1);
  if (type >= 0 &&
      (H5Tset_size(type, (size_t)t->name_bytes) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0 ||
       H5Tset_cset(type, H5T_CSET_UTF8) < 0)) {
    H5Tclose(type);
    type = -1;
  }
  ig_shape shape = {.rank = 1, .dims = {t->n}};
  uint64_t digest = XXH3_64bits(t->names, (size_t)(t->n * t->name_bytes));
  hid_t dataset;
  IG_TRY(put_dataset(file, group, "name", type, &shape, t->names, digest, &dataset));
  H5Dclose(dataset);
  return IG_OK;
}

static ig_status put_profiles(ig_h5_file *file, const ig_snapshot *snapshot) {
  profile_table t = {.arena = ig_arena_create()};
  IG_CHECK_ALLOC(t.arena);
  hid_t group = -1;
  ig_status status;
  IG_TRY_DONE(fill_table(snapshot, &t));
  IG_TRY_DONE(make_group(file, "/data/profiles", &group));
  IG_TRY_DONE(put_names(file, group, &t));
  const struct {
    const char *name;
    ig_dtype dtype;
    int64_t count;
    const void *data;
  } columns[] = {
      {"samples", IG_I64, t.n, t.samples},   {"missing", IG_I64, t.n, t.missing},
      {"min", IG_F64, t.n, t.min},           {"max", IG_F64, t.n, t.max},
      {"mean", IG_F64, t.n, t.mean},         {"std", IG_F64, t.n, t.std},
      {"bins", IG_I64, t.n, t.bins},         {"numeric", IG_U8, t.n, t.numeric},
      {"edges", IG_F64, t.n_edges, t.edges}, {"counts", IG_I64, t.n_counts, t.counts},
  };
  for (int i = 0; i < IG_COUNT(columns); i++) {
    IG_TRY_DONE(put_array(file, group, columns[i].name, columns[i].dtype, columns[i].count,
                          columns[i].data));
  }
done:
  if (group >= 0) H5Gclose(group);
  ig_arena_destroy(t.arena);
  return status;
}

static ig_status put_data(ig_h5_file *file, const ig_snapshot *snapshot) {
  hid_t group;
  IG_TRY(make_group(file, "/data", &group));
  ig_status status = put_text(file, group, "task", snapshot->task);
  if (status == IG_OK) status = put_text(file, group, "schema", snapshot->data_json);
  if (status == IG_OK) status = put_text(file, group, "tokenizer", snapshot->tokenizer);
  H5Gclose(group);
  for (int i = 0; i < snapshot->n_normalizations && status == IG_OK; i++) {
    status = put_normalization(file, &snapshot->normalizations[i]);
  }
  if (status == IG_OK && snapshot->n_profiles) status = put_profiles(file, snapshot);
  return status;
}

static ig_status put_provenance(ig_h5_file *file, const ig_snapshot *snapshot) {
  hid_t group;
  IG_TRY(make_group(file, "/provenance", &group));
  ig_status status = put_text(file, group, "config", snapshot->config_json);
  if (status == IG_OK) status = put_text(file, group, "run", snapshot->provenance_json);
  if (status == IG_OK) status = put_text(file, group, "metrics", snapshot->metrics_json);
  H5Gclose(group);
  return status;
}

/* --- the file -------------------------------------------------------------------------------- */

static ig_status put_all(ig_h5_file *file, const ig_snapshot *snapshot) {
  static ig_status (*const parts[])(ig_h5_file *, const ig_snapshot *) = {put_model, put_progress,
                                                                          put_data, put_provenance};
  hid_t group;
  ig_h5_enter();
  ig_status status = put_root(file);
  for (int i = 0; i < IG_COUNT(parts) && status == IG_OK; i++) status = parts[i](file, snapshot);
  if (status == IG_OK) status = make_group(file, "/parameters", &group);
  if (status == IG_OK) H5Gclose(group);
  ig_h5_leave();
  for (int64_t i = 0; i < snapshot->n_tensors && status == IG_OK; i++) {
    if (file->error) break; /* the disk is full: ig_h5_finish says so */
    ig_h5_enter();
    status = put_tensor(file, snapshot, &snapshot->tensors[i]);
    ig_h5_leave();
  }
  return status;
}

ig_status ig_checkpoint_save(const char *path, const ig_snapshot *snapshot) {
  ig_partial partial;
  IG_TRY(ig_partial_open(path, &partial));
  ig_h5_file *file;
  int fd = dup(partial.fd); /* the partial file's own descriptor keeps its lock until the rename */
  ig_status status =
      fd < 0 ? ig_fail_errno("open", partial.path) : ig_h5_create(partial.path, fd, &file);
  if (status == IG_OK) {
    status = put_all(file, snapshot);
    if (status == IG_OK) {
      status = ig_h5_finish(file);
    } else {
      ig_h5_close(file);
    }
  }
  return ig_partial_close(&partial, status);
}
