/* `ingot data stats` and `validate`: what is in a data set, and whether it is as expected. */
#include "cli/data_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/model_source.h"
#include "formats/checkpoint_h5.h"
#include "formats/schema_json.h"
#include "lifecycle/validate.h"

typedef struct report {
  const ig_cli *cli;
  ig_arena *arena;
  ig_dataset *data;
  int n_columns;
  ig_column *columns;
  /* What the data is held against. */
  ig_dataset *other;
  ig_snapshot *snapshot;
  ig_expectations expected;
  ig_validation found;
} report;

static ig_status report_open(const ig_cli *cli, const ig_data_values *v, report *r) {
  *r = (report){.cli = cli, .arena = ig_arena_create()};
  IG_CHECK(r->arena, IG_ERR_MEMORY, "no memory for a report");
  ig_dataset_open_options options = {
      .target = v->target, .no_target = v->no_target, .missing = IG_MISSING_NAN};
  return ig_dataset_open(v->data, &options, &r->data);
}

static void report_close(report *r) {
  ig_validation_release(&r->found);
  ig_dataset_destroy(r->data);
  ig_dataset_destroy(r->other);
  ig_snapshot_destroy(r->snapshot);
  ig_arena_destroy(r->arena);
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

static json_t *column_json(const ig_column *column) {
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
    json_array_append_new(columns, column_json(&r->columns[i]));
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
    status = ig_profile_columns(r.data, 0, 0, NULL, false, r.arena, &r.n_columns, &r.columns);
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
  IG_TRY(
      ig_schema_from_json(r->snapshot->data_json, path, r->arena, &r->expected.n_fields, &fields));
  r->expected.fields = fields;
  size_t count = (size_t)r->snapshot->n_profiles;
  ig_column *columns = ig_arena_alloc(r->arena, count * sizeof *columns);
  IG_CHECK(columns, IG_ERR_MEMORY, "no memory for profiles");
  for (size_t i = 0; i < count; i++) columns[i].profile = r->snapshot->profiles[i];
  r->expected.n_reference = r->snapshot->n_profiles;
  r->expected.reference = columns;
  return IG_OK;
}

static ig_status load_other(const ig_data_values *v, report *r) {
  ig_dataset_open_options options = {
      .target = v->target, .no_target = v->no_target, .missing = IG_MISSING_NAN};
  IG_TRY(ig_dataset_open(v->against, &options, &r->other));
  ig_column *columns;
  IG_TRY(
      ig_profile_columns(r->other, 0, 0, NULL, true, r->arena, &r->expected.n_reference, &columns));
  r->expected.reference = columns;
  r->expected.n_fields = r->other->n_fields;
  r->expected.fields = r->other->fields;
  return IG_OK;
}

static ig_status load_reference(const ig_data_values *v, report *r) {
  if (!v->against) return IG_OK;
  bool checkpoint = false;
  /* Not a file that can be read: a name such as mnist:train, or what ig_dataset_open reports. */
  ig_status status = ig_checkpoint_probe(v->against, &checkpoint);
  return status == IG_OK && checkpoint ? load_checkpoint(v->against, r) : load_other(v, r);
}

/* --- what was found ---------------------------------------------------------------------------- */

static void print_drift(const report *r) {
  if (r->found.n_drifts == 0) return;
  ig_say(r->cli, "  %-24s %-15s %10s %10s %10s %10s %10s\n", "drift of", "test", "value",
         "threshold", "ks", "w / dev", "psi");
  for (int i = 0; i < r->found.n_drifts; i++) {
    const ig_drift *d = &r->found.drifts[i];
    ig_say(r->cli, "  %-24s %-15s %10.3g %10.3g %10.3g %10.3g %10.3g%s\n", d->name,
           d->test ? d->test : "-", d->value, d->threshold, d->ks, d->wasserstein, d->stability,
           d->drifted ? "  drifted" : "");
  }
}

static json_t *drift_json(const ig_drift *d) {
  json_t *row = json_object();
  json_t *name = json_string(d->name);
  json_object_set_new(row, "column", name ? name : json_string("?"));
  json_object_set_new(row, "drifted", json_boolean(d->drifted));
  if (d->test) json_object_set_new(row, "test", json_string(d->test));
  ig_json_real(row, "value", d->value);
  ig_json_real(row, "threshold", d->threshold);
  ig_json_real(row, "ks", d->ks);
  ig_json_real(row, "ks_p", d->ks_p);
  ig_json_real(row, "wasserstein", d->wasserstein);
  ig_json_real(row, "chi_square_p", d->chi_square_p);
  ig_json_real(row, "jensen_shannon", d->jensen_shannon);
  ig_json_real(row, "psi", d->stability);
  return row;
}

static json_t *finding_json(const ig_finding *f) {
  json_t *row = json_object();
  json_t *text = json_string(f->text), *subject = f->subject ? json_string(f->subject) : NULL;
  json_object_set_new(row, "check", json_string(f->check));
  if (subject) json_object_set_new(row, "subject", subject);
  ig_json_real(row, "found", f->found);
  ig_json_real(row, "expected", f->expected);
  json_object_set_new(row, "text", text ? text : json_string("?"));
  return row;
}

static ig_status report_validation(ig_cli *cli, report *r) {
  const ig_validation *v = &r->found;
  bool passed = v->n_findings == 0;
  cli->exit_code = passed ? 0 : 1;
  r->n_columns = v->n_columns;
  r->columns = v->columns;
  if (!cli->common->json) {
    print_fields(r);
    print_drift(r);
    for (int i = 0; i < v->n_findings; i++) ig_say(cli, "FAILED  %s\n", v->findings[i].text);
    if (passed) ig_say(cli, "passed  every expectation on %d columns\n", v->n_columns);
  }
  json_t *result, *drifts = json_array(), *failures = json_array();
  for (int i = 0; i < v->n_drifts; i++) json_array_append_new(drifts, drift_json(&v->drifts[i]));
  for (int i = 0; i < v->n_findings; i++) {
    json_array_append_new(failures, finding_json(&v->findings[i]));
  }
  ig_status status = report_json(r, &result);
  if (status != IG_OK) {
    json_decref(drifts);
    json_decref(failures);
    return status;
  }
  if (v->duplicates >= 0) json_object_set_new(result, "duplicates", json_integer(v->duplicates));
  ig_json_real(result, "drift_share", v->drift_share);
  json_object_set_new(result, "drift", drifts);
  json_object_set_new(result, "failures", failures);
  json_object_set_new(result, "passed", json_boolean(passed));
  return ig_emit_json(cli, result);
}

ig_status ig_data_validate(ig_cli *cli, const ig_data_values *v) {
  report r;
  ig_status status = report_open(cli, v, &r);
  r.expected.max_missing = v->max_missing;
  r.expected.max_drift = v->max_drift;
  r.expected.min_samples = v->min_samples;
  r.expected.allow_duplicates = v->allow_duplicates;
  r.expected.allow_constant = v->allow_constant;
  if (status == IG_OK) status = load_reference(v, &r);
  if (status == IG_OK) status = ig_validate(r.data, &r.expected, r.arena, &r.found);
  if (status == IG_OK) status = report_validation(cli, &r);
  report_close(&r);
  return status;
}
