/* Reads config.json. What a key may hold is checked by type here and by range by the preset, into whose
 * text it goes; a key that changes the network and that the preset has no word for is refused, so that
 * nothing runs as something else. Keys that are absent have transformers' defaults. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/hf_config.h"
#include "formats/text_file.h"

#define MOST_CONFIG_BYTES ((size_t)16 << 20) /* of labels, with thousands of classes */
#define MOST_LABELS (1 << 20)

typedef struct reader {
  const char *path;
  json_t *root;
  ig_arena *arena;
  ig_status status; /* the first failure; later questions are not asked */
} reader;

/* --- values ------------------------------------------------------------------------------------ */

static json_t *value_of(const reader *r, const json_t *object, const char *key) {
  json_t *value = r->status == IG_OK ? json_object_get(object, key) : NULL;
  return json_is_null(value) ? NULL : value;
}

static int64_t integer_in(reader *r, const json_t *object, const char *key, int64_t fallback) {
  json_t *value = value_of(r, object, key);
  if (!value) return fallback;
  if (!json_is_integer(value)) {
    r->status = ig_fail(IG_ERR_INPUT, "%s: %s is no whole number", r->path, key);
  }
  return json_integer_value(value);
}

static int64_t integer(reader *r, const char *key, int64_t fallback) {
  return integer_in(r, r->root, key, fallback);
}

static double number_in(reader *r, const json_t *object, const char *key, double fallback) {
  json_t *value = value_of(r, object, key);
  if (!value) return fallback;
  if (!json_is_number(value)) {
    r->status = ig_fail(IG_ERR_INPUT, "%s: %s is no number", r->path, key);
  }
  return json_number_value(value);
}

static double number(reader *r, const char *key, double fallback) {
  return number_in(r, r->root, key, fallback);
}

static bool flag(reader *r, const char *key, bool fallback) {
  json_t *value = value_of(r, r->root, key);
  if (!value) return fallback;
  if (!json_is_boolean(value)) {
    r->status = ig_fail(IG_ERR_INPUT, "%s: %s is neither true nor false", r->path, key);
  }
  return json_is_true(value);
}

static const char *text_in(reader *r, const json_t *object, const char *key, const char *fallback) {
  json_t *value = value_of(r, object, key);
  if (!value) return fallback;
  if (!json_is_string(value)) {
    r->status = ig_fail(IG_ERR_INPUT, "%s: %s is no text", r->path, key);
    return fallback;
  }
  return json_string_value(value);
}

static void require(reader *r, bool condition, const char *what) {
  if (r->status != IG_OK || condition) return;
  r->status = ig_fail(IG_ERR_UNSUPPORTED, "%s: %s is not supported", r->path, what);
}

/* The exact GELU, or its approximation by tanh. */
static const char *gelu(reader *r, const char *key, const char *fallback) {
  const char *name = text_in(r, r->root, key, fallback);
  if (strcmp(name, "gelu") == 0) return "none";
  static const char *const approximate[] = {"gelu_new", "gelu_pytorch_tanh", "gelu_fast"};
  for (int i = 0; i < IG_COUNT(approximate); i++) {
    if (strcmp(name, approximate[i]) == 0) return "tanh";
  }
  if (r->status == IG_OK) {
    r->status = ig_fail(IG_ERR_UNSUPPORTED,
                        "%s: %s is '%.64s', expected gelu, gelu_new or gelu_pytorch_tanh", r->path,
                        key, name);
  }
  return "none";
}

/* `format` of what was read, unless something of it was wrong. */
#define SET_MODEL(r, config, ...)                                                                  \
  do {                                                                                             \
    if ((r)->status == IG_OK) (config)->model = ig_arena_format((r)->arena, __VA_ARGS__);          \
  } while (0)

/* --- fields of the data ------------------------------------------------------------------------ */

static ig_field tokens_field(const char *name, int64_t count, int64_t vocabulary) {
  return (ig_field){.name = name,
                    .kind = IG_FIELD_TOKENS,
                    .dtype = IG_I64,
                    .shape = {.rank = 1, .dims = {count}},
                    .n_classes = vocabulary};
}

static void language_fields(ig_hf_config *config, int64_t context, int64_t vocabulary) {
  config->task = "language";
  config->outputs = vocabulary;
  config->x = tokens_field("x", context, vocabulary);
  config->y = tokens_field("y", context, vocabulary);
}

