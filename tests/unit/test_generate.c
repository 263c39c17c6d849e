/* Text generation: sampling against a plain restatement of its definition and against expected
 * frequencies; decoding with a KV cache against the full forward pass of the same parameters. */
#include "graph_run.h"

#include <math.h>

#include "engine/eval/generate.h"
#include "engine/models/model.h"
#include "engine/passes/pass.h"
#include "kernels/sample.h"

/* --- sampling -------------------------------------------------------------------------------- */

#define WORDS 40

static void made_up_logits(float logits[WORDS], uint64_t salt) {
  ig_rng rng = ig_rng_stream(1, IG_RNG_TEST, 0, salt);
  for (int i = 0; i < WORDS; i++) logits[i] = 3 * ig_rng_normal(&rng, (uint64_t)i);
}

static int64_t draw(const float *logits, int64_t n, const ig_generate_options *options,
                    uint64_t step) {
  float temperature = (float)options->temperature, top_p = (float)options->top_p;
  uint64_t zero = 0, room[3 * WORDS];
  int64_t token = -2;
  ig_sample_scalars scalars = {&options->seed, &step, &zero, &temperature, &options->top_k, &top_p};
  assert_true(ig_cpu_sample_workspace(n) <= sizeof room);
  ig_cpu_sample(IG_F32, &scalars, 1, n, logits, &token, room);
  return token;
}

/* Probability of each token by definition: sort, keep k, keep the shortest prefix that reaches p. */
static void probabilities(const float *logits, const ig_generate_options *o, double out[WORDS]) {
  int order[WORDS];
  double weight[WORDS], total = 0, sum = 0;
  for (int i = 0; i < WORDS; i++) order[i] = i;
  for (int i = 0; i < WORDS; i++) { /* selection sort, stable in the id */
    for (int j = i + 1; j < WORDS; j++) {
      bool better = logits[order[j]] > logits[order[i]] ||
                    (logits[order[j]] == logits[order[i]] && order[j] < order[i]);
      if (!better) continue;
      int swap = order[i];
      order[i] = order[j];
      order[j] = swap;
    }
  }
  int kept = o->top_k > 0 && o->top_k < WORDS ? (int)o->top_k : WORDS;
  for (int i = 0; i < kept; i++) {
    weight[i] = exp((double)logits[order[i]] / o->temperature);
    total += weight[i];
  }
  int nucleus = 0;
  while (nucleus < kept && (nucleus == 0 || sum < o->top_p * total)) sum += weight[nucleus++];
  for (int i = 0; i < WORDS; i++) out[i] = 0;
  for (int i = 0; i < nucleus; i++) out[order[i]] = weight[i] / sum;
}

/* 20,000 draws: no token outside the allowed set, and no frequency off by five standard deviations. */
static void frequencies(const ig_generate_options *options) {
  enum { DRAWS = 20000 };
  float logits[WORDS];
  double expected[WORDS];
  int found[WORDS] = {0};
  made_up_logits(logits, 1);
  probabilities(logits, options, expected);
  for (int i = 0; i < DRAWS; i++) {
    int64_t token = draw(logits, WORDS, options, (uint64_t)i);
    assert_in_range(token, 0, WORDS - 1);
    found[token]++;
  }
  for (int i = 0; i < WORDS; i++) {
    double mean = DRAWS * expected[i], deviation = sqrt(mean * (1 - expected[i]));
    if (expected[i] == 0) assert_int_equal(found[i], 0);
    if (fabs(found[i] - mean) > 5 * deviation + 1) {
      fail_msg("token %d: drawn %d times, expected %.1f", i, found[i], mean);
    }
  }
}

static void sampling_frequencies(void **state) {
  (void)state;
  static const ig_generate_options cases[] = {
      {.temperature = 1, .top_p = 1},
      {.temperature = 0.7, .top_p = 1},
      {.temperature = 2, .top_p = 1, .top_k = 5},
      {.temperature = 1, .top_p = 0.8},
      {.temperature = 1.5, .top_p = 0.9, .top_k = 12},
      {.temperature = 1, .top_p = 0.01},
      {.temperature = 1, .top_p = 0.999, .top_k = WORDS},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) frequencies(&cases[i]);
}

static void sampling_is_a_function_of_seed_and_step(void **state) {
  (void)state;
  float logits[WORDS];
  made_up_logits(logits, 2);
  ig_generate_options options = {.temperature = 1, .top_p = 1, .seed = 4};
  int same = 0;
  for (uint64_t i = 0; i < 200; i++) {
    int64_t a = draw(logits, WORDS, &options, i), b = draw(logits, WORDS, &options, i);
    options.seed = 5;
    int64_t c = draw(logits, WORDS, &options, i);
    options.seed = 4;
    assert_int_equal(a, b);
    same += a == c;
  }
  assert_true(same < 150);
}

