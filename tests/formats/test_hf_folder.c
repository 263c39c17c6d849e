/* Hugging Face's folders: logits as transformers computes them from its own files (golden/make_models.py:
 * bf16 weights, one folder in shards), the way back, and what is refused. */
#include "graph_run.h"
#include "scratch.h"

#include <ftw.h>
#include <math.h>

#include "api/model_source.h"
#include "formats/hf_folder.h"
#include "formats/safetensors.h"

#define GOLDEN IG_SOURCE_DIR "/tests/formats/golden/"

static ig_model_source open_source(const char *folder) {
  ig_model_source source;
  GOOD(ig_model_source_open(folder, 0, &source));
  return source;
}

/* The model's output for the tokens of `expected`, against the one there. */
static void check_outputs(const char *folder, const char *expected_path) {
  ig_model_source source = open_source(folder);
  ig_safetensors *expected;
  GOOD(ig_safetensors_open(expected_path, &expected));
  const ig_safetensor *x = ig_safetensors_find(expected, "x");
  const ig_safetensor *y = ig_safetensors_find(expected, "y");
  assert_non_null(x);
  assert_non_null(y);
  ig_dataset like = {.n_fields = 1, .fields = {source.fields[0]}};
  like.fields[0].shape = IG_SHAPE(x->shape.dims[1]);
  GOOD(ig_model_source_fit(&source, &like));

  run_env env = run_env_open();
  ig_graph *graph;
  ig_plan *plan;
  ig_plan_options options = {0};
  GOOD(ig_graph_specialize(source.graph, &x->shape, &graph));
  GOOD(ig_store_add_graph(env.store, graph, 1));
  GOOD(ig_model_source_load(&source, env.store));
  GOOD(ig_plan_create(graph, env.backend, env.store, &options, &plan));
  int64_t tokens[64];
  float wanted[1024];
  memcpy(tokens, x->data, ig_shape_bytes(&x->shape, x->dtype));
  memcpy(wanted, y->data, ig_shape_bytes(&y->shape, y->dtype));
  GOOD(ig_plan_bind_input(plan, 0, tokens));
  GOOD(ig_plan_run(plan, &(ig_rng_state){0}));
  const float *got = ig_plan_output(plan, 0);
  assert_true(ig_shape_equal(&graph->outputs[0]->shape, &y->shape));
  for (int64_t i = 0; i < ig_shape_count(&y->shape); i++) {
    if (!(fabs((double)got[i] - (double)wanted[i]) <= 1e-5 * fmax(1, fabs((double)wanted[i])))) {
      fail_msg("%s: output %d is %.7g, expected %.7g", folder, (int)i, (double)got[i],
               (double)wanted[i]);
    }
  }
  ig_plan_destroy(plan);
  ig_graph_destroy(graph);
  run_env_close(&env);
  ig_safetensors_close(expected);
  ig_model_source_close(&source);
}

static const char *const folders[] = {GOLDEN "hf_gpt2", GOLDEN "hf_llama", GOLDEN "hf_qwen2",
                                      GOLDEN "hf_bert"};

static void outputs_of_transformers(void **state) {
  (void)state;
  char expected[SCRATCH_PATH];
  for (int i = 0; i < IG_COUNT(folders); i++) {
    snprintf(expected, sizeof expected, "%s/expected.safetensors", folders[i]);
    check_outputs(folders[i], expected);
  }
}

/* What is written gives the same again, and says the same of itself. */
static void there_and_back(void **state) {
  (void)state;
  char expected[SCRATCH_PATH];
  for (int i = 0; i < IG_COUNT(folders); i++) {
    scratch s = scratch_make();
    const char *back = scratch_path(&s, "back");
    ig_model_source first = open_source(folders[i]);
    GOOD(ig_hf_folder_save(back, first.snapshot));
    ig_model_source second = open_source(back);
    assert_string_equal(first.snapshot->model, second.snapshot->model);
    assert_string_equal(first.snapshot->task, second.snapshot->task);
    assert_string_equal(first.snapshot->graph_json, second.snapshot->graph_json);
    ig_model_source_close(&first);
    ig_model_source_close(&second);
    snprintf(expected, sizeof expected, "%s/expected.safetensors", folders[i]);
    check_outputs(back, expected);
    scratch_remove(&s);
  }
}

