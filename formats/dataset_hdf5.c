/* HDF5 as a data set: arrays with samples first, named in the SPEC or found at the file's root.
 * What fits is read once; what does not is read sample by sample under HDF5's lock, in the order
 * in which it lies in the file, so that a compressed chunk is unpacked once for the samples it
 * holds. */
#include "formats/hdf5.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "engine/base/checked.h"
#include "formats/hdf5_arrays.h"

/* Up to this many bytes are held in memory, unless the memory limit is lower or ranks read by offset. */
#define MAX_LOADED ((size_t)256 << 20)
#define READ_AT_ONCE 4096 /* samples whose order is sorted on the stack */

typedef struct stored {
  ig_dataset base;
  ig_holder *holder;
  ig_h5_file *file;
  int n;
  ig_h5_array arrays[IG_MAX_FIELDS]; /* in the order of the fields */
} stored;

static int hdf5_recognise(const ig_source *source) {
  static const char signature[] = "\x89HDF\r\n\x1a\n";
  bool is = source->n_prefix >= 8 && memcmp(source->prefix, signature, 8) == 0;
  return is ? IG_MATCH_SIGNATURE : IG_MATCH_NO;
}

/* ---- reading samples ---- */

typedef struct place {
  int64_t index, position;
} place;

static int compare_places(const void *a, const void *b) {
  int64_t x = ((const place *)a)->index, y = ((const place *)b)->index;
  return (x > y) - (x < y);
}

/* Reads up to READ_AT_ONCE samples of every wanted field, runs of neighbours in one piece. */
static ig_status read_some(stored *s, const int64_t *indices, int64_t count,
                           void *const *buffers) {
  place order[READ_AT_ONCE];
  for (int64_t i = 0; i < count; i++) order[i] = (place){indices[i], i};
  qsort(order, (size_t)count, sizeof *order, compare_places);
  for (int f = 0; f < s->base.n_fields; f++) {
    const ig_h5_array *array = &s->arrays[f];
    size_t bytes = ig_shape_bytes(&s->base.fields[f].shape, s->base.fields[f].dtype);
    for (int64_t i = 0, n; buffers[f] && i < count; i += n) {
      n = 1;
      while (i + n < count && order[i + n].index == order[i].index + n &&
             order[i + n].position == order[i].position + n) {
        n++;
      }
      IG_TRY(ig_h5_rows_read(array->rows, order[i].index, n,
                              (char *)buffers[f] + (size_t)order[i].position * bytes));
    }
  }
  return IG_OK;
}

static ig_status stored_read(ig_dataset *dataset, const int64_t *indices, int64_t count,
                             void *const *buffers) {
  stored *s = (stored *)dataset;
  ig_status status = IG_OK;
  ig_h5_enter();
  for (int64_t start = 0; start < count && status == IG_OK; start += READ_AT_ONCE) {
    void *at[IG_MAX_FIELDS] = {0};
    for (int f = 0; f < dataset->n_fields; f++) {
      size_t bytes = ig_shape_bytes(&dataset->fields[f].shape, dataset->fields[f].dtype);
      if (buffers[f]) at[f] = (char *)buffers[f] + (size_t)start * bytes;
    }
    status = read_some(s, indices + start, IG_MIN(count - start, READ_AT_ONCE), at);
  }
  ig_h5_leave();
  return status;
}

static void release(stored *s) {
  ig_h5_enter();
  for (int i = 0; i < s->n; i++) ig_h5_array_close(&s->arrays[i]);
  ig_h5_close(s->file);
  ig_h5_leave();
  ig_holder_destroy(s->holder);
  ig_free(s);
}

static void stored_destroy(ig_dataset *dataset) { release((stored *)dataset); }

static const ig_dataset_vtable stored_vtable = {.read = stored_read, .destroy = stored_destroy};

/* ---- opening ---- */

