/* A run's folder while it trains, which rank 0 alone writes; other ranks only take part in snapshots. The trainer calls back after each step and when a checkpoint is due;
 * here that becomes lines, files and a snapshot handed to the writer's thread. */
#include "cli/train_run.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/eval_report.h"
#include "cli/rank_rates.h"
#include "cli/interrupt.h"
#include "cli/metrics_log.h"
#include "cli/progress.h"
#include "cli/provenance.h"
#include "cli/train_report.h"
#include "formats/checkpoint_writer.h"
#include "formats/graph_json.h"
#include "formats/schema_json.h"
#include "lifecycle/events.h"

/* Steps of a run that get a line in metrics.jsonl, besides those with a validation. */
#define LOGGED_STEPS 2000
/* Steps whose operators are timed for the report. */
#define PROFILE_FROM 10
#define PROFILE_TO 40

struct ig_train_run {
  ig_cli *cli;
  const ig_train_values *values;
  const ig_train_origin *origin;
  ig_train_data *data;
  ig_trainer *trainer;
  ig_checkpoint_writer *writer;
  ig_metrics_log *log;
  ig_events *events;
  const ig_graph *graph;
  ig_backend *backend;
  ig_bar bar;
  int64_t log_every;
  /* Texts that every checkpoint gets. */
  ig_arena *arena;
  const char *graph_json, *schema, *config, *provenance, *tokenizer;
  char *metrics; /* JSON of the last validation, heap; NULL before the first */
  ig_train_step last;
  bool started, stepped, validated;
  double val_loss, best_score; /* of the last and the best validation */
  char best_line[128];
  int64_t best_step;
  ig_rank_rates rates; /* of several ranks */
};

ig_status ig_train_run_create(ig_cli *cli, const ig_train_values *values,
                              const ig_train_origin *origin, ig_train_data *data,
                              ig_train_run **out) {
  ig_train_run *run = ig_alloc_zero(1, sizeof *run);
  IG_CHECK_ALLOC(run);
  run->cli = cli;
  run->values = values;
  run->origin = origin;
  run->data = data;
  run->arena = ig_arena_create();
  if (!run->arena) {
    ig_free(run);
    return ig_fail(IG_ERR_MEMORY, "no memory for a run");
  }
  *out = run;
  return IG_OK;
}

void ig_train_run_destroy(ig_train_run *run) {
  if (!run) return;
  ig_checkpoint_writer_close(run->writer);
  ig_metrics_log_close(run->log);
  ig_events_close(run->events);
  free(run->metrics); /* jansson's */
  ig_rank_rates_destroy(&run->rates);
  ig_arena_destroy(run->arena);
  ig_free(run);
}

/* --- the beginning ----------------------------------------------------------------------------- */

/* Takes the reference; the text is in the run's arena. */
static ig_status keep_json(ig_train_run *run, json_t *value, const char **out) {
  char *text = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
  json_decref(value);
  *out = text ? ig_arena_strdup(run->arena, text) : NULL;
  free(text);
  IG_CHECK(*out, IG_ERR_MEMORY, "no memory for the settings");
  return IG_OK;
}

static ig_status make_texts(ig_train_run *run) {
  IG_TRY(ig_schema_to_json(run->data->base, run->arena, &run->schema));
  IG_TRY(keep_json(run, ig_options_json(run->cli->options), &run->config));
  IG_TRY(keep_json(run, ig_provenance_json(run->cli), &run->provenance));
  char *text;
  IG_TRY(ig_graph_to_json(run->graph, &text));
  run->graph_json = ig_arena_strdup(run->arena, text);
  ig_free(text);
  IG_CHECK(run->graph_json, IG_ERR_MEMORY, "no memory for the graph");
  if (!run->data->tokenizer) return IG_OK;
  IG_TRY(ig_tokenizer_to_json(run->data->tokenizer, &text));
  run->tokenizer = ig_arena_strdup(run->arena, text);
  ig_free(text);
  IG_CHECK(run->tokenizer, IG_ERR_MEMORY, "no memory for the tokenizer");
  return IG_OK;
}

