/* Word pieces (Schuster, Nakajima, ICASSP 2012; as in BERT): a text is cleaned, cut at blanks and around
 * each punctuation mark, and each word becomes the longest token that it begins with, then the longest
 * one of "##" and what goes on, and so forth; a word that does not come out is the unknown token. */
#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"
#include "formats/tokenizer_bpe.h"
#include "formats/unicode.h"

#define CHECK_MEMORY(condition) IG_CHECK(condition, IG_ERR_MEMORY, "tokenizer: out of memory")

ig_status ig_wordpiece_create(char *bytes, size_t *offsets, int32_t n_tokens, const char *unknown,
                              ig_tokenizer **out) {
  ig_tokenizer *t = ig_alloc_zero(1, sizeof *t);
  if (!t) {
    ig_free(bytes);
    ig_free(offsets);
  }
  CHECK_MEMORY(t);
  t->kind = IG_TOKENIZER_WORDPIECE;
  t->bytes = bytes;
  t->offsets = offsets;
  t->n_tokens = n_tokens;
  t->longest_word = 100;
  for (int32_t id = 0; id < n_tokens; id++) {
    t->longest_token = IG_MAX(t->longest_token, offsets[id + 1] - offsets[id]);
  }
  ig_status status = ig_tokenizer_index(t);
  if (status == IG_OK) {
    t->unknown = ig_tokenizer_lookup(t, unknown, strlen(unknown));
    if (t->unknown < 0) {
      status = ig_fail(IG_ERR_INPUT,
                       "tokenizer: the unknown token \"%.64s\" is not in the vocabulary", unknown);
    }
  }
  if (status != IG_OK) {
    ig_tokenizer_destroy(t);
    return status;
  }
  *out = t;
  return IG_OK;
}

/* --- cleaning ---------------------------------------------------------------------------------- */

typedef struct encoding {
  const ig_tokenizer *tokenizer;
  int32_t *ids;
  int64_t count, capacity;
  uint32_t *points; /* of the text between added tokens */
  int64_t n_points, point_capacity;
  char *word; /* bytes of one word, behind room for "##" */
  int64_t word_capacity;
} encoding;

/* Ideographs, around which BERT puts blanks; the ranges are those of its code. */
static bool is_ideograph(uint32_t p) {
  return (p >= 0x4e00 && p <= 0x9fff) || (p >= 0x3400 && p <= 0x4dbf) ||
         (p >= 0x20000 && p <= 0x2a6df) || (p >= 0x2a700 && p <= 0x2b73f) ||
         (p >= 0x2b740 && p <= 0x2b81f) || (p >= 0x2b920 && p <= 0x2ceaf) ||
         (p >= 0xf900 && p <= 0xfaff) || (p >= 0x2f800 && p <= 0x2fa1f);
}

static bool is_line_space(uint32_t p) {
  return p == '\t' || p == '\n' || p == '\r';
}

static bool is_punctuation(uint32_t p) {
  bool ascii = (p >= 33 && p <= 47) || (p >= 58 && p <= 64) || (p >= 91 && p <= 96) ||
               (p >= 123 && p <= 126);
  return ascii || ig_unicode_is_punctuation(p);
}

static ig_status push(encoding *e, uint32_t point) {
  CHECK_MEMORY(
      ig_grow((void **)&e->points, &e->point_capacity, e->n_points + 1, sizeof *e->points));
  e->points[e->n_points++] = point;
  return IG_OK;
}

/* The points of a text, without controls, with blanks for white space and around ideographs; what is not
 * UTF-8 is no character and is left out. */
static ig_status read_points(encoding *e, const char *text, size_t length) {
  const ig_tokenizer *t = e->tokenizer;
  e->n_points = 0;
  for (size_t at = 0; at < length;) {
    uint32_t p;
    at += (size_t)ig_utf8_decode(text + at, length - at, &p);
    if (p == IG_UTF8_INVALID) continue;
    bool dropped = p == 0 || p == 0xfffd || (ig_unicode_is_other(p) && !is_line_space(p));
    if (t->clean && dropped) continue;
    if (t->clean && (is_line_space(p) || ig_unicode_is_space(p))) p = ' ';
    bool apart = t->ideographs && is_ideograph(p);
    if (apart) IG_TRY(push(e, ' '));
    IG_TRY(push(e, p));
    if (apart) IG_TRY(push(e, ' '));
  }
  return IG_OK;
}

/* Decomposes, and drops the marks that this sets free. */
static ig_status strip_accents(encoding *e) {
  int64_t count = e->n_points, filled = 0;
  size_t room;
  CHECK_MEMORY(ig_mul_size((size_t)count + 1, IG_UNICODE_MOST_PARTS * sizeof(uint32_t), &room));
  uint32_t *all = ig_alloc(room);
  CHECK_MEMORY(all);
  for (int64_t i = 0; i < count; i++) filled += ig_unicode_decompose(e->points[i], all + filled);
  filled = ig_unicode_normalize(all, filled, false);
  e->n_points = 0;
  ig_status status = IG_OK;
  for (int64_t i = 0; i < filled && status == IG_OK; i++) {
    if (!ig_unicode_is_mark(all[i])) status = push(e, all[i]);
  }
  ig_free(all);
  return status;
}

