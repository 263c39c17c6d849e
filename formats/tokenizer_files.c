/* See tokenizer_files.h. */
#include "formats/tokenizer_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/memory.h"
#include "formats/text_file.h"
#include "formats/tokenizer_json.h"

#define MOST_FILE_BYTES ((size_t)64 << 20)

/* --- reading -------------------------------------------------------------------------------------- */

/* BERT's vocab.txt, a token a line; the line's number is its id. */
static ig_status read_lines(char *text, bool lowercase, json_t *root, ig_tokenizer **out) {
  json_t *vocab = json_object(), *added = json_array();
  json_object_set_new(root, "model", json_pack("{s:s, s:o}", "type", "WordPiece", "vocab", vocab));
  json_object_set_new(root, "added_tokens", added);
  json_object_set_new(
      root, "normalizer",
      json_pack("{s:s, s:b}", "type", "BertNormalizer", "lowercase", (int)lowercase));
  json_object_set_new(root, "pre_tokenizer", json_pack("{s:s}", "type", "BertPreTokenizer"));
  static const char *const special[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  json_int_t id = 0;
  for (char *line = text, *next; line; line = next, id++) {
    next = strchr(line, '\n');
    if (next) *next++ = '\0';
    size_t end = strlen(line);
    if (end > 0 && line[end - 1] == '\r') line[--end] = '\0';
    if (end == 0 && !next) break;
    IG_CHECK(end > 0 && !json_object_get(vocab, line), IG_ERR_INPUT,
             "line %lld is empty or repeats an earlier one", (long long)id + 1);
    IG_CHECK(json_object_set_new(vocab, line, json_integer(id)) == 0, IG_ERR_INPUT,
             "line %lld is not UTF-8", (long long)id + 1);
    for (int i = 0; i < IG_COUNT(special); i++) {
      if (strcmp(line, special[i]) != 0) continue;
      json_array_append_new(added, json_pack("{s:I, s:s}", "id", id, "content", line));
    }
  }
  return ig_tokenizer_from_hf(root, out);
}

ig_status ig_tokenizer_read_vocab_txt(const char *path, bool lowercase, ig_tokenizer **out) {
  char *text;
  size_t length;
  IG_TRY(ig_read_text(path, MOST_FILE_BYTES, &text, &length));
  json_t *root = json_object();
  ig_status status = memchr(text, '\0', length) ? ig_fail(IG_ERR_INPUT, "not a text file")
                     : root                     ? read_lines(text, lowercase, root, out)
                                                : ig_fail(IG_ERR_MEMORY, "out of memory");
  json_decref(root);
  ig_free(text);
  return status == IG_OK ? IG_OK : ig_fail_in(status, "%s", path);
}

/* "do_lower_case" of the folder's tokenizer_config.json; true, as transformers has it, without one. */
static ig_status read_lowercase(const char *path, bool *out) {
  *out = true;
  if (access(path, F_OK) != 0) return IG_OK;
  char *text;
  size_t length;
  json_error_t error;
  IG_TRY(ig_read_text(path, MOST_FILE_BYTES, &text, &length));
  json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
  ig_free(text);
  IG_CHECK(root, IG_ERR_INPUT, "%s: not JSON: line %d: %s", path, error.line, error.text);
  *out = !json_is_false(json_object_get(root, "do_lower_case"));
  json_decref(root);
  return IG_OK;
}

typedef struct paths {
  char *json, *vocab, *merges, *lines, *config;
} paths;

static ig_status read_any(const paths *p, ig_tokenizer **out) {
  bool lowercase;
  if (access(p->json, F_OK) == 0) return ig_tokenizer_read_json(p->json, out);
  if (access(p->vocab, F_OK) == 0 && access(p->merges, F_OK) == 0) {
    return ig_tokenizer_read_gpt2(p->vocab, p->merges, out);
  }
  if (access(p->lines, F_OK) != 0) return IG_OK;
  IG_TRY(read_lowercase(p->config, &lowercase));
  return ig_tokenizer_read_vocab_txt(p->lines, lowercase, out);
}

ig_status ig_tokenizer_read_folder(const char *folder, ig_tokenizer **out) {
  *out = NULL;
  paths p = {ig_format("%s/tokenizer.json", folder), ig_format("%s/vocab.json", folder),
             ig_format("%s/merges.txt", folder), ig_format("%s/vocab.txt", folder),
             ig_format("%s/tokenizer_config.json", folder)};
  bool whole = p.json && p.vocab && p.merges && p.lines && p.config;
  ig_status status =
      whole ? read_any(&p, out) : ig_fail(IG_ERR_MEMORY, "%s: out of memory", folder);
  ig_free(p.json);
  ig_free(p.vocab);
  ig_free(p.merges);
  ig_free(p.lines);
  ig_free(p.config);
  return status;
}

ig_status ig_tokenizer_fit(ig_tokenizer *tokenizer, int64_t vocabulary, const char *where) {
  int64_t own = ig_tokenizer_vocabulary(tokenizer);
  IG_CHECK(own <= vocabulary && vocabulary <= IG_TOKENIZER_MOST_TOKENS, IG_ERR_INPUT,
           "%s: the tokenizer has %lld ids, the model %lld", where, (long long)own,
           (long long)vocabulary);
  return ig_tokenizer_pad(tokenizer, (int32_t)vocabulary);
}

/* --- writing -------------------------------------------------------------------------------------- */

static ig_status write_json(const char *folder, const char *name, json_t *root) {
  char *path = ig_format("%s/%s", folder, name), *text = json_dumps(root, JSON_INDENT(2));
  ig_status status = path && text ? ig_write_text(path, text, strlen(text))
                                  : ig_fail(IG_ERR_MEMORY, "%s: out of memory", folder);
  free(text);
  ig_free(path);
  return status;
}

ig_status ig_tokenizer_write_folder(const ig_tokenizer *tokenizer, const char *folder) {
  ig_tokenizer_kind kind = ig_tokenizer_kind_of(tokenizer);
  if (kind != IG_TOKENIZER_BPE && kind != IG_TOKENIZER_WORDPIECE) return IG_OK;
  json_t *root = json_object();
  json_t *config = json_pack("{s:s}", "tokenizer_class", "PreTrainedTokenizerFast");
  ig_status status = root && config ? ig_tokenizer_to_hf(tokenizer, false, root)
                                    : ig_fail(IG_ERR_MEMORY, "%s: out of memory", folder);
  if (status == IG_OK) status = write_json(folder, "tokenizer.json", root);
  if (status == IG_OK) status = write_json(folder, "tokenizer_config.json", config);
  json_decref(root);
  json_decref(config);
  return status;
}