static void sampling_edges(void **state) {
  (void)state;
  float logits[] = {1, 5, 5, -INFINITY}, none[] = {-INFINITY, -INFINITY};
  ig_generate_options greedy = {.top_p = 1}, warm = {.temperature = 1, .top_p = 1};
  assert_int_equal(draw(logits, 4, &greedy, 0), 1);
  for (uint64_t i = 0; i < 500; i++) {
    assert_int_not_equal(draw(logits, 4, &warm, i), 3); /* probability 0 */
  }
  logits[2] = NAN;
  assert_int_equal(draw(logits, 4, &greedy, 0), -1);
  assert_int_equal(draw(none, 2, &warm, 0), -1);
}

/* Weights are 2^-40 of the greatest: a draw is off by less than a part in ten million. */
static void weights(void **state) {
  (void)state;
  double worst = 0;
  for (int i = 0; i <= 30000; i++) {
    float x = -20 * (float)i / 30000, factor = 0x1.715476p+0f / 0.8f;
    double want = exp2((double)x * (double)factor) * 0x1p40;
    double got = (double)ig_sample_weight(x, 0, factor);
    worst = fmax(worst, fabs(got - want) / (want + 0x1p24));
    assert_int_equal(ig_sample_key(ig_sample_logit(ig_sample_key(x))), ig_sample_key(x));
  }
  print_message("weights are off by %.2g of themselves or 2^-16 at most\n", worst);
  assert_true(worst < 3e-7);
  assert_true(ig_sample_weight(3, 3, 1) == (uint64_t)1 << 40);
  assert_true(ig_sample_weight(-INFINITY, 3, 1) == 0);
  assert_true(ig_sample_key(-0.0f) == ig_sample_key(0.0f));
}

static void bad_options(void **state) {
  (void)state;
  static const ig_generate_options cases[] = {
      {.tokens = -1, .top_p = 1},
      {.temperature = -0.1, .top_p = 1},
      {.temperature = NAN, .top_p = 1},
      {.top_k = -1, .top_p = 1},
      {.top_p = 0},
      {.top_p = 1.1},
      {.top_p = NAN},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_int_equal(ig_generate_check(&cases[i]), IG_ERR_USAGE);
  }
}

/* --- decoding -------------------------------------------------------------------------------- */

typedef struct pair {
  run_env env;
  ig_graph *full, *decode, *many; /* decode gives logits, or draws tokens */
  ig_plan *full_plan, *decode_plan, *many_plan;
} pair;

static ig_plan *plan_of(run_env *env, ig_graph *graph, bool frozen) {
  ig_plan *plan;
  ig_plan_options options = {.frozen_params = frozen};
  GOOD(ig_store_add_graph(env->store, graph, 3));
  GOOD(ig_plan_create(graph, env->backend, env->store, &options, &plan));
  return plan;
}

/* The full model over `tokens` tokens and the decoding one, over one store. */
static pair open_pair(const char *model, int64_t tokens, int64_t vocabulary, int64_t sequences,
                      bool draws) {
  pair p = {.env = run_env_open()};
  ig_model_spec spec = {.input = IG_SHAPE(tokens), .n_outputs = vocabulary, .sequences = sequences};
  ig_graph *template;
  GOOD(ig_model_build(model, &spec, &template));
  ig_shape shape = IG_SHAPE(IG_MAX(sequences, 1), tokens);
  GOOD(ig_graph_specialize(template, &shape, &p.full));
  ig_graph_destroy(template);
  GOOD(ig_model_build_decode(model, &spec, &p.decode));
  if (draws) GOOD(ig_generate_sampling(p.decode));
  spec.fed = 4;
  GOOD(ig_model_build_decode(model, &spec, &p.many));
  p.full_plan = plan_of(&p.env, p.full, false);
  p.decode_plan = plan_of(&p.env, p.decode, true);
  p.many_plan = plan_of(&p.env, p.many, true);
  return p;
}

static void close_pair(pair *p) {
  ig_plan_destroy(p->full_plan);
  ig_plan_destroy(p->decode_plan);
  ig_plan_destroy(p->many_plan);
  ig_graph_destroy(p->full);
  ig_graph_destroy(p->decode);
  ig_graph_destroy(p->many);
  run_env_close(&p->env);
}

/* Logits at every position, fed `fed` tokens at a time, equal those of one pass over the whole
 * sequence. */
