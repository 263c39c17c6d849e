/* A long run of token ids as a data set: sample i is the window of `context` tokens that begins at
 * i * stride (field x) and the tokens one place later (field y). */
#ifndef IG_FORMATS_TOKEN_WINDOWS_H
#define IG_FORMATS_TOKEN_WINDOWS_H

#include "formats/dataset_reader.h"

#define IG_DEFAULT_CONTEXT 64

typedef struct ig_token_run {
  const void *ids; /* unsigned little-endian integers; kept by the holder */
  int width;       /* bytes of an id: 1, 2 or 4 */
  int64_t count;
  int64_t vocabulary;
  const char *const *names; /* of the tokens, or NULL */
} ig_token_run;

/* Takes `holder` over when it succeeds. */
ig_status ig_token_windows_create(const ig_source *source, const char *format,
                                  const ig_token_run *run, uint64_t digest,
                                  const ig_dataset_open_options *options, ig_holder *holder,
                                  ig_dataset **out);

#endif
