/* Sampling and the decoding loop. Probabilities are summed in double in a fixed order, so that one
 * seed gives one text on one build, whatever the number of threads. */
#include "engine/eval/generate.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/rng.h"

ig_status ig_generate_check(const ig_generate_options *o) {
  IG_CHECK(o->tokens >= 0, IG_ERR_USAGE, "tokens is %" PRId64 ", expected 0 or more", o->tokens);
  IG_CHECK(o->temperature >= 0 && isfinite(o->temperature), IG_ERR_USAGE,
           "temperature is %g, expected 0 or more", o->temperature);
  IG_CHECK(o->top_k >= 0, IG_ERR_USAGE, "top_k is %" PRId64 ", expected 0 (all) or more", o->top_k);
  IG_CHECK(o->top_p > 0 && o->top_p <= 1, IG_ERR_USAGE,
           "top_p is %g, expected more than 0 and at most 1", o->top_p);
  return IG_OK;
}

/* --- one token ------------------------------------------------------------------------------- */

typedef struct choice {
  double weight; /* not normalised */
  int64_t token;
} choice;

/* The likeliest first, the smaller id among equals. */
static int compare(const void *a, const void *b) {
  const choice *x = a, *y = b;
  if (x->weight != y->weight) return x->weight < y->weight ? 1 : -1;
  return x->token < y->token ? -1 : x->token > y->token;
}

static ig_status find_best(const float *logits, int64_t n, int64_t *best) {
  *best = -1;
  for (int64_t i = 0; i < n; i++) {
    IG_CHECK(!isnan(logits[i]), IG_ERR_NUMERIC, "the logit of token %" PRId64 " is NaN", i);
    if (*best < 0 || logits[i] > logits[*best]) *best = i;
  }
  IG_CHECK(*best >= 0 && isfinite(logits[*best]), IG_ERR_NUMERIC,
           "no finite logit among %" PRId64 " tokens", n);
  return IG_OK;
}

/* Sifts choices[0] down a heap whose root is the least likely. */
static void sift(choice *choices, int64_t count, int64_t at) {
  choice moved = choices[at];
  for (int64_t child; (child = 2 * at + 1) < count; at = child) {
    if (child + 1 < count && compare(&choices[child], &choices[child + 1]) < 0) child++;
    if (compare(&choices[child], &moved) <= 0) break;
    choices[at] = choices[child];
  }
  choices[at] = moved;
}

/* Moves the `k` likeliest to the front, in no order; far cheaper than sorting a vocabulary. */
static void select_likeliest(choice *choices, int64_t n, int64_t k) {
  for (int64_t i = k / 2 - 1; i >= 0; i--) sift(choices, k, i);
  for (int64_t i = k; i < n; i++) {
    if (compare(&choices[i], &choices[0]) >= 0) continue;
    choices[0] = choices[i];
    sift(choices, k, 0);
  }
}

/* Drops tokens so unlikely that together they weigh less than what top-p cuts off. */
static int64_t drop_unlikely(choice *choices, int64_t n, double least) {
  int64_t count = 0;
  for (int64_t i = 0; i < n; i++) {
    if (choices[i].weight >= least) choices[count++] = choices[i];
  }
  return count;
}

/* Leaves the choices that top-k and top-p allow at the front; *total becomes their weight. */
static int64_t restrict_choices(choice *choices, int64_t n, const ig_generate_options *options,
                                double *total) {
  int64_t count = n;
  if (options->top_k > 0 && options->top_k < n) {
    count = options->top_k;
    select_likeliest(choices, n, count);
    *total = 0;
    for (int64_t i = 0; i < count; i++) *total += choices[i].weight;
  }
  if (options->top_p < 1) {
    count = drop_unlikely(choices, count, (1 - options->top_p) * *total / (double)count);
  }
  if (count == n && options->top_p >= 1) return n; /* nothing to cut: the order of ids will do */
  qsort(choices, (size_t)count, sizeof *choices, compare);
  double wanted = options->top_p * *total, sum = 0;
  int64_t kept = 0;
  while (kept < count && (kept == 0 || sum < wanted)) sum += choices[kept++].weight;
  *total = sum;
  return kept;
}

