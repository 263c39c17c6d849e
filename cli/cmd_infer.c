/* `ingot infer`: a trained model over a data set into a file of arrays, or text from a prompt. Besides
 * the graph's outputs under their names, a classifier's file has `prediction` and `probability`, a
 * multi-label model's `probability`. What it guarantees is in docs/inference.md. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/generate.h"
#include "cli/infer_arrays.h"
#include "cli/infer_rows.h"
#include "cli/job.h"
#include "cli/precision.h"
#include "cli/text_source.h"

typedef struct values {
  const char *model, *data, *out, *target, *prompt, *precision, *activations, *batch, *cache,
      *on_error;
  int64_t limit, workers, max_tokens, top_k;
  size_t cache_size;
  double temperature, top_p, price_per_hour;
  bool resume;
} values;

static const ig_option options[] = {
    IG_STRING_OPTION(values, model, "model", "M", IG_OPTION_REQUIRED, "checkpoint or run's folder"),
    IG_STRING_OPTION(values, data, "data", "D", 0, "inputs"),
    IG_STRING_OPTION(values, out, "out", "FILE", 0, "where results go: .h5, .csv, .npy or .npz"),
    IG_STRING_OPTION(values, target, "target", "NAMES", 0, "columns or array that are no inputs"),
    {.name = "batch",
     .type = IG_OPTION_STRING,
     .offset = offsetof(values, batch),
     .fallback = "auto",
     .values = "N",
     .what = "rows of a batch, or auto: what memory allows and is fastest"},
    IG_ENUM_OPTION(values, precision, "precision", "f32", "f32|tf32|bf16|f16", "of products"),
    IG_ENUM_OPTION(values, activations, "activations", "f32", "f32|int8",
                   "of --prompt, before weights that are quantized alone"),
    IG_INT_OPTION(values, limit, "limit", "0", 0, INT64_MAX, "samples at most, 0 for all"),
    IG_INT_OPTION(values, workers, "workers", "0", 0, 16,
                  "threads that read and decode, 0 for one a core"),
    IG_FLAG_OPTION(values, resume, "resume", "go on with what an earlier run left of --out"),
    IG_ENUM_OPTION(values, on_error, "on-error", "fail", "fail|skip",
                   "of rows that cannot be read: skipped ones are filled in and listed"),
    IG_STRING_OPTION(values, cache, "cache", "FILE", 0, "results of rows seen before, kept in FILE"),
    IG_SIZE_OPTION(values, cache_size, "cache-size", "256M", "that a new --cache may grow to"),
    IG_FLOAT_OPTION(values, price_per_hour, "price-per-hour", "0", 0, 1e9,
                    "of the machine: tells the cost of a million rows"),
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

/* "auto" is 0. */
static ig_status parse_batch(const char *text, int64_t *batch) {
  char *end;
  *batch = 0;
  if (strcmp(text, "auto") == 0) return IG_OK;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  IG_CHECK(errno == 0 && end != text && *end == '\0' && value >= 1 && value <= 1 << 24,
           IG_ERR_USAGE, "--batch: expected auto or a number from 1 to %d, found '%s'", 1 << 24,
           text);
  *batch = value;
  return IG_OK;
}

/* Arrays by name are what an ONNX model takes, unless the data are of another kind. */
static bool takes_arrays(const ig_model_source *model, const char *data) {
  const char *dot = strrchr(data, '.');
  return model->onnx && dot && (strcmp(dot, ".npz") == 0 || strcmp(dot, ".npy") == 0);
}

static ig_status infer_data(ig_cli *cli, const values *v, ig_model_source *model,
                            ig_backend *backend, const ig_text_encoder *encoder) {
  ig_infer_options rows = {.data = v->data,
                           .out = v->out,
                           .target = v->target,
                           .cache = v->cache,
                           .limit = v->limit,
                           .workers = v->workers,
                           .cache_bytes = v->cache_size,
                           .resume = v->resume,
                           .skip_bad = strcmp(v->on_error, "skip") == 0,
                           .price = v->price_per_hour,
                           .precision = v->precision};
  IG_TRY(parse_batch(v->batch, &rows.batch));
  return ig_infer_rows(cli, &rows, model, backend, encoder);
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

/* What is run, and with what, in the order of making. */
typedef struct subject {
  ig_model_source model;
  ig_tokenizer *tokenizer;
  ig_text_encoder encoder;
  ig_backend *backend;
} subject;

static ig_status open_model(const values *v, subject *s) {
  IG_TRY(ig_model_source_open(v->model, 0, &s->model));
  IG_TRY(ig_text_tokenizer_of(s->model.snapshot, s->model.path, &s->tokenizer));
  if (s->tokenizer) s->encoder = ig_text_encoder_of(s->tokenizer);
  return IG_OK;
}

static ig_status infer(ig_cli *cli, const values *v, subject *s) {
  bool arrays = !v->prompt && takes_arrays(&s->model, v->data);
  IG_CHECK(!cli->comm || !(v->prompt || arrays), IG_ERR_UNSUPPORTED,
           "%s is for one process; several ranks divide the rows of a data set",
           arrays ? "a model over whole arrays" : "--prompt");
  IG_TRY(ig_job_backend(cli, &s->backend));
  ig_warn_of_precision(cli, v->precision, s->backend);
  if (v->prompt) return infer_text(cli, v, &s->model, s->backend, s->tokenizer);
  if (arrays) {
    return ig_infer_arrays(cli, &s->model, s->backend, v->data, v->out,
                           ig_precision_parse(v->precision));
  }
  return infer_data(cli, v, &s->model, s->backend, s->tokenizer ? &s->encoder : NULL);
}

static ig_status infer_run(ig_cli *cli, const void *values_) {
  const values *v = values_;
  subject s = {.backend = NULL};
  int64_t batch;
  IG_CHECK(v->prompt || (v->data && v->out), IG_ERR_USAGE,
           "expected --data with --out, or --prompt");
  IG_TRY(parse_batch(v->batch, &batch));
  ig_status status = ig_comm_settle(cli->comm, open_model(v, &s));
  if (status == IG_OK) status = infer(cli, v, &s);
  ig_job_close(cli, status);
  if (s.backend) ig_backend_destroy(s.backend);
  ig_tokenizer_destroy(s.tokenizer);
  ig_model_source_close(&s.model);
  return status;
}

const ig_verb ig_verb_infer = {
    .name = "infer",
    .what = "runs a trained model on data, or generates text",
    .usage = "--model M (--data D --out FILE | --prompt TEXT) [options]",
    .options = options,
    .size = sizeof(values),
    .ranks = true,
    .run = infer_run,
};
