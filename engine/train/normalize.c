/* Statistics for normalisation, in one pass over the data: sums of differences from the first
 * sample's value, in double, so that a large mean does not swallow a small spread; exact integer
 * sums for u8 images. */
#include "engine/train/feeder.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "engine/base/checked.h"

#define CHUNK_BYTES ((size_t)4 << 20)
#define CHUNK_SAMPLES 4096

typedef struct sums {
  int64_t n_columns; /* 0: the field is not measured */
  int64_t run;       /* consecutive elements of one column: H * W of an image, 1 of features */
  int64_t elements;  /* of one sample */
  bool started;
  double *origin, *sum, *square; /* of value - origin, by column */
  int64_t values;                /* summed up in each column */
} sums;

static ig_status sums_create(const ig_field *field, ig_arena *arena, sums *out) {
  *out = (sums){.elements = ig_shape_count(&field->shape)};
  int rank = field->shape.rank;
  if (field->kind == IG_FIELD_IMAGE && rank == 3) {
    out->n_columns = field->shape.dims[0];
    out->run = field->shape.dims[1] * field->shape.dims[2];
  } else if (field->kind == IG_FIELD_FEATURES) {
    out->n_columns = rank ? field->shape.dims[rank - 1] : 1;
    out->run = 1;
  }
  if (out->elements == 0) out->n_columns = 0;
  double **const arrays[] = {&out->origin, &out->sum, &out->square};
  for (int i = 0; i < 3; i++) {
    *arrays[i] = ig_arena_alloc(arena, (size_t)out->n_columns * sizeof(double));
    IG_CHECK_ALLOC(*arrays[i]);
  }
  return IG_OK;
}

static void add_u8(const uint8_t *values, int64_t n, double *sum, double *square) {
  uint64_t s = 0, q = 0;
  for (int64_t i = 0; i < n; i++) {
    s += values[i];
    q += (uint32_t)values[i] * values[i];
  }
  *sum += (double)s;
  *square += (double)q;
}

/* Returns the position of the first value that is not finite, -1 when all are. */
static int64_t add_sample(sums *to, ig_dtype dtype, const void *data) {
  int64_t columns = to->n_columns, run = to->run;
  for (int64_t at = 0; at < to->elements; at += run) {
    int64_t c = at / run % columns;
    if (dtype == IG_U8 && run > 1) { /* origin 0: integers up to 2^53 are exact */
      add_u8((const uint8_t *)data + at, run, &to->sum[c], &to->square[c]);
      continue;
    }
    if (!to->started && at < columns * run) to->origin[c] = ig_load_f64(dtype, data, at);
    for (int64_t i = at; i < at + run; i++) {
      double value = ig_load_f64(dtype, data, i);
      if (!isfinite(value)) return i;
      value -= to->origin[c];
      to->sum[c] += value;
      to->square[c] += value * value;
    }
  }
  to->started = true;
  to->values += to->elements / columns;
  return -1;
}

static ig_status sums_finish(const sums *from, const ig_field *field, ig_arena *arena,
                             ig_normalization *out) {
  size_t bytes = (size_t)from->n_columns * sizeof(double);
  double *mean = ig_arena_alloc(arena, bytes), *std = ig_arena_alloc(arena, bytes);
  out->field = ig_arena_strdup(arena, field->name);
  IG_CHECK_ALLOC(mean && std ? out->field : NULL);
  out->scale = field->kind == IG_FIELD_IMAGE && field->dtype == IG_U8 ? 1.0 / 255.0 : 1.0;
  out->count = from->n_columns;
  for (int64_t c = 0; c < from->n_columns; c++) {
    double n = (double)from->values, shifted = from->sum[c] / n;
    double variance = from->square[c] / n - shifted * shifted;
    double magnitude = fabs(from->origin[c]) + fabs(shifted);
    mean[c] = (from->origin[c] + shifted) * out->scale;
    /* What rounding alone can leave of a constant column. */
    bool constant = !(variance > 0) || sqrt(variance) <= magnitude * 1e-12;
    std[c] = constant ? 1.0 : sqrt(variance) * out->scale;
  }
  out->mean = mean;
  out->std = std;
  return IG_OK;
}