ig_status ig_sample_token(const float *logits, int64_t n, const ig_generate_options *options,
                          uint64_t step, int64_t *token) {
  int64_t best;
  IG_TRY(find_best(logits, n, &best));
  *token = best;
  if (options->temperature == 0 || options->top_k == 1) return IG_OK;
  choice *choices = ig_alloc_zero((size_t)n, sizeof *choices);
  IG_CHECK_ALLOC(choices);
  double total = 0;
  for (int64_t i = 0; i < n; i++) {
    double weight = exp(((double)logits[i] - (double)logits[best]) / options->temperature);
    choices[i] = (choice){weight, i};
    total += weight;
  }
  int64_t count = restrict_choices(choices, n, options, &total);
  ig_rng rng = ig_rng_stream(options->seed, IG_RNG_SAMPLE, step, 0);
  double left = (double)ig_rng_uniform(&rng, 0) * total;
  for (int64_t i = 0; i < count; i++) {
    if (choices[i].weight > 0) *token = choices[i].token;
    left -= choices[i].weight;
    if (left < 0) break;
  }
  ig_free(choices);
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

/* --- the loop -------------------------------------------------------------------------------- */

/* A decoding plan and the memory that it reads its inputs from. */
typedef struct feeder {
  ig_plan *plan;
  int64_t fed, context, vocabulary;
  int64_t position;
  int64_t *tokens; /* fed of them */
} feeder;

typedef struct decoder {
  feeder one, many; /* many.plan is NULL when there is no such plan */
  int64_t *window;  /* the tokens in the cache, by position; what is beyond them does not matter */
  const float *logits;
} decoder;

static ig_status open_feeder(ig_plan *plan, bool with_logits, feeder *f) {
  const ig_graph *graph = ig_plan_graph(plan);
  int token_input = -1, position_input = -1;
  f->plan = plan;
  for (int32_t i = 0; i < graph->n_inputs; i++) {
    if (strcmp(graph->inputs[i]->name, "x") == 0) token_input = i;
    if (strcmp(graph->inputs[i]->name, "position") == 0) position_input = i;
  }
  for (int32_t i = 0; i < graph->n_values; i++) {
    const ig_value *v = graph->values[i];
    bool cache = v->kind == IG_VALUE_STATE && strncmp(v->name, "cache.", 6) == 0;
    if (cache && v->shape.rank > 1) f->context = v->shape.dims[1];
  }
  bool logits = graph->n_outputs == 1 && graph->outputs[0]->shape.rank == 3;
  IG_CHECK(token_input >= 0 && position_input >= 0 && f->context > 0 && (logits || !with_logits),
           IG_ERR_USAGE, "graph '%s' is no decoding graph", graph->name);
  const ig_shape *x = &graph->inputs[token_input]->shape;
  IG_CHECK(x->rank == 2 && x->dims[0] == 1 && x->dims[1] <= f->context, IG_ERR_USAGE,
           "one sequence at a time is generated, found %s", IG_SHAPE_STR(x));
  f->fed = x->dims[1];
  f->vocabulary = logits ? graph->outputs[0]->shape.dims[2] : 0;
  f->tokens = ig_alloc_zero((size_t)f->fed, sizeof *f->tokens);
  IG_CHECK_ALLOC(f->tokens);
  IG_TRY(ig_plan_bind_input(plan, token_input, f->tokens));
  return ig_plan_bind_input(plan, position_input, &f->position);
}

static ig_status open_decoder(ig_plan *one, ig_plan *many, decoder *d) {
  IG_TRY(open_feeder(one, true, &d->one));
  IG_CHECK(d->one.fed == 1, IG_ERR_USAGE, "generation feeds one token at a time, found %" PRId64,
           d->one.fed);
  if (many) {
    IG_TRY(open_feeder(many, false, &d->many));
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
    IG_TRY(ig_plan_run(f->plan, &(ig_rng_state){0}));
  }
  return IG_OK;
}

/* The window's first `count` tokens into the cache, by the quickest way. */
static ig_status fill(decoder *d, int64_t count) {
  return feed(d, d->many.plan ? &d->many : &d->one, 0, count);
}

/* The last of `length` tokens, whose logits are those of the next. */
static ig_status feed_last(decoder *d, int64_t length) {
  IG_TRY(feed(d, &d->one, length - 1, length));
  d->logits = ig_plan_output(d->one.plan, 0);
  return IG_OK;
}

/* The next token of a sequence of *length. */
static ig_status append(decoder *d, int64_t *length, int64_t token) {
  int64_t context = d->one.context;
  if (*length == context) {
    *length = context / 2;
    memmove(d->window, d->window + (context - *length), (size_t)*length * sizeof *d->window);
    IG_TRY(fill(d, *length));
  }
  d->window[(*length)++] = token;
  return feed_last(d, *length);
}

static ig_status generate(decoder *d, const int64_t *prompt, int64_t n_prompt,
                          const ig_generate_options *options, ig_generate_sink sink, void *context,
                          int64_t *generated) {
  int64_t vocabulary = d->one.vocabulary, length = IG_MIN(n_prompt, d->one.context);
  for (int64_t i = 0; i < n_prompt; i++) {
    IG_CHECK(prompt[i] >= 0 && prompt[i] < vocabulary, IG_ERR_INPUT,
             "token %" PRId64 " of the prompt is %" PRId64 ", outside the vocabulary of %" PRId64,
             i, prompt[i], vocabulary);
  }
  memcpy(d->window, prompt + (n_prompt - length), (size_t)length * sizeof *d->window);
  IG_TRY(fill(d, length - 1));
  IG_TRY(feed_last(d, length));
  bool stop = false;
  for (int64_t i = 0; i < options->tokens && !stop; i++) {
    int64_t token;
    IG_TRY(ig_sample_token(d->logits, vocabulary, options, (uint64_t)i, &token));
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
  ig_status status = open_decoder(plan, options->prefill, &d);
  if (status == IG_OK) {
    status = generate(&d, prompt, n_prompt, options, sink, context, &count);
  }
  ig_free(d.one.tokens);
  ig_free(d.many.tokens);
  ig_free(d.window);
  if (generated) *generated = count;
  return status;
}
