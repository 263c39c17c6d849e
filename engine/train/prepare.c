/* One batch, from what the reader delivers to what a model takes. Values that no model can use
 * (a class out of range, NaN or Inf among numbers) stop here with file, sample and column, since
 * this is the one place that sees every sample of every format. */
#include "engine/train/prepare.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/checked.h"

ig_dtype ig_feeder_dtype(const ig_dataset *dataset, int f) {
  ig_field_kind kind = dataset->fields[f].kind;
  if (kind == IG_FIELD_INTEGERS && dataset->fields[f].takes) return dataset->fields[f].takes;
  if (kind == IG_FIELD_INTEGERS) return dataset->fields[f].dtype;
  return kind == IG_FIELD_CLASS || kind == IG_FIELD_TOKENS ? IG_I64 : IG_F32;
}

/* Channels of an image, columns of features; 0 where normalisation does not apply. */
static int64_t normalized_columns(const ig_field *field) {
  if (field->kind == IG_FIELD_IMAGE) return field->shape.dims[0];
  if (field->kind != IG_FIELD_FEATURES) return 0;
  return field->shape.rank ? field->shape.dims[field->shape.rank - 1] : 1;
}

/* (value * scale - mean) / std as value * gain + offset. */
static ig_status set_affine(ig_prepare *prepare, int f, const ig_normalization *norm) {
  const ig_field *field = &prepare->dataset->fields[f];
  ig_prepare_field *to = &prepare->fields[f];
  int64_t columns = normalized_columns(field);
  IG_CHECK(columns > 0, IG_ERR_USAGE, "%s: field '%s' holds no numbers to normalise",
           prepare->dataset->path, field->name);
  IG_CHECK(norm->count == columns, IG_ERR_SHAPE,
           "%s: field '%s' has %" PRId64 " %s; its normalisation is for %" PRId64,
           prepare->dataset->path, field->name, columns,
           field->kind == IG_FIELD_IMAGE ? "channels" : "columns", norm->count);
  to->gain = ig_arena_alloc(prepare->arena, (size_t)columns * sizeof *to->gain);
  to->offset = ig_arena_alloc(prepare->arena, (size_t)columns * sizeof *to->offset);
  IG_CHECK_ALLOC(to->gain && to->offset ? to->gain : NULL);
  for (int64_t c = 0; c < columns; c++) {
    IG_CHECK(isfinite(norm->mean[c]) && isfinite(norm->std[c]) && norm->std[c] > 0, IG_ERR_INPUT,
             "%s: normalisation of field '%s', column %" PRId64 ": mean %g, std %g", 
             prepare->dataset->path, field->name, c, norm->mean[c], norm->std[c]);
    to->gain[c] = norm->scale / norm->std[c];
    to->offset[c] = -norm->mean[c] / norm->std[c];
  }
  to->n_columns = columns;
  return IG_OK;
}

static ig_status prepare_field(ig_prepare *prepare, int f, const ig_feeder_options *options) {
  const ig_field *field = &prepare->dataset->fields[f];
  ig_prepare_field *to = &prepare->fields[f];
  IG_CHECK(field->kind != IG_FIELD_IMAGE || field->shape.rank == 3, IG_ERR_SHAPE,
           "%s: field '%s' is an image of shape %s; expected [channels, height, width]",
           prepare->dataset->path, field->name, IG_SHAPE_STR(&field->shape));
  IG_TRY(ig_shape_check(&field->shape, IG_I64));
  to->delivered = ig_feeder_dtype(prepare->dataset, f);
  to->elements = ig_shape_count(&field->shape);
  to->raw_bytes = ig_shape_bytes(&field->shape, field->dtype);
  to->ready_bytes = ig_shape_bytes(&field->shape, to->delivered);
  for (int i = 0; i < options->n_normalizations; i++) {
    if (strcmp(options->normalizations[i].field, field->name) == 0) {
      IG_TRY(set_affine(prepare, f, &options->normalizations[i]));
    }
  }
  const ig_augment *augment = &options->augment;
  bool augmented = field->kind == IG_FIELD_IMAGE &&
                   (augment->flip || augment->crop_padding || augment->cutout);
  to->direct = field->dtype == to->delivered && to->n_columns == 0 && !augmented;
  return IG_OK;
}

ig_status ig_prepare_create(ig_prepare *prepare, ig_dataset *dataset,
                            const ig_feeder_options *options) {
  *prepare = (ig_prepare){.dataset = dataset, .augment = options->augment, .seed = options->seed};
  IG_CHECK(options->augment.crop_padding >= 0 && options->augment.crop_padding <= 4096 &&
               options->augment.cutout >= 0 && options->augment.cutout <= 4096,
           IG_ERR_USAGE, "crop padding %d and cutout %d; expected 0 to 4096 each",
           options->augment.crop_padding, options->augment.cutout);
  prepare->arena = ig_arena_create();
  IG_CHECK_ALLOC(prepare->arena);
  ig_status status = IG_OK;
  for (int f = 0; f < dataset->n_fields && status == IG_OK; f++) {
    status = prepare_field(prepare, f, options);
  }
  if (status != IG_OK) ig_prepare_destroy(prepare);
  return status;
}