/* Opens the arrays in the order of the fields, the target last. */
static ig_status open_arrays(stored *s, const ig_source *source,
                             const ig_dataset_open_options *options, bool *has_target) {
  char *paths[IG_MAX_FIELDS];
  const char *names[IG_MAX_FIELDS];
  int n = 0, order[IG_MAX_FIELDS];
  IG_TRY(ig_h5_choose_arrays(s->file, source, options, s->holder->arena, paths, &n));
  for (int i = 0; i < n; i++) names[i] = strrchr(paths[i], '/') + 1;
  /* Of arrays named in the SPEC, the last of several is the target whatever it is called. */
  if (source->arrays && !options->target && !options->no_target && n > 1) {
    for (int i = 0; i < n; i++) order[i] = i;
    *has_target = true;
  } else {
    IG_TRY(ig_arrays_order(source->spec, n, names, options, order, has_target));
  }
  for (int i = 0; i < n; i++) {
    IG_TRY(ig_h5_array_open(s->file, paths[order[i]], s->holder->arena, &s->arrays[i]));
    s->n = i + 1;
  }
  for (int i = 0; i < n; i++) {
    IG_CHECK(s->arrays[i].shape.dims[0] == s->arrays[0].shape.dims[0], IG_ERR_SHAPE,
             "%s: %s has %" PRId64 " samples and %s has %" PRId64 "; expected as many",
             source->spec, paths[order[0]], s->arrays[0].shape.dims[0], paths[order[i]],
             s->arrays[i].shape.dims[0]);
  }
  return IG_OK;
}

static ig_status describe(stored *s, const ig_source *source) {
  ig_dataset *d = &s->base;
  d->vtable = &stored_vtable;
  d->path = ig_arena_strdup(s->holder->arena, source->spec);
  IG_CHECK_ALLOC(d->path);
  d->format = "hdf5";
  d->n_samples = s->arrays[0].shape.dims[0];
  d->n_fields = s->n;
  d->digest = ig_source_digest(source);
  for (int f = 0; f < s->n; f++) {
    const ig_h5_array *array = &s->arrays[f];
    ig_shape sample = {.rank = array->shape.rank - 1};
    for (int i = 0; i < sample.rank; i++) sample.dims[i] = array->shape.dims[i + 1];
    d->fields[f] = (ig_field){.name = array->name,
                              .dtype = array->dtype,
                              .shape = sample,
                              .n_classes = array->n_classes,
                              .classes = array->classes};
    if (array->n_columns == (sample.rank ? sample.dims[sample.rank - 1] : 1)) {
      d->fields[f].columns = array->columns;
    }
  }
  return IG_OK;
}

/* Reads everything and lets the file go. Takes `s` over when it succeeds. */
static ig_status load(stored *s, ig_dataset **out) {
  ig_holder *holder = s->holder;
  const void *data[IG_MAX_FIELDS];
  uint64_t digest = 0;
  for (int f = 0; f < s->n; f++) {
    size_t sample = ig_shape_bytes(&s->base.fields[f].shape, s->base.fields[f].dtype);
    size_t bytes = sample * (size_t)s->base.n_samples;
    holder->blocks[f] = ig_alloc(bytes);
    IG_CHECK(holder->blocks[f], IG_ERR_MEMORY, "%s: no memory for %zu bytes", s->base.path, bytes);
    IG_TRY(ig_h5_rows_read(s->arrays[f].rows, 0, s->base.n_samples, holder->blocks[f]));
    digest = XXH3_64bits_withSeed(holder->blocks[f], bytes, digest);
    data[f] = holder->blocks[f];
  }
  s->base.digest = digest;
  IG_TRY(ig_dataset_own_arrays(&s->base, data, ig_holder_destroy, holder, out));
  s->holder = NULL;
  release(s);
  return IG_OK;
}

static bool fits(const stored *s, const ig_dataset_open_options *options) {
  size_t total = 0, limit = IG_MIN(MAX_LOADED, ig_memory_limit(options));
  for (int f = 0; f < s->n; f++) {
    size_t bytes = ig_shape_bytes(&s->base.fields[f].shape, s->base.fields[f].dtype);
    if (!ig_mul_size(bytes, (size_t)s->base.n_samples, &bytes) ||
        !ig_add_size(total, bytes, &total)) {
      return false;
    }
  }
  return total <= limit;
}

/* The samples of /split/<part>. */
static ig_status read_part(stored *s, const ig_source *source, int64_t **indices, int64_t *count) {
  char path[256];
  int n = snprintf(path, sizeof path, "/split/%s", source->part);
  IG_CHECK(n < (int)sizeof path, IG_ERR_INPUT, "%s: the part's name is too long", source->spec);
  hid_t probe;
  IG_TRY(ig_h5_open_dataset(s->file, path, true, IG_H5_COMPRESSED, &probe));
  IG_CHECK(probe >= 0, IG_ERR_INPUT, "%s: has no part '%s': expected the indices in %s",
           source->spec, source->part, path);
  H5Dclose(probe);
  ig_h5_array array;
  IG_TRY(ig_h5_array_open(s->file, path, s->holder->arena, &array));
  ig_status status = IG_OK;
  void *raw = NULL;
  IG_CHECK_DONE(array.shape.rank == 1 && ig_dtype_is_int(array.dtype), IG_ERR_INPUT,
                "%s: %s has dtype %s and shape %s; expected a list of integers", source->spec, path,
                ig_dtype_name(array.dtype), IG_SHAPE_STR(&array.shape));
  *count = array.shape.dims[0];
  raw = ig_alloc_zero((size_t)*count, 8);
  *indices = ig_alloc_zero((size_t)*count, sizeof **indices);
  IG_CHECK_DONE(raw && *indices, IG_ERR_MEMORY, "%s: no memory for %" PRId64 " indices",
                source->spec, *count);
  IG_TRY_DONE(ig_h5_rows_read(array.rows, 0, *count, raw));
  ig_convert(array.dtype, raw, IG_I64, *indices, *count);
done:
  ig_free(raw);
  ig_h5_array_close(&array);
  return status;
}

