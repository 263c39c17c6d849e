/* Hugging Face's tokenizer.json, for byte-level byte pairs (GPT-2, Llama 3, Qwen2) and word pieces (BERT).
 * The file describes a pipeline of parts; what a part may be is listed here, and any other is refused
 * with its name, since ids would differ. Tokens that a post-processor puts around a text are not ids of
 * the text and are left to the data. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "formats/tokenizer_json.h"

#define DIGITS_1 "\\p{N}"
#define DIGITS_3 "\\p{N}{1,3}"
#define EXPRESSION(digits)                                                                         \
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits                             \
  "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const char *const expressions[] = {
    [IG_CUT_GPT2] =
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
    [IG_CUT_LLAMA3] = EXPRESSION(DIGITS_3),
    [IG_CUT_QWEN2] = EXPRESSION(DIGITS_1),
};

/* --- reading: parts of the pipeline --------------------------------------------------------------- */

static const char *type_of(const json_t *part) {
  const char *type = json_string_value(json_object_get(part, "type"));
  return type ? type : "none";
}

static bool is_type(const json_t *part, const char *type) {
  return strcmp(type_of(part), type) == 0;
}

static bool is_on(const json_t *part, const char *key, bool fallback) {
  const json_t *value = json_object_get(part, key);
  return json_is_boolean(value) ? json_is_true(value) : fallback;
}

static bool is_absent(const json_t *value) {
  const char *text = json_string_value(value);
  return !value || json_is_null(value) || (text && !*text);
}

/* A list of one part is that part. */
static const json_t *only_part(const json_t *part, const char *list) {
  const json_t *parts = is_type(part, "Sequence") ? json_object_get(part, list) : NULL;
  return json_array_size(parts) == 1 ? json_array_get(parts, 0) : part;
}

static ig_status read_byte_level(const json_t *part, ig_tokenizer *t) {
  t->prefix_blank = is_on(part, "add_prefix_space", true);
  IG_CHECK(is_on(part, "use_regex", true), IG_ERR_UNSUPPORTED,
           "a ByteLevel pre-tokenizer that cuts nothing is not supported");
  t->cut = IG_CUT_GPT2;
  return IG_OK;
}

/* A Split by one of the expressions, then ByteLevel without its own. */
static ig_status read_split(const json_t *parts, ig_tokenizer *t) {
  const json_t *split = json_array_get(parts, 0), *bytes = json_array_get(parts, 1);
  const json_t *regex = json_object_get(json_object_get(split, "pattern"), "Regex");
  const char *text = json_string_value(regex),
             *how = json_string_value(json_object_get(split, "behavior"));
  IG_CHECK(json_array_size(parts) == 2 && is_type(split, "Split") && is_type(bytes, "ByteLevel") &&
               !is_on(bytes, "use_regex", true) && text && how && strcmp(how, "Isolated") == 0 &&
               !is_on(split, "invert", false),
           IG_ERR_UNSUPPORTED,
           "this sequence of pre-tokenizers is not supported (expected Split, "
           "isolated, and ByteLevel without use_regex)");
  t->prefix_blank = is_on(bytes, "add_prefix_space", true);
  IG_CHECK(!t->prefix_blank, IG_ERR_UNSUPPORTED, "add_prefix_space after a Split is not supported");
  for (int i = 0; i < IG_COUNT(expressions); i++) {
    if (strcmp(text, expressions[i]) != 0) continue;
    t->cut = (ig_cut)i;
    return IG_OK;
  }
  return ig_fail(IG_ERR_UNSUPPORTED,
                 "the pre-tokenizer's expression \"%.96s...\" is none of GPT-2's, Llama 3's and "
                 "Qwen2's",
                 text);
}

