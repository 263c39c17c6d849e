/* The decoding loop. Tokens are drawn where the plan runs (ingot.Sample), so that of a step's results
 * one number comes back; one seed gives one text, whatever the number of threads. */
#include "engine/eval/generate.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

ig_status ig_generate_check(const ig_generate_options *o) {
  IG_CHECK(o->tokens >= 0, IG_ERR_USAGE, "tokens is %" PRId64 ", expected 0 or more", o->tokens);
  IG_CHECK(o->temperature >= 0 && isfinite(o->temperature), IG_ERR_USAGE,
           "temperature is %g, expected 0 or more", o->temperature);
  IG_CHECK(o->top_k >= 0, IG_ERR_USAGE, "top_k is %" PRId64 ", expected 0 (all) or more", o->top_k);
  IG_CHECK(o->top_p > 0 && o->top_p <= 1, IG_ERR_USAGE,
           "top_p is %g, expected more than 0 and at most 1", o->top_p);
  return IG_OK;
}

/* Beyond this, larger products are no faster, and intermediates are only larger. */
#define MOST_PREFILLED 512

int64_t ig_generate_prefill_size(int64_t context, int64_t n_prompt, int64_t tokens) {
  int64_t length = IG_MIN(n_prompt, context), filled = length - 1; /* the last gives the logits */
  int64_t passes = (filled + MOST_PREFILLED - 1) / MOST_PREFILLED;
  int64_t size = passes > 0 ? (filled + passes - 1) / passes : 0;
  bool slides = tokens > context - length; /* half a context is then fed again and again */
  if (slides) size = IG_MAX(size, IG_MIN(context / 2, MOST_PREFILLED));
  return size > 1 ? size : 0;
}

ig_status ig_generate_sampling(ig_graph *graph) {
  ig_value *logits = graph->n_outputs == 1 ? graph->outputs[0] : NULL;
  IG_CHECK(logits && logits->shape.rank == 3 && ig_dtype_is_float(logits->dtype), IG_ERR_USAGE,
           "graph '%s' has no logits [sequences, tokens, vocabulary]", graph->name);
  ig_value *in[] = {logits, ig_graph_input(graph, "temperature", IG_F32, IG_SCALAR),
                    ig_graph_input(graph, "top_k", IG_I64, IG_SCALAR),
                    ig_graph_input(graph, "top_p", IG_F32, IG_SCALAR)};
  ig_value *token = ig_op1(graph, "ingot.Sample", NULL, 4, in, IG_NO_ATTRS);
  graph->n_outputs = 0;
  ig_graph_output(graph, "token", token);
  return ig_graph_status(graph);
}

/* --- the loop -------------------------------------------------------------------------------- */

/* A decoding plan and the memory that it reads its inputs from. */
typedef struct feeder {
  ig_plan *plan;
  int token_input, position_input;
  int64_t fed, context;
  int64_t position;
  int64_t *tokens; /* fed of them */
} feeder;

typedef struct decoder {
  feeder one, many; /* many.plan is NULL when there is no such plan */
  int64_t *window;  /* the tokens in the cache, by position; what is beyond them does not matter */
  int64_t vocabulary;
  ig_rng_state rng; /* the step counts drawn tokens */
  float temperature, top_p;
} decoder;

static int find_input(const ig_graph *graph, const char *name) {
  for (int32_t i = 0; i < graph->n_inputs; i++) {
    if (strcmp(graph->inputs[i]->name, name) == 0) return i;
  }
  return -1;
}

static ig_status open_feeder(ig_plan *plan, feeder *f) {
  const ig_graph *graph = ig_plan_graph(plan);
  f->plan = plan;
  f->token_input = find_input(graph, "x");
  f->position_input = find_input(graph, "position");
  for (int32_t i = 0; i < graph->n_values; i++) {
    const ig_value *v = graph->values[i];
    bool cache = v->kind == IG_VALUE_STATE && strncmp(v->name, "cache.", 6) == 0;
    if (cache && v->shape.rank > 1) f->context = v->shape.dims[1];
  }
  IG_CHECK(f->token_input >= 0 && f->position_input >= 0 && f->context > 0, IG_ERR_USAGE,
           "graph '%s' is no decoding graph", graph->name);
  const ig_shape *x = &graph->inputs[f->token_input]->shape;
  IG_CHECK(x->rank == 2 && x->dims[0] == 1 && x->dims[1] <= f->context, IG_ERR_USAGE,
           "one sequence at a time is generated, found %s", IG_SHAPE_STR(x));
  f->fed = x->dims[1];
  f->tokens = ig_alloc_zero((size_t)f->fed, sizeof *f->tokens);
  IG_CHECK_ALLOC(f->tokens);
  return IG_OK;
}

