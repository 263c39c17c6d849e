/* `ingot quantize`: a trained or imported model in narrow numbers, and the proof that it is smaller, faster
 * and still right: both models are measured, and a gate on what may be lost decides the exit code. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "cli/job.h"
#include "cli/quantize_job.h"
#include "cli/text_source.h"
#include "engine/passes/pass.h"
#include "engine/quantize/fake.h"
#include "engine/quantize/weights.h"
#include "formats/checkpoint_h5.h"

static const ig_option options[] = {
    IG_STRING_OPTION(ig_quantize_values, model, "model", "M", IG_OPTION_REQUIRED,
                     "checkpoint, run's folder, or .onnx"),
    IG_STRING_OPTION(ig_quantize_values, calib, "calib", "D", 0,
                     "data that shows what activations are like; int8 and fp8 need it"),
    IG_ENUM_OPTION(ig_quantize_values, format, "format", "int8",
                   "fp16|bf16|int8|int8-dynamic|int8-weights|int4-weights|fp8",
                   "of weights, and but for -weights of products"),
    IG_STRING_OPTION(ig_quantize_values, out, "out", "FILE", IG_OPTION_REQUIRED,
                     "what to write: .h5 or .onnx"),
    IG_STRING_OPTION(ig_quantize_values, eval, "eval", "D", 0, "data with targets, to measure both models on"),
    IG_FLOAT_OPTION(ig_quantize_values, max_drop, "max-drop", "0.01", 0, 1e30,
                    "keep layers back until the metric (accuracy as a fraction, else loss; without --eval "
                    "the output's relative error) drops by no more; exit 1 where none will do"),
    IG_ENUM_OPTION(ig_quantize_values, observer, "observer", "percentile",
                   "percentile|minmax|moving-average|entropy|mse", "ranges of activations"),
    IG_FLOAT_OPTION(ig_quantize_values, percentile, "percentile", "99.99", 50, 100,
                    "of magnitudes, for --observer percentile"),
    IG_FLAG_OPTION(ig_quantize_values, symmetric, "symmetric", "activations as i8 around 0"),
    IG_FLAG_OPTION(ig_quantize_values, per_tensor, "per-tensor", "one scale for a weight's channels"),
    IG_INT_OPTION(ig_quantize_values, group, "group", "-1", -1, 4096,
                  "weights that share a scale, for -weights: 32, 64, 128; 0 for a channel; -1: 32 of "
                  "int4, a channel of int8"),
    IG_ENUM_OPTION(ig_quantize_values, rounding, "rounding", "nearest", "nearest|gptq",
                   "of weights; gptq keeps the outputs over --calib closest"),
    IG_FLAG_OPTION(ig_quantize_values, equalize, "equalize",
                   "even out the channels of layers behind one another"),
    IG_FLAG_OPTION(ig_quantize_values, correct_bias, "correct-bias",
                   "take what rounding adds to the outputs' means out of biases"),
    IG_FLOAT_OPTION(ig_quantize_values, smooth, "smooth", "0", 0, 1,
                    "SmoothQuant's alpha, for transformers; 0 for not at all"),
    IG_INT_OPTION(ig_quantize_values, samples, "samples", "1024", 0, INT64_MAX,
                  "of --calib at most, 0 for all"),
    IG_INT_OPTION(ig_quantize_values, batch, "batch", "32", 1, 1 << 24, "samples of a batch"),
    IG_INT_OPTION(ig_quantize_values, limit, "limit", "0", 0, INT64_MAX, "samples of --eval at most, 0 for all"),
    IG_STRING_OPTION(ig_quantize_values, target, "target", "NAMES", 0, "target columns or array"),
    IG_INT_OPTION(ig_quantize_values, workers, "workers", "0", 0, 16, "threads that prepare data"),
    IG_INT_OPTION(ig_quantize_values, latency_batch, "latency-batch", "1", 1, 1 << 24, "samples of a timed run"),
    IG_FLOAT_OPTION(ig_quantize_values, latency_seconds, "latency-seconds", "2", 0, 3600,
                    "how long to time both models, 0 for not at all"),
    IG_STRING_OPTION(ig_quantize_values, report, "report", "FILE.html", 0,
                     "a page with every layer's effect, which is measured for it"),
    {.name = NULL}};

/* --- settings -------------------------------------------------------------------------------------- */

