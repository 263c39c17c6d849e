/* `ingot infer`: a trained model over a data set into a file of arrays, or text from a prompt. Besides
 * the graph's outputs under their names, a classifier's file has `prediction` and `probability`, a
 * multi-label model's `probability`. */
#include <math.h>
#include <string.h>

#include "cli/generate.h"
#include "cli/infer_arrays.h"
#include "cli/interrupt.h"
#include "api/model_source.h"
#include "cli/precision.h"
#include "cli/progress.h"
#include "cli/text_source.h"
#include "engine/eval/evaluator.h"
#include "engine/eval/latency.h"
#include "formats/array_writer.h"

typedef struct values {
  const char *model, *data, *out, *target, *prompt, *precision, *activations;
  int64_t batch, limit, workers, max_tokens, top_k;
  double temperature, top_p;
} values;

static const ig_option options[] = {
    IG_STRING_OPTION(values, model, "model", "M", IG_OPTION_REQUIRED, "checkpoint or run's folder"),
    IG_STRING_OPTION(values, data, "data", "D", 0, "inputs"),
    IG_STRING_OPTION(values, out, "out", "FILE", 0, "where results go: .h5, .csv, .npy or .npz"),
    IG_STRING_OPTION(values, target, "target", "NAMES", 0, "columns or array that are no inputs"),
    IG_INT_OPTION(values, batch, "batch", "64", 1, 1 << 24, "samples of a batch"),
    IG_ENUM_OPTION(values, precision, "precision", "f32", "f32|tf32|bf16|f16", "of products"),
    IG_ENUM_OPTION(values, activations, "activations", "f32", "f32|int8",
                   "of --prompt, before weights that are quantized alone"),
    IG_INT_OPTION(values, limit, "limit", "0", 0, INT64_MAX, "samples at most, 0 for all"),
    IG_INT_OPTION(values, workers, "workers", "0", 0, 16, "threads that prepare data"),
    {.name = "prompt",
     .type = IG_OPTION_STRING,
     .offset = offsetof(values, prompt),
     .values = "TEXT",
     .what = "generate text that goes on from TEXT, with a language model"},
    IG_INT_OPTION(values, max_tokens, "max-tokens", "256", 1, 1 << 24, "tokens to generate"),
    IG_FLOAT_OPTION(values, temperature, "temperature", "1", 0, 100, "0 for the likeliest token"),
    IG_INT_OPTION(values, top_k, "top-k", "0", 0, 1 << 24, "choose among k tokens, 0 for all"),
    IG_FLOAT_OPTION(values, top_p, "top-p", "1", 0, 1, "choose among a share of probability"),
    {.name = NULL}};

#define MOST_OUTPUTS 16

/* What a batch leaves behind: the graph's outputs as they are, then what follows from output 0. */
typedef struct sink_state {
  ig_task task;
  ig_array_writer *writer;
  int n_outputs;                /* of the graph */
  int64_t rows_a_sample, width; /* of output 0 as [rows, width] */
  float *probability;           /* [batch, ...] as output 0 */
  int64_t *prediction;
  ig_bar bar;
  int64_t done;
  double started;
} sink_state;

/* --- what follows from logits ------------------------------------------------------------------ */

static void softmax_row(const float *logits, int64_t n, float *out, int64_t *best) {
  *best = 0;
  for (int64_t k = 1; k < n; k++) {
    if (logits[k] > logits[*best]) *best = k;
  }
  double sum = 0;
  for (int64_t k = 0; k < n; k++) sum += exp((double)logits[k] - logits[*best]);
  for (int64_t k = 0; k < n; k++) {
    out[k] = (float)(exp((double)logits[k] - logits[*best]) / sum);
  }
}