static ig_status open_set(stored *s, const ig_source *source,
                          const ig_dataset_open_options *options, bool *has_target,
                          int64_t **part, int64_t *part_count) {
  IG_TRY(ig_holder_create(&s->holder));
  IG_TRY(ig_h5_open(source->path, &s->file));
  IG_TRY(open_arrays(s, source, options, has_target));
  IG_TRY(describe(s, source));
  if (source->part) IG_TRY(read_part(s, source, part, part_count));
  return IG_OK;
}

/* What opening does to the file, up to the samples in memory; the result is left at *raw. */
typedef struct opening {
  const ig_source *source;
  const ig_dataset_open_options *options;
  ig_dataset *raw;
  int64_t *part, part_count;
  int hints[IG_MAX_FIELDS];
  bool has_target;
} opening;

static ig_status open_raw(opening *o, bool rehearsal) {
  stored *s = ig_alloc_zero(1, sizeof *s);
  IG_CHECK_ALLOC(s);
  o->raw = &s->base;
  ig_h5_enter();
  ig_status status = open_set(s, o->source, o->options, &o->has_target, &o->part, &o->part_count);
  for (int f = 0; f < s->n; f++) {
    o->hints[f] = s->arrays[f].kind;
    if (rehearsal) ig_h5_rows_look_up(s->arrays[f].rows);
  }
  if (status == IG_OK && !o->options->by_offset && fits(s, o->options)) status = load(s, &o->raw);
  ig_h5_leave();
  if (status == IG_OK) return IG_OK;
  release(s);
  ig_free(o->part);
  return status;
}

static void rehearse(void *context) {
  opening o = *(const opening *)context;
  if (open_raw(&o, true) == IG_OK) ig_dataset_destroy(o.raw); /* closing reads the file too */
}

static ig_status hdf5_open(const ig_source *source, const ig_dataset_open_options *options,
                           ig_dataset **out) {
  opening o = {.source = source, .options = options};
  IG_TRY(ig_h5_rehearse(source->spec, rehearse, &o));
  IG_TRY(open_raw(&o, false));
  ig_dataset *whole;
  ig_status status = ig_arrays_interpret(o.raw, o.has_target, o.hints, options, &whole);
  if (status == IG_OK && source->part) {
    status = ig_dataset_subset(whole, true, o.part, o.part_count, out);
    if (status != IG_OK) ig_dataset_destroy(whole);
  } else if (status == IG_OK) {
    *out = whole;
  }
  ig_free(o.part);
  return status;
}

/* Samples in chunks share them with others: what fits into memory is better unpacked once. */
static bool hdf5_by_offset(const ig_source *source, const ig_dataset_open_options *options) {
  ig_dataset_open_options own = *options;
  own.by_offset = true; /* so that nothing is loaded here */
  opening o = {.source = source, .options = &own};
  bool apart = true;
  if (ig_h5_rehearse(source->spec, rehearse, &o) != IG_OK) return true; /* opening says why */
  if (open_raw(&o, false) != IG_OK) return true;
  const stored *s = (const stored *)o.raw;
  for (int f = 0; f < s->n; f++) apart = apart && !ig_h5_rows_chunked(s->arrays[f].rows);
  apart = apart || !fits(s, options);
  ig_dataset_destroy(o.raw);
  ig_free(o.part);
  return apart;
}

static const char *const hdf5_extensions[] = {"h5", "hdf5", "hdf", NULL};

const ig_reader ig_reader_hdf5 = {
    .name = "hdf5",
    .extensions = hdf5_extensions,
    .signature = "89 48 44 46 0d 0a 1a 0a",
    .recognise = hdf5_recognise,
    .open = hdf5_open,
    .by_offset = hdf5_by_offset,
};