/* Names of classes from {"0": "name", ...}; NULL when the file has none. */
static void read_labels(reader *r, int64_t *count, const char *const **names) {
  json_t *labels = value_of(r, r->root, "id2label");
  *names = NULL;
  *count = integer(r, "num_labels", 2);
  if (r->status == IG_OK && labels) *count = (int64_t)json_object_size(labels);
  if (r->status == IG_OK && (*count < 1 || *count > MOST_LABELS)) {
    r->status = ig_fail(IG_ERR_INPUT, "%s: %" PRId64 " labels, expected 1 to %d", r->path, *count,
                        MOST_LABELS);
  }
  if (r->status != IG_OK || !labels) return;
  const char **list = ig_arena_alloc(r->arena, (size_t)*count * sizeof *list);
  for (int64_t i = 0; list && i < *count; i++) {
    char key[24];
    snprintf(key, sizeof key, "%" PRId64, i);
    const char *name = text_in(r, labels, key, NULL);
    if (r->status == IG_OK && !name) {
      r->status = ig_fail(IG_ERR_INPUT, "%s: id2label has no class %s", r->path, key);
    }
    list[i] = name ? ig_arena_strdup(r->arena, name) : NULL;
    if (r->status != IG_OK || !list[i]) return;
  }
  *names = list;
}

/* --- the families ------------------------------------------------------------------------------ */

static void read_gpt2(reader *r, ig_hf_config *c) {
  int64_t width = integer(r, "n_embd", 768), context = integer(r, "n_positions", 1024);
  int64_t vocabulary = integer(r, "vocab_size", 50257);
  c->family = IG_HF_GPT2;
  c->tied = flag(r, "tie_word_embeddings", true);
  require(r, flag(r, "scale_attn_weights", true), "scale_attn_weights false");
  require(r, !flag(r, "scale_attn_by_inverse_layer_idx", false), "scale_attn_by_inverse_layer_idx");
  require(r, !flag(r, "add_cross_attention", false), "add_cross_attention");
  const char *activation = gelu(r, "activation_function", "gelu_new");
  SET_MODEL(r, c,
            "gpt:layers=%" PRId64 ",heads=%" PRId64 ",embd=%" PRId64 ",inner=%" PRId64
            ",ctx=%" PRId64 ",tie=%d,gelu=%s,eps=%.9g,dropout=%.9g",
            integer(r, "n_layer", 12), integer(r, "n_head", 12), width,
            integer(r, "n_inner", width <= INT32_MAX ? 4 * width : width), context, c->tied,
            activation, number(r, "layer_norm_epsilon", 1e-5), number(r, "resid_pdrop", 0.1));
  language_fields(c, IG_MIN(context, IG_HF_MOST_CONTEXT), vocabulary);
}

/* "rope_parameters" of transformers 5, or "rope_theta" and "rope_scaling" of those before. */
static const char *read_rope(reader *r) {
  json_t *rope = value_of(r, r->root, "rope_parameters");
  double theta = number(r, "rope_theta", 10000);
  if (!rope) rope = value_of(r, r->root, "rope_scaling");
  theta = number_in(r, rope, "rope_theta", theta);
  const char *type = text_in(r, rope, "rope_type", text_in(r, rope, "type", "default"));
  require(r, number(r, "partial_rotary_factor", 1) == 1, "partial_rotary_factor");
  char *text = NULL;
  if (strcmp(type, "default") == 0) {
    text = ig_arena_format(r->arena, "theta=%.9g", theta);
  } else if (strcmp(type, "linear") == 0) {
    text = ig_arena_format(r->arena, "theta=%.9g,rope=linear,factor=%.9g", theta,
                           number_in(r, rope, "factor", 1));
  } else if (strcmp(type, "llama3") == 0) {
    text = ig_arena_format(
        r->arena, "theta=%.9g,rope=llama3,factor=%.9g,low=%.9g,high=%.9g,original=%" PRId64, theta,
        number_in(r, rope, "factor", 8), number_in(r, rope, "low_freq_factor", 1),
        number_in(r, rope, "high_freq_factor", 4),
        integer_in(r, rope, "original_max_position_embeddings", 8192));
  } else if (r->status == IG_OK) {
    r->status = ig_fail(IG_ERR_UNSUPPORTED,
                        "%s: rotary embedding of the type '%.64s', expected default, linear or "
                        "llama3",
                        r->path, type);
  }
  if (r->status == IG_OK && !text) r->status = ig_fail(IG_ERR_MEMORY, "%s: out of memory", r->path);
  return text ? text : "";
}

