/* Text generation on the CUDA backend: with a cache updated in place and tokens drawn on the device, it
 * gives the text of the CPU. */
#include "graph_run.h"

#include "engine/eval/generate.h"
#include "engine/models/model.h"
#include "engine/passes/pass.h"

enum { VOCABULARY = 47, TOKENS = 40 };

typedef struct writer {
  ig_backend *backend;
  ig_store *store;
  ig_graph *one, *many;
  ig_plan *one_plan, *many_plan;
} writer;

static ig_plan *plan_of(writer *w, ig_graph *graph) {
  ig_plan *plan;
  ig_pass_options passes = {.device = w->backend->vtable->device, .compute = IG_F32};
  GOOD(ig_passes_run(graph, ig_pipeline_inference, &passes));
  GOOD(ig_store_add_graph(w->store, graph, 3));
  GOOD(ig_plan_create(graph, w->backend, w->store, &(ig_plan_options){.frozen_params = true},
                      &plan));
  return plan;
}

static writer open_writer(ig_backend *backend, const char *model) {
  writer w = {.backend = backend};
  ig_model_spec spec = {.n_outputs = VOCABULARY};
  GOOD(ig_store_create(backend, &w.store));
  GOOD(ig_model_build_decode(model, &spec, &w.one));
  GOOD(ig_generate_sampling(w.one));
  spec.fed = 4;
  GOOD(ig_model_build_decode(model, &spec, &w.many));
  w.many->n_outputs = 0;
  w.one_plan = plan_of(&w, w.one);
  w.many_plan = plan_of(&w, w.many);
  return w;
}

static void close_writer(writer *w) {
  ig_plan_destroy(w->one_plan);
  ig_plan_destroy(w->many_plan);
  ig_graph_destroy(w->one);
  ig_graph_destroy(w->many);
  ig_store_destroy(w->store);
}

typedef struct text {
  int64_t tokens[TOKENS];
  int n;
} text;

static ig_status collect(void *context, int64_t token, bool *stop) {
  text *t = context;
  t->tokens[t->n++] = token;
  *stop = false;
  return IG_OK;
}

static text write_text(const writer *w, const ig_generate_options *how) {
  static const int64_t prompt[] = {3, 1, 4, 1, 5, 9, 2, 6, 5};
  text t = {0};
  ig_generate_options options = *how;
  options.prefill = w->many_plan;
  GOOD(ig_generate(w->one_plan, prompt, 9, &options, collect, &t, NULL));
  assert_int_equal(t.n, TOKENS);
  return t;
}

/* Beyond the context of 24, so that the cache is filled anew. */
static void same_text(const char *model) {
  ig_backend *cpu, *cuda;
  GOOD(ig_backend_cpu_create(1, &cpu));
  GOOD(ig_backend_cuda_create(0, &cuda));
  writer a = open_writer(cpu, model), b = open_writer(cuda, model);
  static const ig_generate_options ways[] = {
      {.temperature = 0, .top_p = 1},
      {.temperature = 1, .top_p = 1},
      {.temperature = 1.3, .top_p = 0.9, .top_k = 20},
  };
  text sampled[3];
  for (int i = 0; i < 3; i++) {
    ig_generate_options how = ways[i];
    how.tokens = TOKENS;
    how.stop_token = -1;
    how.seed = 11;
    text want = write_text(&a, &how), got = write_text(&b, &how);
    assert_memory_equal(want.tokens, got.tokens, sizeof want.tokens);
    sampled[i] = want;
  }
  assert_memory_not_equal(sampled[0].tokens, sampled[1].tokens, sizeof sampled[0].tokens);
  assert_memory_not_equal(sampled[1].tokens, sampled[2].tokens, sizeof sampled[0].tokens);
  close_writer(&a);
  close_writer(&b);
  ig_backend_destroy(cuda);
  ig_backend_destroy(cpu);
}

static void generates(void **state) {
  (void)state;
  same_text("gpt:layers=2,heads=2,embd=32,ctx=24");
  same_text("gpt:layers=1,heads=4,kv_heads=2,embd=32,ctx=24,bias=0,tie=0");
}

/* A step of decoding moves one row of each cache, not the cache: nothing as large as it is in the slab,
 * and attention takes the kernel for few queries. */
static void cache_stays_in_place(void **state) {
  (void)state;
  ig_backend *cuda;
  GOOD(ig_backend_cuda_create(0, &cuda));
  writer w = open_writer(cuda, "gpt:layers=1,heads=2,embd=32,ctx=4096");
  size_t cache = (size_t)4096 * 32 * sizeof(float);
  size_t slab = ig_plan_memory_use(w.one_plan).slab;
  assert_true(slab < cache);
  int attentions = 0;
  for (int i = 0; i < ig_plan_step_count(w.one_plan); i++) {
    ig_plan_step step = ig_plan_step_at(w.one_plan, i);
    if (strcmp(step.node->op->name, "Attention") != 0) continue;
    assert_string_equal(step.impl->name, "decode");
    attentions++;
  }
  assert_int_equal(attentions, 1);
  close_writer(&w);
  ig_backend_destroy(cuda);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(generates),
      cmocka_unit_test(cache_stays_in_place),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
