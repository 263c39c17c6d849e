/* Text generation: the decoding graph of a preset, whose KV cache is state in the store beside the
 * trained parameters, run a token at a time. */
#include "cli/generate.h"

#include <string.h>

#include "cli/interrupt.h"
#include "engine/base/rng.h"
#include "engine/eval/latency.h"
#include "engine/passes/pass.h"
#include "engine/plan/plan.h"

typedef struct decoder {
  ig_graph *graph;
  ig_store *store;
  ig_plan *plan;
  int64_t context, vocabulary;
  int64_t token, position; /* the graph's inputs */
  ig_candidate *scratch;
} decoder;

static void decoder_close(decoder *d) {
  ig_plan_destroy(d->plan);
  ig_graph_destroy(d->graph);
  ig_store_destroy(d->store);
  ig_free(d->scratch);
}

/* Caches are made zeroed beside the loaded parameters, which they share a store with. */
static ig_status make_store(decoder *d, const ig_model_source *model, ig_backend *backend) {
  IG_TRY(ig_model_source_store(model, backend, &d->store));
  return ig_store_add_graph(d->store, d->graph, 0);
}

static ig_status bind_inputs(decoder *d) {
  for (int32_t i = 0; i < d->graph->n_inputs; i++) {
    bool position = strcmp(d->graph->inputs[i]->name, "position") == 0;
    IG_TRY(ig_plan_bind_input(d->plan, i, position ? &d->position : &d->token));
  }
  return IG_OK;
}

static ig_status decoder_open(const ig_model_source *model, ig_backend *backend, decoder *d) {
  const char *text = model->snapshot->model;
  ig_graph *template_graph;
  ig_pass_options passes = {.device = backend->vtable->device, .compute = IG_F32};
  IG_TRY(ig_model_context(text, &d->context));
  IG_TRY(ig_model_build_decode(text, &model->spec, &template_graph));
  ig_status status = ig_graph_specialize(template_graph, NULL, &d->graph);
  ig_graph_destroy(template_graph);
  IG_TRY(status);
  IG_TRY(ig_passes_run(d->graph, ig_pipeline_inference, &passes));
  IG_TRY(make_store(d, model, backend));
  ig_plan_options options = {.frozen_params = true};
  IG_TRY(ig_plan_create(d->graph, backend, d->store, &options, &d->plan));
  const ig_shape *logits = &d->graph->outputs[0]->shape;
  d->vocabulary = logits->dims[logits->rank - 1];
  IG_CHECK(d->vocabulary == model->spec.n_outputs, IG_ERR_INTERNAL,
           "the decoding graph has %lld logits, the model %lld", (long long)d->vocabulary,
           (long long)model->spec.n_outputs);
  d->scratch = ig_alloc((size_t)d->vocabulary * sizeof *d->scratch);
  IG_CHECK_ALLOC(d->scratch);
  return bind_inputs(d);
}

static ig_status feed(decoder *d, int32_t token) {
  d->token = token;
  IG_TRY(ig_plan_run(d->plan, &(ig_rng_state){0}));
  d->position++;
  return IG_OK;
}

/* Reads `tokens` from the beginning of the context; the last one's logits remain. */
static ig_status feed_all(decoder *d, const int32_t *tokens, int64_t count) {
  d->position = 0;
  for (int64_t i = 0; i < count; i++) IG_TRY(feed(d, tokens[i]));
  return IG_OK;
}

/* --- text -------------------------------------------------------------------------------------- */

/* An empty prompt starts from a line break where the vocabulary has one, else from token 0. */
static ig_status encode_prompt(const ig_tokenizer *tokenizer, const char *prompt, int32_t **ids,
                               int64_t *count) {
  const char *text = *prompt ? prompt : "\n";
  ig_status status = ig_tokenizer_encode(tokenizer, text, strlen(text), ids, count);
  if (status == IG_OK || *prompt) return status == IG_OK ? IG_OK : ig_fail_in(status, "--prompt");
  *ids = ig_alloc_zero(1, sizeof **ids);
  IG_CHECK_ALLOC(*ids);
  *count = 1;
  return IG_OK;
}

