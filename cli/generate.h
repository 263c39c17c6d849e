/* Text generation with a language model, for people and as JSON. */
#ifndef IG_CLI_GENERATE_H
#define IG_CLI_GENERATE_H

#include "api/model_source.h"
#include "cli/verb.h"
#include "engine/eval/generate.h"
#include "engine/passes/pass.h"
#include "formats/tokenizer.h"

/* What products compute in. */
typedef struct ig_generate_numbers {
  ig_precision precision;
  bool round_rows; /* to i8 before quantized weights (ig_pass_options.round_rows) */
} ig_generate_numbers;

/* Prints the prompt's continuation as it comes, or all of it as JSON. SIGINT and SIGTERM end it like
 * its natural end. An empty prompt starts from a line break. */
ig_status ig_print_generation(const ig_cli *cli, ig_model_source *model, ig_backend *backend,
                              const ig_tokenizer *tokenizer, const char *prompt,
                              const ig_generate_numbers *numbers,
                              const ig_generate_options *options);

#endif