static ig_status read_pipeline(const json_t *root, ig_tokenizer *t) {
  const json_t *normalizer = only_part(json_object_get(root, "normalizer"), "normalizers");
  const json_t *cut = only_part(json_object_get(root, "pre_tokenizer"), "pretokenizers");
  t->normal_form = is_type(normalizer, "NFC");
  IG_CHECK(t->normal_form || is_absent(normalizer), IG_ERR_UNSUPPORTED,
           "the normalizer '%.32s' is not supported for byte pairs", type_of(normalizer));
  if (is_type(cut, "ByteLevel")) return read_byte_level(cut, t);
  IG_CHECK(is_type(cut, "Sequence"), IG_ERR_UNSUPPORTED,
           "the pre-tokenizer '%.32s' is not supported for byte pairs (expected ByteLevel)",
           type_of(cut));
  return read_split(json_object_get(cut, "pretokenizers"), t);
}

static ig_status read_bert_pipeline(const json_t *root, ig_tokenizer *t) {
  const json_t *normalizer = only_part(json_object_get(root, "normalizer"), "normalizers");
  const json_t *cut = only_part(json_object_get(root, "pre_tokenizer"), "pretokenizers");
  IG_CHECK(is_type(normalizer, "BertNormalizer"), IG_ERR_UNSUPPORTED,
           "the normalizer '%.32s' is not supported for word pieces (expected BertNormalizer)",
           type_of(normalizer));
  IG_CHECK(is_type(cut, "BertPreTokenizer"), IG_ERR_UNSUPPORTED,
           "the pre-tokenizer '%.32s' is not supported for word pieces (expected BertPreTokenizer)",
           type_of(cut));
  t->clean = is_on(normalizer, "clean_text", true);
  t->ideographs = is_on(normalizer, "handle_chinese_chars", true);
  t->lowercase = is_on(normalizer, "lowercase", true);
  t->strip_accents = is_on(normalizer, "strip_accents", t->lowercase);
  return IG_OK;
}

/* --- reading: tokens ------------------------------------------------------------------------------ */

/* One more than the largest id. */
static ig_status count_ids(json_t *root, json_t *vocab, json_t *added, int32_t *out) {
  const char *token;
  json_t *value;
  size_t i;
  json_int_t most = (json_int_t)json_object_size(vocab) - 1;
  json_object_foreach(vocab, token, value) {
    if (json_integer_value(value) > most) most = json_integer_value(value);
  }
  json_array_foreach(added, i, value) {
    json_int_t id = json_integer_value(json_object_get(value, "id"));
    if (id > most) most = id;
  }
  json_int_t own = json_integer_value(json_object_get(json_object_get(root, "ingot"), "size"));
  if (own > most + 1) most = own - 1;
  IG_CHECK(most >= 0 && most < IG_TOKENIZER_MOST_TOKENS, IG_ERR_INPUT, "%lld ids, expected 1 to %d",
           (long long)most + 1, IG_TOKENIZER_MOST_TOKENS);
  *out = (int32_t)most + 1;
  return IG_OK;
}

static ig_status read_added(json_t *added, ig_tokenizer *t) {
  static const char *const flags[] = {"lstrip", "rstrip", "single_word"};
  size_t count = json_array_size(added), i;
  json_t *token;
  json_array_foreach(added, i, token) {
    for (int f = 0; f < IG_COUNT(flags); f++) {
      IG_CHECK(!is_on(token, flags[f], false), IG_ERR_UNSUPPORTED,
               "the added token \"%.64s\" has %s, which is not supported",
               json_string_value(json_object_get(token, "content")), flags[f]);
    }
  }
  if (count == 0) return IG_OK;
  int32_t *ids = ig_alloc_zero(count, sizeof *ids);
  IG_CHECK(ids, IG_ERR_MEMORY, "tokenizer: out of memory");
  json_array_foreach(added, i, token) {
    ids[i] = (int32_t)json_integer_value(json_object_get(token, "id"));
  }
  return ig_tokenizer_set_added(t, ids, (int32_t)count);
}

