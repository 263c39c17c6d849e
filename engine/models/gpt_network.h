/* The decoder-only transformer behind the presets gpt and gpt2 (Radford et al., "Language Models are
 * Unsupervised Multitask Learners", 2019): pre-norm blocks, learned positions, GELU. Parameters have
 * the names and the [in, out] orientation of the published GPT-2 weights, query, key and value
 * packed side by side in h.*.attn.c_attn. */
#ifndef IG_MODELS_GPT_NETWORK_H
#define IG_MODELS_GPT_NETWORK_H

#include "engine/models/model.h"

typedef struct ig_gpt_config {
  int64_t layers, heads, kv_heads, width, inner, context, vocabulary;
  bool bias;      /* in linear layers and layer normalisations */
  bool tied;      /* the output matrix is the token embedding; otherwise lm_head.weight */
  bool tanh_gelu; /* GPT-2's approximation; otherwise the exact GELU */
  double epsilon; /* of layer normalisations */
  double dropout; /* after the embedding and at both ends of the residual branches */
} ig_gpt_config;

/* Input "x" [N, T] i64 with T = spec->input, output "y" [N, T, vocabulary]. */
ig_status ig_gpt_build(ig_graph *graph, const ig_gpt_config *config, const ig_model_spec *spec);
/* See ig_model_preset.build_decode. */
ig_status ig_gpt_build_decode(ig_graph *graph, const ig_gpt_config *config,
                              const ig_model_spec *spec);

#endif
