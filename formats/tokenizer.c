/* Byte and character tokens, and the dispatch over the three kinds. */
#include "formats/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"
#include "formats/tokenizer_bpe.h"
#include "formats/unicode.h"

#define OUT_OF_MEMORY IG_ERR_MEMORY, "tokenizer: out of memory"
#define CHECK_MEMORY(condition) IG_CHECK(condition, IG_ERR_MEMORY, "tokenizer: out of memory")

void ig_tokenizer_destroy(ig_tokenizer *tokenizer) {
  if (!tokenizer) return;
  ig_free(tokenizer->bytes);
  ig_free(tokenizer->offsets);
  ig_free(tokenizer->merges);
  ig_free(tokenizer->table);
  ig_free(tokenizer->points);
  ig_free(tokenizer->added);
  ig_free(tokenizer->lookup);
  ig_free(tokenizer);
}

ig_tokenizer_kind ig_tokenizer_kind_of(const ig_tokenizer *tokenizer) {
  return tokenizer->kind;
}

int64_t ig_tokenizer_vocabulary(const ig_tokenizer *tokenizer) {
  return tokenizer->n_tokens;
}

const char *ig_tokenizer_token(const ig_tokenizer *tokenizer, int64_t id, size_t *length) {
  if (id < 0 || id >= tokenizer->n_tokens) return NULL;
  *length = tokenizer->offsets[id + 1] - tokenizer->offsets[id];
  return tokenizer->bytes + tokenizer->offsets[id];
}

/* Room for `n` tokens of at most `bytes` bytes together. */
static ig_status create(ig_tokenizer_kind kind, int32_t n, size_t bytes, ig_tokenizer **out) {
  ig_tokenizer *t = ig_alloc_zero(1, sizeof *t);
  CHECK_MEMORY(t);
  t->kind = kind;
  t->n_tokens = n;
  t->bytes = ig_alloc(bytes);
  t->offsets = ig_alloc_zero((size_t)n + 1, sizeof *t->offsets);
  if (!t->bytes || !t->offsets) {
    ig_tokenizer_destroy(t);
    return ig_fail(OUT_OF_MEMORY);
  }
  *out = t;
  return IG_OK;
}

ig_status ig_tokenizer_bytes(ig_tokenizer **out) {
  ig_tokenizer *t = NULL;
  IG_TRY(create(IG_TOKENIZER_BYTES, 256, 256, &t));
  for (int i = 0; i < 256; i++) {
    t->bytes[i] = (char)i;
    t->offsets[i + 1] = (size_t)i + 1;
  }
  *out = t;
  return IG_OK;
}

/* --- characters ------------------------------------------------------------------------------ */

/* `points` is sorted and distinct; it is taken over, also on failure. */
static ig_status from_points(uint32_t *points, int32_t n, ig_tokenizer **out) {
  ig_tokenizer *t = NULL;
  ig_status status = create(IG_TOKENIZER_CHARACTERS, n, 4 * (size_t)n, &t);
  if (status != IG_OK) {
    ig_free(points);
    return status;
  }
  t->points = points;
  for (int32_t i = 0; i < n; i++) {
    t->offsets[i + 1] = t->offsets[i] + (size_t)ig_utf8_encode(points[i], t->bytes + t->offsets[i]);
  }
  *out = t;
  return IG_OK;
}

ig_status ig_tokenizer_characters(const char *text, size_t length, ig_tokenizer **out) {
  size_t words = 0x110000 / 64;
  uint64_t *present = ig_alloc_zero(words, sizeof *present);
  CHECK_MEMORY(present);
  int32_t n = 0;
  for (size_t at = 0; at < length;) {
    uint32_t point;
    int bytes = ig_utf8_decode(text + at, length - at, &point);
    if (point == IG_UTF8_INVALID) {
      ig_free(present);
      return ig_fail(IG_ERR_INPUT, "text: not UTF-8 at byte %zu (0x%02x)", at,
                     (unsigned char)text[at]);
    }
    uint64_t bit = (uint64_t)1 << (point & 63);
    n += !(present[point >> 6] & bit);
    present[point >> 6] |= bit;
    at += (size_t)bytes;
  }
  uint32_t *points = ig_alloc_zero((size_t)n + 1, sizeof *points);
  int32_t filled = 0;
  for (uint32_t point = 0; points && point < 0x110000; point++) {
    if (present[point >> 6] >> (point & 63) & 1) points[filled++] = point;
  }
  ig_free(present);
  CHECK_MEMORY(points);
  return from_points(points, n, out);
}