void ig_prepare_destroy(ig_prepare *prepare) {
  ig_arena_destroy(prepare->arena);
  prepare->arena = NULL;
}

ig_status ig_prepare_scratch(const ig_prepare *prepare, int64_t count, size_t *bytes) {
  size_t total = 0;
  for (int f = 0; f < prepare->dataset->n_fields; f++) {
    size_t field;
    if (prepare->fields[f].direct) continue;
    IG_CHECK(ig_mul_size(prepare->fields[f].raw_bytes, (size_t)count, &field) &&
                 ig_align_size(field, IG_ALIGNMENT, &field) && ig_add_size(total, field, &total),
             IG_ERR_MEMORY, "%s: a batch of %" PRId64 " samples exceeds the address space",
             prepare->dataset->path, count);
  }
  /* Images of other dtypes pass through f32, one at a time. */
  for (int f = 0; f < prepare->dataset->n_fields; f++) {
    IG_CHECK(ig_add_size(total, prepare->fields[f].ready_bytes, &total), IG_ERR_MEMORY,
             "%s: a batch of %" PRId64 " samples exceeds the address space",
             prepare->dataset->path, count);
  }
  *bytes = total;
  return IG_OK;
}

static void prepare_images(const ig_prepare *prepare, int f, int64_t epoch, const int64_t *indices,
                           int64_t count, const char *raw, float *one, float *ready) {
  const ig_field *field = &prepare->dataset->fields[f];
  const ig_prepare_field *to = &prepare->fields[f];
  bool known = field->dtype == IG_U8 || field->dtype == IG_F32;
  for (int64_t i = 0; i < count; i++) {
    const void *source = raw + (size_t)i * to->raw_bytes;
    if (!known) {
      ig_convert(field->dtype, source, IG_F32, one, to->elements);
      source = one;
    }
    ig_augment_image(&prepare->augment, prepare->seed, epoch, indices[i], &field->shape,
                     known ? field->dtype : IG_F32, source, to->gain, to->offset,
                     ready + i * to->elements);
  }
}

/* Normalises in double: a column such as a year has a mean far from zero and a small spread. */
static void prepare_features(const ig_prepare *prepare, int f, int64_t count, const char *raw,
                             float *ready) {
  const ig_prepare_field *to = &prepare->fields[f];
  ig_dtype dtype = prepare->dataset->fields[f].dtype;
  int64_t columns = to->n_columns, rows = columns ? count * to->elements / columns : 0;
  if (columns == 0) {
    ig_convert(dtype, raw, IG_F32, ready, count * to->elements);
    return;
  }
  for (int64_t r = 0; r < rows; r++) {
    const float *row = (const float *)(const void *)raw + r * columns;
    float *out = ready + r * columns;
    if (dtype == IG_F32) {
      for (int64_t c = 0; c < columns; c++) {
        out[c] = (float)((double)row[c] * to->gain[c] + to->offset[c]);
      }
    } else {
      for (int64_t c = 0; c < columns; c++) {
        out[c] = (float)(ig_load_f64(dtype, raw, r * columns + c) * to->gain[c] + to->offset[c]);
      }
    }
  }
}

static ig_status report_number(const ig_prepare *prepare, int f, const int64_t *indices,
                               int64_t at, double value) {
  const ig_field *field = &prepare->dataset->fields[f];
  int64_t sample = at / prepare->fields[f].elements, element = at % prepare->fields[f].elements;
  int64_t columns = field->shape.rank ? field->shape.dims[field->shape.rank - 1] : 1;
  char place[128];
  if (field->columns) {
    snprintf(place, sizeof place, "column '%s'", field->columns[element % columns]);
  } else {
    snprintf(place, sizeof place, "element %" PRId64, element);
  }
  return ig_fail(IG_ERR_INPUT,
                 "%s: sample %" PRId64 ", field '%s', %s: found %s; expected a finite number",
                 prepare->dataset->path, indices[sample], field->name, place,
                 isnan(value) ? "NaN" : "Inf");
}

/* NaN and Inf are the floats whose exponent bits are all set: an integer test, which vectorises. */
static ig_status check_finite(const ig_prepare *prepare, int f, const int64_t *indices,
                              int64_t count, const float *ready) {
  int64_t n = count * prepare->fields[f].elements;
  uint32_t bad = 0;
  for (int64_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &ready[i], sizeof bits);
    bad |= (bits & 0x7f800000u) == 0x7f800000u;
  }
  if (!bad) return IG_OK;
  int64_t at = 0;
  while (at < n - 1 && isfinite(ready[at])) at++;
  return report_number(prepare, f, indices, at, (double)ready[at]);
}