static ig_status make_folder(const char *path) {
  if (mkdir(path, 0777) == 0 || errno == EEXIST) return IG_OK;
  return ig_fail_errno("make the folder", path);
}

static const char *path_in(ig_train_run *run, const char *name) {
  return ig_arena_format(run->arena, "%s/%s", run->values->out, name);
}

ig_status ig_train_run_begin(ig_train_run *run, ig_trainer *trainer, const ig_graph *graph,
                             ig_backend *backend) {
  const ig_train_values *v = run->values;
  const ig_snapshot *snapshot = run->origin->resumed ? run->origin->source->snapshot : NULL;
  run->trainer = trainer;
  run->graph = graph;
  run->backend = backend;
  if (run->cli->rank > 0) return IG_OK;
  IG_TRY(ig_rank_rates_create(run->cli, &run->rates));
  int64_t total = ig_trainer_total_steps(trainer), done = snapshot ? snapshot->progress.step : 0;
  run->log_every = IG_MAX(1, total / LOGGED_STEPS);
  run->best_score = snapshot ? snapshot->progress.best_metric : NAN;
  run->best_step = snapshot ? snapshot->progress.best_step : 0;
  IG_TRY(make_texts(run));
  IG_TRY(make_folder(v->out));
  const char *config = path_in(run, "config.yaml"), *metrics = path_in(run, "metrics.jsonl");
  IG_CHECK(config && metrics, IG_ERR_MEMORY, "no memory for a path");
  IG_TRY(ig_options_write_yaml(run->cli->options, config));
  IG_TRY(ig_metrics_log_open(metrics, done, &run->log));
  IG_TRY(ig_events_create(v->out, done, &run->events));
  if (!snapshot) IG_TRY(ig_events_text(run->events, "settings", 0, run->config));
  IG_TRY(ig_checkpoint_writer_create(v->out, (int)v->keep, metrics, &run->writer));
  run->bar = ig_bar_begin(run->cli->common->quiet, "step", done, total);
  if (run->cli->comm) ig_bar_line(&run->bar, "%s", run->cli->comm->description);
  if (snapshot) ig_bar_line(&run->bar, "going on from step %lld of %s", (long long)done, v->out);
  run->started = true;
  return IG_OK;
}

/* --- every step -------------------------------------------------------------------------------- */

static ig_status keep_validation(ig_train_run *run, const ig_train_step *step) {
  json_t *json = ig_metrics_json(step->validation);
  char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
  json_decref(json);
  IG_CHECK(text, IG_ERR_MEMORY, "no memory for metrics");
  free(run->metrics);
  run->metrics = text;
  run->validated = true;
  run->val_loss = step->validation->loss;
  char line[128];
  ig_metrics_line(step->validation, line, sizeof line);
  if (step->best) {
    run->best_score = ig_metrics_score(step->validation);
    run->best_step = step->step;
    memcpy(run->best_line, line, sizeof line);
  }
  char training[64] = ""; /* not told where noise hides it */
  if (!isnan(step->loss)) snprintf(training, sizeof training, "training loss %.4f  ", step->loss);
  ig_bar_line(&run->bar, "epoch %.2f  step %lld  %svalidation %s%s",
              (double)step->epoch + step->fraction, (long long)step->step, training, line,
              step->best ? "  (best)" : "");
  return IG_OK;
}

