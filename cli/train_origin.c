/* Where a run starts: anew, from a checkpoint, or where it was left; and what its folder must be for that.
 * Nothing is written here. */
#include "cli/train_origin.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/quantize/apply.h"
#include "engine/train/transfer.h"
#include "formats/checkpoint_h5.h"

/* --- resuming ---------------------------------------------------------------------------------- */

static char *path_in(const char *folder, const char *name) {
  return ig_format("%s/%s", folder, name);
}

static bool exists(const char *path) {
  return path && access(path, F_OK) == 0;
}

/* The settings of the run to go on with, beneath what the command line says now. */
ig_status ig_train_settle(ig_options *options, const ig_train_values *v) {
  if (!v->resume || !v->out) return IG_OK;
  char *path = path_in(v->out, "config.yaml");
  IG_CHECK_ALLOC(path);
  ig_status status = exists(path) ? ig_options_read_file(options, path) : IG_OK;
  ig_free(path);
  return status;
}

/* --- checks before anything is written --------------------------------------------------------- */

static ig_status check_folder(const char *out) {
  struct stat info;
  if (stat(out, &info) == 0) {
    IG_CHECK(S_ISDIR(info.st_mode), IG_ERR_USAGE, "--out: %s is a file, expected a folder", out);
    return access(out, W_OK | X_OK) == 0 ? IG_OK : ig_fail_errno("write in the folder", out);
  }
  if (errno != ENOENT) return ig_fail_errno("look up", out);
  char *parent = ig_strdup(out);
  IG_CHECK_ALLOC(parent);
  size_t length = strlen(parent);
  while (length > 1 && parent[length - 1] == '/') parent[--length] = '\0';
  char *slash = strrchr(parent, '/');
  const char *folder = slash == parent ? "/" : slash ? parent : ".";
  if (slash) *slash = '\0';
  ig_status status =
      access(folder, W_OK | X_OK) == 0 ? IG_OK : ig_fail_errno("make a folder in", folder);
  ig_free(parent);
  return status;
}

/* --- where the run starts ---------------------------------------------------------------------- */

/* What --model said when the run began: the name of a preset, or of the checkpoint it started from. */
static ig_status check_resumable(const ig_train_values *v, const ig_snapshot *snapshot) {
  json_t *config = snapshot->config_json ? json_loads(snapshot->config_json, 0, NULL) : NULL;
  const char *model = json_string_value(json_object_get(config, "model"));
  ig_status status = IG_OK;
  if (!model || strcmp(model, v->model) != 0) {
    status = ig_fail(IG_ERR_USAGE, "--model: %s is a run of the model '%s', not '%s'", v->out,
                     model ? model : "?", v->model);
  }
  json_decref(config);
  return status;
}

/* Leaves `origin->source` NULL when there is no checkpoint of the run yet. */
static ig_status open_latest(const ig_train_values *v, ig_model_source *source,
                             ig_train_origin *origin) {
  char *path = path_in(v->out, "latest.h5");
  IG_CHECK_ALLOC(path);
  ig_status status = IG_OK;
  if (v->resume && exists(path)) {
    status = ig_model_source_open(path, IG_CHECKPOINT_ALL, source);
    if (status == IG_OK) origin->source = source;
    if (status == IG_OK) origin->resumed = true;
    if (status == IG_OK) status = check_resumable(v, source->snapshot);
  } else if (!v->resume && !v->overwrite && exists(path)) {
    status = ig_fail(IG_ERR_USAGE,
                     "%s holds a run already: --resume goes on with it, --overwrite starts anew",
                     v->out);
  }
  ig_free(path);
  return status;
}

/* An imported model's last layers, as training wants them. */
static ig_status adapt(const ig_train_values *v, ig_graph *graph, bool *softmax) {
  if (strcmp(v->task, "regression") != 0) IG_TRY(ig_transfer_logits(graph, softmax));
  return v->classes ? ig_transfer_head(graph, v->classes) : IG_OK;
}

/* A name that is both a preset's and a file's is the preset: a run of `--model gpt --out gpt` must not
 * start from itself the next time. */
ig_status ig_train_origin_find(const ig_cli *cli, const ig_train_values *v,
                               ig_model_source *source, ig_train_origin *origin) {
  if (cli->rank == 0) IG_TRY(check_folder(v->out));
  IG_TRY(open_latest(v, source, origin));
  bool preset = ig_model_find(v->model, &origin->preset) == IG_OK;
  bool onnx = !preset && ig_model_is_onnx(v->model);
  if (!origin->source && !preset) {
    const char *node;
    IG_TRY(ig_model_source_open(v->model, 0, source));
    IG_CHECK(!ig_graph_is_quantized(source->graph, &node), IG_ERR_USAGE,
             "--model: %s is quantized (node '%s'), and integers cannot be trained; train the model that it "
             "was made of, and quantize that",
             source->path, node);
    if (onnx) IG_TRY(adapt(v, source->graph, &origin->softmax));
    if (onnx) origin->imported = source;
    else origin->source = source;
  }
  if (!preset) {
    IG_CHECK(!v->init, IG_ERR_USAGE,
             "--init: --model %s has parameters already; a preset takes those of --init", v->model);
    IG_CHECK(!v->tokenizer || origin->imported, IG_ERR_USAGE, "--tokenizer: text is read as --model %s reads it",
             v->model);
  }
  IG_CHECK(!v->classes || origin->imported || origin->resumed, IG_ERR_USAGE,
           "--classes: %s is no ONNX file, whose last layer it would replace", v->model);
  origin->model = origin->source ? origin->source->snapshot->model : v->model;
  if (ig_model_find(origin->model, &origin->preset) != IG_OK) origin->preset = NULL; /* imported once */
  return IG_OK;
}

/* `filters` are to whiten, or NULL. */
