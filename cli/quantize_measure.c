/* What quantization costs and saves: the metric of --eval, time and bytes of both models, and the gate. */
#include <math.h>
#include <string.h>

#include "cli/job.h"
#include "cli/quantize_job.h"
#include "engine/eval/latency.h"

#define ROUNDS 5 /* of timing, the two models in turns */
#define SLOWER 1.03 /* beyond what turns leave of noise */
#define WITHOUT_GATE 0.01 /* a drop that is told as a loss where --max-drop does not say */

ig_calibration_options ig_quantize_reading(const ig_quantize_job *job) {
  const ig_snapshot *snapshot = job->model.snapshot;
  return (ig_calibration_options){.samples = job->values->samples,
                                  .batch = job->values->batch,
                                  .workers = ig_job_workers(job->cli, job->values->workers),
                                  .n_normalizations = snapshot->n_normalizations,
                                  .normalizations = snapshot->normalizations,
                                  .comm = job->cli->comm};
}

static ig_status evaluator_of(ig_quantize_job *job, const ig_graph *graph, ig_store *store,
                              bool metrics, ig_evaluator **out) {
  const ig_snapshot *snapshot = job->model.snapshot;
  ig_eval_options options = {.task = job->model.task,
                             .batch = job->values->batch,
                             .limit = job->values->limit,
                             .no_metrics = !metrics,
                             .frozen = true,
                             .workers = ig_job_workers(job->cli, job->values->workers),
                             .n_normalizations = snapshot->n_normalizations,
                             .normalizations = snapshot->normalizations,
                             .comm = metrics ? job->cli->comm : NULL,
                             .seed = (uint64_t)job->cli->common->seed};
  ig_dataset *data = job->eval ? job->eval : job->calib;
  return ig_evaluator_create(graph, job->backend, store, data, &options, out);
}

static ig_status metric_of(ig_quantize_job *job, const ig_graph *graph, ig_store *store,
                           ig_quantize_measure *out) {
  ig_evaluator *evaluator;
  ig_metrics metrics;
  IG_TRY(evaluator_of(job, graph, store, true, &evaluator));
  ig_status status = ig_evaluator_run(evaluator, NULL, NULL, &metrics);
  if (status == IG_OK) {
    out->metric = ig_metrics_score(&metrics);
    out->loss = metrics.loss;
  }
  ig_evaluator_destroy(evaluator);
  return status;
}

static ig_status judge_metric(void *context, const ig_graph *graph, ig_store *store, double *out) {
  ig_quantize_job *job = context;
  ig_quantize_measure measure = {0};
  if (job->eval) {
    IG_TRY(metric_of(job, graph, store, &measure));
    *out = measure.metric;
    return IG_OK;
  }
  IG_TRY(ig_quant_outputs_error(job->outputs, graph, store, out));
  *out = -sqrt(*out);
  return IG_OK;
}

ig_quant_judge ig_quantize_judge(ig_quantize_job *job) {
  return (ig_quant_judge){.context = job, .metric = judge_metric};
}

/* --- time ---------------------------------------------------------------------------------------- */

static double median(double *seconds, int64_t n) {
  ig_sort_times(seconds, n);
  return ig_percentile(seconds, n, 50);
}

/* As many runs a round as fit into a tenth of the time, so that both models have five rounds in turns. */
static int64_t runs_of(double seconds, double budget) {
  double runs = budget / (2 * ROUNDS) / fmax(seconds, 1e-6);
  return (int64_t)fmin(fmax(runs, 2), 200);
}

static ig_status time_in_turns(ig_quantize_job *job, ig_evaluator *const both[2]) {
  double first[4], times[2][ROUNDS * 200];
  int64_t batch = job->values->latency_batch, runs[2], n[2] = {0};
  for (int m = 0; m < 2; m++) {
    IG_TRY(ig_evaluator_times(both[m], batch, 2, 2, first));
    runs[m] = runs_of(fmin(first[0], first[1]), job->values->latency_seconds);
  }
  for (int round = 0; round < ROUNDS; round++) {
    for (int m = 0; m < 2; m++) {
      IG_TRY(ig_evaluator_times(both[m], batch, 1, runs[m], times[m] + n[m]));
      n[m] += runs[m];
    }
  }
  job->before.seconds = median(times[0], n[0]);
  job->after.seconds = median(times[1], n[1]);
  return IG_OK;
}