static bool ends_in(const char *text, const char *end) {
  size_t length = strlen(text), size = strlen(end);
  return length > size && strcasecmp(text + length - size, end) == 0;
}

static bool needs_calibration(ig_quant_format format) {
  return format == IG_QUANT_INT8 || format == IG_QUANT_FP8;
}

static ig_status settle_settings(ig_quantize_job *job) {
  static const char *const observers[] = {
      [IG_RANGE_PERCENTILE] = "percentile", [IG_RANGE_MINMAX] = "minmax",
      [IG_RANGE_MOVING_AVERAGE] = "moving-average", [IG_RANGE_ENTROPY] = "entropy",
      [IG_RANGE_MSE] = "mse"};
  const ig_quantize_values *v = job->values;
  ig_quant_settings *s = &job->settings;
  *s = (ig_quant_settings){
      .percentile = v->percentile,
      .symmetric = v->symmetric,
      .per_tensor = v->per_tensor,
      .equalize = v->equalize,
      .correct_bias = v->correct_bias,
      .smooth = v->smooth,
      .rounding = strcmp(v->rounding, "gptq") == 0 ? IG_ROUND_GPTQ : IG_ROUND_NEAREST};
  IG_TRY(ig_quant_format_parse(v->format, &s->format));
  for (int i = 0; i < IG_COUNT(observers); i++) {
    if (strcmp(v->observer, observers[i]) == 0) s->ranges = (ig_range_method)i;
  }
  bool alone = s->format == IG_QUANT_INT8_WEIGHTS || s->format == IG_QUANT_INT4_WEIGHTS;
  if (alone) s->group = v->group >= 0 ? v->group : s->format == IG_QUANT_INT4_WEIGHTS ? 32 : 0;
  IG_CHECK(alone || v->group <= 0, IG_ERR_USAGE, "--group: %s has no groups; int8-weights and int4-weights do",
           v->format);
  IG_CHECK(ends_in(v->out, ".h5") || ends_in(v->out, ".onnx"), IG_ERR_USAGE,
           "--out: '%s' is neither .h5 nor .onnx", v->out);
  const char *method = s->rounding != IG_ROUND_NEAREST ? "--rounding gptq"
                       : v->smooth > 0                 ? "--smooth"
                       : v->correct_bias               ? "--correct-bias"
                                                       : NULL;
  IG_CHECK(v->calib || !method, IG_ERR_USAGE, "--calib is missing: %s looks at activations", method);
  bool gate = ig_options_origin(job->cli->options, "max-drop") != IG_FROM_DEFAULT;
  IG_CHECK(v->calib || v->eval || !(gate || v->report), IG_ERR_USAGE,
           "%s needs data to measure on: --eval, or --calib", gate ? "--max-drop" : "--report");
  return IG_OK;
}

/* --- opening --------------------------------------------------------------------------------------- */

static ig_status open_model(ig_quantize_job *job) {
  const char *node;
  IG_TRY(ig_model_source_open(job->values->model, IG_CHECKPOINT_ALL & ~IG_CHECKPOINT_OPTIMIZER, &job->model));
  IG_CHECK(!ig_graph_is_quantized(job->model.graph, &node), IG_ERR_INPUT,
           "%s: the model is quantized already: node '%s'", job->model.path, node);
  job->trained = ig_graph_is_fake_quantized(job->model.graph);
  IG_CHECK(job->values->calib || job->trained || !needs_calibration(job->settings.format), IG_ERR_USAGE,
           "--calib is missing: %s needs data that shows the ranges of activations", job->values->format);
  IG_TRY(ig_text_tokenizer_of(job->model.snapshot, job->model.path, &job->tokenizer));
  if (job->tokenizer) job->encoder = ig_text_encoder_of(job->tokenizer);
  return IG_OK;
}

/* Data to calibrate with need no target. */
static ig_status open_data(ig_quantize_job *job, const char *spec, bool no_target, ig_dataset **out) {
  const char *target = no_target ? NULL : job->values->target;
  return ig_model_source_data(&job->model, spec, target, no_target,
                              job->tokenizer ? &job->encoder : NULL, job->cli->comm, out);
}

