/* Text generation with a language model. */
#ifndef IG_CLI_GENERATE_H
#define IG_CLI_GENERATE_H

#include "cli/model_source.h"
#include "cli/verb.h"
#include "engine/eval/sampling.h"
#include "formats/tokenizer.h"

typedef struct ig_generation {
  const char *prompt;
  int64_t max_tokens;
  ig_sampling sampling;
} ig_generation;

/* Prints the prompt's continuation as it comes, or all of it as JSON. One token is computed at a time
 * with a KV cache; past the model's context, the later half of the text is read again and generation
 * goes on from there. */
ig_status ig_generate(const ig_cli *cli, const ig_model_source *model, ig_backend *backend,
                      const ig_tokenizer *tokenizer, const ig_generation *generation);

#endif