static void read_llama(reader *r, bool qwen, ig_hf_config *c) {
  int64_t width = integer(r, "hidden_size", 4096), heads = integer(r, "num_attention_heads", 32);
  int64_t positions = integer(r, "max_position_embeddings", qwen ? 32768 : 2048);
  int64_t vocabulary = integer(r, "vocab_size", qwen ? 151936 : 32000);
  int64_t context = IG_MIN(positions, IG_HF_MOST_CONTEXT);
  bool all = flag(r, "attention_bias", false) && !qwen;
  c->family = IG_HF_LLAMA;
  c->tied = flag(r, "tie_word_embeddings", false);
  require(r, strcmp(text_in(r, r->root, "hidden_act", "silu"), "silu") == 0,
          "hidden_act other than silu");
  require(r, !flag(r, "mlp_bias", false), "mlp_bias");
  require(r, !flag(r, "use_sliding_window", false), "use_sliding_window");
  SET_MODEL(r, c,
            "llama:layers=%" PRId64 ",heads=%" PRId64 ",kv_heads=%" PRId64 ",embd=%" PRId64
            ",head_dim=%" PRId64 ",inner=%" PRId64 ",ctx=%" PRId64 ",positions=%" PRId64
            ",eps=%.9g,bias=%s,tie=%d,%s",
            integer(r, "num_hidden_layers", 32), heads,
            integer(r, "num_key_value_heads", qwen ? 32 : heads), width,
            integer(r, "head_dim", heads > 0 ? width / heads : 0),
            integer(r, "intermediate_size", qwen ? 22016 : 11008), context, positions,
            number(r, "rms_norm_eps", 1e-6),
            qwen  ? "qkv"
            : all ? "all"
                  : "none",
            c->tied, read_rope(r));
  language_fields(c, context, vocabulary);
}

static void class_fields(reader *r, ig_hf_config *c) {
  const char *const *names;
  int64_t count;
  read_labels(r, &count, &names);
  const char *problem = text_in(r, r->root, "problem_type",
                                count == 1 ? "regression" : "single_label_classification");
  c->outputs = count;
  if (strcmp(problem, "single_label_classification") == 0) {
    c->task = "classification";
    c->y = (ig_field){
        .name = "y", .kind = IG_FIELD_CLASS, .dtype = IG_I64, .n_classes = count, .classes = names};
    return;
  }
  bool flags = strcmp(problem, "multi_label_classification") == 0;
  require(r, flags || strcmp(problem, "regression") == 0, "this problem_type");
  c->task = flags ? "multilabel" : "regression";
  c->y = (ig_field){.name = "y",
                    .kind = IG_FIELD_TARGETS,
                    .dtype = flags ? IG_U8 : IG_F32,
                    .shape = {.rank = 1, .dims = {count}}};
}