static ig_status add_events(ig_train_run *run, const ig_train_step *step) {
  const ig_metrics *m = step->validation;
  const struct {
    const char *tag;
    double value;
    bool measured;
  } points[] = {{"train/loss", step->loss, !isnan(step->loss)},
                {"train/learning_rate", step->lr, true},
                {"train/gradient_norm", step->grad_norm, true},
                {"train/samples_per_second", step->samples_per_second, !isnan(step->samples_per_second)},
                {"validation/loss", m ? m->loss : NAN, m != NULL},
                {"validation/accuracy", m ? m->accuracy : NAN, m && !isnan(m->accuracy)},
                {"validation/f1", m ? m->f1 : NAN, m && !isnan(m->f1)},
                {"validation/perplexity", m ? m->perplexity : NAN, m && !isnan(m->perplexity)},
                {"validation/r2", m ? m->r2 : NAN, m && !isnan(m->r2)}};
  for (int i = 0; i < IG_COUNT(points); i++) {
    if (!points[i].measured) continue;
    IG_TRY(ig_events_scalar(run->events, points[i].tag, step->step, points[i].value));
  }
  return m ? ig_events_flush(run->events) : IG_OK;
}

/* Times operators over a while in the middle of things: the first steps make plans and warm caches. */
static void profile_some_steps(const ig_train_run *run, int64_t step_of_this_process) {
  ig_plan *plan = ig_trainer_plan(run->trainer);
  if (plan && step_of_this_process == PROFILE_FROM) ig_plan_profile(plan, true);
  if (plan && step_of_this_process == PROFILE_TO) ig_plan_profile(plan, false);
}

static ig_status on_step(void *context, const ig_train_step *step) {
  ig_train_run *run = context;
  run->last = *step;
  run->last.validation = NULL;
  run->stepped = true;
  if (run->cli->rank > 0) return IG_OK;
  ig_rank_rates_take(&run->rates, step);
  if (step->validation) IG_TRY(keep_validation(run, step));
  bool logged =
      step->validation || step->step % run->log_every == 0 || step->step == step->total_steps;
  if (logged) {
    IG_TRY(ig_metrics_log_step(run->log, step));
    IG_TRY(add_events(run, step));
  }
  profile_some_steps(run, step->step - run->bar.first);
  if (run->values->rank_rates) ig_rank_rates_print(&run->rates, &run->bar);
  if (ig_bar_due(&run->bar)) {
    char note[256], slowest[128] = "", rate[48] = ""; /* a round has no rate */
    ig_rank_rates_slowest(&run->rates, slowest, sizeof slowest);
    if (!step->round) snprintf(rate, sizeof rate, "  %.0f samples/s", step->samples_per_second);
    snprintf(note, sizeof note, "epoch %.2f  loss %.4f%s%s%s", (double)step->epoch + step->fraction,
             step->loss, rate, *slowest ? "  " : "", slowest);
    ig_bar_update(&run->bar, step->step, note);
  }
  return IG_OK;
}

/* --- checkpoints ------------------------------------------------------------------------------- */

static ig_status copy_text(ig_snapshot *snapshot, const char *text, const char **out) {
  *out = NULL;
  if (!text) return IG_OK;
  *out = ig_arena_strdup(snapshot->arena, text);
  IG_CHECK(*out, IG_ERR_MEMORY, "no memory for a checkpoint");
  return IG_OK;
}

static ig_status copy_normalizations(const ig_train_data *data, ig_snapshot *snapshot) {
  size_t count = (size_t)data->n_normalizations;
  ig_normalization *copies =
      ig_arena_copy(snapshot->arena, data->normalizations, count * sizeof *copies);
  IG_CHECK(copies, IG_ERR_MEMORY, "no memory for a checkpoint");
  for (size_t i = 0; i < count; i++) {
    size_t bytes = (size_t)copies[i].count * sizeof *copies[i].mean;
    IG_TRY(copy_text(snapshot, copies[i].field, &copies[i].field));
    copies[i].mean = ig_arena_copy(snapshot->arena, copies[i].mean, bytes);
    copies[i].std = ig_arena_copy(snapshot->arena, copies[i].std, bytes);
    IG_CHECK(copies[i].mean && copies[i].std, IG_ERR_MEMORY, "no memory for a checkpoint");
  }
  snapshot->n_normalizations = data->n_normalizations;
  snapshot->normalizations = copies;
  return IG_OK;
}

