/* `ingot train`: from options to a run's folder. Everything that can be wrong with options, data and
 * model is found before the folder is touched. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/eval_report.h"
#include "cli/interrupt.h"
#include "cli/job.h"
#include "cli/precision.h"
#include "cli/train_data.h"
#include "cli/train_run.h"
#include "engine/train/whiten.h"
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

/* A name that is both a preset's and a file's is the preset: a run of `--model gpt --out gpt` must not
 * start from itself the next time. */
static ig_status find_origin(const ig_train_values *v, ig_model_source *source,
                             ig_train_origin *origin) {
  IG_TRY(open_latest(v, source, origin));
  bool preset = ig_model_find(v->model, &origin->preset) == IG_OK;
  if (!origin->source && !preset) {
    IG_TRY(ig_model_source_open(v->model, 0, source));
    origin->source = source;
  }
  if (!preset) {
    IG_CHECK(!v->init, IG_ERR_USAGE,
             "--init: --model %s has parameters already; a preset takes those of --init", v->model);
    IG_CHECK(!v->tokenizer, IG_ERR_USAGE, "--tokenizer: text is read as --model %s reads it",
             v->model);
  }
  origin->model = origin->source ? origin->source->snapshot->model : v->model;
  return ig_model_find(origin->model, &origin->preset);
}

/* `filters` are to whiten, or NULL. */
static ig_status load_parameters(const ig_train_values *v, const ig_train_origin *origin,
                                 const ig_train_data *data, const ig_value *filters,
                                 ig_trainer *trainer) {
  if (origin->resumed) return ig_trainer_resume(trainer, origin->source->snapshot);
  if (origin->source) return ig_model_source_load(origin->source, ig_trainer_store(trainer));
  if (filters) {
    IG_TRY(ig_whiten_write(filters, ig_trainer_store(trainer), data->train, data->n_normalizations,
                           data->normalizations));
  }
  if (!v->init) return IG_OK;
  ig_model_source other;
  IG_TRY(ig_model_source_open(v->init, 0, &other));
  ig_status status = ig_model_source_load(&other, ig_trainer_store(trainer));
  ig_model_source_close(&other);
  return status;
}

/* --- the run ----------------------------------------------------------------------------------- */

/* A run and what it is made of, in the order of making. */
typedef struct job {
  ig_cli *cli;
  const ig_train_values *values;
  ig_model_source source;
  ig_train_origin origin;
  ig_train_data data;
  ig_train_options options;
  ig_graph *built; /* from a preset; NULL with a checkpoint */
  const ig_graph *graph;
  ig_value *filters; /* to whiten, or NULL */
  ig_backend *backend;
  ig_train_run *run;
  ig_trainer *trainer;
} job;

/* Everything that can be found wrong before ranks do anything together. */
static ig_status open_job(job *j) {
  const ig_train_values *v = j->values;
  if (j->cli->rank == 0) IG_TRY(check_folder(v->out));
  IG_TRY(find_origin(v, &j->source, &j->origin));
  IG_TRY(ig_train_data_open(j->cli, v, &j->origin, &j->data));
  IG_TRY(ig_interrupt_install());
  if (!j->origin.source) IG_TRY(ig_model_build(j->origin.model, &j->data.spec, &j->built));
  if (j->built && v->whiten) {
    IG_TRY(ig_whiten_find(j->built, &j->filters));
    j->filters->frozen = true;
  }
  j->graph = j->built ? j->built : j->origin.source->graph;
  return IG_OK;
}

static ig_status make_trainer(job *j) {
  IG_TRY(ig_train_options_make(j->cli, j->values, &j->options));
  j->options.task = j->data.task;
  ig_warn_of_precision(j->cli, j->values->precision, j->backend);
  IG_TRY(ig_train_run_create(j->cli, j->values, &j->origin, &j->data, &j->run));
  ig_train_observer observer = ig_train_run_observer(j->run);
  IG_TRY(ig_trainer_create(j->graph, j->backend, j->cli->comm, j->data.train, j->data.validation,
                           j->data.n_normalizations, j->data.normalizations, &j->options, &observer,
                           &j->trainer));
  return load_parameters(j->values, &j->origin, &j->data, j->filters, j->trainer);
}

/* Between two things that ranks do together all learn how each fared, so that none waits for one that
 * has given up. */
static ig_status run_job(job *j) {
  ig_cli *cli = j->cli;
  IG_TRY(ig_comm_settle(cli->comm, open_job(j)));
  if (cli->comm) {
    const ig_snapshot *snapshot = j->origin.source ? j->origin.source->snapshot : NULL;
    IG_TRY(ig_job_compare(cli, ig_job_facts(j->graph, j->data.train, j->data.validation, snapshot)));
  }
  IG_TRY(ig_train_data_measure(cli, j->values, &j->origin, &j->data));
  IG_TRY(ig_job_backend(cli, &j->backend));
  IG_TRY(ig_comm_settle(cli->comm, make_trainer(j)));
  IG_TRY(ig_comm_settle(cli->comm, ig_train_run_begin(j->run, j->trainer, j->graph, j->backend)));
  ig_status status = ig_trainer_run(j->trainer);
  return ig_train_run_end(j->run, status);
}

static ig_status train_run(ig_cli *cli, const void *values) {
  job j = {.cli = cli, .values = values};
  ig_status status = run_job(&j);
  ig_train_run_destroy(j.run);
  ig_trainer_destroy(j.trainer);
  ig_job_close(cli, status);
  if (j.backend) ig_backend_destroy(j.backend);
  ig_graph_destroy(j.built);
  ig_train_data_close(&j.data);
  ig_model_source_close(&j.source);
  return status;
}

static void train_help(FILE *out) {
  fputs("\nModels, besides checkpoints, which bring tokenizer and normalisation with them:\n", out);
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
    .ranks = true,
    .run = train_run,
    .more_help = train_help,
};