static void derive(sink_state *s, const float *logits, int64_t count) {
  int64_t rows = count * s->rows_a_sample;
  for (int64_t i = 0; i < rows && s->task == IG_TASK_CLASSIFICATION; i++) {
    softmax_row(logits + i * s->width, s->width, s->probability + i * s->width, &s->prediction[i]);
  }
  for (int64_t i = 0; i < rows * s->width && s->task == IG_TASK_MULTILABEL; i++) {
    s->probability[i] = (float)(1 / (1 + exp(-(double)logits[i])));
  }
}

static ig_status take_batch(void *context, const ig_batch *batch, const ig_plan *plan) {
  sink_state *s = context;
  const void *data[MOST_OUTPUTS + 2];
  int n = 0;
  while (n < s->n_outputs) {
    data[n] = ig_plan_output(plan, n);
    n++;
  }
  derive(s, data[0], batch->count);
  if (s->probability) data[n++] = s->probability;
  if (s->prediction) data[n++] = s->prediction;
  IG_TRY(ig_array_writer_append(s->writer, data, batch->count));
  s->done += batch->count;
  if (ig_bar_due(&s->bar)) {
    char note[64];
    snprintf(note, sizeof note, "%.0f samples/s", (double)s->done / (ig_now() - s->started));
    ig_bar_update(&s->bar, s->done, note);
  }
  int signal_number = ig_interrupt_signal(NULL);
  IG_CHECK(signal_number == 0, IG_ERR_INTERRUPTED, "stopped by signal %d", signal_number);
  return IG_OK;
}

/* --- the file ---------------------------------------------------------------------------------- */

static ig_status describe_outputs(const ig_model_source *model, const ig_dataset *data,
                                  ig_array *arrays, sink_state *s) {
  ig_tensor_info outputs[MOST_OUTPUTS];
  IG_TRY(ig_model_outputs(model->graph, data, MOST_OUTPUTS, outputs, &s->n_outputs));
  for (int i = 0; i < s->n_outputs; i++) {
    const ig_tensor_info *y = &outputs[i];
    arrays[i] = (ig_array){.name = y->name, .dtype = y->dtype, .shape = y->shape};
  }
  const ig_shape *first = &arrays[0].shape;
  s->width = first->rank > 0 ? first->dims[first->rank - 1] : 1;
  s->rows_a_sample = first->rank > 0 ? ig_shape_span(first, 0, first->rank - 1) : 1;
  return IG_OK;
}

static ig_status class_columns(const ig_field *target, const ig_array *logits, ig_arena *arena,
                               const char *const **out) {
  *out = NULL;
  if (!target->classes || ig_shape_count(&logits->shape) != target->n_classes) return IG_OK;
  const char **columns = ig_arena_alloc(arena, (size_t)target->n_classes * sizeof *columns);
  IG_CHECK_ALLOC(columns);
  for (int64_t k = 0; k < target->n_classes; k++) {
    columns[k] = ig_arena_format(arena, "p_%s", target->classes[k]);
    IG_CHECK_ALLOC(columns[k]);
  }
  *out = columns;
  return IG_OK;
}

/* Arrays beyond the graph's own, where the format holds several. */
static ig_status add_derived(const values *v, const ig_model_source *model, ig_arena *arena,
                             ig_array *arrays, int *n, sink_state *s) {
  bool classes = model->task == IG_TASK_CLASSIFICATION, flags = model->task == IG_TASK_MULTILABEL;
  classes = classes && model->n_fields > 0;
  flags = flags && model->n_fields > 0;
  bool several = ig_array_writer_check(v->out, 2) == IG_OK;
  if (!several || !(classes || flags) || arrays[0].dtype != IG_F32) {
    s->task = IG_TASK_REGRESSION; /* nothing follows from plain numbers */
    return IG_OK;
  }
  const ig_field *target = &model->fields[model->n_fields - 1];
  size_t rows = (size_t)(v->batch * s->rows_a_sample);
  arrays[*n] = arrays[0];
  arrays[*n].name = "probability";
  IG_TRY(class_columns(target, &arrays[0], arena, &arrays[*n].columns));
  s->probability = ig_alloc_zero(rows * (size_t)s->width, sizeof *s->probability);
  IG_CHECK(s->probability, IG_ERR_MEMORY, "no memory for probabilities");
  ++*n;
  if (!classes) return IG_OK;
  arrays[*n] = (ig_array){.name = "prediction",
                          .dtype = IG_I64,
                          .shape = arrays[0].shape,
                          .labels = target->classes,
                          .n_labels = target->classes ? target->n_classes : 0};
  if (arrays[*n].shape.rank > 0) arrays[*n].shape.rank--;
  s->prediction = ig_alloc_zero(rows, sizeof *s->prediction);
  IG_CHECK(s->prediction, IG_ERR_MEMORY, "no memory for predictions");
  ++*n;
  return IG_OK;
}

