/* The expectations of validate.h. */
#include "lifecycle/validate.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "engine/base/checked.h"

#define MOST_HASHED ((int64_t)1 << 24) /* samples that are compared for equality */
#define HASH_BLOCK 256

typedef struct check {
  ig_dataset *data;
  const ig_expectations *expected;
  ig_arena *arena;
  ig_validation *result;
} check;

static ig_status find(check *c, const char *kind, const char *subject, double found,
                      double expected, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
static ig_status find(check *c, const char *kind, const char *subject, double found,
                      double expected, const char *format, ...) {
  char line[512];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  ig_validation *v = c->result;
  void *findings = v->findings;
  const char *text = ig_arena_strdup(c->arena, line);
  IG_CHECK(text && ig_grow(&findings, &v->finding_capacity, v->n_findings + 1, sizeof *v->findings),
           IG_ERR_MEMORY, "no memory for findings");
  v->findings = findings;
  v->findings[v->n_findings++] = (ig_finding){kind, subject, found, expected, text};
  return IG_OK;
}

/* --- schema ---------------------------------------------------------------------------------- */

static ig_status check_classes(check *c, const ig_field *want, const ig_field *have) {
  if (have->n_classes > want->n_classes) {
    return find(c, "schema", have->name, (double)have->n_classes, (double)want->n_classes,
                "field '%s': %" PRId64 " classes, expected at most %" PRId64, have->name,
                have->n_classes, want->n_classes);
  }
  for (int64_t i = 0; want->classes && have->classes && i < have->n_classes; i++) {
    if (strcmp(want->classes[i], have->classes[i]) == 0) continue;
    return find(c, "schema", have->name, NAN, NAN,
                "field '%s': class %" PRId64 " is '%s', expected '%s'", have->name, i,
                have->classes[i], want->classes[i]);
  }
  return IG_OK;
}

static ig_status check_field(check *c, const ig_field *want, const ig_field *have) {
  if (strcmp(want->name, have->name) != 0) {
    return find(c, "schema", have->name, NAN, NAN, "field '%s': expected '%s'", have->name,
                want->name);
  }
  if (want->kind != have->kind || want->dtype != have->dtype) {
    IG_TRY(find(c, "schema", have->name, NAN, NAN, "field '%s': %s of %s, expected %s of %s",
                have->name, ig_field_kind_name(have->kind), ig_dtype_name(have->dtype),
                ig_field_kind_name(want->kind), ig_dtype_name(want->dtype)));
  }
  if (!ig_shape_equal(&want->shape, &have->shape)) {
    IG_TRY(find(c, "schema", have->name, NAN, NAN, "field '%s': samples of shape %s, expected %s",
                have->name, IG_SHAPE_STR(&have->shape), IG_SHAPE_STR(&want->shape)));
  }
  return check_classes(c, want, have);
}

static ig_status check_schema(check *c) {
  const ig_expectations *e = c->expected;
  if (!e->fields) return IG_OK;
  if (e->n_fields != c->data->n_fields) {
    IG_TRY(find(c, "schema", NULL, c->data->n_fields, e->n_fields, "%d fields, expected %d",
                c->data->n_fields, e->n_fields));
  }
  for (int f = 0; f < IG_MIN(e->n_fields, c->data->n_fields); f++) {
    IG_TRY(check_field(c, &e->fields[f], &c->data->fields[f]));
  }
  return IG_OK;
}

/* --- columns --------------------------------------------------------------------------------- */

static const ig_column *known_column(const check *c, const char *name) {
  for (int i = 0; i < c->expected->n_reference; i++) {
    if (strcmp(c->expected->reference[i].profile.name, name) == 0) {
      return &c->expected->reference[i];
    }
  }
  return NULL;
}

/* Values outside what the reference has by more than its whole span: another unit or scale, not a rare
 * value. */
static ig_status check_range(check *c, const ig_profile *known, const ig_profile *p) {
  double span = known->max - known->min;
  if (!(span > 0) || (p->min >= known->min - span && p->max <= known->max + span)) return IG_OK;
  double found = p->min < known->min - span ? p->min : p->max;
  return find(c, "range", p->name, found, found < known->min ? known->min : known->max,
              "column '%s': values from %.6g to %.6g, expected about %.6g to %.6g", p->name, p->min,
              p->max, known->min, known->max);
}

static ig_status check_column(check *c, const ig_column *column) {
  const ig_expectations *e = c->expected;
  const ig_profile *p = &column->profile;
  const ig_column *known = known_column(c, p->name);
  double missing = p->samples > 0 ? (double)p->missing / (double)p->samples : 0;
  if (missing > e->max_missing) {
    IG_TRY(find(c, "missing", p->name, missing, e->max_missing,
                "column '%s': %.4g %% of values are missing or NaN, expected at most %.4g %%",
                p->name, 100 * missing, 100 * e->max_missing));
  }
  if (column->infinite > 0) {
    IG_TRY(find(c, "infinite", p->name, (double)column->infinite, 0,
                "column '%s': %" PRId64 " infinite values", p->name, column->infinite));
  }
  bool was_constant = known && known->profile.min == p->min && known->profile.max == p->max;
  if (!e->allow_constant && c->data->n_samples > 1 && p->min == p->max && !was_constant) {
    IG_TRY(find(c, "constant", p->name, p->min, NAN, "column '%s': every value is %g", p->name,
                p->min));
  }
  return known ? check_range(c, &known->profile, p) : IG_OK;
}

static ig_status check_drift(check *c) {
  const ig_expectations *e = c->expected;
  ig_validation *v = c->result;
  if (e->n_reference == 0) return IG_OK;
  IG_TRY(ig_drift_of_columns(e->n_reference, e->reference, v->n_columns, v->columns, c->arena,
                             &v->n_drifts, &v->drifts));
  v->drift_share = ig_drift_share(v->n_drifts, v->drifts);
  if (!(v->drift_share > 0) || v->drift_share < e->max_drift) return IG_OK;
  const ig_drift *first = v->drifts;
  while (!first->drifted) first++;
  return find(c, "drift", NULL, v->drift_share, e->max_drift,
              "%.3g %% of columns have drifted, expected less than %.3g %%; the first is '%s' (%s "
              "%.3g, threshold %g)",
              100 * v->drift_share, 100 * e->max_drift, first->name, first->test, first->value,
              first->threshold);
}

/* --- duplicates ------------------------------------------------------------------------------ */

static int by_value(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* Of all fields of a sample, one hash over the next. */
static void hash_block(const ig_dataset *data, void *const *buffers, int64_t count,
                       uint64_t *hashes) {
  for (int64_t i = 0; i < count; i++) {
    hashes[i] = 0;
    for (int f = 0; f < data->n_fields; f++) {
      size_t bytes = ig_shape_bytes(&data->fields[f].shape, data->fields[f].dtype);
      hashes[i] =
          XXH3_64bits_withSeed((const char *)buffers[f] + (size_t)i * bytes, bytes, hashes[i]);
    }
  }
}

static ig_status hash_all(ig_dataset *data, void *const *buffers, uint64_t *hashes) {
  int64_t indices[HASH_BLOCK];
  for (int64_t first = 0; first < data->n_samples; first += HASH_BLOCK) {
    int64_t count = IG_MIN(HASH_BLOCK, data->n_samples - first);
    for (int64_t i = 0; i < count; i++) indices[i] = first + i;
    IG_TRY(ig_dataset_read(data, indices, count, buffers));
    hash_block(data, buffers, count, hashes + first);
  }
  return IG_OK;
}

static ig_status count_duplicates(ig_dataset *data, int64_t *duplicates) {
  int64_t n = data->n_samples;
  *duplicates = -1;
  if (data->sequential || n > MOST_HASHED) return IG_OK;
  void *buffers[IG_MAX_FIELDS] = {0};
  uint64_t *hashes = ig_alloc((size_t)n * sizeof *hashes);
  bool whole = hashes != NULL;
  for (int f = 0; f < data->n_fields && whole; f++) {
    size_t bytes = ig_shape_bytes(&data->fields[f].shape, data->fields[f].dtype), block;
    buffers[f] = ig_mul_size(bytes, HASH_BLOCK, &block) ? ig_alloc(block) : NULL;
    whole = buffers[f] != NULL;
  }
  ig_status status =
      whole ? hash_all(data, buffers, hashes)
            : ig_fail(IG_ERR_MEMORY, "%s: no memory to compare %" PRId64 " samples", data->path, n);
  if (status == IG_OK) {
    qsort(hashes, (size_t)n, sizeof *hashes, by_value);
    *duplicates = 0;
    for (int64_t i = 1; i < n; i++) *duplicates += hashes[i] == hashes[i - 1];
  }
  for (int f = 0; f < data->n_fields; f++) ig_free(buffers[f]);
  ig_free(hashes);
  return status;
}

static ig_status check_samples(check *c) {
  const ig_expectations *e = c->expected;
  ig_validation *v = c->result;
  IG_TRY(count_duplicates(c->data, &v->duplicates));
  if (c->data->n_samples < e->min_samples) {
    IG_TRY(find(c, "samples", NULL, (double)c->data->n_samples, (double)e->min_samples,
                "%" PRId64 " samples, expected at least %" PRId64, c->data->n_samples,
                e->min_samples));
  }
  if (v->duplicates > 0 && !e->allow_duplicates) {
    IG_TRY(find(c, "duplicates", NULL, (double)v->duplicates, 0,
                "%" PRId64 " samples are equal to an earlier one", v->duplicates));
  }
  return IG_OK;
}

/* --- all ------------------------------------------------------------------------------------- */

static ig_status profile(check *c) {
  const ig_expectations *e = c->expected;
  ig_validation *v = c->result;
  size_t n = (size_t)IG_MAX(e->n_reference, 1);
  ig_profile *known = ig_arena_alloc(c->arena, n * sizeof *known);
  IG_CHECK_ALLOC(known);
  for (int i = 0; i < e->n_reference; i++) known[i] = e->reference[i].profile;
  return ig_profile_columns(c->data, 0, e->n_reference, known, e->n_reference > 0, c->arena,
                            &v->n_columns, &v->columns);
}

ig_status ig_validate(ig_dataset *dataset, const ig_expectations *expected, ig_arena *arena,
                      ig_validation *out) {
  ig_validation result = {.duplicates = -1, .drift_share = NAN};
  check c = {dataset, expected, arena, &result};
  ig_status status;
  IG_TRY_DONE(profile(&c));
  IG_TRY_DONE(check_samples(&c));
  IG_TRY_DONE(check_schema(&c));
  for (int i = 0; i < result.n_columns; i++) IG_TRY_DONE(check_column(&c, &result.columns[i]));
  IG_TRY_DONE(check_drift(&c));
  *out = result;
  return IG_OK;
done:
  ig_validation_release(&result);
  return status;
}

void ig_validation_release(ig_validation *validation) {
  ig_free(validation->findings);
  validation->findings = NULL;
  validation->n_findings = 0;
}
