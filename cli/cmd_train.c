/* `ingot train`: from options to a run's folder. Everything that can be wrong with options, data and
 * model is found before the folder is touched. */
#include "api/init_weights.h"
#include "cli/eval_report.h"
#include "cli/interrupt.h"
#include "cli/job.h"
#include "cli/precision.h"
#include "cli/train_origin.h"
#include "cli/train_quantize.h"
#include "cli/train_run.h"
#include "engine/train/transfer.h"
#include "engine/train/whiten.h"

static ig_status train_settle(ig_options *options, const void *values) {
  return ig_train_settle(options, values);
}

/* --- where the run starts ---------------------------------------------------------------------- */

static ig_status load_parameters(const ig_train_values *v, const ig_train_origin *origin,
                                 const ig_train_data *data, const ig_graph *graph,
                                 const ig_value *filters, ig_trainer *trainer) {
  if (origin->resumed) {
    ig_status status = ig_trainer_resume(trainer, origin->source->snapshot);
    return status == IG_OK ? IG_OK : ig_fail_in(status, "%s", origin->source->path);
  }
  if (origin->source) return ig_model_source_load(origin->source, ig_trainer_store(trainer));
  if (filters) {
    IG_TRY(ig_whiten_write(filters, ig_trainer_store(trainer), data->train, data->n_normalizations,
                           data->normalizations));
  }
  if (!v->init) return IG_OK;
  return ig_init_weights_load(v->init, graph, ig_trainer_store(trainer));
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
  ig_train_quantized quantized; /* with --quantize, what is trained in the place of the source's graph */
} job;

#define MOST_OUTPUTS 64

/* An imported model has as many outputs as it was made with; a text need not use its whole vocabulary. */
static ig_status check_outputs(const job *j) {
  ig_tensor_info outputs[MOST_OUTPUTS];
  int n = 0;
  IG_TRY(ig_model_outputs(j->graph, j->data.base, MOST_OUTPUTS, outputs, &n));
  const ig_shape *y = &outputs[0].shape;
  bool by_class = j->data.task == IG_TASK_CLASSIFICATION || j->data.task == IG_TASK_LANGUAGE;
  int64_t found = by_class ? (y->rank ? y->dims[y->rank - 1] : 1) : ig_shape_count(y);
  bool spare = j->data.task == IG_TASK_LANGUAGE && found > j->data.spec.n_outputs;
  IG_CHECK(found == j->data.spec.n_outputs || spare, IG_ERR_SHAPE,
           "%s needs %lld outputs, but output '%s' of %s has %lld; --classes %lld gives it a new last layer",
           j->values->data, (long long)j->data.spec.n_outputs, outputs[0].name, j->values->model,
           (long long)found, (long long)j->data.spec.n_outputs);
  return IG_OK;
}

static ig_status open_model(job *j) {
  const ig_train_values *v = j->values;
  if (j->origin.source) IG_TRY(ig_model_source_fit(&j->source, j->data.base));
  IG_TRY(ig_interrupt_install());
  bool preset = !j->origin.source && !j->origin.imported;
  if (preset) IG_TRY(ig_model_build(j->origin.model, &j->data.spec, &j->built));
  if (j->built && v->whiten) {
    IG_TRY(ig_whiten_find(j->built, &j->filters));
    j->filters->frozen = true;
  }
  ig_graph *graph = j->built ? j->built : j->source.graph;
  if (v->freeze) IG_TRY(ig_transfer_freeze(graph, v->freeze));
  if (v->lr_scale) IG_TRY(ig_transfer_scale(graph, v->lr_scale));
  j->graph = graph;
  return j->origin.imported ? check_outputs(j) : IG_OK;
}

static ig_status make_trainer(job *j) {
  IG_TRY(ig_train_options_make(j->cli, j->values, &j->options));
  j->options.task = j->data.task;
  IG_TRY(ig_check_precision(j->values->precision, true, j->backend));
  ig_warn_of_precision(j->cli, j->values->precision, j->backend);
  IG_TRY(ig_train_run_create(j->cli, j->values, &j->origin, &j->data, &j->run));
  ig_train_observer observer = ig_train_run_observer(j->run);
  IG_TRY(ig_trainer_create(j->graph, j->backend, j->cli->comm, j->data.train, j->data.validation,
                           j->data.n_normalizations, j->data.normalizations, &j->options, &observer,
                           &j->trainer));
  if (j->quantized.graph) return ig_train_quantized_load(&j->quantized, ig_trainer_store(j->trainer));
  const ig_value *filters = j->cli->rank == 0 ? j->filters : NULL; /* which rank 0 measures */
  return load_parameters(j->values, &j->origin, &j->data, j->graph, filters, j->trainer);
}

static ig_status share_filters(job *j) {
  ig_comm *comm = j->cli->comm;
  if (!comm || !j->filters) return IG_OK;
  ig_store *store = ig_trainer_store(j->trainer);
  ig_store_entry *entry = ig_store_find(store, j->filters->name);
  size_t bytes = ig_shape_bytes(&entry->shape, entry->dtype);
  void *host = ig_alloc(bytes);
  ig_status status = host ? ig_store_read(store, entry, host)
                          : ig_fail(IG_ERR_MEMORY, "no memory for filters");
  status = ig_comm_settle(comm, status);
  if (status == IG_OK) status = ig_comm_broadcast(comm, host, bytes, 0);
  if (status == IG_OK) status = ig_comm_settle(comm, ig_store_write(store, entry, host));
  ig_free(host);
  return status;
}

/* Between two things that ranks do together all learn how each fared, so that none waits for one that
 * has given up. */
static ig_status run_job(job *j) {
  ig_cli *cli = j->cli;
  IG_TRY(ig_comm_settle(cli->comm,
                        ig_train_origin_find(cli, j->values, &j->source, &j->origin)));
  IG_TRY(ig_train_data_open(cli, j->values, &j->origin, &j->data));
  IG_TRY(ig_comm_settle(cli->comm, open_model(j)));
  if (j->origin.softmax)
    ig_say(cli, "%s ends in a softmax, which is left out: the loss has its own\n", j->values->model);
  if (cli->comm) {
    const ig_snapshot *snapshot = j->origin.source ? j->origin.source->snapshot : NULL;
    IG_TRY(ig_job_compare(cli, ig_job_facts(j->graph, j->data.train, j->data.validation, snapshot)));
  }
  IG_TRY(ig_train_data_measure(cli, j->values, &j->origin, &j->data));
  IG_TRY(ig_train_quantize(cli, j->values, &j->origin, &j->data, j->graph, &j->quantized));
  if (j->quantized.graph) j->graph = j->quantized.graph;
  IG_TRY(ig_job_backend(cli, &j->backend));
  IG_TRY(ig_comm_settle(cli->comm, make_trainer(j)));
  IG_TRY(share_filters(j));
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
  ig_train_quantized_close(&j.quantized);
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