static ig_status open_all(ig_quantize_job *job) {
  const ig_quantize_values *v = job->values;
  IG_TRY(ig_comm_settle(job->cli->comm, open_model(job)));
  if (v->eval) {
    IG_TRY(open_data(job, v->eval, false, &job->eval));
    if (job->model.task == IG_TASK_AUTO) IG_TRY(ig_task_of_dataset(job->eval, &job->model.task));
    IG_CHECK(job->eval->n_fields > job->model.graph->n_inputs, IG_ERR_INPUT,
             "%s: has no target to compare with", job->eval->path);
  }
  if (v->calib) {
    ig_status status = open_data(job, v->calib, false, &job->calib);
    if (status != IG_OK) {
      bool opened = open_data(job, v->calib, true, &job->calib) == IG_OK;
      if (!opened) return open_data(job, v->calib, false, &job->calib); /* its own message */
    }
    if (job->model.task == IG_TASK_AUTO) {
      if (ig_task_of_dataset(job->calib, &job->model.task) != IG_OK) job->model.task = IG_TASK_REGRESSION;
    }
  }
  ig_dataset *data = job->eval ? job->eval : job->calib;
  if (data) IG_TRY(ig_model_source_fit(&job->model, data));
  if (job->cli->comm) {
    IG_TRY(ig_job_compare(job->cli,
                          ig_job_facts(job->model.graph, data, NULL, job->model.snapshot)));
  }
  return ig_job_backend(job->cli, &job->backend);
}

/* --- work ------------------------------------------------------------------------------------------ */

static ig_status prepare(ig_quantize_job *job) {
  bool cpu = job->backend->vtable->device == IG_CPU;
  IG_CHECK(!(cpu && job->settings.format == IG_QUANT_FP8), IG_ERR_USAGE,
           "--format fp8: the CPU does not multiply 8-bit floats; int8 does as well, or a GPU that has them");
  IG_TRY(ig_model_source_store(&job->model, job->backend, &job->store));
  IG_TRY(ig_quantize_prepare(job->model.graph, job->store, &job->prepared, &job->prepared_store));
  bool half = job->settings.format == IG_QUANT_F16 || job->settings.format == IG_QUANT_BF16;
  ig_dtype dtype = job->settings.format == IG_QUANT_F16 ? IG_F16 : IG_BF16;
  job->settings.store_only =
      half && !ig_mixed_precision_pays(job->backend->vtable->device, dtype);
  if (job->settings.store_only) {
    ig_say(job->cli, "%s: this device computes no faster in it: weights alone\n", job->values->format);
  }
  IG_TRY(ig_recipe_create(job->prepared, &job->settings, &job->recipe));
  if (!job->settings.equalize) return IG_OK;
  return ig_quantize_equalize(job->prepared, job->prepared_store, job->recipe, &job->equalized);
}

/* Data that are one number everywhere show nothing of what a model will see. */
static ig_status check_varied(const ig_quantize_job *job) {
  for (int32_t i = 0; i < job->prepared->n_inputs; i++) {
    const ig_seen *seen = ig_calibration_find(job->calibration, job->prepared->inputs[i]->name);
    IG_CHECK(!seen || seen->count == 0 || seen->least < seen->most, IG_ERR_INPUT,
             "%s: input '%s' is constant (%g): it does not show the ranges of activations",
             job->calib->path, seen->value, (double)seen->least);
  }
  return IG_OK;
}

static ig_status look_at_data(ig_quantize_job *job) {
  const ig_calibration_options reading = ig_quantize_reading(job);
  if (!job->calib) return IG_OK;
  ig_quant_format format = job->settings.format;
  if (job->settings.smooth > 0) {
    IG_TRY(ig_quantize_smooth(job->prepared, job->backend, job->prepared_store, job->recipe, job->calib,
                              &reading, &job->smoothed));
  }
  if (needs_calibration(format) || format == IG_QUANT_F16) {
    IG_TRY(ig_calibrate(job->prepared, job->backend, job->prepared_store, job->recipe, job->calib, &reading,
                        &job->calibration));
    IG_TRY(check_varied(job));
  }
  if (job->settings.rounding == IG_ROUND_GPTQ) {
    IG_TRY(ig_quantize_round(job->prepared, job->backend, job->prepared_store, job->recipe, job->calib,
                             &reading, &job->rounded));
  }
  return ig_comm_settle(job->cli->comm,
                        ig_quant_outputs_create(job->prepared, job->backend, job->prepared_store, job->calib,
                                                &reading, IG_QUANTIZE_OUTPUT_SAMPLES, &job->outputs));
}

