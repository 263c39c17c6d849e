/* The settings of Hugging Face's folders (config.json of transformers) as text of our presets, and back,
 * for the networks that both know: GPT-2 (model_type gpt2), Llama and Qwen2 (llama, qwen2), BERT (bert). */
#ifndef IG_FORMATS_HF_CONFIG_H
#define IG_FORMATS_HF_CONFIG_H

#include "engine/base/memory.h"
#include "engine/train/dataset.h"

typedef enum ig_hf_family { IG_HF_GPT2, IG_HF_LLAMA, IG_HF_BERT } ig_hf_family;

typedef struct ig_hf_config {
  ig_hf_family family;
  const char *model; /* the preset's text, in the arena */
  const char *task;  /* as in ig_snapshot.task */
  ig_field x, y;     /* of the data it takes; names and classes in the arena */
  int64_t outputs;   /* for ig_model_spec.n_outputs */
  bool tied;         /* lm_head.weight is the token embedding */
  bool bare;         /* BertModel: without what turns vectors into scores */
} ig_hf_config;

/* Longer contexts are cut to this when a folder is read: caches and windows of text have this length.
 * The number of positions that the network was made for is kept (`positions` of the preset llama). */
#define IG_HF_MOST_CONTEXT 2048

/* Reads PATH (a config.json). IG_ERR_INPUT for what is malformed, naming the key; IG_ERR_UNSUPPORTED for
 * another network, or a variant of one that the preset lacks. */
ig_status ig_hf_config_read(const char *path, ig_arena *arena, ig_hf_config *out);
/* The text of a config.json for the preset's text and its target; *text is released with
 * free (jansson's). IG_ERR_UNSUPPORTED for a model that transformers has no counterpart of, with the
 * reason. */
ig_status ig_hf_config_write(const char *model, const char *task, const ig_field *y,
                             ig_hf_family *family, bool *bare, char **text);

/* The name in transformers' files of our parameter; false when it does not fit into `size`. */
bool ig_hf_name(ig_hf_family family, bool bare, const char *ours, char *out, size_t size);

#endif
