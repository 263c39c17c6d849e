/* `ingot train`: from options to a run's folder. Everything that can be wrong with options, data and
 * model is found before the folder is touched. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/eval_report.h"
#include "cli/interrupt.h"
#include "cli/train_data.h"
#include "cli/train_run.h"
#include "engine/passes/pass.h"
#include "formats/checkpoint_h5.h"

/* --- resuming ---------------------------------------------------------------------------------- */

static char *path_in(const char *folder, const char *name) {
  return ig_format("%s/%s", folder, name);
}

static bool exists(const char *path) {
  return path && access(path, F_OK) == 0;
}

/* The settings of the run to go on with, beneath what the command line says now. */
static ig_status train_settle(ig_options *options, const void *values) {
  const ig_train_values *v = values;
  if (!v->resume || !v->out) return IG_OK;
  char *path = path_in(v->out, "config.yaml");
  IG_CHECK_ALLOC(path);
  ig_status status = exists(path) ? ig_options_read_file(options, path) : IG_OK;
  ig_free(path);
  return status;
}

/* NULL when there is no checkpoint yet: the run then starts from the beginning. */
static ig_status load_latest(const ig_train_values *v, ig_snapshot **out) {
  *out = NULL;
  char *path = path_in(v->out, "latest.h5");
  IG_CHECK_ALLOC(path);
  ig_status status = IG_OK;
  if (v->resume && exists(path)) {
    status = ig_checkpoint_load(path, IG_CHECKPOINT_ALL, out);
  } else if (!v->resume && !v->overwrite && exists(path)) {
    status = ig_fail(IG_ERR_USAGE,
                     "%s holds a run already: --resume goes on with it, --overwrite starts anew",
                     v->out);
  }
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

static ig_status check_resumable(const ig_train_values *v, const ig_snapshot *snapshot) {
  IG_CHECK(!snapshot || (snapshot->model && strcmp(snapshot->model, v->model) == 0), IG_ERR_USAGE,
           "--model: %s is a run of the model '%s', not '%s'", v->out,
           snapshot && snapshot->model ? snapshot->model : "?", v->model);
  return IG_OK;
}

/* --- the run ----------------------------------------------------------------------------------- */

static ig_status load_parameters(const ig_train_values *v, const ig_snapshot *snapshot,
                                 ig_trainer *trainer) {
  if (snapshot) return ig_trainer_resume(trainer, snapshot);
  if (!v->init) return IG_OK;
  ig_snapshot *other;
  IG_TRY(ig_checkpoint_load(v->init, IG_CHECKPOINT_MODEL | IG_CHECKPOINT_PARAMETERS, &other));
  ig_status status = ig_trainer_load(trainer, other);
  if (status != IG_OK) ig_fail_in(status, "%s", v->init);
  ig_snapshot_destroy(other);
  return status;
}

/* Products stay in f32 there, and what the other operators save is spent on casts. */
static void warn_of_precision(const ig_cli *cli, const ig_train_options *options,
                              const ig_backend *backend) {
  ig_device device = backend->vtable->device;
  if (options->precision == IG_F32 || ig_mixed_precision_pays(device, options->precision)) return;
  ig_say(cli, "--precision %s: this processor lacks such products; f32 is as fast or faster\n",
         ig_dtype_name(options->precision));
}

static ig_status train_on(ig_cli *cli, const ig_train_values *v, const ig_snapshot *snapshot,
                          ig_train_data *data) {
  ig_graph *graph = NULL;
  ig_backend *backend = NULL;
  ig_trainer *trainer = NULL;
  ig_train_run *run = NULL;
  ig_train_options options;
  ig_status status;
  IG_TRY_DONE(ig_train_options_make(cli, v, &options));
  options.task = data->task;
  IG_TRY_DONE(ig_model_build(v->model, &data->spec, &graph));
  IG_TRY_DONE(ig_backend_open(cli->common->device, (int)cli->common->threads, &backend));
  warn_of_precision(cli, &options, backend);
  IG_TRY_DONE(ig_train_run_create(cli, v, data, &run));
  ig_train_observer observer = ig_train_run_observer(run);
  IG_TRY_DONE(ig_trainer_create(graph, backend, NULL, data->train, data->validation,
                                data->n_normalizations, data->normalizations, &options, &observer,
                                &trainer));
  IG_TRY_DONE(load_parameters(v, snapshot, trainer));
  IG_TRY_DONE(ig_train_run_begin(run, trainer, graph, backend, snapshot));
  status = ig_trainer_run(trainer);
  status = ig_train_run_end(run, status);
done:
  ig_train_run_destroy(run);
  ig_trainer_destroy(trainer);
  if (backend) ig_backend_destroy(backend);
  ig_graph_destroy(graph);
  return status;
}

static ig_status train_run(ig_cli *cli, const void *values) {
  const ig_train_values *v = values;
  const ig_model_preset *preset;
  ig_snapshot *snapshot = NULL;
  ig_train_data data = {0};
  ig_status status;
  IG_TRY(ig_model_find(v->model, &preset));
  IG_TRY(check_folder(v->out));
  IG_TRY(load_latest(v, &snapshot));
  IG_TRY_DONE(check_resumable(v, snapshot));
  IG_TRY_DONE(ig_train_data_open(cli, v, preset, snapshot, &data));
  IG_TRY_DONE(ig_interrupt_install());
  IG_TRY_DONE(train_on(cli, v, snapshot, &data));
done:
  ig_train_data_close(&data);
  ig_snapshot_destroy(snapshot);
  return status;
}

static void train_help(FILE *out) {
  fputs("\nModels:\n", out);
  for (const ig_model_preset *const *preset = ig_model_preset_registry; *preset; preset++) {
    fprintf(out, "  %s\n", (*preset)->what);
  }
}

const ig_verb ig_verb_train = {
    .name = "train",
    .what = "trains a model on data",
    .usage = "--model M --data D --out RUN [options]",
    .options = ig_train_options_table,
    .size = sizeof(ig_train_values),
    .settle = train_settle,
    .run = train_run,
    .more_help = train_help,
};
