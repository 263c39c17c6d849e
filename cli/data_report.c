/* `ingot data stats` and `validate`: what is in a data set, and whether it is as expected. Validation
 * collects every failed expectation before it ends, so that one run shows all that must be mended. */
#include "cli/data_report.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/model_source.h"
#include "formats/checkpoint_h5.h"
#include "formats/schema_json.h"
#include "lifecycle/profile.h"

#define MOST_HASHED ((int64_t)1 << 24) /* samples that are compared for equality */
#define HASH_BLOCK 256

typedef struct report {
  const ig_cli *cli;
  ig_arena *arena;
  ig_dataset *data;
  int n_columns;
  ig_column *columns;
  int64_t duplicates; /* -1: not looked for */
  /* What the data is held against. */
  ig_dataset *other;
  ig_snapshot *snapshot;
  int n_fields;
  const ig_field *fields;
  int n_profiles;
  const ig_profile *profiles;
  json_t *failures;
} report;

static ig_status report_open(const ig_cli *cli, const ig_data_values *v, report *r) {
  *r = (report){.cli = cli, .duplicates = -1};
  r->arena = ig_arena_create();
  r->failures = json_array();
  IG_CHECK(r->arena && r->failures, IG_ERR_MEMORY, "no memory for a report");
  ig_dataset_open_options options = {
      .target = v->target, .no_target = v->no_target, .missing = IG_MISSING_NAN};
  return ig_dataset_open(v->data, &options, &r->data);
}

static void report_close(report *r) {
  ig_dataset_destroy(r->data);
  ig_dataset_destroy(r->other);
  ig_snapshot_destroy(r->snapshot);
  ig_arena_destroy(r->arena);
  json_decref(r->failures);
}