static int32_t point_id(const ig_tokenizer *t, uint32_t point) {
  int32_t low = 0, high = t->n_tokens;
  while (low < high) {
    int32_t middle = low + (high - low) / 2;
    if (t->points[middle] < point) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < t->n_tokens && t->points[low] == point ? low : -1;
}

static ig_status encode_characters(const ig_tokenizer *t, const char *text, size_t length,
                                   int32_t *ids, int64_t *count) {
  int64_t n = 0;
  for (size_t at = 0; at < length; n++) {
    uint32_t point;
    int bytes = ig_utf8_decode(text + at, length - at, &point);
    ids[n] = point == IG_UTF8_INVALID ? -1 : point_id(t, point);
    IG_CHECK(ids[n] >= 0, IG_ERR_INPUT,
             "text: the character '%.*s' at byte %zu is not among the %d of the vocabulary",
             point == IG_UTF8_INVALID ? 0 : bytes, text + at, at, (int)t->n_tokens);
    at += (size_t)bytes;
  }
  *count = n;
  return IG_OK;
}

/* --- all kinds ------------------------------------------------------------------------------- */

ig_status ig_tokenizer_encode(const ig_tokenizer *t, const char *text, size_t length, int32_t **ids,
                              int64_t *count) {
  if (t->kind == IG_TOKENIZER_BPE) return ig_bpe_encode(t, text, length, ids, count);
  if (t->kind == IG_TOKENIZER_WORDPIECE) return ig_wordpiece_encode(t, text, length, ids, count);
  size_t bytes;
  CHECK_MEMORY(length < INT64_MAX / 4 && ig_mul_size(length, sizeof **ids, &bytes));
  int32_t *made = ig_alloc(bytes);
  CHECK_MEMORY(made);
  ig_status status = IG_OK;
  if (t->kind == IG_TOKENIZER_BYTES) {
    for (size_t i = 0; i < length; i++) made[i] = (unsigned char)text[i];
    *count = (int64_t)length;
  } else {
    status = encode_characters(t, text, length, made, count);
  }
  if (status != IG_OK) {
    ig_free(made);
    return status;
  }
  *ids = made;
  return IG_OK;
}

ig_status ig_tokenizer_decode(const ig_tokenizer *t, const int32_t *ids, int64_t count, char **text,
                              size_t *length) {
  size_t total = 0, bytes;
  bool words = t->kind == IG_TOKENIZER_WORDPIECE; /* a blank before each that does not go on */
  for (int64_t i = 0; i < count; i++) {
    IG_CHECK(ig_tokenizer_token(t, ids[i], &bytes), IG_ERR_INPUT,
             "token %d at place %lld is outside the vocabulary of %d", (int)ids[i], (long long)i,
             (int)t->n_tokens);
    CHECK_MEMORY(ig_add_size(total, bytes + words, &total) && total < SIZE_MAX);
  }
  char *made = ig_alloc(total + 1);
  CHECK_MEMORY(made);
  size_t at = 0;
  for (int64_t i = 0; i < count; i++) {
    const char *token = ig_tokenizer_token(t, ids[i], &bytes);
    bool goes_on = words && bytes > 2 && memcmp(token, "##", 2) == 0;
    if (goes_on) {
      token += 2;
      bytes -= 2;
    } else if (words && at > 0) {
      made[at++] = ' ';
    }
    memcpy(made + at, token, bytes);
    at += bytes;
  }
  made[at] = '\0';
  *text = made;
  *length = at;
  return IG_OK;
}
