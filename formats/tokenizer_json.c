/* Tokenizers as JSON. Byte-pair tokenizers are written as GPT-2's two files are, in one object:
 *     {"kind": "bpe", "vocab": {token: id, ...}, "merges": ["left right", ...]}
 * with each byte of a token as the character of GPT-2's alphabet; so both readers are one. What this form
 * has no words for is written as Hugging Face's tokenizer.json is (tokenizer_hf.c). */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"
#include "formats/text_file.h"
#include "formats/tokenizer_bpe.h"
#include "formats/tokenizer_files.h"
#include "formats/tokenizer_json.h"
#include "formats/unicode.h"

#define OUT_OF_MEMORY IG_ERR_MEMORY, "tokenizer: out of memory"
#define CHECK_MEMORY(condition) IG_CHECK(condition, IG_ERR_MEMORY, "tokenizer: out of memory")
#define MOST_FILE_BYTES ((size_t)64 << 20)

/* --- reading --------------------------------------------------------------------------------- */

/* Bytes of a token written in GPT-2's alphabet; fails on a character outside it. */
static ig_status decode_token(const char *text, size_t length, char *out, size_t *bytes) {
  *bytes = 0;
  for (size_t at = 0; at < length;) {
    uint32_t point;
    at += (size_t)ig_utf8_decode(text + at, length - at, &point);
    int byte = point == IG_UTF8_INVALID ? -1 : ig_gpt2_byte(point);
    IG_CHECK(byte >= 0, IG_ERR_INPUT,
             "the token \"%.64s\" holds a character that stands for no byte in GPT-2's alphabet",
             text);
    out[(*bytes)++] = (char)byte;
  }
  return IG_OK;
}

/* A token's text by id, borrowed from the JSON. */
typedef struct entry {
  const char *text;
  bool literal; /* the bytes as they are */
} entry;

static ig_status order_token(const char *token, json_t *value, int32_t n, entry *by_id) {
  json_int_t id = json_integer_value(value);
  IG_CHECK(json_is_integer(value) && id >= 0 && id < n, IG_ERR_INPUT,
           "the token \"%.64s\" has no id from 0 to %d", token, (int)n - 1);
  IG_CHECK(!by_id[id].text, IG_ERR_INPUT, "the tokens \"%.64s\" and \"%.64s\" share the id %d",
           by_id[id].text, token, (int)id);
  size_t length = strlen(token);
  IG_CHECK(length > 0 && length <= 2 * IG_TOKENIZER_MOST_TOKEN_BYTES, IG_ERR_INPUT,
           "the token of id %d has %zu bytes, expected 1 to %d", (int)id, length,
           2 * IG_TOKENIZER_MOST_TOKEN_BYTES);
  by_id[id].text = token;
  return IG_OK;
}

/* Added tokens may stand in the vocabulary too; their own text is what counts. */
static ig_status order_tokens(json_t *vocab, json_t *added, bool spelled, int32_t n, entry *by_id) {
  const char *token;
  json_t *value;
  size_t i;
  json_array_foreach(added, i, value) {
    token = json_string_value(json_object_get(value, "content"));
    IG_CHECK(token, IG_ERR_INPUT, "added token %zu has no content", i);
    json_t *id = json_object_get(value, "id");
    IG_TRY(order_token(token, id, n, by_id));
    by_id[json_integer_value(id)].literal = true;
  }
  json_object_foreach(vocab, token, value) {
    json_int_t id = json_integer_value(value);
    bool known = json_is_integer(value) && id >= 0 && id < n && by_id[id].literal;
    if (known && strcmp(by_id[id].text, token) == 0) continue;
    IG_TRY(order_token(token, value, n, by_id));
    if (!spelled) by_id[id].literal = true;
  }
  return IG_OK;
}

static ig_status fill_tokens(const entry *by_id, int32_t n, char *bytes, size_t *offsets) {
  for (int32_t id = 0; id < n; id++) {
    const char *text = by_id[id].text ? by_id[id].text : ""; /* an id that no text has */
    size_t length = strlen(text);
    if (by_id[id].literal) {
      memcpy(bytes + offsets[id], text, length);
    } else {
      IG_TRY(decode_token(text, length, bytes + offsets[id], &length));
    }
    offsets[id + 1] = offsets[id] + length;
  }
  return IG_OK;
}