static ig_status measure_times(ig_quantize_job *job) {
  ig_evaluator *both[2] = {NULL, NULL};
  ig_status status = evaluator_of(job, job->model.graph, job->store, false, &both[0]);
  if (status == IG_OK) {
    status = evaluator_of(job, job->quantized, job->quantized_store, false, &both[1]);
  }
  if (status == IG_OK) status = time_in_turns(job, both);
  ig_evaluator_destroy(both[0]);
  ig_evaluator_destroy(both[1]);
  return status;
}

/* --- all ----------------------------------------------------------------------------------------- */

static double bytes_of(const ig_store *store) {
  double bytes = 0;
  for (int64_t i = 0; i < ig_store_count(store); i++) {
    const ig_store_entry *entry = ig_store_entry_at(store, i);
    if (entry->role != IG_ROLE_PARAMETER && entry->role != IG_ROLE_STATE) continue;
    bytes += (double)ig_shape_count(&entry->shape) * ig_dtype_bits(entry->dtype) / 8;
  }
  return bytes;
}

ig_status ig_quantize_measure_both(ig_quantize_job *job) {
  const ig_quantize_measure unknown = {.metric = NAN, .loss = NAN, .seconds = NAN};
  ig_task task = job->model.task;
  job->before = job->after = unknown;
  job->output_error = NAN;
  job->before.bytes = bytes_of(job->store);
  job->after.bytes = bytes_of(job->quantized_store);
  if (job->eval) {
    job->metric_name = task == IG_TASK_CLASSIFICATION ? "accuracy"
                       : task == IG_TASK_MULTILABEL   ? "f1"
                                                      : "loss";
    IG_TRY(metric_of(job, job->model.graph, job->store, &job->before));
    IG_TRY(metric_of(job, job->quantized, job->quantized_store, &job->after));
  }
  if (job->outputs) {
    IG_TRY(ig_comm_settle(job->cli->comm, ig_quant_outputs_error(job->outputs, job->quantized,
                                                                 job->quantized_store,
                                                                 &job->output_error)));
  }
  if (job->values->latency_seconds <= 0 || !(job->eval || job->calib)) return IG_OK;
  return ig_comm_settle(job->cli->comm, measure_times(job));
}

static double drop_of(const ig_quantize_job *job) {
  return job->eval ? job->before.metric - job->after.metric : sqrt(job->output_error);
}

void ig_quantize_gate(ig_quantize_job *job) {
  const ig_quantize_values *v = job->values;
  bool asked = ig_options_origin(job->cli->options, "max-drop") != IG_FROM_DEFAULT;
  double most = asked ? v->max_drop : WITHOUT_GATE, drop = drop_of(job);
  const char *what = job->eval ? job->metric_name : "the output's error";
  job->gate_failed = (asked || job->eval) && !(drop <= most);
  job->slower = job->after.seconds > SLOWER * job->before.seconds;
  if (job->gate_failed && job->mix.tried > 0) {
    ig_warn(job->cli, "no mix of formats stays within --max-drop %g: the closest of %d lets %s drop by %.4g",
            most, job->mix.tried, what, drop);
  } else if (job->gate_failed) {
    ig_warn(job->cli, "the quantized model is less accurate: %s drops by %.4g, more than %g", what,
            drop, most);
  }
  if (job->slower) {
    ig_warn(job->cli, "the quantized model is slower: %.4g ms a batch of %lld, %.4g ms before",
            1e3 * job->after.seconds, (long long)v->latency_batch, 1e3 * job->before.seconds);
  }
  if (job->gate_failed || job->slower) job->cli->exit_code = 1;
}