/* How tokens are drawn, which no step changes. */
static ig_status open_sampling(const ig_generate_options *options, decoder *d) {
  const ig_graph *graph = ig_plan_graph(d->one.plan);
  const ig_node *sample = graph->n_outputs == 1 ? graph->outputs[0]->producer : NULL;
  IG_CHECK(sample && strcmp(sample->op->name, "ingot.Sample") == 0, IG_ERR_USAGE,
           "graph '%s' draws no tokens", graph->name);
  const ig_shape *logits = &sample->inputs[0]->shape;
  const void *scalars[] = {&d->temperature, &options->top_k, &d->top_p};
  const char *const names[] = {"temperature", "top_k", "top_p"};
  d->vocabulary = logits->dims[logits->rank - 1];
  d->temperature = (float)options->temperature;
  d->top_p = IG_MAX((float)options->top_p, 0x1p-126f);
  d->rng.seed = options->seed;
  for (int i = 0; i < 3; i++) {
    int input = find_input(graph, names[i]);
    IG_CHECK(input >= 0, IG_ERR_USAGE, "graph '%s' has no input %s", graph->name, names[i]);
    IG_TRY(ig_plan_bind_input(d->one.plan, input, scalars[i]));
  }
  return IG_OK;
}

static ig_status open_decoder(ig_plan *one, const ig_generate_options *options, decoder *d) {
  IG_TRY(open_feeder(one, &d->one));
  IG_TRY(open_sampling(options, d));
  IG_CHECK(d->one.fed == 1, IG_ERR_USAGE, "generation feeds one token at a time, found %" PRId64,
           d->one.fed);
  if (options->prefill) {
    IG_TRY(open_feeder(options->prefill, &d->many));
    IG_CHECK(d->many.context == d->one.context, IG_ERR_USAGE,
             "the two decoding plans are of different models");
  }
  d->window = ig_alloc_zero((size_t)d->one.context, sizeof *d->window);
  IG_CHECK_ALLOC(d->window);
  return IG_OK;
}

/* Puts the window's tokens [from, to) into the cache. The last step is filled up with whatever the
 * window holds beyond, or begins earlier where the context ends: feeding a token again at its place
 * changes nothing. */
static ig_status feed(const decoder *d, feeder *f, int64_t from, int64_t to) {
  for (int64_t at = from; at < to; at += f->fed) {
    f->position = IG_MIN(at, f->context - f->fed);
    memcpy(f->tokens, d->window + f->position, (size_t)f->fed * sizeof *f->tokens);
    IG_TRY(ig_plan_bind_input(f->plan, f->token_input, f->tokens));
    IG_TRY(ig_plan_bind_input(f->plan, f->position_input, &f->position));
    IG_TRY(ig_plan_run(f->plan, &d->rng));
  }
  return IG_OK;
}

/* The window's first `count` tokens into the cache, by the quickest way. */
static ig_status fill(decoder *d, int64_t count) {
  return feed(d, d->many.plan ? &d->many : &d->one, 0, count);
}

/* The token drawn after the last of `length`. */
static ig_status draw(decoder *d, int64_t length, int64_t *token) {
  IG_TRY(feed(d, &d->one, length - 1, length));
  *token = *(const int64_t *)ig_plan_output(d->one.plan, 0);
  IG_CHECK(*token >= 0, IG_ERR_NUMERIC,
           "no token can be drawn at position %" PRId64 ": a logit is NaN or none is finite",
           length);
  d->rng.step++;
  return IG_OK;
}

/* Puts the token at the end of the window, which keeps its last half when it is full. */
static ig_status append(decoder *d, int64_t *length, int64_t token) {
  int64_t context = d->one.context;
  if (*length == context) {
    *length = context / 2;
    memmove(d->window, d->window + (context - *length), (size_t)*length * sizeof *d->window);
    IG_TRY(fill(d, *length));
  }
  d->window[(*length)++] = token;
  return IG_OK;
}

static ig_status generate(decoder *d, const int64_t *prompt, int64_t n_prompt,
                          const ig_generate_options *options, ig_generate_sink sink, void *context,
                          int64_t *generated) {
  int64_t vocabulary = d->vocabulary, length = IG_MIN(n_prompt, d->one.context);
  for (int64_t i = 0; i < n_prompt; i++) {
    IG_CHECK(prompt[i] >= 0 && prompt[i] < vocabulary, IG_ERR_INPUT,
             "token %" PRId64 " of the prompt is %" PRId64 ", outside the vocabulary of %" PRId64,
             i, prompt[i], vocabulary);
  }
  memcpy(d->window, prompt + (n_prompt - length), (size_t)length * sizeof *d->window);
  IG_TRY(fill(d, length - 1));
  bool stop = false;
  for (int64_t i = 0; i < options->tokens && !stop; i++) {
    int64_t token;
    IG_TRY(draw(d, length, &token));
    if (token == options->stop_token) break;
    ++*generated;
    IG_TRY(sink(context, token, &stop));
    if (i + 1 < options->tokens && !stop) IG_TRY(append(d, &length, token));
  }
  return IG_OK;
}

ig_status ig_generate(ig_plan *plan, const int64_t *prompt, int64_t n_prompt,
                      const ig_generate_options *options, ig_generate_sink sink, void *context,
                      int64_t *generated) {
  int64_t count = 0;
  IG_TRY(ig_generate_check(options));
  IG_CHECK(n_prompt > 0, IG_ERR_USAGE, "the prompt is empty: give at least one token");
  decoder d = {0};
  ig_status status = open_decoder(plan, options, &d);
  if (status == IG_OK) {
    status = generate(&d, prompt, n_prompt, options, sink, context, &count);
  }
  ig_free(d.one.tokens);
  ig_free(d.many.tokens);
  ig_free(d.window);
  if (generated) *generated = count;
  return status;
}
