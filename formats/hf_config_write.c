/* Writes config.json. Of rotary positions the older keys are written, which every version of
 * transformers reads. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "engine/models/bert_network.h"
#include "engine/models/gpt_network.h"
#include "engine/models/llama_network.h"
#include "formats/hf_config.h"

static void set(json_t *root, const char *key, json_t *value) {
  json_object_set_new(root, key, value);
}

static void set_integer(json_t *root, const char *key, int64_t value) {
  set(root, key, json_integer(value));
}

static ig_status write_gpt(const char *model, const ig_model_spec *spec, json_t *root) {
  ig_gpt_config c;
  IG_TRY(ig_model_describe(model, spec, &c));
  IG_CHECK(c.kv_heads == c.heads, IG_ERR_UNSUPPORTED,
           "GPT-2 has as many key and value heads as heads; this model has %" PRId64 " of %" PRId64,
           c.kv_heads, c.heads);
  IG_CHECK(c.bias, IG_ERR_UNSUPPORTED, "GPT-2 has biases; this model has none");
  set(root, "architectures", json_pack("[s]", "GPT2LMHeadModel"));
  set(root, "model_type", json_string("gpt2"));
  set_integer(root, "vocab_size", c.vocabulary);
  set_integer(root, "n_positions", c.context);
  set_integer(root, "n_embd", c.width);
  set_integer(root, "n_layer", c.layers);
  set_integer(root, "n_head", c.heads);
  set_integer(root, "n_inner", c.inner);
  set(root, "activation_function", json_string(c.tanh_gelu ? "gelu_new" : "gelu"));
  set(root, "layer_norm_epsilon", json_real(c.epsilon));
  set(root, "resid_pdrop", json_real(c.dropout));
  set(root, "embd_pdrop", json_real(c.dropout));
  set(root, "attn_pdrop", json_real(0));
  set(root, "tie_word_embeddings", json_boolean(c.tied));
  return IG_OK;
}

static json_t *rope_json(const ig_llama_config *c) {
  if (c->rope == IG_LLAMA_ROPE_PLAIN) return json_null();
  if (c->rope == IG_LLAMA_ROPE_LINEAR) {
    return json_pack("{s:s, s:f}", "rope_type", "linear", "factor", c->factor);
  }
  return json_pack("{s:s, s:f, s:f, s:f, s:I}", "rope_type", "llama3", "factor", c->factor,
                   "low_freq_factor", c->low, "high_freq_factor", c->high,
                   "original_max_position_embeddings", (json_int_t)c->original);
}

static ig_status write_llama(const char *model, const ig_model_spec *spec, json_t *root) {
  ig_llama_config c;
  IG_TRY(ig_model_describe(model, spec, &c));
  bool qwen = c.bias == IG_LLAMA_BIAS_QKV;
  IG_CHECK(!qwen || c.head_size * c.heads == c.width, IG_ERR_UNSUPPORTED,
           "Qwen2 has heads of embd / heads elements; this model's have %" PRId64, c.head_size);
  set(root, "architectures", json_pack("[s]", qwen ? "Qwen2ForCausalLM" : "LlamaForCausalLM"));
  set(root, "model_type", json_string(qwen ? "qwen2" : "llama"));
  set_integer(root, "vocab_size", c.vocabulary);
  set_integer(root, "max_position_embeddings", c.positions);
  set_integer(root, "hidden_size", c.width);
  set_integer(root, "intermediate_size", c.inner);
  set_integer(root, "num_hidden_layers", c.layers);
  set_integer(root, "num_attention_heads", c.heads);
  set_integer(root, "num_key_value_heads", c.kv_heads);
  if (!qwen) set_integer(root, "head_dim", c.head_size);
  if (!qwen) set(root, "attention_bias", json_boolean(c.bias == IG_LLAMA_BIAS_ALL));
  set(root, "hidden_act", json_string("silu"));
  set(root, "rms_norm_eps", json_real(c.epsilon));
  set(root, "rope_theta", json_real(c.theta));
  set(root, "rope_scaling", rope_json(&c));
  set(root, "tie_word_embeddings", json_boolean(c.tied));
  return IG_OK;
}

/* {"0": name, ...}, and the other way round; a class without a name is called by its number. */
static void set_labels(json_t *root, int64_t count, const char *const *names) {
  json_t *names_of = json_object(), *ids_of = json_object();
  for (int64_t i = 0; i < count; i++) {
    char number[24], label[32];
    snprintf(number, sizeof number, "%" PRId64, i);
    snprintf(label, sizeof label, "LABEL_%" PRId64, i);
    json_object_set_new(names_of, number, json_string(names ? names[i] : label));
    json_object_set_new(ids_of, names ? names[i] : label, json_integer(i));
  }
  set(root, "id2label", names_of);
  set(root, "label2id", ids_of);
}