static ig_status read_pairs(json_t *root, json_t *model, json_t *added, int32_t n,
                            ig_tokenizer **out) {
  static const char *const absent[] = {"continuing_subword_prefix", "end_of_word_suffix",
                                       "unk_token", "dropout"};
  for (int i = 0; i < IG_COUNT(absent); i++) {
    IG_CHECK(is_absent(json_object_get(model, absent[i])), IG_ERR_UNSUPPORTED,
             "byte pairs with %s are not supported", absent[i]);
  }
  IG_CHECK(!is_on(model, "byte_fallback", false), IG_ERR_UNSUPPORTED,
           "byte pairs with byte_fallback (SentencePiece) are not supported");
  ig_tokenizer *t;
  IG_TRY(
      ig_bpe_read(json_object_get(model, "vocab"), json_object_get(model, "merges"), added, n, &t));
  t->ignore_merges = is_on(model, "ignore_merges", false);
  ig_status status = read_pipeline(root, t);
  if (status == IG_OK && t->ignore_merges) status = ig_tokenizer_index(t);
  *out = t;
  return status;
}

static ig_status read_pieces(json_t *root, json_t *model, json_t *added, int32_t n,
                             ig_tokenizer **out) {
  const char *prefix = json_string_value(json_object_get(model, "continuing_subword_prefix"));
  const char *unknown = json_string_value(json_object_get(model, "unk_token"));
  const json_t *longest = json_object_get(model, "max_input_chars_per_word");
  IG_CHECK(!prefix || strcmp(prefix, "##") == 0, IG_ERR_UNSUPPORTED,
           "word pieces go on with \"%.16s\", expected \"##\"", prefix);
  char *bytes;
  size_t *offsets;
  IG_TRY(ig_tokens_read(json_object_get(model, "vocab"), added, false, n, &bytes, &offsets));
  IG_TRY(ig_wordpiece_create(bytes, offsets, n, unknown ? unknown : "[UNK]", out));
  json_int_t most = json_is_integer(longest) ? json_integer_value(longest) : 100;
  (*out)->longest_word = most < 1 ? 1 : most > 1024 ? 1024 : most;
  return read_bert_pipeline(root, *out);
}

ig_status ig_tokenizer_from_hf(json_t *root, ig_tokenizer **out) {
  json_t *model = json_object_get(root, "model"), *vocab = json_object_get(model, "vocab");
  json_t *added = json_object_get(root, "added_tokens");
  bool pairs = is_type(model, "BPE");
  int32_t n = 0;
  IG_CHECK(pairs || is_type(model, "WordPiece"), IG_ERR_UNSUPPORTED,
           "tokenizer of the type '%.32s', expected BPE or WordPiece", type_of(model));
  IG_TRY(count_ids(root, vocab, added, &n));
  ig_tokenizer *t = NULL;
  ig_status status =
      pairs ? read_pairs(root, model, added, n, &t) : read_pieces(root, model, added, n, &t);
  if (status == IG_OK) status = read_added(added, t);
  if (status != IG_OK) {
    ig_tokenizer_destroy(t);
    return status;
  }
  t->padded = json_object_get(root, "ingot") != NULL;
  *out = t;
  return IG_OK;
}

/* --- writing -------------------------------------------------------------------------------------- */

static bool set(json_t *object, const char *key, json_t *value) {
  return json_object_set_new(object, key, value) == 0;
}

static json_t *text_of(const ig_tokenizer *t, int32_t id) {
  size_t length;
  const char *token = ig_tokenizer_token(t, id, &length);
  return json_stringn(token, length);
}

static json_t *added_json(const ig_tokenizer *t, bool *ok) {
  json_t *list = json_array();
  for (int32_t i = 0; i < t->n_added; i++) {
    json_t *token = json_pack("{s:i, s:o, s:b, s:b, s:b, s:b, s:b}", "id", (int)t->added[i],
                              "content", text_of(t, t->added[i]), "single_word", 0, "lstrip", 0,
                              "rstrip", 0, "normalized", 0, "special", 1);
    *ok = json_array_append_new(list, token) == 0 && *ok;
  }
  return list;
}

