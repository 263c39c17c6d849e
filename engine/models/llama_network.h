/* The decoder-only transformer of Llama (Touvron et al. 2023) and Qwen2 (Yang et al. 2024): pre-norm
 * blocks with RMS normalisation, rotary positions (Su et al., "RoFormer", 2021), grouped keys and values
 * (Ainslie et al. 2023) and the gated unit SwiGLU (Shazeer 2020). Parameters have the names and the
 * [out, in] orientation of the published weights. */
#ifndef IG_MODELS_LLAMA_NETWORK_H
#define IG_MODELS_LLAMA_NETWORK_H

#include "engine/models/model.h"

typedef enum ig_llama_bias {
  IG_LLAMA_BIAS_NONE, /* Llama */
  IG_LLAMA_BIAS_QKV,  /* Qwen2: in queries, keys and values */
  IG_LLAMA_BIAS_ALL   /* in the output projection of attention too */
} ig_llama_bias;

typedef enum ig_llama_rope {
  IG_LLAMA_ROPE_PLAIN,
  IG_LLAMA_ROPE_LINEAR, /* all frequencies divided by `factor` */
  IG_LLAMA_ROPE_LLAMA3  /* Llama 3.1: only long waves are, with a ramp between */
} ig_llama_rope;

typedef struct ig_llama_config {
  int64_t layers, heads, kv_heads, head_size, width, inner, vocabulary;
  int64_t context;   /* the most tokens of a sequence here */
  int64_t positions; /* for which the network was made; at least the context */
  double epsilon;    /* of RMS normalisations */
  double theta;      /* base of the rotary frequencies */
  ig_llama_rope rope;
  double factor, low, high; /* of LINEAR and LLAMA3 */
  int64_t original;         /* LLAMA3: positions before stretching */
  ig_llama_bias bias;
  bool tied; /* the output matrix is the token embedding; otherwise lm_head.weight */
} ig_llama_config;

/* Input "x" [N, T] i64 with T = spec->input, output "y" [N, T, vocabulary]. */
ig_status ig_llama_build(ig_graph *graph, const ig_llama_config *config, const ig_model_spec *spec);
/* See ig_model_preset.build_decode. */
ig_status ig_llama_build_decode(ig_graph *graph, const ig_llama_config *config,
                                const ig_model_spec *spec);

#endif