static ig_status decide(ig_quantize_job *job) {
  bool gate = ig_options_origin(job->cli->options, "max-drop") != IG_FROM_DEFAULT;
  const ig_quant_judge judge = ig_quantize_judge(job);
  if ((gate || job->values->report) && job->outputs) {
    IG_TRY(ig_quantize_sensitivity(job->prepared, job->prepared_store, job->recipe, job->calibration,
                                   job->outputs, job->eval ? &judge : NULL));
  }
  if (!gate) return IG_OK;
  bool cpu = job->backend->vtable->device == IG_CPU;
  return ig_quantize_mix(job->prepared, job->prepared_store, job->recipe, job->calibration, &judge,
                         job->values->max_drop, cpu ? IG_QUANT_F32 : IG_QUANT_F16, &job->mix);
}

/* The quantized model, as it will be written. */
static ig_status make_quantized(ig_quantize_job *job) {
  IG_TRY(ig_comm_settle(job->cli->comm, prepare(job)));
  IG_TRY(look_at_data(job));
  if (job->settings.format == IG_QUANT_F16) {
    IG_TRY(ig_recipe_guard_f16(job->recipe, job->prepared, job->prepared_store, job->calibration));
  }
  IG_TRY(decide(job));
  if (job->settings.correct_bias) {
    const ig_calibration_options reading = ig_quantize_reading(job);
    IG_TRY(ig_quantize_correct_bias(job->prepared, job->backend, job->prepared_store, job->recipe,
                                    job->calib, &reading, &job->corrected));
  }
  return ig_comm_settle(job->cli->comm,
                        ig_quantize_apply(job->prepared, job->prepared_store, job->recipe, job->calibration,
                                          &job->quantized, &job->quantized_store));
}

static ig_status quantize(ig_quantize_job *job) {
  if (job->trained) IG_TRY(ig_comm_settle(job->cli->comm, ig_quantize_settle_trained(job)));
  else IG_TRY(make_quantized(job));
  IG_TRY(ig_quantize_measure_both(job));
  ig_quantize_gate(job);
  bool refused = job->gate_failed && job->mix.tried > 0; /* nobody asked for such a model */
  ig_status status = job->cli->rank == 0 && !refused ? ig_quantize_write(job) : IG_OK;
  IG_TRY(ig_comm_settle(job->cli->comm, status));
  return ig_quantize_report(job);
}

static ig_status quantize_run(ig_cli *cli, const void *values_) {
  ig_quantize_job job = {.cli = cli, .values = values_, .output_error = NAN};
  ig_status status = settle_settings(&job);
  if (status == IG_OK) status = open_all(&job);
  if (status == IG_OK) status = quantize(&job);
  ig_quant_outputs_destroy(job.outputs);
  ig_calibration_destroy(job.calibration);
  ig_recipe_destroy(job.recipe);
  ig_graph_destroy(job.quantized);
  ig_graph_destroy(job.prepared);
  ig_store_destroy(job.quantized_store);
  ig_store_destroy(job.prepared_store);
  ig_store_destroy(job.store);
  ig_job_close(cli, status);
  if (job.backend) ig_backend_destroy(job.backend);
  ig_dataset_destroy(job.eval);
  ig_dataset_destroy(job.calib);
  ig_tokenizer_destroy(job.tokenizer);
  ig_model_source_close(&job.model);
  return status;
}

const ig_verb ig_verb_quantize = {
    .name = "quantize",
    .what = "makes a model smaller and faster, and measures what that costs",
    .usage = "--model M --calib D --format F --out FILE [--eval D --max-drop X] [options]",
    .options = options,
    .size = sizeof(ig_quantize_values),
    .ranks = true,
    .run = quantize_run,
};
