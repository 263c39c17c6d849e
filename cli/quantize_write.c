/* The quantized model as a checkpoint, with all that the original said of its data, or as ONNX. */
#include <string.h>
#include <strings.h>

#include "cli/provenance.h"
#include "cli/quantize_job.h"
#include "formats/checkpoint_h5.h"
#include "formats/graph_json.h"
#include "formats/onnx_export.h"
#include "formats/schema_json.h"

/* Task and schema of a model that has none, an ONNX file, are those of the data at hand. */
static ig_status describe_data(ig_quantize_job *job, const ig_snapshot *from, ig_snapshot *to) {
  ig_dataset *data = job->eval ? job->eval : job->calib;
  to->task = from->task ? from->task : ig_task_name(job->model.task);
  to->data_json = from->data_json;
  if (to->data_json) return IG_OK;
  IG_CHECK(data, IG_ERR_USAGE,
           "--out: a checkpoint says what data it takes, which '%s' does not: give --calib or --eval, "
           "or write .onnx",
           job->model.path);
  return ig_schema_to_json(data, to->arena, &to->data_json);
}

static ig_status note_run(ig_quantize_job *job, ig_snapshot *to) {
  json_t *run = ig_provenance_json(job->cli);
  json_object_set_new(run, "quantized_from", json_string(job->model.path));
  json_object_set_new(run, "format", json_string(job->values->format));
  char *text = run ? json_dumps(run, JSON_COMPACT) : NULL;
  to->provenance_json = text ? ig_arena_strdup(to->arena, text) : NULL;
  free(text);
  json_decref(run);
  IG_CHECK_ALLOC(to->provenance_json);
  return IG_OK;
}

static ig_status write_checkpoint(ig_quantize_job *job, ig_snapshot *to, const char *graph_json) {
  const ig_snapshot *from = job->model.snapshot;
  to->model = from->model; /* texts stay the source's, which outlives the copy */
  to->graph_json = graph_json;
  to->progress = from->progress;
  to->tokenizer = from->tokenizer;
  to->n_normalizations = from->n_normalizations;
  to->normalizations = from->normalizations;
  to->n_profiles = from->n_profiles;
  to->profiles = from->profiles;
  to->config_json = from->config_json;
  IG_TRY(describe_data(job, from, to));
  IG_TRY(note_run(job, to));
  return ig_checkpoint_save(job->values->out, to);
}

static ig_status write_onnx(ig_quantize_job *job, const ig_snapshot *tensors) {
  const ig_onnx_entry entries[] = {{"ingot.version", ig_version()},
                                   {"ingot.commit", ig_build_commit()},
                                   {"ingot.model", job->model.snapshot->model},
                                   {"ingot.quantized", job->values->format}};
  ig_onnx_export_options options = {
      .snapshot = tensors,
      .source = job->model.onnx ? &job->model.onnx->says : NULL,
      .n_metadata = IG_COUNT(entries),
      .metadata = entries};
  ig_onnx_exported made;
  return ig_onnx_export(job->quantized, &options, job->values->out, &made);
}

ig_status ig_quantize_write(ig_quantize_job *job) {
  size_t length = strlen(job->values->out);
  bool onnx = length > 5 && strcasecmp(job->values->out + length - 5, ".onnx") == 0;
  ig_snapshot *snapshot;
  char *json = NULL;
  IG_TRY(ig_snapshot_create(&snapshot));
  ig_status status = ig_store_to_snapshot(job->quantized_store, snapshot);
  if (status == IG_OK && !onnx) status = ig_graph_to_json(job->quantized, &json);
  if (status == IG_OK) {
    status = onnx ? write_onnx(job, snapshot) : write_checkpoint(job, snapshot, json);
  }
  ig_free(json);
  ig_snapshot_destroy(snapshot);
  return status;
}