static void what_is_known_of_the_data(void **state) {
  (void)state;
  ig_model_source bert = open_source(GOLDEN "hf_bert");
  assert_int_equal(bert.task, IG_TASK_CLASSIFICATION);
  assert_int_equal(bert.fields[0].n_classes, 24);
  assert_int_equal(bert.fields[1].n_classes, 3);
  assert_string_equal(bert.fields[1].classes[2], "neither");
  ig_model_source_close(&bert);
  ig_model_source llama = open_source(GOLDEN "hf_llama");
  assert_int_equal(llama.task, IG_TASK_LANGUAGE);
  assert_string_equal(IG_SHAPE_STR(&llama.fields[0].shape), "[10]");
  assert_null(llama.snapshot->tokenizer);
  ig_model_source_close(&llama);
}

/* --- what is refused ---------------------------------------------------------------------------- */

static void copy_file(const char *from, const char *to) {
  size_t size;
  unsigned char *bytes = scratch_read(from, &size);
  scratch_write(to, bytes, size);
  free(bytes);
}

/* hf_qwen2 with `from` of its config.json replaced. */
static void refused(const char *from, const char *to, ig_status status, const char *message) {
  scratch s = scratch_make();
  copy_file(GOLDEN "hf_qwen2/model.safetensors", scratch_path(&s, "model.safetensors"));
  char *config = (char *)scratch_read(GOLDEN "hf_qwen2/config.json", NULL), changed[4096];
  char *at = strstr(config, from);
  assert_non_null(at);
  int length = snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - config), config, to,
                        at + strlen(from));
  scratch_write(scratch_path(&s, "config.json"), changed, (size_t)length);
  free(config);
  ig_snapshot *snapshot = NULL;
  if (ig_hf_folder_load(s.folder, &snapshot) != status) {
    fail_msg("%s -> %s: %s", from, to, ig_last_error());
  }
  assert_null(snapshot);
  if (!strstr(ig_last_error(), message)) fail_msg("%s\nlacks: %s", ig_last_error(), message);
  assert_null(strchr(ig_last_error(), '\n'));
  scratch_remove(&s);
}

static void what_is_refused(void **state) {
  (void)state;
  refused("\"qwen2\"", "\"mamba\"", IG_ERR_UNSUPPORTED, "model_type 'mamba', expected one of");
  refused("Qwen2ForCausalLM", "Qwen2ForTokenClassification", IG_ERR_UNSUPPORTED,
          "Qwen2ForTokenClassification is not supported");
  refused("\"silu\"", "\"relu\"", IG_ERR_UNSUPPORTED, "hidden_act other than silu");
  refused("\"rope_type\": \"default\"", "\"rope_type\": \"yarn\"", IG_ERR_UNSUPPORTED, "'yarn'");
  refused("\"hidden_size\": 16", "\"hidden_size\": 32", IG_ERR_INPUT, "has shape");
  refused("\"hidden_size\": 16", "\"hidden_size\": -1", IG_ERR_INPUT, "embd is \"-1\"");
  refused("\"hidden_size\": 16", "\"hidden_size\": \"16\"", IG_ERR_INPUT,
          "hidden_size is no whole number");
  refused("\"num_attention_heads\": 4", "\"num_attention_heads\": 0", IG_ERR_INPUT,
          "heads is \"0\"");
  refused("\"num_hidden_layers\": 1", "\"num_hidden_layers\": 2", IG_ERR_INPUT,
          "no tensor for the parameter 'model.layers.1.input_layernorm.weight'");
  refused("\"model_type\": \"qwen2\"", "\"model_type\": \"llama\"", IG_ERR_UNSUPPORTED,
          "Qwen2ForCausalLM is not supported");
  refused("\"vocab_size\": 24", "\"vocab_size\": 24, \"vocab_size\": 24", IG_ERR_INPUT,
          "duplicate");
  refused("\"vocab_size\": 24", "\"vocab_size\": 99999999999", IG_ERR_INPUT, "vocab_size");
  refused("{", "[", IG_ERR_INPUT, "not a JSON object");
}

/* A tensor that the settings have no word for is not dropped. */
static void a_tensor_too_many(void **state) {
  (void)state;
  scratch s = scratch_make();
  copy_file(GOLDEN "set.safetensors", scratch_path(&s, "model.safetensors"));
  copy_file(GOLDEN "hf_gpt2/config.json", scratch_path(&s, "config.json"));
  ig_snapshot *snapshot;
  assert_int_equal(ig_hf_folder_load(s.folder, &snapshot), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "no tensor for the parameter 'wte.weight'"));
  scratch_remove(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(outputs_of_transformers),   cmocka_unit_test(there_and_back),
      cmocka_unit_test(what_is_known_of_the_data), cmocka_unit_test(what_is_refused),
      cmocka_unit_test(a_tensor_too_many),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