static ig_status copy_profiles(const ig_train_data *data, ig_snapshot *snapshot) {
  size_t count = (size_t)data->n_profiles;
  ig_profile *copies = ig_arena_copy(snapshot->arena, data->profiles, count * sizeof *copies);
  IG_CHECK(copies, IG_ERR_MEMORY, "no memory for a checkpoint");
  for (size_t i = 0; i < count; i++) {
    ig_profile *p = &copies[i];
    size_t bins = (size_t)p->bins;
    IG_TRY(copy_text(snapshot, p->name, &p->name));
    if (p->edges) {
      p->edges = ig_arena_copy(snapshot->arena, p->edges, (bins + 1) * sizeof *p->edges);
      IG_CHECK(p->edges, IG_ERR_MEMORY, "no memory for a checkpoint");
    }
    if (p->counts) {
      p->counts = ig_arena_copy(snapshot->arena, p->counts, bins * sizeof *p->counts);
      IG_CHECK(p->counts, IG_ERR_MEMORY, "no memory for a checkpoint");
    }
  }
  snapshot->n_profiles = data->n_profiles;
  snapshot->profiles = copies;
  return IG_OK;
}

static ig_status fill_snapshot(const ig_train_run *run, ig_snapshot *snapshot) {
  IG_TRY(copy_text(snapshot, run->origin->model, &snapshot->model));
  IG_TRY(copy_text(snapshot, run->graph_json, &snapshot->graph_json));
  IG_TRY(copy_text(snapshot, run->schema, &snapshot->data_json));
  IG_TRY(copy_text(snapshot, run->tokenizer, &snapshot->tokenizer));
  IG_TRY(copy_text(snapshot, run->config, &snapshot->config_json));
  IG_TRY(copy_text(snapshot, run->provenance, &snapshot->provenance_json));
  IG_TRY(copy_text(snapshot, run->metrics, &snapshot->metrics_json));
  IG_TRY(copy_normalizations(run->data, snapshot));
  return copy_profiles(run->data, snapshot);
}

static ig_status on_checkpoint(void *context, const ig_train_step *step, bool best, bool last) {
  ig_train_run *run = context;
  IG_UNUSED(step);
  IG_UNUSED(last);
  ig_snapshot *snapshot;
  IG_TRY(ig_trainer_snapshot(run->trainer, &snapshot));
  if (run->cli->rank > 0) {
    ig_snapshot_destroy(snapshot);
    return IG_OK;
  }
  ig_status status = fill_snapshot(run, snapshot);
  if (status != IG_OK) {
    ig_snapshot_destroy(snapshot);
    return status;
  }
  /* The writer syncs them: metrics up to here must be on disk before a checkpoint that a resumed run
   * would start from. */
  status = ig_metrics_log_flush(run->log);
  if (status != IG_OK) {
    ig_snapshot_destroy(snapshot);
    return status;
  }
  return ig_checkpoint_writer_submit(run->writer, snapshot, best);
}

ig_status ig_train_run_flush(ig_train_run *run) {
  return ig_checkpoint_writer_flush(run->writer);
}

ig_train_observer ig_train_run_observer(ig_train_run *run) {
  return (ig_train_observer){.context = run,
                             .on_step = on_step,
                             .on_checkpoint = on_checkpoint,
                             .interrupted = ig_interrupt_signal};
}

/* --- the end ----------------------------------------------------------------------------------- */

