/* `ingot eval`: every metric of a trained model over a data set, its latency and throughput, what that
 * costs, and gates on them for scripts. */
#include <math.h>
#include <string.h>

#include "cli/eval_report.h"
#include "cli/job.h"
#include "cli/precision.h"
#include "api/model_source.h"
#include "cli/text_source.h"
#include "cli/verb.h"
#include "engine/eval/latency.h"

typedef struct values {
  const char *model, *data, *target, *precision;
  int64_t batch, limit, workers, latency_batch;
  double latency_seconds, hourly_cost, min_accuracy, max_loss;
  bool mirror;
} values;

static const ig_option options[] = {
    IG_STRING_OPTION(values, model, "model", "M", IG_OPTION_REQUIRED, "checkpoint or run's folder"),
    IG_STRING_OPTION(values, data, "data", "D", IG_OPTION_REQUIRED, "what to evaluate on"),
    IG_STRING_OPTION(values, target, "target", "NAMES", 0, "target columns or array"),
    IG_INT_OPTION(values, batch, "batch", "64", 1, 1 << 24, "samples of a batch"),
    IG_ENUM_OPTION(values, precision, "precision", "f32", "f32|tf32|bf16|f16", "of products"),
    IG_INT_OPTION(values, limit, "limit", "0", 0, INT64_MAX, "samples at most, 0 for all"),
    IG_FLAG_OPTION(values, mirror, "mirror",
                   "metrics of the mean of an image's and its mirror image's outputs"),
    IG_INT_OPTION(values, workers, "workers", "0", 0, 16, "threads that prepare data"),
    IG_INT_OPTION(values, latency_batch, "latency-batch", "1", 1, 1 << 24,
                  "samples of a timed run"),
    IG_FLOAT_OPTION(values, latency_seconds, "latency-seconds", "1", 0, 3600,
                    "how long to time, 0 for not at all"),
    IG_FLOAT_OPTION(values, hourly_cost, "hourly-cost", "0", 0, 1e9,
                    "price of this machine an hour, for the cost of a million samples"),
    IG_FLOAT_OPTION(values, min_accuracy, "min-accuracy", NULL, 0, 1, "exit 1 below this"),
    IG_FLOAT_OPTION(values, max_loss, "max-loss", NULL, 0, 1e30, "exit 1 above this"),
    {.name = NULL}};

typedef struct measured {
  ig_metrics metrics;
  ig_latency latency; /* runs is 0 when it was not timed */
  double samples_per_second;
} measured;

static json_t *result_json(const values *v, const measured *m, const char *const *classes) {
  json_t *result = ig_metrics_json(&m->metrics);
  if (!result) return NULL;
  if (m->metrics.class_precision) {
    json_object_set_new(result, "classes", ig_class_metrics_json(&m->metrics, classes));
  }
  if (m->latency.runs > 0) {
    json_t *latency = json_object();
    ig_json_real(latency, "p50", 1e3 * m->latency.p50);
    ig_json_real(latency, "p95", 1e3 * m->latency.p95);
    ig_json_real(latency, "p99", 1e3 * m->latency.p99);
    json_object_set_new(latency, "batch", json_integer(m->latency.batch));
    json_object_set_new(latency, "runs", json_integer(m->latency.runs));
    json_object_set_new(result, "latency_ms", latency);
  }
  ig_json_real(result, "samples_per_second", m->samples_per_second);
  if (v->hourly_cost > 0) {
    ig_json_real(result, "cost_per_million_samples",
                 v->hourly_cost / 3600 * 1e6 / m->samples_per_second);
  }
  return result;
}

static void print_times(const ig_cli *cli, const values *v, const measured *m) {
  ig_say(cli, "\n%-16s %.6g samples/s (batch %lld)\n", "throughput", m->samples_per_second,
         (long long)v->batch);
  if (m->latency.runs > 0) {
    ig_say(cli, "%-16s p50 %.4g ms, p95 %.4g ms, p99 %.4g ms (batch %lld, %lld runs)\n", "latency",
           1e3 * m->latency.p50, 1e3 * m->latency.p95, 1e3 * m->latency.p99,
           (long long)m->latency.batch, (long long)m->latency.runs);
  }
  if (v->hourly_cost > 0) {
    ig_say(cli, "%-16s %.4g a million samples\n", "cost",
           v->hourly_cost / 3600 * 1e6 / m->samples_per_second);
  }
}

static void check_gates(ig_cli *cli, const values *v, const ig_metrics *m) {
  bool accurate = ig_options_origin(cli->options, "min-accuracy") == IG_FROM_DEFAULT ||
                  m->accuracy >= v->min_accuracy;
  bool low =
      ig_options_origin(cli->options, "max-loss") == IG_FROM_DEFAULT || m->loss <= v->max_loss;
  if (!accurate) ig_warn(cli, "accuracy %.4f is below %g", m->accuracy, v->min_accuracy);
  if (!low) ig_warn(cli, "loss %g is above %g", m->loss, v->max_loss);
  if (!accurate || !low) cli->exit_code = 1;
}

