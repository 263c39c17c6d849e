/* Choosing the next token from a language model's logits. */
#ifndef IG_EVAL_SAMPLING_H
#define IG_EVAL_SAMPLING_H

#include "engine/base/status.h"

typedef struct ig_sampling {
  double temperature; /* logits are divided by it; 0 takes the most likely token */
  int64_t top_k;      /* only the k most likely tokens; 0 for all */
  double top_p;       /* only the most likely tokens that together reach this probability (Holtzman
                         et al. 2020); 1 for all */
} ig_sampling;

typedef struct ig_candidate {
  float logit;
  int32_t token;
} ig_candidate;

/* The token that the number `uniform` in [0, 1) falls on, of `count` logits; candidates are ordered
 * by logit, equal ones by token. `scratch` has room for `count` candidates. IG_ERR_NUMERIC when a
 * logit is NaN or none is finite. */
ig_status ig_sample_token(const ig_sampling *sampling, const float *logits, int64_t count,
                          double uniform, ig_candidate *scratch, int64_t *token);

#endif