ig_status ig_tokens_read(json_t *vocab, json_t *added, bool spelled, int32_t n, char **bytes,
                         size_t **offsets) {
  entry *by_id = ig_alloc_zero((size_t)n, sizeof *by_id);
  size_t *ends = ig_alloc_zero((size_t)n + 1, sizeof *ends), total = 0;
  char *all = NULL;
  ig_status status = IG_OK;
  IG_CHECK_DONE(by_id && ends, IG_ERR_MEMORY, "tokenizer: out of memory");
  IG_TRY_DONE(order_tokens(vocab, added, spelled, n, by_id));
  for (int32_t id = 0; id < n; id++) total += by_id[id].text ? strlen(by_id[id].text) : 0;
  all = ig_alloc(total);
  IG_CHECK_DONE(all, IG_ERR_MEMORY, "tokenizer: out of memory");
  IG_TRY_DONE(fill_tokens(by_id, n, all, ends));
  *bytes = all;
  *offsets = ends;
done:
  ig_free(by_id);
  if (status == IG_OK) return IG_OK;
  ig_free(all);
  ig_free(ends);
  return status;
}

static ig_status token_id(json_t *vocab, const char *text, size_t length, size_t rank,
                          int32_t *out) {
  json_t *id = json_object_getn(vocab, text, length);
  IG_CHECK(id, IG_ERR_INPUT, "merge %zu names \"%.*s\", which is not a token", rank,
           (int)IG_MIN(length, (size_t)64), text);
  *out = (int32_t)json_integer_value(id);
  return IG_OK;
}

/* "left right", or ["left", "right"]. */
static ig_status read_merge(json_t *vocab, const json_t *value, size_t rank, ig_merge *out) {
  const char *first = json_string_value(value), *second;
  size_t left, right;
  if (json_is_array(value)) {
    first = json_string_value(json_array_get(value, 0));
    second = json_string_value(json_array_get(value, 1));
    IG_CHECK(first && second && *first && *second && json_array_size(value) == 2, IG_ERR_INPUT,
             "merge %zu is no pair of tokens", rank);
    left = strlen(first);
  } else {
    const char *blank = first ? strchr(first, ' ') : NULL;
    IG_CHECK(blank && blank > first && blank[1] && !strchr(blank + 1, ' '), IG_ERR_INPUT,
             "merge %zu is \"%.64s\", expected two tokens with a blank between", rank,
             first ? first : "");
    left = (size_t)(blank - first);
    second = blank + 1;
  }
  right = strlen(second);
  IG_CHECK(left + right <= 2 * IG_TOKENIZER_MOST_TOKEN_BYTES, IG_ERR_INPUT, "merge %zu is too long",
           rank);
  char joined[2 * IG_TOKENIZER_MOST_TOKEN_BYTES];
  memcpy(joined, first, left);
  memcpy(joined + left, second, right);
  IG_TRY(token_id(vocab, first, left, rank, &out->left));
  IG_TRY(token_id(vocab, second, right, rank, &out->right));
  return token_id(vocab, joined, left + right, rank, &out->result);
}

ig_status ig_bpe_read(json_t *vocab, json_t *merges, json_t *added, int32_t n, ig_tokenizer **out) {
  size_t n_merges = json_array_size(merges);
  IG_CHECK(n >= 256 && n <= IG_TOKENIZER_MOST_TOKENS && n_merges <= (size_t)n, IG_ERR_INPUT,
           "%d tokens and %zu merges, expected 256 to %d tokens and no more merges than tokens",
           (int)n, n_merges, IG_TOKENIZER_MOST_TOKENS);
  char *bytes;
  size_t *offsets;
  IG_TRY(ig_tokens_read(vocab, added, true, n, &bytes, &offsets));
  ig_merge *list = ig_alloc_zero(n_merges + 1, sizeof *list);
  ig_status status = list ? IG_OK : ig_fail(OUT_OF_MEMORY);
  for (size_t i = 0; i < n_merges && status == IG_OK; i++) {
    status = read_merge(vocab, json_array_get(merges, i), i, &list[i]);
  }
  if (status == IG_OK) return ig_bpe_create(bytes, offsets, n, list, (int32_t)n_merges, out);
  ig_free(bytes);
  ig_free(offsets);
  ig_free(list);
  return status;
}

static ig_status read_bpe(json_t *vocab, json_t *merges, ig_tokenizer **out) {
  size_t n = json_object_size(vocab);
  IG_CHECK(n <= IG_TOKENIZER_MOST_TOKENS, IG_ERR_INPUT, "%zu tokens, at most %d", n,
           IG_TOKENIZER_MOST_TOKENS);
  return ig_bpe_read(vocab, merges, NULL, (int32_t)n, out);
}

