/* Tokenizers in Hugging Face's files: ids of some hundred lines as its library makes them
 * (tests/golden/tokenizer_hf.py wrote files and digests), the way through a checkpoint's text and through a
 * file of ours, and what is refused. */
#include "scratch.h"

#include <inttypes.h>
#include <jansson.h>

#include "engine/base/memory.h"
#include "formats/tokenizer_files.h"

#define GOLDEN IG_SOURCE_DIR "/tests/golden/tokenizer_hf/"

static uint64_t fnv(const int32_t *ids, int64_t count) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (int64_t i = 0; i < count; i++) {
    for (int byte = 0; byte < 4; byte++) {
      hash = (hash ^ ((uint32_t)ids[i] >> 8 * byte & 0xff)) * 0x100000001b3u;
    }
  }
  return hash;
}

/* The ids of each line against the digests of the file. */
static void check_ids(const ig_tokenizer *t, const char *name) {
  char path[SCRATCH_PATH];
  json_t *lines = json_load_file(GOLDEN "lines.json", JSON_ALLOW_NUL, NULL);
  snprintf(path, sizeof path, GOLDEN "%s.ids", name);
  char *digests = (char *)scratch_read(path, NULL), *at = digests;
  assert_int_equal(json_array_size(lines), 355);
  for (size_t i = 0; i < json_array_size(lines); i++) {
    const json_t *line = json_array_get(lines, i);
    int32_t *ids;
    int64_t count;
    uint64_t want = strtoull(at, &at, 16);
    if (ig_tokenizer_encode(t, json_string_value(line), json_string_length(line), &ids, &count) !=
        IG_OK) {
      fail_msg("%s: %s", name, ig_last_error());
    }
    if (fnv(ids, count) != want) {
      print_error("%s: line %zu:", name, i);
      for (int64_t k = 0; k < count; k++) print_error(" %d", (int)ids[k]);
      fail_msg("\nother ids for '%s'", json_string_value(line));
    }
    ig_free(ids);
  }
  free(digests);
  json_decref(lines);
}

static ig_tokenizer *read_json(const char *path) {
  ig_tokenizer *t = NULL;
  if (ig_tokenizer_read_json(path, &t) != IG_OK) fail_msg("%s", ig_last_error());
  return t;
}

static const char *const names[] = {"gpt2", "blank", "llama3", "qwen2", "uncased", "cased"};

static void ids_of_the_library(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char path[SCRATCH_PATH];
    snprintf(path, sizeof path, GOLDEN "%s.json", names[i]);
    ig_tokenizer *t = read_json(path);
    check_ids(t, names[i]);
    ig_tokenizer_destroy(t);
  }
}

/* As a checkpoint keeps it, with more ids than tokens, and as a file of ours. */
static void there_and_back(void **state) {
  (void)state;
  scratch s = scratch_make();
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char path[SCRATCH_PATH], *text;
    snprintf(path, sizeof path, GOLDEN "%s.json", names[i]);
    ig_tokenizer *t = read_json(path), *kept;
    int64_t own = ig_tokenizer_vocabulary(t);
    assert_int_equal(ig_tokenizer_fit(t, own + 9, "model"), IG_OK);
    assert_int_equal(ig_tokenizer_fit(t, own, "model"), IG_ERR_INPUT);
    assert_int_equal(ig_tokenizer_to_json(t, &text), IG_OK);
    assert_int_equal(ig_tokenizer_from_json(text, strlen(text), &kept), IG_OK);
    assert_int_equal(ig_tokenizer_vocabulary(kept), own + 9);
    check_ids(kept, names[i]);
    assert_int_equal(ig_tokenizer_write_folder(kept, s.folder), IG_OK);
    ig_tokenizer_destroy(t);
    t = read_json(scratch_path(&s, "tokenizer.json"));
    assert_int_equal(ig_tokenizer_vocabulary(t), own);
    check_ids(t, names[i]);
    ig_free(text);
    ig_tokenizer_destroy(t);
    ig_tokenizer_destroy(kept);
  }
  scratch_remove(&s);
}

static void a_vocabulary_by_lines(void **state) {
  (void)state;
  ig_tokenizer *t;
  assert_int_equal(ig_tokenizer_read_vocab_txt(GOLDEN "vocab.txt", true, &t), IG_OK);
  assert_int_equal(ig_tokenizer_kind_of(t), IG_TOKENIZER_WORDPIECE);
  check_ids(t, "uncased");
  int32_t *ids;
  int64_t count;
  char *text;
  size_t length;
  const char *line = "Unreadable  [MASK] READING";
  assert_int_equal(ig_tokenizer_encode(t, line, strlen(line), &ids, &count), IG_OK);
  assert_int_equal(ig_tokenizer_decode(t, ids, count, &text, &length), IG_OK);
  assert_string_equal(text, "unreadable [MASK] reading");
  ig_free(ids);
  ig_free(text);
  ig_tokenizer_destroy(t);
}

static void refused(const char *json, ig_status status, const char *message) {
  ig_tokenizer *t = NULL;
  assert_int_equal(ig_tokenizer_from_json(json, strlen(json), &t), status);
  assert_null(t);
  if (!strstr(ig_last_error(), message)) fail_msg("%s\nlacks: %s", ig_last_error(), message);
}

#define PIECES(more) "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0,\"a\":1}}," more "}"
#define BERT                                                                                       \
  "\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}"

static void what_is_refused(void **state) {
  (void)state;
  refused("{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", IG_ERR_UNSUPPORTED,
          "type 'Unigram', expected BPE or WordPiece");
  refused("{\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"vocab\":{\"a\":0}}}",
          IG_ERR_UNSUPPORTED, "byte_fallback");
  refused(PIECES("\"normalizer\":{\"type\":\"Lowercase\"}"), IG_ERR_UNSUPPORTED, "'Lowercase'");
  refused(PIECES("\"normalizer\":{\"type\":\"BertNormalizer\"}"), IG_ERR_UNSUPPORTED, "'none'");
  refused(PIECES(BERT ",\"added_tokens\":[{\"id\":1,\"content\":\"b\"}]"), IG_ERR_INPUT,
          "share the id 1");
  refused(PIECES(BERT ",\"added_tokens\":[{\"id\":9999999,\"content\":\"b\"}]"), IG_ERR_INPUT,
          "ids, expected 1 to");
  refused(PIECES(BERT ",\"added_tokens\":[{\"id\":2,\"content\":\"b\",\"lstrip\":true}]"),
          IG_ERR_UNSUPPORTED, "has lstrip");
  refused("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0}}," BERT "}", IG_ERR_INPUT,
          "unknown token \"[UNK]\" is not");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ids_of_the_library),
      cmocka_unit_test(there_and_back),
      cmocka_unit_test(a_vocabulary_by_lines),
      cmocka_unit_test(what_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