static void cache_equals_full(const char *model, int64_t sequences, int64_t fed) {
  enum { TOKENS = 12, VOCABULARY = 31 };
  pair p = open_pair(model, TOKENS, VOCABULARY, sequences, false);
  ig_plan *plan = fed == 1 ? p.decode_plan : p.many_plan;
  int64_t *x = run_input(p.full->inputs[0], VOCABULARY), step[16], position;
  GOOD(ig_plan_bind_input(p.full_plan, 0, x));
  GOOD(ig_plan_run(p.full_plan, &(ig_rng_state){0}));
  const float *want = ig_plan_output(p.full_plan, 0);
  GOOD(ig_plan_bind_input(plan, 0, step));
  GOOD(ig_plan_bind_input(plan, 1, &position));
  for (position = 0; position < TOKENS; position += fed) {
    for (int64_t i = 0; i < sequences * fed; i++) {
      step[i] = x[i / fed * TOKENS + position + i % fed];
    }
    GOOD(ig_plan_run(plan, &(ig_rng_state){0}));
    const float *got = ig_plan_output(plan, 0);
    for (int64_t i = 0; i < sequences * fed * VOCABULARY; i++) {
      int64_t row = i / VOCABULARY, place = row / fed * TOKENS + position + row % fed;
      double w = want[place * VOCABULARY + i % VOCABULARY];
      if (!(fabs(got[i] - w) <= 1e-5 * fmax(1, fabs(w)))) {
        fail_msg("%s: row %d, position %d, word %d: %g, expected %g", model, (int)row,
                 (int)position, (int)(i % VOCABULARY), (double)got[i], w);
      }
    }
  }
  free(x);
  close_pair(&p);
}

static void decoding_equals_full(void **state) {
  (void)state;
  for (int64_t fed = 1; fed <= 4; fed += 3) {
    cache_equals_full("gpt:layers=2,heads=4,embd=32,ctx=16", 1, fed);
    cache_equals_full("gpt:layers=2,heads=4,kv_heads=2,embd=32,ctx=12,bias=0,tie=0", 1, fed);
    cache_equals_full("gpt:layers=1,heads=2,kv_heads=1,embd=16,ctx=16", 3, fed);
    cache_equals_full("llama:layers=2,heads=4,kv_heads=2,embd=32,ctx=16", 1, fed);
    cache_equals_full("llama:layers=1,heads=2,embd=16,ctx=12,bias=qkv,tie=1,theta=100", 3, fed);
  }
}

typedef struct collected {
  int64_t tokens[64];
  int n, stop_after;
} collected;

static ig_status collect(void *context, int64_t token, bool *stop) {
  collected *c = context;
  c->tokens[c->n++] = token;
  *stop = c->n == c->stop_after;
  return IG_OK;
}

/* Greedy text by rerunning the whole sequence for each token. */
static void greedy_by_full(pair *p, const int64_t *prompt, int n_prompt, int tokens,
                           int64_t vocabulary, int64_t window, int64_t *out) {
  int64_t x[64] = {0};
  memcpy(x, prompt, (size_t)n_prompt * sizeof *x);
  GOOD(ig_plan_bind_input(p->full_plan, 0, x));
  for (int i = n_prompt; i < n_prompt + tokens; i++) {
    assert_true(i <= window);
    GOOD(ig_plan_run(p->full_plan, &(ig_rng_state){0}));
    const float *logits = (const float *)ig_plan_output(p->full_plan, 0) + (i - 1) * vocabulary;
    int64_t best = 0;
    for (int64_t w = 1; w < vocabulary; w++) best = logits[w] > logits[best] ? w : best;
    out[i - n_prompt] = best;
    if (i < window) x[i] = best;
  }
}

static void generates(void **state) {
  (void)state;
  const char *model = "gpt:layers=2,heads=2,embd=32,ctx=16";
  pair p = open_pair(model, 16, 31, 1, true);
  run_env_shake(&p.env); /* fresh weights give nearly equal logits */
  int64_t prompt[] = {3, 1, 4, 1, 5}, expected[11], count;
  /* Weights were packed when the plans were made: make them again for the shaken ones. */
  ig_plan_destroy(p.decode_plan);
  p.decode_plan = plan_of(&p.env, p.decode, true);
  ig_plan_destroy(p.many_plan);
  p.many_plan = plan_of(&p.env, p.many, true);
  greedy_by_full(&p, prompt, 5, 11, 31, 16, expected);
  collected c = {0};
  ig_generate_options options = {.tokens = 11, .top_p = 1, .stop_token = -1};
  for (int turn = 0; turn < 3; turn++) { /* a used cache must not matter */
    c = (collected){0};
    GOOD(ig_generate(p.decode_plan, prompt, 5, &options, collect, &c, &count));
    assert_int_equal(count, 11);
    assert_memory_equal(c.tokens, expected, sizeof expected);
    options.prefill = p.many_plan; /* five tokens by fours: the last step is filled up */
  }
  options.stop_token = expected[3];
  int first = 0;
  while (expected[first] != expected[3]) first++;
  c = (collected){0};
  GOOD(ig_generate(p.decode_plan, prompt, 5, &options, collect, &c, &count));
  assert_int_equal(count, first);
  options.stop_token = -1;
  c = (collected){.stop_after = 2};
  GOOD(ig_generate(p.decode_plan, prompt, 5, &options, collect, &c, &count));
  assert_int_equal(count, 2);
  options.tokens = 60; /* far beyond the context */
  c = (collected){0};
  GOOD(ig_generate(p.decode_plan, prompt, 5, &options, collect, &c, NULL));
  assert_int_equal(c.n, 60);
  assert_memory_equal(c.tokens, expected, sizeof expected);
  collected one_by_one = {0};
  options.prefill = NULL;
  GOOD(ig_generate(p.decode_plan, prompt, 5, &options, collect, &one_by_one, NULL));
  assert_memory_equal(c.tokens, one_by_one.tokens, sizeof c.tokens);
  assert_int_equal(ig_generate(p.decode_plan, (int64_t[]){31}, 1, &options, collect, &c, NULL),
                   IG_ERR_INPUT);
  assert_int_equal(ig_generate(p.decode_plan, prompt, 0, &options, collect, &c, NULL),
                   IG_ERR_USAGE);
  assert_int_equal(ig_generate(p.full_plan, prompt, 5, &options, collect, &c, NULL), IG_ERR_USAGE);
  assert_int_equal(ig_generate(p.many_plan, prompt, 5, &options, collect, &c, NULL), IG_ERR_USAGE);
  close_pair(&p);
}

