/* Tokenizers by name. A vocabulary that is learned comes from the whole training text, the held-out
 * part included: it then has an id for every character there, and what is learned of the held-out
 * part is which characters exist. */
#include "cli/text_source.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/nearest.h"
#include "formats/dataset_reader.h"
#include "formats/tokenizer_files.h"

/* `spec` itself, or beneath $INGOT_DATA, as ig_dataset_open looks; NULL when it is neither. */
static char *locate(const char *spec) {
  if (access(spec, F_OK) == 0) return ig_strdup(spec);
  const char *folder = getenv("INGOT_DATA");
  if (spec[0] == '/' || !folder || !*folder) return NULL;
  char *path = ig_format("%s/%s", folder, spec);
  if (path && access(path, F_OK) == 0) return path;
  ig_free(path);
  return NULL;
}

/* A folder with a tokenizer's files, or one such file. */
static ig_status read_files(const char *name, ig_tokenizer **out) {
  size_t length = strlen(name);
  if (length > 5 && strcmp(name + length - 5, ".json") == 0) return ig_tokenizer_read_json(name, out);
  if (length > 4 && strcmp(name + length - 4, ".txt") == 0) {
    return ig_tokenizer_read_vocab_txt(name, true, out);
  }
  IG_TRY(ig_tokenizer_read_folder(name, out));
  IG_CHECK(*out, IG_ERR_INPUT,
           "tokenizer: %s holds neither tokenizer.json, nor vocab.json with merges.txt, nor vocab.txt",
           name);
  return IG_OK;
}

static ig_status learn(const char *name, const ig_bytes *text, int64_t vocabulary,
                       ig_tokenizer **out) {
  const char *bytes = (const char *)text->data;
  if (!name || strcmp(name, "characters") == 0) {
    return ig_tokenizer_characters(bytes, text->size, out);
  }
  if (strcmp(name, "bytes") == 0) return ig_tokenizer_bytes(out);
  if (strcmp(name, "bpe") == 0) return ig_tokenizer_train(bytes, text->size, vocabulary, out);
  if (access(name, F_OK) == 0) return read_files(name, out);
  const char *nearest = ig_nearest(name, (const char *const[]){"characters", "bytes", "bpe", NULL});
  return ig_fail(IG_ERR_USAGE,
                 "tokenizer: '%s' is unknown%s%s%s (valid: characters, bytes, bpe, or "
                 "a folder with tokenizer.json, vocab.json and merges.txt, or vocab.txt)",
                 name, nearest ? "; did you mean '" : "", nearest ? nearest : "",
                 nearest ? "'?" : "");
}

ig_status ig_text_tokenizer(const char *name, const char *spec, int64_t vocabulary,
                            ig_tokenizer **out) {
  *out = NULL;
  char *path = locate(spec);
  if (!path) return IG_OK; /* opening the data says what is wrong, or reads arrays of tokens */
  ig_bytes text;
  ig_status status = ig_bytes_map(path, &text);
  ig_free(path);
  if (status != IG_OK) return IG_OK; /* a folder, for one */
  if (text.size > 0 && ig_is_text(text.data, IG_MIN(text.size, IG_PREFIX_BYTES))) {
    status = learn(name, &text, vocabulary, out);
    if (status != IG_OK) ig_fail_in(status, "%s", spec);
  }
  ig_bytes_release(&text);
  return status;
}

ig_status ig_text_tokenizer_of(const ig_snapshot *snapshot, const char *where, ig_tokenizer **out) {
  *out = NULL;
  if (!snapshot->tokenizer) return IG_OK;
  ig_status status = ig_tokenizer_from_json(snapshot->tokenizer, strlen(snapshot->tokenizer), out);
  return status == IG_OK ? IG_OK : ig_fail_in(status, "%s: tokenizer", where);
}

static ig_status encode(void *context, const char *text, size_t length, int32_t **ids,
                        int64_t *count) {
  return ig_tokenizer_encode(context, text, length, ids, count);
}

ig_text_encoder ig_text_encoder_of(const ig_tokenizer *tokenizer) {
  static const char *const names[] = {"bytes", "characters", "bpe", "wordpiece"};
  return (ig_text_encoder){.context = (void *)(uintptr_t)tokenizer,
                           .name = names[ig_tokenizer_kind_of(tokenizer)],
                           .vocabulary = ig_tokenizer_vocabulary(tokenizer),
                           .encode = encode};
}