/* The list of code points as the text of all of them: what a tokenizer of characters is made from. */
static ig_status read_characters(json_t *points, ig_tokenizer **out) {
  size_t n = json_array_size(points), length = 0;
  IG_CHECK(json_is_array(points) && n <= IG_TOKENIZER_MOST_TOKENS, IG_ERR_INPUT,
           "tokenizer: expected a list of at most %d characters", IG_TOKENIZER_MOST_TOKENS);
  char *text = ig_alloc(4 * n);
  CHECK_MEMORY(text);
  json_int_t last = -1;
  ig_status status = IG_OK;
  for (size_t i = 0; i < n && status == IG_OK; i++) {
    json_t *value = json_array_get(points, i);
    json_int_t point = json_integer_value(value);
    if (!json_is_integer(value) || point <= last || point > 0x10ffff) {
      status = ig_fail(IG_ERR_INPUT, "tokenizer: character %zu is not an ascending code point", i);
    } else {
      length += (size_t)ig_utf8_encode((uint32_t)point, text + length);
    }
    last = point;
  }
  if (status == IG_OK) status = ig_tokenizer_characters(text, length, out);
  ig_free(text);
  return status;
}

static ig_status parse(const char *text, size_t length, json_t **out) {
  json_error_t error;
  *out = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
  if (*out) return IG_OK;
  if (json_error_code(&error) == json_error_out_of_memory) return ig_fail(OUT_OF_MEMORY);
  return ig_fail(IG_ERR_INPUT, "not JSON: line %d: %s", error.line, error.text);
}

static ig_status from_json(json_t *root, ig_tokenizer **out) {
  if (json_object_get(root, "model")) return ig_tokenizer_from_hf(root, out);
  const char *kind = json_string_value(json_object_get(root, "kind"));
  IG_CHECK(kind, IG_ERR_INPUT, "expected an object with a \"kind\"");
  if (strcmp(kind, "bytes") == 0) return ig_tokenizer_bytes(out);
  if (strcmp(kind, "characters") == 0) return read_characters(json_object_get(root, "points"), out);
  IG_CHECK(strcmp(kind, "bpe") == 0, IG_ERR_INPUT,
           "unknown kind \"%.64s\", expected bytes, characters or bpe", kind);
  return read_bpe(json_object_get(root, "vocab"), json_object_get(root, "merges"), out);
}

ig_status ig_tokenizer_from_json(const char *text, size_t length, ig_tokenizer **out) {
  json_t *root;
  ig_status status = parse(text, length, &root);
  if (status == IG_OK) {
    status = from_json(root, out);
    json_decref(root);
  }
  return status == IG_OK ? IG_OK : ig_fail_in(status, "tokenizer");
}

/* --- GPT-2's files --------------------------------------------------------------------------- */

/* Lines as a list of strings, without a first line that starts with "#version" and empty ones. */
static ig_status read_lines(char *text, size_t length, json_t *list) {
  IG_CHECK(!memchr(text, '\0', length), IG_ERR_INPUT, "not a text file");
  bool first = true;
  for (char *line = text, *next; line; line = next, first = false) {
    next = strchr(line, '\n');
    if (next) *next++ = '\0';
    size_t end = strlen(line);
    if (end > 0 && line[end - 1] == '\r') line[--end] = '\0';
    if (end == 0 || (first && strncmp(line, "#version", 8) == 0)) continue;
    json_t *string = json_string(line);
    IG_CHECK(string, IG_ERR_INPUT, "merge %zu is not UTF-8", json_array_size(list));
    CHECK_MEMORY(json_array_append_new(list, string) == 0);
  }
  return IG_OK;
}

static ig_status read_merges(const char *path, json_t **out) {
  char *text;
  size_t length;
  IG_TRY(ig_read_text(path, MOST_FILE_BYTES, &text, &length));
  json_t *list = json_array();
  ig_status status = list ? read_lines(text, length, list) : ig_fail(OUT_OF_MEMORY);
  ig_free(text);
  if (status != IG_OK) {
    json_decref(list);
    return ig_fail_in(status, "%s", path);
  }
  *out = list;
  return IG_OK;
}