static ig_status time_model(const values *v, ig_evaluator *evaluator, measured *out) {
  if (v->latency_seconds <= 0) return IG_OK;
  return ig_evaluator_latency(evaluator, v->latency_batch, v->latency_seconds, &out->latency);
}

static ig_status measure(const values *v, ig_evaluator *evaluator, int64_t samples, measured *out) {
  double start = ig_now();
  IG_TRY(ig_evaluator_run(evaluator, NULL, NULL, &out->metrics));
  if (v->limit > 0) samples = IG_MIN(samples, v->limit);
  out->samples_per_second = (double)samples / (ig_now() - start);
  return IG_OK;
}

/* What is evaluated, and with what, in the order of making. */
typedef struct subject {
  ig_cli *cli;
  const values *values;
  ig_model_source model;
  ig_tokenizer *tokenizer;
  ig_text_encoder encoder;
  ig_dataset *data;
  ig_backend *backend;
  ig_store *store;
  ig_evaluator *evaluator;
} subject;

static ig_status open_model(subject *s) {
  IG_TRY(ig_model_source_open(s->values->model, 0, &s->model));
  IG_TRY(ig_text_tokenizer_of(s->model.snapshot, s->model.path, &s->tokenizer));
  if (s->tokenizer) s->encoder = ig_text_encoder_of(s->tokenizer);
  return IG_OK;
}

static ig_status open_subject(subject *s) {
  const values *v = s->values;
  IG_TRY(ig_comm_settle(s->cli->comm, open_model(s)));
  IG_TRY(ig_model_source_data(&s->model, v->data, v->target, false,
                              s->tokenizer ? &s->encoder : NULL, s->cli->comm, &s->data));
  if (s->model.task == IG_TASK_AUTO) IG_TRY(ig_task_of_dataset(s->data, &s->model.task));
  IG_TRY(ig_model_source_fit(&s->model, s->data));
  IG_CHECK(s->data->n_fields > s->model.graph->n_inputs, IG_ERR_INPUT,
           "%s: has no target to compare with, only '%s'", s->data->path,
           s->data->fields[s->data->n_fields - 1].name);
  return IG_OK;
}

static ig_status make_evaluator(subject *s) {
  const values *v = s->values;
  const ig_snapshot *snapshot = s->model.snapshot;
  ig_warn_of_precision(s->cli, v->precision, s->backend);
  IG_TRY(ig_model_source_store(&s->model, s->backend, &s->store));
  ig_eval_options eval = {.task = s->model.task,
                          .batch = v->batch,
                          .limit = v->limit,
                          .mirror = v->mirror,
                          .detailed = true,
                          .frozen = true,
                          .workers = ig_job_workers(s->cli, v->workers),
                          .n_normalizations = snapshot->n_normalizations,
                          .normalizations = snapshot->normalizations,
                          .precision = ig_precision_parse(v->precision),
                          .comm = s->cli->comm,
                          .seed = (uint64_t)s->cli->common->seed};
  return ig_evaluator_create(s->model.graph, s->backend, s->store, s->data, &eval, &s->evaluator);
}

static ig_status report(const subject *s, const measured *m) {
  const char *const *classes = s->data->fields[s->data->n_fields - 1].classes;
  check_gates(s->cli, s->values, &m->metrics);
  if (!s->cli->common->json) {
    ig_metrics_print(s->cli, &m->metrics, classes);
    print_times(s->cli, s->values, m);
  }
  return ig_emit_json(s->cli, result_json(s->values, m, classes));
}

/* All ranks time the model at once, as they run, and rank 0 reports its own. */
static ig_status measure_and_report(subject *s) {
  ig_comm *comm = s->cli->comm;
  IG_TRY(open_subject(s));
  if (comm) {
    IG_TRY(ig_job_compare(s->cli, ig_job_facts(s->model.graph, s->data, NULL, s->model.snapshot)));
  }
  IG_TRY(ig_job_backend(s->cli, &s->backend));
  IG_TRY(ig_comm_settle(s->cli->comm, make_evaluator(s)));
  measured m = {0};
  IG_TRY(ig_comm_settle(s->cli->comm, time_model(s->values, s->evaluator, &m)));
  IG_TRY(measure(s->values, s->evaluator, s->data->n_samples, &m));
  return report(s, &m);
}

static ig_status eval_run(ig_cli *cli, const void *options_) {
  subject s = {.cli = cli, .values = options_};
  ig_status status = measure_and_report(&s);
  ig_evaluator_destroy(s.evaluator); /* owns what the metrics point to */
  ig_store_destroy(s.store);
  ig_job_close(cli, status);
  if (s.backend) ig_backend_destroy(s.backend);
  ig_dataset_destroy(s.data);
  ig_tokenizer_destroy(s.tokenizer);
  ig_model_source_close(&s.model);
  return status;
}

const ig_verb ig_verb_eval = {
    .name = "eval",
    .what = "measures a trained model on data",
    .usage = "--model M --data D [options]",
    .options = options,
    .size = sizeof(values),
    .ranks = true,
    .run = eval_run,
};