/* --- the run ----------------------------------------------------------------------------------- */

static ig_status report(const ig_cli *cli, const values *v, const sink_state *s) {
  double seconds = ig_now() - s->started;
  ig_say(cli, "%lld samples to %s in %.2f s (%.0f samples/s)\n", (long long)s->done, v->out,
         seconds, (double)s->done / seconds);
  json_t *result = json_object();
  json_object_set_new(result, "out", json_string(v->out));
  json_object_set_new(result, "samples", json_integer(s->done));
  ig_json_real(result, "seconds", seconds);
  ig_json_real(result, "samples_per_second", (double)s->done / seconds);
  return ig_emit_json(cli, result);
}

static ig_status run_over(ig_cli *cli, const values *v, const ig_model_source *model,
                          ig_evaluator *evaluator, ig_dataset *data, ig_arena *arena) {
  ig_array arrays[MOST_OUTPUTS + 2];
  sink_state s = {.task = model->task};
  int64_t samples = v->limit > 0 ? IG_MIN(v->limit, data->n_samples) : data->n_samples;
  ig_status status;
  IG_TRY_DONE(describe_outputs(model, data, arrays, &s));
  int n = s.n_outputs;
  IG_TRY_DONE(add_derived(v, model, arena, arrays, &n, &s));
  IG_TRY_DONE(ig_interrupt_install());
  IG_TRY_DONE(ig_array_writer_open(v->out, samples, n, arrays, &s.writer));
  s.bar = ig_bar_begin(cli->common->quiet, "sample", 0, samples);
  s.started = ig_now();
  status = ig_evaluator_run(evaluator, take_batch, &s, NULL);
  ig_bar_end(&s.bar);
  status = ig_array_writer_close(s.writer, status);
  if (status == IG_OK) status = report(cli, v, &s);
  if (status == IG_ERR_INTERRUPTED) cli->exit_code = 128 + ig_interrupt_signal(NULL);
done:
  ig_free(s.probability);
  ig_free(s.prediction);
  return status;
}

/* Targets are not needed here. Data without them is read as inputs alone. */
static ig_status open_data(const values *v, const ig_model_source *model,
                           const ig_text_encoder *encoder, ig_dataset **out) {
  ig_status status = ig_model_source_data(model, v->data, v->target, false, encoder, NULL, out);
  if (status == IG_OK || v->target) return status;
  char *first = ig_strdup(ig_last_error());
  bool opened = ig_model_source_data(model, v->data, NULL, true, encoder, NULL, out) == IG_OK;
  if (!opened && first) ig_fail(status, "%s", first);
  ig_free(first);
  return opened ? IG_OK : status;
}

/* Arrays by name are what an ONNX model takes, unless the data are of another kind. */
static bool takes_arrays(const ig_model_source *model, const char *data) {
  const char *dot = strrchr(data, '.');
  return model->onnx && dot && (strcmp(dot, ".npz") == 0 || strcmp(dot, ".npy") == 0);
}