static bool write_pairs(const ig_tokenizer *t, json_t *root, json_t *model) {
  bool ok = set(model, "type", json_string("BPE")) && set(model, "dropout", json_null()) &&
            set(model, "unk_token", json_null()) &&
            set(model, "continuing_subword_prefix", json_null()) &&
            set(model, "end_of_word_suffix", json_null()) && set(model, "fuse_unk", json_false()) &&
            set(model, "byte_fallback", json_false()) &&
            set(model, "ignore_merges", json_boolean(t->ignore_merges));
  json_t *bytes =
      json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space",
                (int)t->prefix_blank, "trim_offsets", 1, "use_regex", (int)(t->cut == IG_CUT_GPT2));
  json_t *cut = bytes;
  if (t->cut != IG_CUT_GPT2) {
    cut = json_pack("{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, o]}", "type", "Sequence", "pretokenizers",
                    "type", "Split", "pattern", "Regex", expressions[t->cut], "behavior",
                    "Isolated", "invert", 0, bytes);
  }
  return ok &&
         set(root, "normalizer",
             t->normal_form ? json_pack("{s:s}", "type", "NFC") : json_null()) &&
         set(root, "pre_tokenizer", cut) && set(root, "post_processor", json_null()) &&
         set(root, "decoder",
             json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 1,
                       "trim_offsets", 1, "use_regex", 1)) &&
         ig_bpe_write(t, model) == IG_OK;
}

static bool write_pieces(const ig_tokenizer *t, json_t *root, json_t *model) {
  json_t *vocab = json_object();
  bool ok = set(model, "type", json_string("WordPiece")) &&
            set(model, "unk_token", text_of(t, t->unknown)) &&
            set(model, "continuing_subword_prefix", json_string("##")) &&
            set(model, "max_input_chars_per_word", json_integer(t->longest_word)) &&
            set(model, "vocab", vocab);
  for (int32_t id = 0; id < t->n_tokens && ok; id++) {
    size_t length;
    const char *token = ig_tokenizer_token(t, id, &length);
    if (length == 0 || ig_tokenizer_lookup(t, token, length) != id) continue; /* of equals, one */
    ok = json_object_setn_new(vocab, token, length, json_integer(id)) == 0;
  }
  return ok &&
         set(root, "normalizer",
             json_pack("{s:s, s:b, s:b, s:b, s:b}", "type", "BertNormalizer", "clean_text",
                       (int)t->clean, "handle_chinese_chars", (int)t->ideographs, "strip_accents",
                       (int)t->strip_accents, "lowercase", (int)t->lowercase)) &&
         set(root, "pre_tokenizer", json_pack("{s:s}", "type", "BertPreTokenizer")) &&
         set(root, "post_processor", json_null()) &&
         set(root, "decoder",
             json_pack("{s:s, s:s, s:b}", "type", "WordPiece", "prefix", "##", "cleanup", 1));
}

ig_status ig_tokenizer_to_hf(const ig_tokenizer *t, bool own, json_t *root) {
  json_t *model = json_object();
  bool ok = set(root, "version", json_string("1.0")) && set(root, "truncation", json_null()) &&
            set(root, "padding", json_null());
  ok = set(root, "added_tokens", added_json(t, &ok)) && ok;
  ok = (t->kind == IG_TOKENIZER_BPE ? write_pairs(t, root, model) : write_pieces(t, root, model)) &&
       ok;
  ok = set(root, "model", model) && ok;
  if (own && t->padded) {
    ok = set(root, "ingot", json_pack("{s:i}", "size", (int)t->n_tokens)) && ok;
  }
  IG_CHECK(ok, IG_ERR_MEMORY, "tokenizer: no memory, or a token that is not UTF-8");
  return IG_OK;
}