static void read_bert(reader *r, const char *architecture, ig_hf_config *c) {
  int64_t width = integer(r, "hidden_size", 768), vocabulary = integer(r, "vocab_size", 30522);
  int64_t context = integer(r, "max_position_embeddings", 512);
  bool classes = strcmp(architecture, "BertForSequenceClassification") == 0;
  bool words = strcmp(architecture, "BertForMaskedLM") == 0 ||
               strcmp(architecture, "BertForPreTraining") == 0;
  c->family = IG_HF_BERT;
  c->tied = flag(r, "tie_word_embeddings", true);
  c->bare = !classes && !words;
  require(r, !c->bare || strcmp(architecture, "BertModel") == 0, architecture);
  require(r, !words || c->tied, "tie_word_embeddings false");
  require(r, !flag(r, "is_decoder", false), "is_decoder");
  require(r, strcmp(text_in(r, r->root, "position_embedding_type", "absolute"), "absolute") == 0,
          "position_embedding_type other than absolute");
  const char *activation = gelu(r, "hidden_act", "gelu");
  SET_MODEL(r, c,
            "bert:layers=%" PRId64 ",heads=%" PRId64 ",embd=%" PRId64 ",inner=%" PRId64
            ",ctx=%" PRId64 ",vocab=%" PRId64 ",types=%" PRId64 ",pad=%" PRId64
            ",head=%s,gelu=%s,eps=%.9g,dropout=%.9g",
            integer(r, "num_hidden_layers", 12), integer(r, "num_attention_heads", 12), width,
            integer(r, "intermediate_size", 3072), context, vocabulary,
            integer(r, "type_vocab_size", 2), integer(r, "pad_token_id", 0),
            classes ? "class"
            : words ? "mlm"
                    : "none",
            activation, number(r, "layer_norm_eps", 1e-12), number(r, "hidden_dropout_prob", 0.1));
  context = IG_MIN(context, IG_HF_MOST_CONTEXT);
  language_fields(c, context, vocabulary);
  if (classes) class_fields(r, c);
  if (c->bare) {
    c->task = "regression";
    c->outputs = 1; /* of which the preset makes no use */
    c->y = (ig_field){.name = "y",
                      .kind = IG_FIELD_TARGETS,
                      .dtype = IG_F32,
                      .shape = {.rank = 2, .dims = {context, width}}};
  }
}

static void read_family(reader *r, ig_hf_config *c) {
  static const char *const causal[] = {"GPT2LMHeadModel", "LlamaForCausalLM", "Qwen2ForCausalLM"};
  static const char *const types[] = {"gpt2", "llama", "qwen2"};
  const char *type = text_in(r, r->root, "model_type", "");
  json_t *first = json_array_get(value_of(r, r->root, "architectures"), 0);
  const char *architecture = json_string_value(first);
  for (int i = 0; i < IG_COUNT(types); i++) {
    if (strcmp(type, types[i]) != 0) continue;
    require(r, !architecture || strcmp(architecture, causal[i]) == 0, architecture);
    if (i == 0) read_gpt2(r, c);
    if (i > 0) read_llama(r, i == 2, c);
    return;
  }
  if (strcmp(type, "bert") == 0) {
    read_bert(r, architecture ? architecture : "BertModel", c);
  } else if (r->status == IG_OK) {
    r->status = ig_fail(IG_ERR_UNSUPPORTED,
                        "%s: model_type '%.64s', expected one of gpt2, llama, qwen2 and bert",
                        r->path, type);
  }
}

/* Numbers that become sizes of the data's fields, which no preset sees. */
static ig_status check_fields(const reader *r, const ig_hf_config *c) {
  const ig_field *fields[] = {&c->x, &c->y};
  IG_CHECK(c->model && c->x.name, IG_ERR_MEMORY, "%s: out of memory", r->path);
  for (int i = 0; i < 2; i++) {
    if (ig_shape_check(&fields[i]->shape, fields[i]->dtype) != IG_OK) {
      return ig_fail_in(IG_ERR_INPUT, "%s", r->path);
    }
    IG_CHECK(fields[i]->n_classes >= 0 && fields[i]->n_classes <= 1 << 24, IG_ERR_INPUT,
             "%s: vocab_size is %" PRId64 ", expected at most %d", r->path, fields[i]->n_classes,
             1 << 24);
  }
  IG_CHECK(c->x.shape.dims[0] >= 1 && c->x.n_classes >= 1, IG_ERR_INPUT,
           "%s: no positions, or no vocabulary", r->path);
  return IG_OK;
}

ig_status ig_hf_config_read(const char *path, ig_arena *arena, ig_hf_config *out) {
  char *text;
  size_t length;
  json_error_t error;
  *out = (ig_hf_config){0};
  IG_TRY(ig_read_text(path, MOST_CONFIG_BYTES, &text, &length));
  reader r = {.path = path, .arena = arena};
  r.root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
  ig_free(text);
  if (!r.root || !json_is_object(r.root)) {
    json_decref(r.root);
    return ig_fail(IG_ERR_INPUT, "%s: not a JSON object: %s", path, r.root ? "" : error.text);
  }
  read_family(&r, out);
  if (r.status == IG_OK) r.status = check_fields(&r, out);
  json_decref(r.root);
  return r.status;
}