static ig_status write_bert(const char *model, const char *task, const ig_field *y,
                            const ig_model_spec *spec, json_t *root, bool *bare) {
  static const char *const architectures[] = {"BertForSequenceClassification", "BertForMaskedLM",
                                              "BertModel"};
  ig_bert_config c;
  IG_TRY(ig_model_describe(model, spec, &c));
  *bare = c.head == IG_BERT_NONE;
  set(root, "architectures", json_pack("[s]", architectures[c.head]));
  set(root, "model_type", json_string("bert"));
  set_integer(root, "vocab_size", c.vocabulary);
  set_integer(root, "max_position_embeddings", c.context);
  set_integer(root, "hidden_size", c.width);
  set_integer(root, "intermediate_size", c.inner);
  set_integer(root, "num_hidden_layers", c.layers);
  set_integer(root, "num_attention_heads", c.heads);
  set_integer(root, "type_vocab_size", c.types);
  set(root, "pad_token_id", c.pad < 0 ? json_null() : json_integer(c.pad));
  set(root, "hidden_act", json_string(c.tanh_gelu ? "gelu_new" : "gelu"));
  set(root, "layer_norm_eps", json_real(c.epsilon));
  set(root, "hidden_dropout_prob", json_real(c.dropout));
  set(root, "attention_probs_dropout_prob", json_real(0));
  if (c.head != IG_BERT_CLASS) return IG_OK;
  bool one = strcmp(task, "classification") == 0;
  set_labels(root, c.classes, one ? y->classes : NULL);
  set(root, "problem_type",
      json_string(one                               ? "single_label_classification"
                  : strcmp(task, "multilabel") == 0 ? "multi_label_classification"
                                                    : "regression"));
  return IG_OK;
}

static ig_status write_family(const char *model, const char *task, const ig_field *y, json_t *root,
                              ig_hf_family *family, bool *bare) {
  const ig_model_preset *preset;
  IG_TRY(ig_model_find(model, &preset));
  ig_model_spec spec = {.n_outputs = y->n_classes ? y->n_classes : ig_shape_count(&y->shape)};
  *bare = false;
  if (strcmp(preset->name, "gpt") == 0 || strcmp(preset->name, "gpt2") == 0) {
    *family = IG_HF_GPT2;
    return write_gpt(model, &spec, root);
  }
  if (strcmp(preset->name, "llama") == 0) {
    *family = IG_HF_LLAMA;
    return write_llama(model, &spec, root);
  }
  IG_CHECK(strcmp(preset->name, "bert") == 0, IG_ERR_UNSUPPORTED,
           "the model '%s' has no counterpart in transformers (gpt, gpt2, llama and bert have)",
           preset->name);
  *family = IG_HF_BERT;
  return write_bert(model, task, y, &spec, root, bare);
}

ig_status ig_hf_config_write(const char *model, const char *task, const ig_field *y,
                             ig_hf_family *family, bool *bare, char **text) {
  json_t *root = json_object();
  ig_status status = write_family(model, task, y, root, family, bare);
  if (status == IG_OK && *family != IG_HF_BERT) { /* the defaults lie outside small vocabularies */
    set(root, "bos_token_id", json_null());
    set(root, "eos_token_id", json_null());
  }
  if (status == IG_OK) {
    /* A key that memory was too short for is missing, and with it this last one. */
    bool whole = json_object_set_new(root, "torch_dtype", json_string("float32")) == 0;
    *text = whole ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    if (!*text) status = ig_fail(IG_ERR_MEMORY, "no memory for config.json");
  }
  json_decref(root);
  return status;
}

/* --- names of tensors -------------------------------------------------------------------------- */

bool ig_hf_name(ig_hf_family family, bool bare, const char *ours, char *out, size_t size) {
  const char *prefix = "";
  if (family == IG_HF_GPT2 && strcmp(ours, "lm_head.weight") != 0) prefix = "transformer.";
  if (family == IG_HF_BERT && bare && strncmp(ours, "bert.", 5) == 0) ours += 5;
  int length = snprintf(out, size, "%s%s", prefix, ours);
  return length >= 0 && (size_t)length < size;
}
