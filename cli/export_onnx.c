/* Models as ONNX files: what the model is, from where its tensors come, and what the file says of its
 * origin. */
#include "cli/export_onnx.h"

#include <string.h>
#include <sys/stat.h>

#include "api/model_source.h"
#include "cli/provenance.h"
#include "cli/shape_text.h"
#include "engine/train/match.h"
#include "formats/checkpoint_h5.h"
#include "formats/onnx_export.h"

#define MOST_ENTRIES 16

/* One export under way. */
typedef struct job {
  ig_arena *arena;
  const ig_export_onnx_values *values;
  const char *path;
  ig_task task; /* IG_TASK_AUTO when it is not known */
  ig_onnx_preprocess preprocess[IG_MAX_FIELDS];
  ig_onnx_entry entries[MOST_ENTRIES];
  ig_onnx_export_options options;
} job;

/* --- what the file says of itself -------------------------------------------------------------- */

static ig_status add_entry(job *j, const char *key, const char *text) {
  if (!text || !*text) return IG_OK;
  ig_onnx_entry *e = &j->entries[j->options.n_metadata++];
  *e = (ig_onnx_entry){key, ig_arena_strdup(j->arena, text)};
  IG_CHECK_ALLOC(e->value);
  return IG_OK;
}

static ig_status add_number(job *j, const char *key, int64_t value) {
  char text[32];
  snprintf(text, sizeof text, "%lld", (long long)value);
  return add_entry(j, key, text);
}

/* How inputs are normalised, for who feeds the model: JSON of what the checkpoint keeps. */
static ig_status add_normalizations(job *j, const ig_snapshot *s) {
  if (s->n_normalizations == 0) return IG_OK;
  json_t *all = json_object();
  for (int i = 0; i < s->n_normalizations; i++) {
    const ig_normalization *n = &s->normalizations[i];
    json_t *mean = json_array(), *std = json_array();
    for (int64_t c = 0; c < n->count; c++) {
      json_array_append_new(mean, json_real(n->mean[c]));
      json_array_append_new(std, json_real(n->std[c]));
    }
    json_object_set_new(all, n->field,
                        json_pack("{s:f, s:o, s:o}", "scale", n->scale, "mean", mean, "std", std));
  }
  char *text = json_dumps(all, JSON_COMPACT);
  ig_status status = text ? add_entry(j, "ingot.normalization", text)
                          : ig_fail(IG_ERR_MEMORY, "%s: out of memory", j->path);
  free(text);
  json_decref(all);
  return status;
}

static ig_status add_commit(job *j, const ig_snapshot *s) {
  json_t *run = s->provenance_json ? json_loads(s->provenance_json, 0, NULL) : NULL;
  ig_status status = add_entry(j, "ingot.trained_at", json_string_value(json_object_get(run, "commit")));
  json_decref(run);
  return status;
}

static ig_status describe_self(job *j, const char *model) {
  IG_TRY(add_entry(j, "ingot.version", ig_version()));
  IG_TRY(add_entry(j, "ingot.commit", ig_build_commit()));
  return add_entry(j, "ingot.model", model);
}

static ig_status describe_run(job *j, const ig_snapshot *s) {
  IG_TRY(describe_self(j, s->model));
  IG_TRY(add_commit(j, s));
  IG_TRY(add_entry(j, "ingot.task", s->task));
  IG_TRY(add_number(j, "ingot.step", s->progress.step));
  IG_TRY(add_number(j, "ingot.epoch", s->progress.epoch));
  IG_TRY(add_entry(j, "ingot.data", s->data_json));
  IG_TRY(add_entry(j, "ingot.metrics", s->metrics_json));
  return j->options.n_preprocess ? IG_OK : add_normalizations(j, s);
}

/* --- options ----------------------------------------------------------------------------------- */

/* Which normalisation each input had, by the field that fed it. */
static ig_status find_preprocess(job *j, const ig_model_source *source) {
  ig_dataset schema = {.path = source->path, .n_fields = source->n_fields};
  ig_match match;
  memcpy(schema.fields, source->fields, (size_t)source->n_fields * sizeof *source->fields);
  IG_TRY(ig_match_fields(source->graph, &schema, &match));
  for (int i = 0; i < match.n_inputs; i++) {
    const ig_field *field = &schema.fields[match.inputs[i]];
    const ig_normalization *found = NULL;
    for (int k = 0; k < source->snapshot->n_normalizations; k++) {
      const ig_normalization *n = &source->snapshot->normalizations[k];
      if (strcmp(n->field, field->name) == 0) found = n;
    }
    ig_dtype takes = source->graph->inputs[i]->dtype, dtype = field->dtype == IG_U8 ? IG_U8 : takes;
    if (!found && dtype == takes) continue;
    j->preprocess[j->options.n_preprocess++] = (ig_onnx_preprocess){i, dtype, found};
  }
  return IG_OK;
}

static ig_status choose_head(job *j) {
  if (!j->values->probabilities) return IG_OK;
  switch (j->task) {
  case IG_TASK_CLASSIFICATION:
  case IG_TASK_LANGUAGE: j->options.head = IG_ONNX_SOFTMAX; return IG_OK;
  case IG_TASK_MULTILABEL: j->options.head = IG_ONNX_SIGMOID; return IG_OK;
  default:
    return ig_fail(IG_ERR_USAGE, "--probabilities: the model's task has none (of classification, multilabel "
                                 "and language they are known)");
  }
}

