/* Text generation from the program: the decoding graph of a preset beside the trained parameters, text
 * to tokens, and tokens back to text as they come. */
#include "cli/generate.h"

#include <string.h>

#include "cli/interrupt.h"
#include "engine/eval/latency.h"
#include "engine/plan/plan.h"
#include "engine/quantize/follow.h"

/* One plan takes a token at a time and draws the next; the other, when the prompt is worth one, takes
 * many and only fills the cache, so that nothing beyond the last layer's keys and values is computed. */
typedef struct decoder {
  ig_store *store;
  ig_graph *one_graph, *many_graph;
  ig_plan *one, *many;
} decoder;

static void decoder_close(decoder *d) {
  ig_plan_destroy(d->one);
  ig_plan_destroy(d->many);
  ig_graph_destroy(d->one_graph);
  ig_graph_destroy(d->many_graph);
  ig_store_destroy(d->store);
}

static ig_status make_plan(const ig_model_source *model, int64_t fed,
                           const ig_generate_numbers *numbers, ig_backend *backend, ig_store *store,
                           ig_graph **graph, ig_plan **plan) {
  ig_graph *template_graph;
  ig_model_spec spec = model->spec;
  ig_pass_options passes = {.device = backend->vtable->device,
                            .compute = ig_precision_dtype(numbers->precision),
                            .round_rows = numbers->round_rows ? 32 : 0};
  spec.fed = fed;
  IG_TRY(ig_model_build_decode(model->snapshot->model, &spec, &template_graph));
  int narrow;
  ig_status status = ig_quantize_follow(template_graph, model->graph, &narrow);
  if (fed > 1)
    template_graph->n_outputs = 0;
  else if (status == IG_OK)
    status = ig_generate_sampling(template_graph);
  if (status == IG_OK) status = ig_graph_specialize(template_graph, NULL, graph);
  ig_graph_destroy(template_graph);
  IG_TRY(status);
  IG_TRY(ig_passes_run(*graph, ig_pipeline_inference, &passes));
  /* The KV cache is state beside the parameters, which have the same names in all graphs. */
  IG_TRY(ig_store_add_graph(store, *graph, 0));
  /* Packed weights pay for themselves token by token, not in the few products of a prompt, unless they
   * are narrow, and would be packed at every run. The plan for one token is the last. */
  ig_plan_options options = {.frozen_params = fed == 1 || narrow > 0,
                             .release_params = fed == 1 && narrow > 0,
                             .tf32 = numbers->precision == IG_PRECISION_TF32};
  return ig_plan_create(*graph, backend, store, &options, plan);
}

static ig_status decoder_open(ig_model_source *model, const ig_generate_numbers *numbers,
                              ig_backend *backend, int64_t n_prompt, int64_t tokens, decoder *d) {
  int64_t context;
  IG_TRY(ig_model_context(model->snapshot->model, &context));
  IG_TRY(ig_model_source_store(model, backend, &d->store));
  int64_t fed = ig_generate_prefill_size(context, n_prompt, tokens);
  if (fed > 0) {
    IG_TRY(make_plan(model, fed, numbers, backend, d->store, &d->many_graph, &d->many));
  }
  return make_plan(model, 1, numbers, backend, d->store, &d->one_graph, &d->one);
}

/* --- text -------------------------------------------------------------------------------------- */

typedef struct output {
  const ig_cli *cli;
  const ig_tokenizer *tokenizer;
  int64_t n_prompt, count;
  int32_t *tokens;
  double started, first; /* when the prompt went in, and when the first token came out */
} output;

static ig_status take_token(void *context, int64_t token, bool *stop) {
  output *out = context;
  if (out->count == 0) out->first = ig_now();
  out->tokens[out->count++] = (int32_t)token;
  size_t length;
  const char *bytes = ig_tokenizer_token(out->tokenizer, token, &length);
  if (bytes && !out->cli->common->json && !out->cli->common->quiet) {
    fwrite(bytes, 1, length, stdout);
    fflush(stdout);
  }
  *stop = ig_interrupt_signal(NULL) != 0;
  return IG_OK;
}

static ig_status encode_prompt(const ig_tokenizer *tokenizer, const char *prompt, int64_t **tokens,
                               int64_t *count) {
  const char *text = *prompt ? prompt : "\n";
  int32_t *ids;
  ig_status status = ig_tokenizer_encode(tokenizer, text, strlen(text), &ids, count);
  if (status != IG_OK) return ig_fail_in(status, "--prompt");
  *tokens = ig_alloc((size_t)*count * sizeof **tokens);
  if (*tokens) ig_convert(IG_I32, ids, IG_I64, *tokens, *count);
  ig_free(ids);
  IG_CHECK_ALLOC(*tokens);
  return IG_OK;
}

static ig_status report(const output *out, const char *prompt) {
  double seconds = ig_now() - out->started;
  char *text;
  size_t length;
  IG_TRY(ig_tokenizer_decode(out->tokenizer, out->tokens, out->count, &text, &length));
  json_t *result = json_object(), *value = json_stringn(text, length), *ids = json_array();
  ig_free(text);
  if (!out->cli->common->json) ig_say(out->cli, "\n");
  json_object_set_new(result, "prompt", json_string(prompt));
  json_object_set_new(result, "prompt_tokens", json_integer(out->n_prompt));
  /* Tokens may end within a character: JSON then has the ids alone. */
  if (value) json_object_set_new(result, "text", value);
  for (int64_t i = 0; i < out->count; i++) {
    json_array_append_new(ids, json_integer(out->tokens[i]));
  }
  json_object_set_new(result, "tokens", ids);
  if (out->count > 0) {
    ig_json_real(result, "seconds_to_first_token", out->first - out->started);
  }
  ig_json_real(result, "tokens_per_second", (double)out->count / seconds);
  return ig_emit_json(out->cli, result);
}

ig_status ig_print_generation(const ig_cli *cli, ig_model_source *model, ig_backend *backend,
                              const ig_tokenizer *tokenizer, const char *prompt,
                              const ig_generate_numbers *numbers,
                              const ig_generate_options *options) {
  decoder d = {0};
  int64_t *tokens = NULL, count = 0;
  output out = {.cli = cli, .tokenizer = tokenizer};
  ig_status status;
  IG_CHECK(ig_tokenizer_vocabulary(tokenizer) == model->spec.n_outputs, IG_ERR_INPUT,
           "%s: the tokenizer has %lld tokens, the model %lld", model->path,
           (long long)ig_tokenizer_vocabulary(tokenizer), (long long)model->spec.n_outputs);
  IG_TRY_DONE(ig_generate_check(options));
  IG_TRY_DONE(encode_prompt(tokenizer, prompt, &tokens, &count));
  IG_TRY_DONE(decoder_open(model, numbers, backend, count, options->tokens, &d));
  out.tokens = ig_alloc_zero((size_t)options->tokens, sizeof *out.tokens);
  IG_CHECK_DONE(out.tokens, IG_ERR_MEMORY, "no memory for %lld tokens", (long long)options->tokens);
  IG_TRY_DONE(ig_interrupt_install());
  out.n_prompt = count;
  ig_generate_options with_prefill = *options;
  with_prefill.prefill = d.many;
  out.started = ig_now();
  IG_TRY_DONE(ig_generate(d.one, tokens, count, &with_prefill, take_token, &out, NULL));
  IG_TRY_DONE(report(&out, prompt));
done:
  ig_free(out.tokens);
  ig_free(tokens);
  decoder_close(&d);
  return status;
}
