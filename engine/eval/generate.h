/* Text generation: tokens drawn one by one from a decoding plan (ig_model_build_decode). */
#ifndef IG_EVAL_GENERATE_H
#define IG_EVAL_GENERATE_H

#include "engine/plan/plan.h"

typedef struct ig_generate_options {
  int64_t tokens;     /* how many to generate at most */
  double temperature; /* divides the logits; 0 takes the likeliest token always */
  int64_t top_k;      /* draw among the k likeliest (Fan, Lewis, Dauphin, ACL 2018); 0 for all */
  double top_p;       /* draw among the fewest whose probabilities sum to p (Holtzman et al., "The
                         Curious Case of Neural Text Degeneration", ICLR 2020); 1 for all */
  uint64_t seed;      /* token i is a function of (seed, IG_RNG_SAMPLE, i) and the logits
                         (kernels/sample.h) */
  int64_t stop_token; /* ends generation and is not passed on; -1 for none */
  ig_plan *prefill;   /* a plan over the same store that takes several tokens at once
                         (ig_model_spec.fed), which is faster for prompts; it fills the cache, and
                         its outputs, which it need not have, are not looked at; may be NULL */
} ig_generate_options;

/* Fails on values out of range, naming the option. */
ig_status ig_generate_check(const ig_generate_options *options);

/* Makes a decoding graph draw its tokens: the output of logits [N, T, vocabulary] gives way to "token",
 * i64 [N, T], with inputs temperature (f32), top_k (i64) and top_p (f32) of one number each. */
ig_status ig_generate_sampling(ig_graph *graph);

/* How many tokens a prefill plan should take at once for a prompt and the `tokens` to be generated
 * from it, so that as few as possible are fed in vain; 0 when such a plan is not worth making. */
int64_t ig_generate_prefill_size(int64_t context, int64_t n_prompt, int64_t tokens);

/* Called with each new token; a failure or *stop ends generation. */
typedef ig_status (*ig_generate_sink)(void *context, int64_t token, bool *stop);

/* Feeds the prompt (at least one token; of a longer one than the context, its last part) and
 * generates from there; `plan` takes one token at a time and draws the next
 * (ig_generate_sampling). When the cache is full, its last half is
 * fed again from position 0, since positions are learned and end with the context. *generated may be
 * NULL. IG_ERR_NUMERIC when a logit is NaN or none is finite. */
ig_status ig_generate(ig_plan *plan, const int64_t *prompt, int64_t n_prompt,
                      const ig_generate_options *options, ig_generate_sink sink, void *context,
                      int64_t *generated);

#endif
