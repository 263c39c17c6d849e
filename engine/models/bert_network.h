/* BERT (Devlin et al. 2019): post-norm blocks that see the whole sequence, learned positions, GELU.
 * Parameters have the names and the [out, in] orientation of transformers' BertForMaskedLM and
 * BertForSequenceClassification. Tokens that are padding are seen by none; all tokens are of the first
 * segment. */
#ifndef IG_MODELS_BERT_NETWORK_H
#define IG_MODELS_BERT_NETWORK_H

#include "engine/models/model.h"

typedef enum ig_bert_head {
  IG_BERT_CLASS, /* classes from the first token's pooled vector */
  IG_BERT_MLM,   /* the word at each place */
  IG_BERT_NONE   /* vectors: output "y" [N, T, width] and "pooled" [N, width] */
} ig_bert_head;

typedef struct ig_bert_config {
  int64_t layers, heads, width, inner, context, vocabulary;
  int64_t types;   /* rows of the table of segments */
  int64_t classes; /* CLASS */
  int64_t pad;     /* the token that is padding; -1 for none */
  ig_bert_head head;
  bool tanh_gelu; /* the approximation; otherwise the exact GELU */
  double epsilon;
  double dropout; /* after the embedding, at the end of each branch, and before the classes */
} ig_bert_config;

/* Input "x" [N, T] i64 with T = spec->input; output "y" [N, classes], or [N, T, vocabulary]. */
ig_status ig_bert_build(ig_graph *graph, const ig_bert_config *config, const ig_model_spec *spec);

#endif
