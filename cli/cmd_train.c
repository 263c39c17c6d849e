/* `ingot train`: from options to a run's folder. Everything that can be wrong with options, data and
 * model is found before the folder is touched. */
#include "cli/eval_report.h"
#include "cli/interrupt.h"
#include "cli/precision.h"
#include "cli/train_origin.h"
#include "cli/train_run.h"
#include "engine/train/whiten.h"

static ig_status train_settle(ig_options *options, const void *values) {
  return ig_train_settle(options, values);
}

/* --- where the run starts ---------------------------------------------------------------------- */

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

static ig_status train_on(ig_cli *cli, const ig_train_values *v, const ig_train_origin *origin,
                          ig_train_data *data) {
  ig_graph *built = NULL;
  ig_value *filters = NULL;
  ig_backend *backend = NULL;
  ig_trainer *trainer = NULL;
  ig_train_run *run = NULL;
  ig_train_options options;
  ig_status status;
  IG_TRY_DONE(ig_train_options_make(cli, v, &options));
  options.task = data->task;
  if (!origin->source) IG_TRY_DONE(ig_model_build(origin->model, &data->spec, &built));
  if (built && v->whiten) {
    IG_TRY_DONE(ig_whiten_find(built, &filters));
    filters->frozen = true;
  }
  const ig_graph *graph = built ? built : origin->source->graph;
  IG_TRY_DONE(ig_backend_open(cli->common->device, (int)cli->common->threads, &backend));
  ig_warn_of_precision(cli, v->precision, backend);
  IG_TRY_DONE(ig_train_run_create(cli, v, origin, data, &run));
  ig_train_observer observer = ig_train_run_observer(run);
  IG_TRY_DONE(ig_trainer_create(graph, backend, NULL, data->train, data->validation,
                                data->n_normalizations, data->normalizations, &options, &observer,
                                &trainer));
  IG_TRY_DONE(load_parameters(v, origin, data, filters, trainer));
  IG_TRY_DONE(ig_train_run_begin(run, trainer, graph, backend));
  status = ig_trainer_run(trainer);
  status = ig_train_run_end(run, status);
done:
  ig_train_run_destroy(run);
  ig_trainer_destroy(trainer);
  if (backend) ig_backend_destroy(backend);
  ig_graph_destroy(built);
  return status;
}

static ig_status train_run(ig_cli *cli, const void *values) {
  const ig_train_values *v = values;
  ig_model_source source = {0};
  ig_train_origin origin = {0};
  ig_train_data data = {0};
  ig_status status;
  IG_TRY_DONE(ig_train_origin_find(v, &source, &origin));
  IG_TRY_DONE(ig_train_data_open(cli, v, &origin, &data));
  IG_TRY_DONE(ig_interrupt_install());
  IG_TRY_DONE(train_on(cli, v, &origin, &data));
done:
  ig_train_data_close(&data);
  ig_model_source_close(&source);
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
    .run = train_run,
    .more_help = train_help,
};
