/* `ingot infer` over a data set: any number of rows into one file, by any number of ranks. */
#ifndef IG_CLI_INFER_ROWS_H
#define IG_CLI_INFER_ROWS_H

#include "api/model_source.h"
#include "cli/verb.h"

typedef struct ig_infer_options {
  const char *data, *out, *target, *cache;
  int64_t batch; /* 0 for one that is found */
  int64_t limit, workers;
  size_t cache_bytes;
  bool resume, skip_bad;
  double price; /* an hour; 0 for none */
  const char *precision; /* as --precision has it */
} ig_infer_options;

/* Called by all ranks together. `encoder` is for language models and may be NULL. */
ig_status ig_infer_rows(ig_cli *cli, const ig_infer_options *options, ig_model_source *model,
                        ig_backend *backend, const ig_text_encoder *encoder);

#endif
