/* NumPy's .npy: one array. A matrix is a table whose target column may be chosen by number; other
 * arrays are inputs. The file is mapped, and samples are taken from it as they are asked for; Fortran
 * order alone, in which no sample lies in one piece, is turned around in memory. */
#include "formats/npy.h"

#include <stdlib.h>
#include <string.h>

#include "formats/raw_rows.h"

static int npy_recognise(const ig_source *source) {
  bool is = source->n_prefix >= 6 && memcmp(source->prefix, IG_NPY_MAGIC, 6) == 0;
  return is ? IG_MATCH_SIGNATURE : IG_MATCH_NO;
}

/* "3", or "-1" for the last: a column of the matrix. */
static ig_status target_column(const char *path, const char *text, int64_t columns,
                               int64_t *column) {
  char *end;
  long long value = strtoll(text, &end, 10);
  if (value < 0) value += columns;
  IG_CHECK(*text && !*end && value >= 0 && value < columns && columns > 1, IG_ERR_INPUT,
           "%s: target '%s'; expected the number of one of its %lld columns, from 0", path, text,
           (long long)columns);
  *column = value;
  return IG_OK;
}

static ig_status describe(const ig_source *source, ig_holder *holder, const ig_npy *npy,
                          const ig_dataset_open_options *options, ig_dataset *description,
                          ig_raw_rows *rows) {
  description->path = ig_arena_strdup(holder->arena, source->spec);
  IG_CHECK_ALLOC(description->path);
  description->format = "npy";
  description->n_samples = npy->shape.dims[0];
  description->digest = ig_bytes_digest(&holder->bytes, source, options);
  ig_shape sample = {.rank = npy->shape.rank - 1};
  for (int i = 0; i < sample.rank; i++) sample.dims[i] = npy->shape.dims[i + 1];
  description->n_fields = 1;
  description->fields[0] = (ig_field){.name = "x", .dtype = npy->dtype, .shape = sample};
  int64_t count = ig_shape_count(&sample);
  rows[0] = (ig_raw_rows){.data = holder->bytes.data + npy->offset,
                          .raw = npy->raw,
                          .stride = count,
                          .count = count,
                          .left_out = -1};
  if (!options->target || options->no_target) return IG_OK;
  IG_CHECK(npy->shape.rank == 2, IG_ERR_INPUT,
           "%s: a target column is chosen from a matrix; found shape %s", source->spec,
           IG_SHAPE_STR(&npy->shape));
  int64_t column = 0;
  IG_TRY(target_column(source->spec, options->target, npy->shape.dims[1], &column));
  rows[1] = rows[0];
  rows[1].first = column;
  rows[1].count = 1;
  rows[0].left_out = column;
  rows[0].count--;
  description->n_fields = 2;
  description->fields[0].shape.dims[0]--;
  description->fields[1] = (ig_field){.name = "y", .dtype = npy->dtype, .shape = IG_SCALAR};
  return IG_OK;
}

static bool is_turned(const ig_npy *npy) { return npy->fortran && npy->shape.rank > 1; }

static ig_status open_array(const ig_source *source, const ig_dataset_open_options *options,
                            ig_holder *holder, ig_dataset *description, ig_dataset **raw) {
  ig_npy npy;
  ig_raw_rows rows[2];
  const void *data;
  IG_TRY(ig_bytes_map(source->path, &holder->bytes));
  IG_TRY(ig_npy_parse_samples(source->spec, holder->bytes.data, holder->bytes.size, &npy));
  IG_TRY(describe(source, holder, &npy, options, description, rows));
  if (is_turned(&npy)) {
    IG_TRY(ig_npy_values(source->spec, &npy, holder->bytes.data, ig_memory_limit(options),
                         &holder->blocks[0], &data));
    int size = (int)ig_dtype_size(npy.dtype);
    char kind = ig_dtype_is_float(npy.dtype) ? 'f' : npy.dtype == IG_U8 ? 'u' : 'i';
    for (int f = 0; f < description->n_fields; f++) {
      rows[f].data = data;
      rows[f].raw = (ig_raw_type){npy.dtype == IG_BOOL ? 'b' : kind, size, false};
    }
  }
  return ig_raw_rows_create(description, rows, ig_holder_destroy, holder, raw);
}

static ig_status npy_open(const ig_source *source, const ig_dataset_open_options *options,
                          ig_dataset **out) {
  IG_TRY(ig_source_takes(source, "NPY", false, false));
  ig_holder *holder;
  IG_TRY(ig_holder_create(&holder));
  ig_dataset description = {0}, *raw;
  ig_status status = open_array(source, options, holder, &description, &raw);
  if (status != IG_OK) {
    ig_holder_destroy(holder);
    return status;
  }
  return ig_arrays_interpret(raw, description.n_fields == 2, NULL, options, out);
}

static bool npy_by_offset(const ig_source *source, const ig_dataset_open_options *options) {
  ig_bytes bytes;
  ig_npy npy;
  IG_UNUSED(options);
  if (ig_bytes_map(source->path, &bytes) != IG_OK) return true; /* opening says why */
  bool apart = ig_npy_parse_samples(source->spec, bytes.data, bytes.size, &npy) != IG_OK || !is_turned(&npy);
  ig_bytes_release(&bytes);
  return apart;
}

static const char *const npy_extensions[] = {"npy", NULL};

const ig_reader ig_reader_npy = {
    .name = "npy",
    .extensions = npy_extensions,
    .signature = "93 4e 55 4d 50 59 (.NUMPY)",
    .recognise = npy_recognise,
    .open = npy_open,
    .by_offset = npy_by_offset,
};