static ig_status write_file(ig_cli *cli, job *j, const ig_graph *graph, const char *from) {
  ig_onnx_exported made = {0};
  IG_TRY(choose_head(j));
  j->options.opset = j->values->opset;
  j->options.external = j->values->external;
  j->options.preprocess = j->preprocess;
  j->options.metadata = j->entries;
  IG_TRY(ig_onnx_export(graph, &j->options, j->path, &made));
  ig_say(cli, "%s to %s: opset %lld, %lld nodes, %.1f MB of weights%s\n", from, j->path,
         (long long)made.opset, (long long)made.n_nodes, (double)made.weights / 1e6,
         made.external ? " in a file of their own" : "");
  json_t *result = json_object();
  json_object_set_new(result, "model", json_string(from));
  json_object_set_new(result, "out", json_string(j->path));
  json_object_set_new(result, "opset", json_integer(made.opset));
  json_object_set_new(result, "nodes", json_integer(made.n_nodes));
  json_object_set_new(result, "weight_bytes", json_integer((json_int_t)made.weights));
  json_object_set_new(result, "external_data", json_boolean(made.external));
  return ig_emit_json(cli, result);
}

/* --- sources ----------------------------------------------------------------------------------- */

static ig_status keep_metadata(job *j, const ig_onnx_message *m) {
  for (int64_t i = 0; i < m->n_metadata && j->options.n_metadata < MOST_ENTRIES; i++) {
    if (strncmp(m->metadata[i].key, "ingot.", 6) != 0)
      IG_TRY(add_entry(j, m->metadata[i].key, m->metadata[i].value));
  }
  return IG_OK;
}

static ig_status of_file(ig_cli *cli, job *j, const char *model) {
  ig_model_source source;
  IG_TRY(ig_model_source_open(model, IG_CHECKPOINT_PROGRESS | IG_CHECKPOINT_PROVENANCE, &source));
  ig_status status = IG_OK;
  ig_model_source_use_averages(&source);
  j->task = source.task;
  if (source.onnx) {
    j->options.source = &source.onnx->says;
    j->options.from = source.onnx;
    status = describe_self(j, NULL);
    if (status == IG_OK) status = keep_metadata(j, &source.onnx->says);
  } else {
    j->options.snapshot = source.snapshot;
    if (j->values->preprocessing) status = find_preprocess(j, &source);
    if (status == IG_OK) status = describe_run(j, source.snapshot);
  }
  if (status == IG_OK) status = write_file(cli, j, source.graph, source.path);
  ig_model_source_close(&source);
  return status;
}

static ig_status fit(const ig_export_onnx_values *v, const char *text, const ig_model_preset *preset,
                     ig_model_spec *spec) {
  *spec = (ig_model_spec){.n_outputs = v->outputs};
  if (v->shape) return ig_shape_parse(v->shape, &spec->input);
  IG_CHECK(preset->tokens, IG_ERR_USAGE,
           "--shape is missing: one sample's shape, such as 1,28,28, to fit the preset '%s' to", text);
  int64_t context;
  IG_TRY(ig_model_context(text, &context));
  spec->input = IG_SHAPE(context);
  return IG_OK;
}

/* First values, as training would begin with them. */
static ig_status first_values(ig_cli *cli, const ig_graph *graph, ig_snapshot *snapshot) {
  ig_backend *backend;
  ig_store *store = NULL;
  IG_TRY(ig_backend_open("cpu", (int)cli->common->threads, &backend));
  ig_status status = ig_store_create(backend, &store);
  if (status == IG_OK) status = ig_store_add_graph(store, graph, (uint64_t)cli->common->seed);
  if (status == IG_OK) status = ig_store_to_snapshot(store, snapshot);
  ig_store_destroy(store);
  ig_backend_destroy(backend);
  return status;
}

static ig_status of_preset(ig_cli *cli, job *j, const char *text, const ig_model_preset *preset) {
  ig_model_spec spec;
  ig_graph *graph;
  ig_snapshot *snapshot;
  IG_TRY(fit(j->values, text, preset, &spec));
  IG_TRY(ig_model_build(text, &spec, &graph));
  ig_status status = ig_snapshot_create(&snapshot);
  if (status == IG_OK) {
    j->task = preset->tokens ? IG_TASK_LANGUAGE : IG_TASK_CLASSIFICATION;
    j->options.snapshot = snapshot;
    status = first_values(cli, graph, snapshot);
    if (status == IG_OK) status = describe_self(j, text);
    if (status == IG_OK) status = write_file(cli, j, graph, text);
    ig_snapshot_destroy(snapshot);
  }
  ig_graph_destroy(graph);
  return status;
}

ig_status ig_export_onnx(ig_cli *cli, const char *model, const char *path,
                         const ig_export_onnx_values *values) {
  struct stat info;
  const ig_model_preset *preset;
  job j = {.values = values, .path = path, .arena = ig_arena_create()};
  IG_CHECK_ALLOC(j.arena);
  ig_status status;
  bool is_onnx = ig_model_is_onnx(model);
  bool is_preset = !is_onnx && stat(model, &info) != 0 && ig_model_find(model, &preset) == IG_OK;
  if (values->preprocessing && (is_onnx || is_preset)) {
    status = ig_fail(IG_ERR_USAGE, "--with-preprocessing: '%s' keeps no normalisation; a checkpoint does", model);
  } else {
    status = is_preset ? of_preset(cli, &j, model, preset) : of_file(cli, &j, model);
  }
  ig_arena_destroy(j.arena);
  return status;
}
