/* Samples of mapped arrays, one by one. The caller has held sizes against the file: within n_samples
 * rows nothing lies outside of it. */
#include "formats/raw_rows.h"

#include <inttypes.h>
#include <string.h>

typedef struct raw_dataset {
  ig_dataset base;
  ig_raw_rows rows[IG_MAX_FIELDS];
  void (*release)(void *owner);
  void *owner;
} raw_dataset;

static ig_status read_sample(const ig_raw_rows *r, int64_t index, char *to) {
  size_t size = (size_t)r->raw.bytes, made = ig_dtype_size(ig_raw_dtype(r->raw));
  const unsigned char *from = r->data + (size_t)(index * r->stride + r->first) * size;
  if (r->left_out < 0) return ig_raw_convert(r->raw, from, r->count, to);
  int64_t before = r->left_out;
  IG_TRY(ig_raw_convert(r->raw, from, before, to));
  return ig_raw_convert(r->raw, from + (size_t)(before + 1) * size, r->count - before,
                        to + (size_t)before * made);
}

static ig_status raw_read(ig_dataset *dataset, const int64_t *indices, int64_t count,
                          void *const *buffers) {
  const raw_dataset *set = (const raw_dataset *)dataset;
  for (int f = 0; f < dataset->n_fields; f++) {
    if (!buffers[f]) continue;
    const ig_field *field = &dataset->fields[f];
    size_t bytes = ig_shape_bytes(&field->shape, field->dtype);
    for (int64_t i = 0; i < count; i++) {
      ig_status status =
          read_sample(&set->rows[f], indices[i], (char *)buffers[f] + (size_t)i * bytes);
      if (status != IG_OK) {
        return ig_fail_in(status, "%s: '%s', sample %" PRId64, dataset->path, field->name,
                          indices[i]);
      }
    }
  }
  return IG_OK;
}

static void raw_destroy(ig_dataset *dataset) {
  raw_dataset *set = (raw_dataset *)dataset;
  set->release(set->owner);
  ig_free(set);
}

static const ig_dataset_vtable raw_vtable = {.read = raw_read, .destroy = raw_destroy};

ig_status ig_raw_rows_create(const ig_dataset *description, const ig_raw_rows *rows,
                             void (*release)(void *owner), void *owner, ig_dataset **out) {
  raw_dataset *set = ig_alloc_zero(1, sizeof *set);
  IG_CHECK_ALLOC(set);
  set->base = *description;
  set->base.vtable = &raw_vtable;
  memcpy(set->rows, rows, (size_t)description->n_fields * sizeof *rows);
  set->release = release;
  set->owner = owner;
  *out = &set->base;
  return IG_OK;
}