static void fail(report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(report *r, const char *format, ...) {
  char line[512];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  ig_say(r->cli, "FAILED  %s\n", line);
  json_t *text = json_string(line);
  json_array_append_new(r->failures, text ? text : json_string("?"));
}

/* --- printing ---------------------------------------------------------------------------------- */

static void print_fields(const report *r) {
  ig_say(r->cli, "%s: %s, %lld samples\n", r->data->path, r->data->format,
         (long long)r->data->n_samples);
  for (int f = 0; f < r->data->n_fields; f++) {
    const ig_field *field = &r->data->fields[f];
    ig_say(r->cli, "  field %-12s %-9s %-5s %s", field->name, ig_field_kind_name(field->kind),
           ig_dtype_name(field->dtype), IG_SHAPE_STR(&field->shape));
    if (field->n_classes > 0) ig_say(r->cli, ", %lld classes", (long long)field->n_classes);
    ig_say(r->cli, "\n");
  }
}

static void print_columns(const report *r) {
  ig_say(r->cli, "  %-24s %12s %8s %8s %12s %12s %12s %12s\n", "column", "values", "missing", "inf",
         "min", "max", "mean", "deviation");
  for (int i = 0; i < r->n_columns; i++) {
    const ig_profile *p = &r->columns[i].profile;
    ig_say(r->cli, "  %-24s %12lld %8lld %8lld %12.6g %12.6g %12.6g %12.6g\n", p->name,
           (long long)p->samples, (long long)p->missing, (long long)r->columns[i].infinite, p->min,
           p->max, p->mean, p->std);
  }
}

static void print_classes(const report *r) {
  for (int i = 0; i < r->n_columns; i++) {
    const ig_field *field = &r->data->fields[r->columns[i].field];
    if (field->kind != IG_FIELD_CLASS) continue;
    const ig_profile *p = &r->columns[i].profile;
    ig_say(r->cli, "  classes of %s:", field->name);
    for (int k = 0; k < p->bins; k++) {
      if (field->classes) {
        ig_say(r->cli, " %s=%lld", field->classes[k], (long long)p->counts[k]);
      } else {
        ig_say(r->cli, " %d=%lld", k, (long long)p->counts[k]);
      }
    }
    ig_say(r->cli, "\n");
  }
}

static json_t *column_json(const report *r, const ig_column *column) {
  const ig_profile *p = &column->profile;
  json_t *row = json_object(), *counts = json_array();
  json_t *name = json_string(p->name);
  json_object_set_new(row, "name", name ? name : json_string("?"));
  json_object_set_new(row, "values", json_integer(p->samples));
  json_object_set_new(row, "missing", json_integer(p->missing));
  json_object_set_new(row, "infinite", json_integer(column->infinite));
  ig_json_real(row, "min", p->min);
  ig_json_real(row, "max", p->max);
  ig_json_real(row, "mean", p->mean);
  ig_json_real(row, "std", p->std);
  const ig_profile *known = ig_profile_find(r->n_profiles, r->profiles, p->name);
  if (known) ig_json_real(row, "drift", ig_profile_drift(known, p));
  for (int b = 0; b < p->bins && p->counts; b++) {
    json_array_append_new(counts, json_integer(p->counts[b]));
  }
  json_object_set_new(row, "counts", counts);
  if (p->edges) {
    json_t *edges = json_array();
    for (int b = 0; b <= p->bins; b++) json_array_append_new(edges, json_real(p->edges[b]));
    json_object_set_new(row, "edges", edges);
  }
  return row;
}

static ig_status report_json(const report *r, json_t **out) {
  const char *schema;
  IG_TRY(ig_schema_to_json(r->data, r->arena, &schema));
  json_t *object = json_loads(schema, 0, NULL), *columns = json_array();
  IG_CHECK(object && columns, IG_ERR_MEMORY, "no memory for a report");
  for (int i = 0; i < r->n_columns; i++) {
    json_array_append_new(columns, column_json(r, &r->columns[i]));
  }
  json_object_set_new(object, "columns", columns);
  *out = object;
  return IG_OK;
}

ig_status ig_data_stats(ig_cli *cli, const ig_data_values *v) {
  report r;
  json_t *result = NULL;
  ig_status status = report_open(cli, v, &r);
  if (status == IG_OK) {
    status = ig_profile_columns(r.data, 0, 0, NULL, r.arena, &r.n_columns, &r.columns);
  }
  if (status == IG_OK) {
    if (!cli->common->json) {
      print_fields(&r);
      print_columns(&r);
      print_classes(&r);
    }
    status = report_json(&r, &result);
  }
  if (status == IG_OK) status = ig_emit_json(cli, result);
  report_close(&r);
  return status;
}

/* --- what it is held against ------------------------------------------------------------------- */

static ig_status load_checkpoint(const char *path, report *r) {
  IG_TRY(ig_checkpoint_load(path, IG_CHECKPOINT_DATA, &r->snapshot));
  IG_CHECK(r->snapshot->data_json, IG_ERR_INPUT, "%s: the checkpoint has no schema", path);
  ig_field *fields;
  IG_TRY(ig_schema_from_json(r->snapshot->data_json, path, r->arena, &r->n_fields, &fields));
  r->fields = fields;
  r->n_profiles = r->snapshot->n_profiles;
  r->profiles = r->snapshot->profiles;
  return IG_OK;
}

static ig_status load_other(const ig_data_values *v, report *r) {
  ig_dataset_open_options options = {
      .target = v->target, .no_target = v->no_target, .missing = IG_MISSING_NAN};
  IG_TRY(ig_dataset_open(v->against, &options, &r->other));
  ig_column *columns;
  int count;
  IG_TRY(ig_profile_columns(r->other, 0, 0, NULL, r->arena, &count, &columns));
  ig_profile *profiles = ig_arena_alloc(r->arena, (size_t)count * sizeof *profiles);
  IG_CHECK(profiles, IG_ERR_MEMORY, "no memory for profiles");
  for (int i = 0; i < count; i++) profiles[i] = columns[i].profile;
  r->n_profiles = count;
  r->profiles = profiles;
  r->n_fields = r->other->n_fields;
  r->fields = r->other->fields;
  return IG_OK;
}

static ig_status load_reference(const ig_data_values *v, report *r) {
  if (!v->against) return IG_OK;
  bool checkpoint = false;
  if (ig_checkpoint_probe(v->against, &checkpoint) == IG_OK && checkpoint) {
    return load_checkpoint(v->against, r);
  }
  return load_other(v, r);
}

static void compare_field(report *r, const ig_field *want, const ig_field *have) {
  if (strcmp(want->name, have->name) != 0) {
    fail(r, "field '%s': expected '%s'", have->name, want->name);
    return;
  }
  if (want->kind != have->kind || want->dtype != have->dtype) {
    fail(r, "field '%s': %s of %s, expected %s of %s", have->name, ig_field_kind_name(have->kind),
         ig_dtype_name(have->dtype), ig_field_kind_name(want->kind), ig_dtype_name(want->dtype));
  }
  if (!ig_shape_equal(&want->shape, &have->shape)) {
    fail(r, "field '%s': samples of shape %s, expected %s", have->name, IG_SHAPE_STR(&have->shape),
         IG_SHAPE_STR(&want->shape));
  }
  if (have->n_classes > want->n_classes) {
    fail(r, "field '%s': %lld classes, expected at most %lld", have->name,
         (long long)have->n_classes, (long long)want->n_classes);
  }
}

static void compare_schema(report *r) {
  if (r->n_fields != r->data->n_fields) {
    fail(r, "%d fields, expected %d", r->data->n_fields, r->n_fields);
  }
  for (int f = 0; f < IG_MIN(r->n_fields, r->data->n_fields); f++) {
    compare_field(r, &r->fields[f], &r->data->fields[f]);
  }
}

/* --- expectations ------------------------------------------------------------------------------ */

static void check_column(report *r, const ig_data_values *v, const ig_column *column) {
  const ig_profile *p = &column->profile;
  double missing = p->samples > 0 ? (double)p->missing / (double)p->samples : 0;
  if (missing > v->max_missing) {
    fail(r, "column '%s': %.4g %% of values are missing or NaN, expected at most %.4g %%", p->name,
         100 * missing, 100 * v->max_missing);
  }
  if (column->infinite > 0) {
    fail(r, "column '%s': %lld infinite values", p->name, (long long)column->infinite);
  }
  if (!v->allow_constant && r->data->n_samples > 1 && p->min == p->max) {
    fail(r, "column '%s': every value is %g", p->name, p->min);
  }
  const ig_profile *known = ig_profile_find(r->n_profiles, r->profiles, p->name);
  double drift = known ? ig_profile_drift(known, p) : NAN;
  if (drift > v->max_drift) {
    fail(r, "column '%s': drift %.3f, expected at most %g (mean %.6g, before %.6g)", p->name, drift,
         v->max_drift, p->mean, known->mean);
  }
}

static int by_value(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* FNV-1a over the bytes of every field of the sample. */
static void hash_samples(const report *r, void *const *buffers, int64_t count, uint64_t *hashes) {
  for (int64_t i = 0; i < count; i++) {
    uint64_t hash = 14695981039346656037u;
    for (int f = 0; f < r->data->n_fields; f++) {
      const ig_field *field = &r->data->fields[f];
      size_t bytes = ig_shape_bytes(&field->shape, field->dtype);
      const unsigned char *at = (const unsigned char *)buffers[f] + (size_t)i * bytes;
      for (size_t b = 0; b < bytes; b++) hash = (hash ^ at[b]) * 1099511628211u;
    }
    hashes[i] = hash;
  }
}

static ig_status hash_all(const report *r, void *const *buffers, uint64_t *hashes) {
  int64_t indices[HASH_BLOCK];
  for (int64_t first = 0; first < r->data->n_samples; first += HASH_BLOCK) {
    int64_t count = IG_MIN(HASH_BLOCK, r->data->n_samples - first);
    for (int64_t i = 0; i < count; i++) indices[i] = first + i;
    IG_TRY(ig_dataset_read(r->data, indices, count, buffers));
    hash_samples(r, buffers, count, hashes + first);
  }
  return IG_OK;
}

static ig_status count_duplicates(report *r) {
  int64_t n = r->data->n_samples;
  if (r->data->sequential || n > MOST_HASHED) return IG_OK;
  void *buffers[IG_MAX_FIELDS] = {0};
  uint64_t *hashes = ig_alloc((size_t)n * sizeof *hashes);
  bool whole = hashes != NULL;
  for (int f = 0; f < r->data->n_fields && whole; f++) {
    const ig_field *field = &r->data->fields[f];
    buffers[f] = ig_alloc(HASH_BLOCK * ig_shape_bytes(&field->shape, field->dtype));
    whole = buffers[f] != NULL;
  }
  ig_status status = whole ? hash_all(r, buffers, hashes)
                           : ig_fail(IG_ERR_MEMORY, "%s: no memory to compare %lld samples",
                                     r->data->path, (long long)n);
  if (status == IG_OK) {
    qsort(hashes, (size_t)n, sizeof *hashes, by_value);
    r->duplicates = 0;
    for (int64_t i = 1; i < n; i++) r->duplicates += hashes[i] == hashes[i - 1];
  }
  for (int f = 0; f < r->data->n_fields; f++) ig_free(buffers[f]);
  ig_free(hashes);
  return status;
}

static ig_status check_all(report *r, const ig_data_values *v) {
  IG_TRY(load_reference(v, r));
  IG_TRY(ig_profile_columns(r->data, 0, r->n_profiles, r->profiles, r->arena, &r->n_columns,
                            &r->columns));
  IG_TRY(count_duplicates(r));
  if (!r->cli->common->json) print_fields(r);
  if (r->data->n_samples < v->min_samples) {
    fail(r, "%lld samples, expected at least %lld", (long long)r->data->n_samples,
         (long long)v->min_samples);
  }
  if (r->fields) compare_schema(r);
  for (int i = 0; i < r->n_columns; i++) check_column(r, v, &r->columns[i]);
  if (r->duplicates > 0 && !v->allow_duplicates) {
    fail(r, "%lld samples are equal to another", (long long)r->duplicates);
  }
  return IG_OK;
}

static ig_status report_validation(ig_cli *cli, report *r) {
  bool passed = json_array_size(r->failures) == 0;
  cli->exit_code = passed ? 0 : 1;
  if (passed) ig_say(cli, "passed  every expectation on %d columns\n", r->n_columns);
  json_t *result;
  IG_TRY(report_json(r, &result));
  if (r->duplicates >= 0) json_object_set_new(result, "duplicates", json_integer(r->duplicates));
  json_object_set(result, "failures", r->failures);
  json_object_set_new(result, "passed", json_boolean(passed));
  return ig_emit_json(cli, result);
}

ig_status ig_data_validate(ig_cli *cli, const ig_data_values *v) {
  report r;
  ig_status status = report_open(cli, v, &r);
  if (status == IG_OK) status = check_all(&r, v);
  if (status == IG_OK) status = report_validation(cli, &r);
  report_close(&r);
  return status;
}
