/* Model presets: text such as "mlp:256,128" or "gpt:layers=4,heads=4,embd=128,ctx=64" into a
 * template graph in inference form, of plain ONNX operators. One const descriptor per file of
 * engine/models/, found by file name. Input "x" has the free dimension "N" first; output "y" holds
 * logits (or regression values). For gpt: input "x" [N, T] i64, output [N, T, vocabulary]. */
#ifndef IG_MODELS_MODEL_H
#define IG_MODELS_MODEL_H

#include "engine/graph/graph.h"

/* What a preset is fitted to: one sample's shape and the number of outputs. */
typedef struct ig_model_spec {
  ig_shape input;    /* of one sample: [features], [C, H, W], or [T] for tokens */
  int64_t n_outputs; /* classes, targets, or vocabulary; 0 for the preset's own, where it has one */
  int64_t sequences; /* build_decode: sequences generated side by side; 0 means 1 */
  int64_t fed;       /* build_decode: tokens of each fed at once; 0 means 1 */
} ig_model_spec;

typedef struct ig_model_args ig_model_args; /* the parsed text after the colon */

typedef struct ig_model_preset {
  const char *name;         /* "mlp" */
  const char *what;         /* one line with its arguments, for help */
  const char *const *named; /* NULL-ended names accepted as name=value; NULL for none */
  const char *const *words; /* NULL-ended words accepted without '='; NULL for none */
  int numbers;              /* how many bare numbers are accepted */
  bool tokens;              /* takes token ids and predicts the next one */
  ig_status (*build)(ig_graph *graph, const ig_model_args *args, const ig_model_spec *spec);
  /* For token models: the same network for one step of generation with a KV cache: inputs "x"
   * [sequences, fed] i64 and "position" [1] i64 (of the first token fed; all lie below the context),
   * caches as STATE named "cache.*" of [sequences, context, width], output "y" [sequences, fed,
   * vocabulary]. Graphs of different `fed` share the caches. spec->input is not read. What a cache
   * holds from `position` on does not matter, so a new sequence simply starts at 0. */
  ig_status (*build_decode)(ig_graph *graph, const ig_model_args *args, const ig_model_spec *spec);
  /* For token models: the most tokens a sequence may have. */
  ig_status (*context)(const ig_model_args *args, int64_t *tokens);
  /* For networks that other programs know too: the family's description, of which the header says the
   * type (ig_gpt_config of gpt and gpt2, ig_llama_config, ig_bert_config). */
  ig_status (*describe)(const ig_model_args *args, const ig_model_spec *spec, void *out);
} ig_model_preset;

extern const ig_model_preset *const ig_model_preset_registry[]; /* NULL-ended; generated */

/* Whether `text` names a preset (the part before the colon); sets *out when it does. An unknown name
 * fails with the nearest valid one offered. */
ig_status ig_model_find(const char *text, const ig_model_preset **out);
/* Builds the template graph. Messages name the argument at fault. */
ig_status ig_model_build(const char *text, const ig_model_spec *spec, ig_graph **out);
ig_status ig_model_build_decode(const char *text, const ig_model_spec *spec, ig_graph **out);
/* The context length of a token model, so that data can be cut to fit before the model is built. */
ig_status ig_model_context(const char *text, int64_t *tokens);
/* ig_model_preset.describe of the preset that `text` names. */
ig_status ig_model_describe(const char *text, const ig_model_spec *spec, void *out);

/* For presets: bare and named arguments, with range checks; unknown names and words were refused
 * before, with the nearest valid one offered. A missing one gives `fallback`. */
ig_status ig_args_int(const ig_model_args *args, const char *name, int64_t fallback, int64_t low,
                      int64_t high, int64_t *out);
ig_status ig_args_float(const ig_model_args *args, const char *name, double fallback, double low,
                        double high, double *out);
/* One of a NULL-ended list of words; *out is its index. */
ig_status ig_args_choice(const ig_model_args *args, const char *name, const char *const *choices,
                         int fallback, int *out);
/* The bare numbers, each in [low, high]. */
ig_status ig_args_ints(const ig_model_args *args, int64_t low, int64_t high, int capacity,
                       int64_t *out, int *count);
const char *ig_args_word(const ig_model_args *args, int position); /* NULL when absent */

#endif