static void print_token(const ig_cli *cli, const ig_tokenizer *tokenizer, int64_t token) {
  size_t length;
  const char *bytes = ig_tokenizer_token(tokenizer, token, &length);
  if (cli->common->json || cli->common->quiet || !bytes) return;
  fwrite(bytes, 1, length, stdout);
  fflush(stdout);
}

static ig_status report(const ig_cli *cli, const ig_tokenizer *tokenizer, const ig_generation *g,
                        const int32_t *tokens, int64_t count, double seconds) {
  char *text;
  size_t length;
  IG_TRY(ig_tokenizer_decode(tokenizer, tokens, count, &text, &length));
  json_t *result = json_object(), *value = json_stringn(text, length);
  ig_free(text);
  if (!cli->common->json) ig_say(cli, "\n");
  json_object_set_new(result, "prompt", json_string(g->prompt));
  /* Tokens may end within a character: JSON then has the ids alone. */
  if (value) json_object_set_new(result, "text", value);
  json_t *ids = json_array();
  for (int64_t i = 0; i < count; i++) json_array_append_new(ids, json_integer(tokens[i]));
  json_object_set_new(result, "tokens", ids);
  ig_json_real(result, "tokens_per_second", (double)count / seconds);
  return ig_emit_json(cli, result);
}

/* `tokens` has the prompt and room for max_tokens more. */
static ig_status generate(const ig_cli *cli, decoder *d, const ig_tokenizer *tokenizer,
                          const ig_generation *g, int32_t *tokens, int64_t prompt) {
  ig_rng rng = ig_rng_stream((uint64_t)cli->common->seed, IG_RNG_SAMPLE, 0, 0);
  int64_t kept = IG_MIN(prompt, d->context), made = 0;
  IG_TRY(feed_all(d, tokens + prompt - kept, kept));
  double start = ig_now();
  while (made < g->max_tokens && !ig_interrupt_signal(NULL)) {
    int64_t token;
    IG_TRY(ig_sample_token(&g->sampling, ig_plan_output(d->plan, 0), d->vocabulary,
                           ig_rng_uniform(&rng, (uint64_t)made), d->scratch, &token));
    tokens[prompt + made++] = (int32_t)token;
    print_token(cli, tokenizer, token);
    if (d->position < d->context) {
      IG_TRY(feed(d, (int32_t)token));
    } else {
      kept = IG_MAX(d->context / 2, 1);
      IG_TRY(feed_all(d, tokens + prompt + made - kept, kept));
    }
  }
  return report(cli, tokenizer, g, tokens + prompt, made, ig_now() - start);
}

ig_status ig_generate(const ig_cli *cli, const ig_model_source *model, ig_backend *backend,
                      const ig_tokenizer *tokenizer, const ig_generation *g) {
  decoder d = {0};
  int32_t *ids = NULL, *tokens = NULL;
  int64_t count = 0;
  ig_status status;
  IG_CHECK(ig_tokenizer_vocabulary(tokenizer) == model->spec.n_outputs, IG_ERR_INPUT,
           "%s: the tokenizer has %lld tokens, the model %lld", model->path,
           (long long)ig_tokenizer_vocabulary(tokenizer), (long long)model->spec.n_outputs);
  IG_TRY_DONE(encode_prompt(tokenizer, g->prompt, &ids, &count));
  IG_TRY_DONE(decoder_open(model, backend, &d));
  tokens = ig_alloc((size_t)(count + g->max_tokens) * sizeof *tokens);
  IG_CHECK_DONE(tokens, IG_ERR_MEMORY, "no memory for %lld tokens", (long long)g->max_tokens);
  memcpy(tokens, ids, (size_t)count * sizeof *tokens);
  IG_TRY_DONE(ig_interrupt_install());
  IG_TRY_DONE(generate(cli, &d, tokenizer, g, tokens, count));
done:
  ig_free(tokens);
  ig_free(ids);
  decoder_close(&d);
  return status;
}