static ig_status check_ids(const ig_prepare *prepare, int f, const int64_t *indices, int64_t count,
                           const int64_t *ready) {
  const ig_field *field = &prepare->dataset->fields[f];
  int64_t n = count * prepare->fields[f].elements, bound = field->n_classes;
  if (bound <= 0) bound = INT64_MAX;
  uint64_t outside = 0;
  for (int64_t i = 0; i < n; i++) outside |= (uint64_t)ready[i] >= (uint64_t)bound;
  if (!outside) return IG_OK;
  int64_t at = 0;
  while ((uint64_t)ready[at] < (uint64_t)bound) at++;
  return ig_fail(IG_ERR_INPUT,
                 "%s: sample %" PRId64 ", field '%s': found %s %" PRId64 "; expected 0 to %" PRId64,
                 prepare->dataset->path, indices[at / prepare->fields[f].elements], field->name,
                 field->kind == IG_FIELD_TOKENS ? "token" : "class", ready[at], bound - 1);
}

/* Into the model's own type, none changed on the way. */
static ig_status prepare_integers(const ig_prepare *prepare, int f, const int64_t *indices,
                                  int64_t count, const char *raw, void *ready) {
  const ig_field *field = &prepare->dataset->fields[f];
  const ig_prepare_field *to = &prepare->fields[f];
  int64_t n = count * to->elements;
  int64_t done = ig_convert_exact(field->dtype, raw, to->delivered, ready, n);
  if (done == n) return IG_OK;
  return ig_fail(IG_ERR_INPUT,
                 "%s: sample %" PRId64 ", field '%s', element %" PRId64 ": %" PRId64
                 " does not fit %s, which the model takes",
                 prepare->dataset->path, indices[done / to->elements], field->name,
                 done % to->elements, ig_load_i64(field->dtype, raw, done),
                 ig_dtype_name(to->delivered));
}

static ig_status prepare_one(const ig_prepare *prepare, int f, int64_t epoch,
                             const int64_t *indices, int64_t count, const char *raw, float *one,
                             void *ready) {
  const ig_field *field = &prepare->dataset->fields[f];
  const ig_prepare_field *to = &prepare->fields[f];
  switch (field->kind) {
  case IG_FIELD_IMAGE:
    if (raw) prepare_images(prepare, f, epoch, indices, count, raw, one, ready);
    return IG_OK;
  case IG_FIELD_FEATURES:
    if (raw) prepare_features(prepare, f, count, raw, ready);
    return ig_dtype_is_float(field->dtype) ? check_finite(prepare, f, indices, count, ready)
                                           : IG_OK;
  case IG_FIELD_TARGETS:
    if (raw) ig_convert(field->dtype, raw, IG_F32, ready, count * to->elements);
    return ig_dtype_is_float(field->dtype) ? check_finite(prepare, f, indices, count, ready)
                                           : IG_OK;
  case IG_FIELD_INTEGERS:
    return raw ? prepare_integers(prepare, f, indices, count, raw, ready) : IG_OK;
  case IG_FIELD_TOKENS:
  case IG_FIELD_CLASS:
    if (raw) ig_convert(field->dtype, raw, IG_I64, ready, count * to->elements);
    return check_ids(prepare, f, indices, count, ready);
  }
  return ig_fail(IG_ERR_INTERNAL, "field '%s' is of unknown kind %d", field->name, field->kind);
}

ig_status ig_prepare_batch(const ig_prepare *prepare, int64_t epoch, const int64_t *indices,
                           int64_t count, char *scratch, void *const *ready) {
  void *buffers[IG_MAX_FIELDS];
  char *next = scratch;
  for (int f = 0; f < prepare->dataset->n_fields; f++) {
    const ig_prepare_field *to = &prepare->fields[f];
    buffers[f] = to->direct || !ready[f] ? ready[f] : next;
    size_t bytes = to->raw_bytes * (size_t)count;
    if (!to->direct && ready[f]) next += (bytes + IG_ALIGNMENT - 1) & ~(size_t)(IG_ALIGNMENT - 1);
  }
  IG_TRY(ig_dataset_read(prepare->dataset, indices, count, buffers));
  for (int f = 0; f < prepare->dataset->n_fields; f++) {
    if (!ready[f]) continue;
    const char *raw = prepare->fields[f].direct ? NULL : buffers[f];
    IG_TRY(prepare_one(prepare, f, epoch, indices, count, raw, (float *)(void *)next, ready[f]));
  }
  return IG_OK;
}