static ig_status infer_data(ig_cli *cli, const values *v, ig_model_source *model,
                            ig_backend *backend, const ig_text_encoder *encoder) {
  ig_dataset *data = NULL;
  ig_store *store = NULL;
  ig_evaluator *evaluator = NULL;
  ig_arena *arena = ig_arena_create();
  IG_CHECK_ALLOC(arena);
  ig_eval_options eval = {.task = model->task,
                          .batch = v->batch,
                          .limit = v->limit,
                          .frozen = true,
                          .release = true,
                          .no_metrics = true,
                          .workers = (int)v->workers,
                          .n_normalizations = model->snapshot->n_normalizations,
                          .normalizations = model->snapshot->normalizations,
                          .precision = ig_precision_parse(v->precision),
                          .seed = (uint64_t)cli->common->seed};
  ig_status status;
  IG_TRY_DONE(ig_array_writer_check(v->out, 1));
  IG_TRY_DONE(open_data(v, model, encoder, &data));
  IG_TRY_DONE(ig_model_source_fit(model, data));
  IG_TRY_DONE(ig_model_source_store(model, backend, &store));
  IG_TRY_DONE(ig_evaluator_create(model->graph, backend, store, data, &eval, &evaluator));
  IG_TRY_DONE(run_over(cli, v, model, evaluator, data, arena));
done:
  ig_evaluator_destroy(evaluator);
  ig_store_destroy(store);
  ig_dataset_destroy(data);
  ig_arena_destroy(arena);
  return status;
}

static ig_status infer_text(ig_cli *cli, const values *v, ig_model_source *model,
                            ig_backend *backend, const ig_tokenizer *tokenizer) {
  IG_CHECK(tokenizer, IG_ERR_USAGE, "--prompt: %s is no language model of text", model->path);
  ig_generate_options generate = {.tokens = v->max_tokens,
                                  .temperature = v->temperature,
                                  .top_k = v->top_k,
                                  .top_p = v->top_p,
                                  .seed = (uint64_t)cli->common->seed,
                                  .stop_token = -1};
  ig_generate_numbers numbers = {.precision = ig_precision_parse(v->precision),
                                 .round_rows = strcmp(v->activations, "int8") == 0};
  return ig_print_generation(cli, model, backend, tokenizer, v->prompt, &numbers, &generate);
}

static ig_status infer_run(ig_cli *cli, const void *values_) {
  const values *v = values_;
  IG_CHECK(v->prompt || (v->data && v->out), IG_ERR_USAGE,
           "expected --data with --out, or --prompt");
  ig_model_source model;
  ig_backend *backend = NULL;
  ig_tokenizer *tokenizer = NULL;
  ig_text_encoder encoder;
  IG_TRY(ig_model_source_open(v->model, 0, &model));
  ig_status status;
  IG_TRY_DONE(ig_text_tokenizer_of(model.snapshot, model.path, &tokenizer));
  if (tokenizer) encoder = ig_text_encoder_of(tokenizer);
  IG_TRY_DONE(ig_backend_open(cli->common->device, (int)cli->common->threads, &backend));
  ig_warn_of_precision(cli, v->precision, backend);
  if (v->prompt) {
    status = infer_text(cli, v, &model, backend, tokenizer);
  } else if (takes_arrays(&model, v->data)) {
    status = ig_infer_arrays(cli, &model, backend, v->data, v->out, ig_precision_parse(v->precision));
  } else {
    status = infer_data(cli, v, &model, backend, tokenizer ? &encoder : NULL);
  }
done:
  if (backend) ig_backend_destroy(backend);
  ig_tokenizer_destroy(tokenizer);
  ig_model_source_close(&model);
  return status;
}

const ig_verb ig_verb_infer = {
    .name = "infer",
    .what = "runs a trained model on data, or generates text",
    .usage = "--model M (--data D --out FILE | --prompt TEXT) [options]",
    .options = options,
    .size = sizeof(values),
    .run = infer_run,
};
