/* NumPy's .npy: one array. A matrix is a table whose target column may be chosen by number; other
 * arrays are inputs. The array is mapped when it lies in the file as it is used, and otherwise
 * (byte order, 16-bit integers, Fortran order) converted in memory. */
#include "formats/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "engine/base/checked.h"

#define MAX_DIGESTED ((size_t)64 << 20)

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

/* Cuts column `at` out of the matrix: x keeps the others. */
static ig_status cut_column(ig_holder *holder, const ig_npy *npy, const void *data, int64_t at,
                            const void **x, const void **y) {
  size_t element = ig_dtype_size(npy->dtype);
  int64_t rows = npy->shape.dims[0], columns = npy->shape.dims[1];
  char *rest = ig_alloc_zero((size_t)(rows * (columns - 1)), element);
  char *cut = ig_alloc_zero((size_t)rows, element);
  holder->blocks[1] = rest;
  holder->blocks[2] = cut;
  IG_CHECK_ALLOC(rest && cut ? rest : NULL);
  for (int64_t r = 0; r < rows; r++) {
    const char *row = (const char *)data + (size_t)(r * columns) * element;
    size_t before = (size_t)at * element, after = (size_t)(columns - 1 - at) * element;
    memcpy(rest, row, before);
    memcpy(rest + before, row + before + element, after);
    memcpy(cut + (size_t)r * element, row + before, element);
    rest += before + after;
  }
  *x = holder->blocks[1];
  *y = cut;
  return IG_OK;
}

static ig_status describe(const ig_source *source, ig_holder *holder, const ig_npy *npy,
                          const void *data, const ig_dataset_open_options *options,
                          ig_dataset *description, const void **arrays) {
  description->path = ig_arena_strdup(holder->arena, source->spec);
  IG_CHECK_ALLOC(description->path);
  description->format = "npy";
  description->n_samples = npy->shape.dims[0];
  description->digest = holder->bytes.size <= MAX_DIGESTED
                            ? XXH3_64bits(holder->bytes.data, holder->bytes.size)
                            : ig_source_digest(source);
  ig_shape sample = {.rank = npy->shape.rank - 1};
  for (int i = 0; i < sample.rank; i++) sample.dims[i] = npy->shape.dims[i + 1];
  description->n_fields = 1;
  description->fields[0] = (ig_field){.name = "x", .dtype = npy->dtype, .shape = sample};
  arrays[0] = data;
  if (!options->target || options->no_target) return IG_OK;
  IG_CHECK(npy->shape.rank == 2, IG_ERR_INPUT,
           "%s: a target column is chosen from a matrix; found shape %s", source->spec,
           IG_SHAPE_STR(&npy->shape));
  int64_t column = 0;
  IG_TRY(target_column(source->spec, options->target, npy->shape.dims[1], &column));
  IG_TRY(cut_column(holder, npy, data, column, &arrays[0], &arrays[1]));
  description->n_fields = 2;
  description->fields[0].shape.dims[0]--;
  description->fields[1] = (ig_field){.name = "y", .dtype = npy->dtype, .shape = IG_SCALAR};
  return IG_OK;
}

static ig_status npy_open(const ig_source *source, const ig_dataset_open_options *options,
                          ig_dataset **out) {
  IG_TRY(ig_source_takes(source, "NPY", false, false));
  ig_holder *holder;
  IG_TRY(ig_holder_create(&holder));
  ig_npy npy;
  const void *data, *arrays[2] = {NULL, NULL};
  ig_dataset description = {0}, *raw;
  ig_status status = ig_bytes_map(source->path, &holder->bytes);
  if (status == IG_OK) {
    status = ig_npy_parse_samples(source->spec, holder->bytes.data, holder->bytes.size, &npy);
  }
  if (status == IG_OK) {
    status = ig_npy_values(source->spec, &npy, holder->bytes.data, ig_memory_limit(options),
                           &holder->blocks[0], &data);
  }
  if (status == IG_OK) {
    status = describe(source, holder, &npy, data, options, &description, arrays);
  }
  if (status == IG_OK) {
    status = ig_dataset_own_arrays(&description, arrays, ig_holder_destroy, holder, &raw);
  }
  if (status != IG_OK) {
    ig_holder_destroy(holder);
    return status;
  }
  return ig_arrays_interpret(raw, description.n_fields == 2, NULL, options, out);
}

static const char *const npy_extensions[] = {"npy", NULL};

const ig_reader ig_reader_npy = {
    .name = "npy",
    .extensions = npy_extensions,
    .signature = "93 4e 55 4d 50 59 (.NUMPY)",
    .recognise = npy_recognise,
    .open = npy_open,
};