/* A prompt in one pass and in padded ones, without logits as the program does it, gives the text that
 * comes of one token at a time: drawn or greedy, within the context and far beyond it. */
static void prompts_in_one_pass(void **state) {
  (void)state;
  const char *model = "gpt:layers=3,heads=4,kv_heads=2,embd=32,ctx=24";
  pair p = open_pair(model, 24, 31, 1, true);
  run_env_shake(&p.env);
  ig_plan_destroy(p.decode_plan);
  p.decode_plan = plan_of(&p.env, p.decode, true);
  int64_t prompt[40];
  for (int i = 0; i < 40; i++) prompt[i] = i * i * 7 % 31;
  for (int64_t fed = 2; fed <= 24; fed += fed == 2 ? 5 : 17) { /* 2, 7 and 24 */
    ig_model_spec spec = {.n_outputs = 31, .fed = fed};
    ig_graph *graph;
    GOOD(ig_model_build_decode(model, &spec, &graph));
    graph->n_outputs = 0;
    int32_t before = graph->n_nodes;
    GOOD(ig_passes_run(graph, ig_pipeline_inference, &(ig_pass_options){.compute = IG_F32}));
    assert_true(graph->n_nodes < before - 8); /* no head, and little of the last layer */
    ig_plan *fill = plan_of(&p.env, graph, false);
    for (int64_t n = 1; n <= 40; n += 13) {
      for (uint64_t seed = 0; seed < 4; seed++) {
        collected one = {0}, many = {0};
        ig_generate_options options = {.tokens = 50, .top_p = 0.9, .stop_token = -1, .seed = seed};
        options.temperature = seed ? 0.5 + (double)seed / 4 : 0;
        GOOD(ig_generate(p.decode_plan, prompt, n, &options, collect, &one, NULL));
        options.prefill = fill;
        GOOD(ig_generate(p.decode_plan, prompt, n, &options, collect, &many, NULL));
        assert_int_equal(many.n, 50);
        assert_memory_equal(one.tokens, many.tokens, sizeof one.tokens);
      }
    }
    ig_plan_destroy(fill);
    ig_graph_destroy(graph);
  }
  close_pair(&p);
}

static void prefill_sizes(void **state) {
  (void)state;
  /* Of 1,024: all but the last token, in equal passes of at most 512; half the context when the text
   * outgrows it; and none for what one token at a time does as well. */
  static const int64_t cases[][3] = {{1, 100, 0},     {2, 100, 0},     {3, 100, 2},
                                     {512, 1, 511},   {513, 256, 512}, {514, 256, 257},
                                     {1024, 0, 512},  {4000, 0, 512},  {300, 724, 299},
                                     {300, 725, 512}, {1, 1024, 512}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int64_t size = ig_generate_prefill_size(1024, cases[i][0], cases[i][1]);
    if (size != cases[i][2]) fail_msg("case %zu: %d", i, (int)size);
  }
  assert_int_equal(ig_generate_prefill_size(16, 4, 100), 8);
  assert_int_equal(ig_generate_prefill_size(1, 4, 100), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sampling_frequencies),
      cmocka_unit_test(sampling_is_a_function_of_seed_and_step),
      cmocka_unit_test(sampling_edges),
      cmocka_unit_test(weights),
      cmocka_unit_test(bad_options),
      cmocka_unit_test(decoding_equals_full),
      cmocka_unit_test(generates),
      cmocka_unit_test(prompts_in_one_pass),
      cmocka_unit_test(prefill_sizes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