static json_t *result_json(const ig_train_run *run, bool finished) {
  const ig_train_step *last = &run->last;
  json_t *result = json_object();
  if (!result) return NULL;
  json_object_set_new(result, "run", json_string(run->values->out));
  json_object_set_new(result, "finished", json_boolean(finished));
  json_object_set_new(result, "step", json_integer(last->step));
  ig_json_real(result, "epoch", (double)last->epoch + last->fraction);
  if (run->stepped) {
    ig_json_real(result, "loss", last->loss);
    ig_json_real(result, "seconds", last->seconds);
    ig_json_real(result, "samples_per_second", last->samples_per_second);
    ig_json_real(result, "waiting_for_data", last->waited);
  }
  if (!isnan(run->best_score)) {
    json_t *best = json_object();
    json_object_set_new(best, "step", json_integer(run->best_step));
    ig_json_real(best, "score", run->best_score);
    json_object_set_new(result, "best", best);
  }
  if (last->round) {
    json_t *round = json_object();
    json_object_set_new(round, "rounds", json_integer(last->step));
    json_object_set_new(round, "clients", json_integer(last->round->clients));
    ig_json_real(round, "epsilon", last->round->epsilon);
    ig_json_real(round, "delta", last->round->delta);
    json_object_set_new(result, "federation", round);
  }
  if (run->cli->ranks > 1) json_object_set_new(result, "ranks", ig_rank_rates_json(&run->rates));
  json_t *validation = run->metrics ? json_loads(run->metrics, 0, NULL) : NULL;
  if (validation) json_object_set_new(result, "validation", validation);
  return result;
}

static void say_end(const ig_train_run *run) {
  const ig_train_step *last = &run->last;
  char text[32];
  if (run->cli->common->json) return;
  if (!run->stepped) {
    ig_say(run->cli, "%s: trained to its end before; nothing left to do\n", run->values->out);
    return;
  }
  if (last->round) {
    ig_say(run->cli, "%s: %lld rounds in %s\n", run->values->out, (long long)last->step,
           ig_duration_text(last->seconds, text));
  } else {
    ig_say(run->cli, "%s: %lld steps, %.2f epochs in %s of training, waiting for data %.0f %%\n",
           run->values->out, (long long)last->step, (double)last->epoch + last->fraction,
           ig_duration_text(last->seconds, text), 100 * last->waited);
  }
  char slowest[128];
  if (ig_rank_rates_slowest(&run->rates, slowest, sizeof slowest)) {
    ig_say(run->cli, "%s\n", slowest);
  }
  if (*run->best_line) {
    ig_say(run->cli, "best at step %lld: %s\n", (long long)run->best_step, run->best_line);
  }
}

static ig_status write_report(ig_train_run *run) {
  IG_TRY(ig_events_flush(run->events));
  ig_train_report report = {.cli = run->cli,
                            .values = run->values,
                            .data = run->data,
                            .backend = run->backend,
                            .plan = ig_trainer_plan(run->trainer),
                            .last = run->stepped ? &run->last : NULL,
                            .config = run->config,
                            .provenance = run->provenance,
                            .schema = run->schema,
                            .rates = &run->rates};
  return ig_train_report_write(&report);
}

ig_status ig_train_run_end(ig_train_run *run, ig_status status) {
  bool stopped = status == IG_ERR_INTERRUPTED;
  if (stopped) run->cli->exit_code = 128 + ig_trainer_signal(run->trainer);
  if (run->cli->rank > 0) return status;
  ig_bar_end(&run->bar);
  char *first = status == IG_OK ? NULL : ig_strdup(ig_last_error());
  ig_status written = ig_checkpoint_writer_flush(run->writer);
  if (written == IG_OK) written = ig_metrics_log_flush(run->log);
  /* The trainer's failure is the one to report; a lost last checkpoint outweighs a signal. */
  if (written != IG_OK && (status == IG_OK || stopped)) {
    ig_free(first);
    return written;
  }
  if (first) ig_fail(status, "%s", first);
  ig_free(first);
  if (status != IG_OK && !stopped) return status;
  if (!stopped) IG_TRY(write_report(run));
  if (stopped) {
    ig_say(run->cli, "%s: stopped after step %lld; --resume goes on\n", run->values->out,
           (long long)run->last.step);
  } else {
    say_end(run);
  }
  ig_status emitted = ig_emit_json(run->cli, result_json(run, !stopped));
  return emitted == IG_OK ? status : emitted;
}