ig_status ig_tokenizer_read_gpt2(const char *vocab_path, const char *merges_path,
                                 ig_tokenizer **out) {
  char *text;
  size_t length;
  json_t *vocab = NULL, *merges = NULL;
  IG_TRY(ig_read_text(vocab_path, MOST_FILE_BYTES, &text, &length));
  ig_status status = parse(text, length, &vocab);
  ig_free(text);
  if (status != IG_OK) return ig_fail_in(status, "%s", vocab_path);
  status = read_merges(merges_path, &merges);
  if (status == IG_OK) {
    status = read_bpe(vocab, merges, out);
    if (status != IG_OK) ig_fail_in(status, "%s and %s", vocab_path, merges_path);
  }
  json_decref(vocab);
  json_decref(merges);
  return status;
}

/* --- writing --------------------------------------------------------------------------------- */

/* A token's bytes in GPT-2's alphabet; at most twice as long. */
static size_t spell(const ig_tokenizer *t, int32_t id, char *out) {
  size_t length, used = 0;
  const char *token = ig_tokenizer_token(t, id, &length);
  for (size_t i = 0; i < length; i++) {
    used += (size_t)ig_utf8_encode(ig_gpt2_point((unsigned char)token[i]), out + used);
  }
  return used;
}

ig_status ig_bpe_write(const ig_tokenizer *t, json_t *root) {
  char token[2 * IG_TOKENIZER_MOST_TOKEN_BYTES + 1], merge[4 * IG_TOKENIZER_MOST_TOKEN_BYTES + 1];
  json_t *vocab = json_object(), *merges = json_array();
  bool ok = json_object_set_new(root, "vocab", vocab) == 0 &&
            json_object_set_new(root, "merges", merges) == 0;
  for (int32_t id = 0; id < t->n_tokens && ok; id++) {
    size_t length = spell(t, id, token);
    if (length == 0 || ig_tokenizer_is_added(t, id)) continue;
    ok = json_object_setn_new(vocab, token, length, json_integer(id)) == 0;
  }
  for (int32_t i = 0; i < t->n_merges && ok; i++) {
    size_t used = spell(t, t->merges[i].left, merge);
    merge[used++] = ' ';
    used += spell(t, t->merges[i].right, merge + used);
    ok = json_array_append_new(merges, json_stringn(merge, used)) == 0;
  }
  CHECK_MEMORY(ok);
  return IG_OK;
}

static ig_status write_points(const ig_tokenizer *t, json_t *root) {
  json_t *points = json_array();
  bool ok = json_object_set_new(root, "points", points) == 0;
  for (int32_t i = 0; i < t->n_tokens && ok; i++) {
    ok = json_array_append_new(points, json_integer(t->points[i])) == 0;
  }
  CHECK_MEMORY(ok);
  return IG_OK;
}

/* Our own form, which says less than Hugging Face's. */
static ig_status write_plain(const ig_tokenizer *t, json_t *root) {
  static const char *const kinds[] = {[IG_TOKENIZER_BYTES] = "bytes",
                                      [IG_TOKENIZER_CHARACTERS] = "characters",
                                      [IG_TOKENIZER_BPE] = "bpe"};
  CHECK_MEMORY(json_object_set_new(root, "kind", json_string(kinds[t->kind])) == 0);
  if (t->kind == IG_TOKENIZER_BPE) return ig_bpe_write(t, root);
  return t->kind == IG_TOKENIZER_CHARACTERS ? write_points(t, root) : IG_OK;
}

ig_status ig_tokenizer_to_json(const ig_tokenizer *t, char **text) {
  json_t *root = json_object();
  bool plain = t->kind != IG_TOKENIZER_WORDPIECE && t->n_added == 0 && !t->lookup &&
               t->cut == IG_CUT_GPT2 && !t->prefix_blank && !t->normal_form && !t->padded;
  ig_status status = plain ? write_plain(t, root) : ig_tokenizer_to_hf(t, true, root);
  char *dumped = status == IG_OK ? json_dumps(root, JSON_COMPACT) : NULL;
  json_decref(root);
  if (status != IG_OK) return status;
  CHECK_MEMORY(dumped);
  *text = dumped;
  return IG_OK;
}

ig_status ig_tokenizer_read_json(const char *path, ig_tokenizer **out) {
  char *text;
  size_t length;
  IG_TRY(ig_read_text(path, MOST_FILE_BYTES, &text, &length));
  ig_status status = ig_tokenizer_from_json(text, length, out);
  ig_free(text);
  return status == IG_OK ? IG_OK : ig_fail_in(status, "%s", path);
}
