/* Tokens by their bytes, and tokens that a text may hold as they are ("added tokens"), such as
 * <|endoftext|> and [MASK]. */
#include <string.h>

#include "engine/base/memory.h"
#include "formats/tokenizer_bpe.h"

static size_t slot_of(const ig_tokenizer *t, const char *bytes, size_t length) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
  size_t slot = (size_t)(hash ^ hash >> 32) & t->lookup_mask;
  for (; t->lookup[slot]; slot = (slot + 1) & t->lookup_mask) {
    size_t other;
    const char *token = ig_tokenizer_token(t, t->lookup[slot] - 1, &other);
    if (other == length && memcmp(token, bytes, length) == 0) break;
  }
  return slot;
}

ig_status ig_tokenizer_index(ig_tokenizer *t) {
  size_t slots = 64, length;
  while (slots < 2 * (size_t)t->n_tokens) slots *= 2;
  t->lookup = ig_alloc_zero(slots, sizeof *t->lookup);
  IG_CHECK(t->lookup, IG_ERR_MEMORY, "tokenizer: out of memory");
  t->lookup_mask = slots - 1;
  for (int32_t id = 0; id < t->n_tokens; id++) {
    const char *token = ig_tokenizer_token(t, id, &length);
    size_t slot = slot_of(t, token, length);
    if (length > 0 && !t->lookup[slot]) t->lookup[slot] = id + 1; /* the first of equals */
  }
  return IG_OK;
}

int32_t ig_tokenizer_lookup(const ig_tokenizer *t, const char *bytes, size_t length) {
  return t->lookup[slot_of(t, bytes, length)] - 1;
}

ig_status ig_tokenizer_set_added(ig_tokenizer *t, int32_t *ids, int32_t count) {
  t->added = ids;
  t->n_added = count;
  for (int32_t i = 0; i < count; i++) {
    size_t length;
    const char *token = ig_tokenizer_token(t, ids[i], &length);
    IG_CHECK(token && length > 0, IG_ERR_INPUT, "tokenizer: the added token %d is empty",
             (int)ids[i]);
    t->added_first[(unsigned char)*token] = true;
  }
  return IG_OK;
}

size_t ig_tokenizer_next_added(const ig_tokenizer *t, const char *text, size_t length, size_t from,
                               int32_t *id) {
  *id = -1;
  if (t->n_added == 0) return length;
  for (size_t at = from; at < length; at++) {
    if (!t->added_first[(unsigned char)text[at]]) continue;
    size_t longest = 0, bytes;
    for (int32_t i = 0; i < t->n_added; i++) {
      const char *token = ig_tokenizer_token(t, t->added[i], &bytes);
      bool is = bytes > longest && bytes <= length - at && memcmp(token, text + at, bytes) == 0;
      if (!is) continue;
      longest = bytes;
      *id = t->added[i];
    }
    if (longest > 0) return at;
  }
  return length;
}

bool ig_tokenizer_is_added(const ig_tokenizer *t, int32_t id) {
  for (int32_t i = 0; i < t->n_added; i++) {
    if (t->added[i] == id) return true;
  }
  return false;
}

ig_status ig_tokenizer_pad(ig_tokenizer *t, int32_t n_tokens) {
  if (n_tokens <= t->n_tokens) return IG_OK;
  size_t *offsets = ig_alloc_zero((size_t)n_tokens + 1, sizeof *offsets);
  IG_CHECK(offsets, IG_ERR_MEMORY, "tokenizer: out of memory");
  memcpy(offsets, t->offsets, ((size_t)t->n_tokens + 1) * sizeof *offsets);
  for (int32_t id = t->n_tokens; id < n_tokens; id++) offsets[id + 1] = offsets[id];
  ig_free(t->offsets);
  t->offsets = offsets;
  t->n_tokens = n_tokens;
  t->padded = true;
  return IG_OK;
}