static ig_status report(const ig_dataset *dataset, int f, int64_t sample, int64_t element,
                        int64_t columns) {
  const ig_field *field = &dataset->fields[f];
  if (field->columns && field->kind == IG_FIELD_FEATURES) {
    return ig_fail(IG_ERR_INPUT,
                   "%s: sample %" PRId64 ", field '%s', column '%s': expected a finite number, "
                   "found NaN or Inf",
                   dataset->path, sample, field->name, field->columns[element % columns]);
  }
  return ig_fail(IG_ERR_INPUT,
                 "%s: sample %" PRId64 ", field '%s', element %" PRId64 ": expected a finite "
                 "number, found NaN or Inf",
                 dataset->path, sample, field->name, element);
}

/* Samples read at once, and a buffer for each measured field. */
static ig_status make_buffers(const ig_dataset *dataset, const sums *measured, int64_t *chunk,
                              void **buffers) {
  size_t bytes = 1;
  for (int f = 0; f < dataset->n_fields; f++) {
    const ig_field *field = &dataset->fields[f];
    if (measured[f].n_columns) bytes += ig_shape_bytes(&field->shape, field->dtype);
  }
  *chunk = IG_MAX(1, IG_MIN((int64_t)(CHUNK_BYTES / bytes), CHUNK_SAMPLES));
  for (int f = 0; f < dataset->n_fields; f++) {
    const ig_field *field = &dataset->fields[f];
    if (!measured[f].n_columns) continue;
    buffers[f] = ig_alloc((size_t)*chunk * ig_shape_bytes(&field->shape, field->dtype));
    IG_CHECK_ALLOC(buffers[f]);
  }
  return IG_OK;
}

static ig_status measure(ig_dataset *dataset, int64_t samples, sums *measured, void **buffers,
                         int64_t chunk) {
  int64_t indices[CHUNK_SAMPLES];
  for (int64_t start = 0; start < samples; start += chunk) {
    int64_t n = IG_MIN(samples - start, chunk);
    for (int64_t i = 0; i < n; i++) { /* floor(k * n_samples / samples), without overflow */
      indices[i] = (int64_t)((unsigned __int128)(start + i) * (uint64_t)dataset->n_samples /
                             (uint64_t)samples);
    }
    IG_TRY(ig_dataset_read(dataset, indices, n, buffers));
    for (int f = 0; f < dataset->n_fields; f++) {
      if (!buffers[f]) continue;
      const ig_field *field = &dataset->fields[f];
      size_t bytes = ig_shape_bytes(&field->shape, field->dtype);
      for (int64_t i = 0; i < n; i++) {
        int64_t bad =
            add_sample(&measured[f], field->dtype, (char *)buffers[f] + (size_t)i * bytes);
        if (bad >= 0) return report(dataset, f, indices[i], bad, measured[f].n_columns);
      }
    }
  }
  return IG_OK;
}

ig_status ig_normalization_measure(ig_dataset *dataset, int64_t limit, ig_arena *arena,
                                   int *count, ig_normalization **out) {
  IG_CHECK(dataset->n_samples > 0, IG_ERR_INPUT, "%s: holds no samples to measure", dataset->path);
  sums measured[IG_MAX_FIELDS];
  void *buffers[IG_MAX_FIELDS] = {0};
  int64_t chunk = 0, samples = dataset->n_samples;
  if (limit > 0 && limit < samples) samples = limit;
  ig_status status = IG_OK;
  int n = 0;
  for (int f = 0; f < dataset->n_fields; f++) {
    IG_TRY(sums_create(&dataset->fields[f], arena, &measured[f]));
    n += measured[f].n_columns > 0;
  }
  ig_normalization *result = ig_arena_alloc(arena, (size_t)n * sizeof *result);
  IG_CHECK_ALLOC(result);
  if (n > 0) {
    IG_TRY_DONE(make_buffers(dataset, measured, &chunk, buffers));
    IG_TRY_DONE(measure(dataset, samples, measured, buffers, chunk));
  }
  for (int f = 0, i = 0; f < dataset->n_fields; f++) {
    if (!measured[f].n_columns) continue;
    IG_TRY_DONE(sums_finish(&measured[f], &dataset->fields[f], arena, &result[i++]));
  }
  *count = n;
  *out = result;
done:
  for (int f = 0; f < dataset->n_fields; f++) ig_free(buffers[f]);
  return status;
}