/* Lower case may be longer (a capital I with a dot becomes two points), so it is written behind what is
 * read, and moved down when it is whole. */
static ig_status to_lower(encoding *e) {
  int64_t count = e->n_points;
  for (int64_t i = 0; i < count; i++) {
    uint32_t p = e->points[i];
    IG_TRY(push(e, p == 0x130 ? 'i' : ig_unicode_to_lower(p)));
    if (p == 0x130) IG_TRY(push(e, 0x307));
  }
  e->n_points -= count;
  if (e->n_points == 0) return IG_OK; /* an empty text has no array */
  memmove(e->points, e->points + count, (size_t)e->n_points * sizeof *e->points);
  return IG_OK;
}

/* --- words ------------------------------------------------------------------------------------- */

static ig_status add(encoding *e, int32_t id) {
  CHECK_MEMORY(ig_grow((void **)&e->ids, &e->capacity, e->count + 1, sizeof *e->ids));
  e->ids[e->count++] = id;
  return IG_OK;
}

/* The longest token at the start of word[at, length), or -1. Its first byte overwrites what stands before
 * with "##" when the word goes on; what was there is used up. */
static int32_t longest_piece(const encoding *e, size_t at, size_t length, size_t *end) {
  char *from = e->word + 2 + at;
  if (at > 0) {
    from -= 2;
    memcpy(from, "##", 2);
  }
  size_t most = (size_t)(e->word + 2 + at - from) + length - at;
  *end = length - (most > e->tokenizer->longest_token ? most - e->tokenizer->longest_token : 0);
  for (*end = IG_MAX(*end, at); *end > at; --*end) {
    bool inside = *end < length && ((unsigned char)e->word[2 + *end] & 0xc0) == 0x80;
    if (inside) continue;
    int32_t id = ig_tokenizer_lookup(e->tokenizer, from, (size_t)(e->word + 2 + *end - from));
    if (id >= 0) return id;
  }
  return -1;
}

static ig_status encode_word(encoding *e, const uint32_t *points, int64_t count) {
  if (count > e->tokenizer->longest_word) return add(e, e->tokenizer->unknown);
  CHECK_MEMORY(ig_grow((void **)&e->word, &e->word_capacity, 4 * count + 2, 1));
  size_t length = 0, end;
  for (int64_t i = 0; i < count; i++) {
    length += (size_t)ig_utf8_encode(points[i], e->word + 2 + length);
  }
  int64_t first = e->count;
  for (size_t at = 0; at < length; at = end) {
    int32_t id = longest_piece(e, at, length, &end);
    if (id < 0) {
      e->count = first;
      return add(e, e->tokenizer->unknown);
    }
    IG_TRY(add(e, id));
  }
  return IG_OK;
}

static ig_status encode_between(encoding *e, const char *text, size_t length) {
  IG_TRY(read_points(e, text, length));
  if (e->tokenizer->strip_accents) IG_TRY(strip_accents(e));
  if (e->tokenizer->lowercase) IG_TRY(to_lower(e));
  int64_t start = 0;
  for (int64_t i = 0; i <= e->n_points; i++) {
    bool ends = i == e->n_points, space = !ends && ig_unicode_is_space(e->points[i]);
    bool mark = !ends && is_punctuation(e->points[i]);
    if (!ends && !space && !mark) continue;
    if (i > start) IG_TRY(encode_word(e, e->points + start, i - start));
    if (mark) IG_TRY(encode_word(e, e->points + i, 1));
    start = i + 1;
  }
  return IG_OK;
}

static ig_status encode_all(encoding *e, const char *text, size_t length) {
  for (size_t at = 0; at < length;) {
    int32_t id;
    size_t bytes = 0, next = ig_tokenizer_next_added(e->tokenizer, text, length, at, &id);
    IG_TRY(encode_between(e, text + at, next - at));
    if (id >= 0) {
      IG_TRY(add(e, id));
      ig_tokenizer_token(e->tokenizer, id, &bytes);
    }
    at = next + bytes;
  }
  return IG_OK;
}

ig_status ig_wordpiece_encode(const ig_tokenizer *tokenizer, const char *text, size_t length,
                              int32_t **ids, int64_t *count) {
  encoding e = {.tokenizer = tokenizer};
  ig_status status = encode_all(&e, text, length);
  ig_free(e.points);
  ig_free(e.word);
  if (status == IG_OK && !e.ids) {
    e.ids = ig_alloc(sizeof *e.ids);
    if (!e.ids) status = ig_fail(IG_ERR_MEMORY, "tokenizer: out of memory");
  }
  if (status != IG_OK) {
    ig_free(e.ids);
    return status;
  }
  *ids = e.ids;
  *count = e.count;
  return IG_OK;
}
