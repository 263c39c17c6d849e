/* See tokenizer_files.h. */
#include "formats/tokenizer_files.h"

#include <unistd.h>

#include "engine/base/memory.h"

ig_status ig_tokenizer_read_folder(const char *folder, ig_tokenizer **out) {
  *out = NULL;
  char *vocab = ig_format("%s/vocab.json", folder), *merges = ig_format("%s/merges.txt", folder);
  ig_status status = IG_OK;
  if (!vocab || !merges) {
    status = ig_fail(IG_ERR_MEMORY, "%s: out of memory", folder);
  } else if (access(vocab, F_OK) == 0 && access(merges, F_OK) == 0) {
    status = ig_tokenizer_read_gpt2(vocab, merges, out);
  }
  ig_free(vocab);
  ig_free(merges);
  return status;
}

ig_status ig_tokenizer_write_folder(const ig_tokenizer *tokenizer, const char *folder) {
  IG_UNUSED(tokenizer);
  IG_UNUSED(folder);
  return IG_OK;
}
