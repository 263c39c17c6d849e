/* `ingot export`: a trained model without what only training needs: no optimizer state, and averaged
 * parameters in the place of those they average. */
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "api/model_source.h"
#include "cli/export_onnx.h"
#include "cli/verb.h"
#include "formats/checkpoint_h5.h"
#include "formats/hf_folder.h"
#include "formats/weights_file.h"

#define VALID ".h5, .onnx, .safetensors, .npz, or FOLDER/ for transformers"

typedef struct values {
  const char *model, *out;
  ig_export_onnx_values onnx;
} values;

static const ig_option options[] = {
    IG_STRING_OPTION(values, model, "model", "M", IG_OPTION_REQUIRED,
                     "checkpoint or run's folder; for .onnx also a preset or another .onnx"),
    IG_STRING_OPTION(values, out, "out", "FILE", IG_OPTION_REQUIRED,
                     "what to write: .h5, .onnx, .safetensors, .npz, or FOLDER/ for transformers"),
    IG_INT_OPTION(values, onnx.opset, "opset", "0", 0, 27,
                  ".onnx: of ONNX's operators, 13 to 27; 0 for the least from 18 on that has all"),
    IG_STRING_OPTION(values, onnx.external, "external-data", "NAME", 0,
                     ".onnx: a file beside it for the weights, which above 2 GiB they need"),
    IG_FLAG_OPTION(values, onnx.preprocessing, "with-preprocessing",
                   ".onnx: takes the data as they are, and normalises them itself"),
    IG_FLAG_OPTION(values, onnx.probabilities, "probabilities",
                   ".onnx: gives probabilities instead of logits"),
    IG_STRING_OPTION(values, onnx.shape, "shape", "N,N,...", 0,
                     ".onnx of a preset: one sample's shape"),
    IG_INT_OPTION(values, onnx.outputs, "outputs", "10", 1, 1 << 24, ".onnx of a preset: outputs"),
    {.name = NULL}};

typedef enum target { TARGET_CHECKPOINT, TARGET_WEIGHTS, TARGET_FOLDER, TARGET_ONNX } target;

/* By the extension; a name that ends in '/', or a folder, is one of Hugging Face's. */
static ig_status find_target(const char *path, target *out) {
  const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
  const char *extension = dot ? dot : "";
  struct stat info;
  bool weights =
      strcasecmp(extension, ".safetensors") == 0 || strcasecmp(extension, ".npz") == 0;
  *out = weights ? TARGET_WEIGHTS : TARGET_CHECKPOINT;
  if ((slash && !slash[1]) || (stat(path, &info) == 0 && S_ISDIR(info.st_mode))) {
    *out = TARGET_FOLDER;
    return IG_OK;
  }
  if (strcasecmp(extension, ".onnx") == 0) {
    *out = TARGET_ONNX;
    return IG_OK;
  }
  IG_CHECK(weights || strcasecmp(extension, ".h5") == 0, IG_ERR_USAGE,
           "--out: '%s' is no format to export to (valid: %s)", extension, VALID);
  return IG_OK;
}

/* Parameters and state change hands, so that nothing is in memory twice; the rest goes. */
static ig_status move_tensors(ig_snapshot *from, ig_snapshot *to) {
  for (int64_t i = 0; i < from->n_tensors; i++) {
    const ig_tensor *tensor = &from->tensors[i];
    bool kept = tensor->role == IG_ROLE_PARAMETER || tensor->role == IG_ROLE_STATE;
    if (kept) IG_TRY(ig_snapshot_move(from, tensor, to));
    else ig_snapshot_forget(from, tensor, true);
  }
  return IG_OK;
}

static ig_status write_stripped(ig_snapshot *from, target to_what, const char *path) {
  ig_snapshot *to;
  IG_TRY(ig_snapshot_create(&to));
  ig_status status = move_tensors(from, to);
  if (status == IG_OK) {
    to->model = from->model; /* texts stay the source's, which outlives the copy */
    to->graph_json = from->graph_json;
    to->progress = from->progress;
    to->data_json = from->data_json;
    to->task = from->task;
    to->tokenizer = from->tokenizer;
    to->n_normalizations = from->n_normalizations;
    to->normalizations = from->normalizations;
    to->n_profiles = from->n_profiles;
    to->profiles = from->profiles;
    to->config_json = from->config_json;
    to->provenance_json = from->provenance_json;
    to->metrics_json = from->metrics_json;
    switch (to_what) {
    case TARGET_CHECKPOINT: status = ig_checkpoint_save(path, to); break;
    case TARGET_WEIGHTS: status = ig_weights_save(path, to); break;
    case TARGET_FOLDER: status = ig_hf_folder_save(path, to); break;
    case TARGET_ONNX: break; /* cli/export_onnx.c */
    }
  }
  ig_snapshot_destroy(to);
  return status;
}

static ig_status export_run(ig_cli *cli, const void *values_) {
  const values *v = values_;
  target to_what;
  IG_TRY(find_target(v->out, &to_what));
  if (to_what == TARGET_ONNX) return ig_export_onnx(cli, v->model, v->out, &v->onnx);
  ig_model_source model;
  IG_TRY(ig_model_source_open(v->model, IG_CHECKPOINT_PROGRESS | IG_CHECKPOINT_PROVENANCE, &model));
  ig_model_source_use_averages(&model);
  ig_status status = write_stripped(model.snapshot, to_what, v->out);
  if (status == IG_OK) {
    ig_say(cli, "%s to %s\n", model.path, v->out);
    json_t *result = json_object();
    json_object_set_new(result, "model", json_string(model.path));
    json_object_set_new(result, "out", json_string(v->out));
    status = ig_emit_json(cli, result);
  }
  ig_model_source_close(&model);
  return status;
}

const ig_verb ig_verb_export = {
    .name = "export",
    .what = "writes a trained model without its training state",
    .usage = "--model M --out FILE",
    .options = options,
    .size = sizeof(values),
    .run = export_run,
};
