/* Training of byte-pair encoding. Distinct pieces are kept once with their count, pairs with the
 * pieces they occur in, and a heap orders pairs by count; a merge then touches only the pieces that
 * hold its pair. Heap entries may be older than the counts: what is popped with an old count goes
 * back with the new one, so that the most frequent pair always comes first. */
#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"
#include "formats/pretokenize.h"
#include "formats/tokenizer_bpe.h"

#define CHECK_MEMORY(condition) IG_CHECK(condition, IG_ERR_MEMORY, "tokenizer: out of memory")

typedef struct word {
  size_t start; /* of its ids in trainer.ids */
  int32_t length;
  const char *piece; /* as it was, for counting */
  int32_t piece_bytes;
  int64_t count;
} word;

typedef struct pair {
  int32_t left, right;
  int64_t count;
  int32_t *words; /* where it occurs or once occurred */
  int64_t n_words, capacity;
} pair;

typedef struct entry {
  int64_t count;
  int32_t left, right;
  int64_t pair;
} entry;

typedef struct trainer {
  word *words;
  int64_t n_words, word_capacity;
  int32_t *ids;
  size_t n_ids;
  int64_t ids_capacity;
  int64_t *slots; /* open addressing over words, then over pairs: index + 1 */
  size_t mask;
  pair *pairs;
  int64_t n_pairs, pair_capacity;
  entry *heap;
  int64_t heap_count, heap_capacity;
  char *bytes;
  int64_t bytes_capacity;
  size_t *offsets;
  int32_t n_tokens;
  ig_merge *merges;
  int64_t merge_capacity;
  int32_t n_merges;
} trainer;

/* --- hashing --------------------------------------------------------------------------------- */

static ig_status slots_create(trainer *t, size_t slots) {
  ig_free(t->slots);
  t->slots = ig_alloc_zero(slots, sizeof *t->slots);
  t->mask = slots - 1;
  CHECK_MEMORY(t->slots);
  return IG_OK;
}

static size_t piece_hash(const char *piece, size_t length) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)piece[i]) * 0x100000001b3u;
  return (size_t)(hash ^ hash >> 32);
}

static size_t pair_hash(int32_t left, int32_t right) {
  uint64_t key = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
  return (size_t)(key >> 32);
}

static int64_t *word_slot(const trainer *t, const char *piece, size_t length) {
  size_t slot = piece_hash(piece, length) & t->mask;
  for (; t->slots[slot]; slot = (slot + 1) & t->mask) {
    const word *w = &t->words[t->slots[slot] - 1];
    if ((size_t)w->piece_bytes == length && memcmp(w->piece, piece, length) == 0) break;
  }
  return &t->slots[slot];
}

static int64_t *pair_slot(const trainer *t, int32_t left, int32_t right) {
  size_t slot = pair_hash(left, right) & t->mask;
  for (; t->slots[slot]; slot = (slot + 1) & t->mask) {
    const pair *p = &t->pairs[t->slots[slot] - 1];
    if (p->left == left && p->right == right) break;
  }
  return &t->slots[slot];
}

/* --- words ----------------------------------------------------------------------------------- */

static ig_status words_rehash(trainer *t) {
  IG_TRY(slots_create(t, 2 * (t->mask + 1)));
  for (int64_t i = 0; i < t->n_words; i++) {
    *word_slot(t, t->words[i].piece, (size_t)t->words[i].piece_bytes) = i + 1;
  }
  return IG_OK;
}

static ig_status count_piece(trainer *t, const char *piece, size_t length,
                             const int32_t *byte_ids) {
  IG_CHECK(length <= INT32_MAX / 4 && t->n_words < INT32_MAX, IG_ERR_INPUT,
           "tokenizer: a word of %zu bytes is too long", length);
  if (2 * (size_t)(t->n_words + 1) > t->mask) IG_TRY(words_rehash(t));
  int64_t *slot = word_slot(t, piece, length);
  if (*slot) {
    t->words[*slot - 1].count++;
    return IG_OK;
  }
  CHECK_MEMORY(
      ig_grow((void **)&t->words, &t->word_capacity, t->n_words + 1, sizeof *t->words) &&
      ig_grow((void **)&t->ids, &t->ids_capacity, (int64_t)(t->n_ids + length), sizeof *t->ids));
  t->words[t->n_words] = (word){.start = t->n_ids,
                                .length = (int32_t)length,
                                .piece = piece,
                                .piece_bytes = (int32_t)length,
                                .count = 1};
  for (size_t i = 0; i < length; i++) t->ids[t->n_ids++] = byte_ids[(unsigned char)piece[i]];
  *slot = ++t->n_words;
  return IG_OK;
}

/* --- pairs ----------------------------------------------------------------------------------- */

static bool before(const entry *a, const entry *b) {
  if (a->count != b->count) return a->count > b->count;
  return a->left != b->left ? a->left < b->left : a->right < b->right;
}

static ig_status heap_push(trainer *t, int64_t index) {
  CHECK_MEMORY(ig_grow((void **)&t->heap, &t->heap_capacity, t->heap_count + 1, sizeof *t->heap));
  const pair *p = &t->pairs[index];
  entry e = {p->count, p->left, p->right, index};
  int64_t i = t->heap_count++;
  for (; i > 0 && before(&e, &t->heap[(i - 1) / 2]); i = (i - 1) / 2) {
    t->heap[i] = t->heap[(i - 1) / 2];
  }
  t->heap[i] = e;
  return IG_OK;
}

static entry heap_pop(trainer *t) {
  entry top = t->heap[0], moved = t->heap[--t->heap_count];
  int64_t i = 0;
  for (int64_t child; (child = 2 * i + 1) < t->heap_count; i = child) {
    if (child + 1 < t->heap_count && before(&t->heap[child + 1], &t->heap[child])) child++;
    if (!before(&t->heap[child], &moved)) break;
    t->heap[i] = t->heap[child];
  }
  t->heap[i] = moved;
  return top;
}

static ig_status pairs_rehash(trainer *t) {
  IG_TRY(slots_create(t, 2 * (t->mask + 1)));
  for (int64_t i = 0; i < t->n_pairs; i++) {
    *pair_slot(t, t->pairs[i].left, t->pairs[i].right) = i + 1;
  }
  return IG_OK;
}

static ig_status add_pair(trainer *t, int32_t left, int32_t right, int32_t in_word, bool listed) {
  if (2 * (size_t)(t->n_pairs + 1) > t->mask) IG_TRY(pairs_rehash(t));
  int64_t *slot = pair_slot(t, left, right);
  if (!*slot) {
    CHECK_MEMORY(ig_grow((void **)&t->pairs, &t->pair_capacity, t->n_pairs + 1, sizeof *t->pairs));
    t->pairs[t->n_pairs] = (pair){.left = left, .right = right};
    *slot = ++t->n_pairs;
  }
  pair *p = &t->pairs[*slot - 1];
  p->count += t->words[in_word].count;
  if (listed || (p->n_words > 0 && p->words[p->n_words - 1] == in_word)) return IG_OK;
  CHECK_MEMORY(ig_grow((void **)&p->words, &p->capacity, p->n_words + 1, sizeof *p->words));
  p->words[p->n_words++] = in_word;
  return IG_OK;
}

static ig_status count_pairs(trainer *t) {
  IG_TRY(slots_create(t, 1 << 14));
  for (int64_t w = 0; w < t->n_words; w++) {
    const int32_t *ids = t->ids + t->words[w].start;
    for (int32_t i = 0; i + 1 < t->words[w].length; i++) {
      IG_TRY(add_pair(t, ids[i], ids[i + 1], (int32_t)w, false));
    }
  }
  for (int64_t i = 0; i < t->n_pairs; i++) IG_TRY(heap_push(t, i));
  return IG_OK;
}

/* --- merging --------------------------------------------------------------------------------- */

/* Replaces the pair within one word, left to right. All pairs of the word are taken off the counts
 * and those it then has are put back; only pairs with the new token need to be listed. */
static ig_status merge_in_word(trainer *t, int32_t index, const ig_merge *m) {
  word *w = &t->words[index];
  int32_t *ids = t->ids + w->start, n = 0;
  bool found = false;
  for (int32_t i = 0; i + 1 < w->length && !found; i++) {
    found = ids[i] == m->left && ids[i + 1] == m->right;
  }
  if (!found) return IG_OK;
  for (int32_t i = 0; i + 1 < w->length; i++) {
    t->pairs[*pair_slot(t, ids[i], ids[i + 1]) - 1].count -= w->count;
  }
  for (int32_t i = 0; i < w->length; i++) {
    bool here = i + 1 < w->length && ids[i] == m->left && ids[i + 1] == m->right;
    ids[n++] = here ? m->result : ids[i];
    i += here;
  }
  w->length = n;
  for (int32_t i = 0; i + 1 < n; i++) {
    bool listed = ids[i] != m->result && ids[i + 1] != m->result;
    IG_TRY(add_pair(t, ids[i], ids[i + 1], index, listed));
  }
  return IG_OK;
}

static size_t token_bytes(const trainer *t, int32_t id) {
  return t->offsets[id + 1] - t->offsets[id];
}

static ig_status add_token(trainer *t, int32_t left, int32_t right) {
  size_t a = token_bytes(t, left), b = token_bytes(t, right), end = t->offsets[t->n_tokens];
  CHECK_MEMORY(
      ig_grow((void **)&t->bytes, &t->bytes_capacity, (int64_t)(end + a + b), 1) &&
      ig_grow((void **)&t->merges, &t->merge_capacity, t->n_merges + 1, sizeof *t->merges));
  memcpy(t->bytes + end, t->bytes + t->offsets[left], a);
  memcpy(t->bytes + end + a, t->bytes + t->offsets[right], b);
  t->merges[t->n_merges++] = (ig_merge){left, right, t->n_tokens};
  t->offsets[++t->n_tokens] = end + a + b;
  return IG_OK;
}

static ig_status merge_pair(trainer *t, int64_t index) {
  IG_TRY(add_token(t, t->pairs[index].left, t->pairs[index].right));
  ig_merge merge = t->merges[t->n_merges - 1];
  int64_t first_new = t->n_pairs;
  /* The list may move while pairs are added, but it does not grow: the pair is not made again. */
  int64_t n = t->pairs[index].n_words;
  for (int64_t i = 0; i < n; i++) IG_TRY(merge_in_word(t, t->pairs[index].words[i], &merge));
  for (int64_t i = first_new; i < t->n_pairs; i++) IG_TRY(heap_push(t, i));
  return IG_OK;
}

static ig_status merge_all(trainer *t, int64_t vocabulary) {
  while (t->n_tokens < vocabulary && t->heap_count > 0) {
    entry top = heap_pop(t);
    const pair *p = &t->pairs[top.pair];
    if (p->count < 2) continue;
    if (top.count != p->count) {
      IG_TRY(heap_push(t, top.pair));
      continue;
    }
    if (token_bytes(t, p->left) + token_bytes(t, p->right) > IG_TOKENIZER_MOST_TOKEN_BYTES)
      continue;
    IG_TRY(merge_pair(t, top.pair));
  }
  return IG_OK;
}

static ig_status train(trainer *t, const char *text, size_t length, int64_t vocabulary) {
  unsigned char order[256];
  int32_t byte_ids[256];
  ig_gpt2_order(order);
  t->offsets = ig_alloc_zero((size_t)vocabulary + 1, sizeof *t->offsets);
  CHECK_MEMORY(t->offsets && ig_grow((void **)&t->bytes, &t->bytes_capacity, 256, 1));
  for (int32_t id = 0; id < 256; id++) {
    byte_ids[order[id]] = id;
    t->bytes[id] = (char)order[id];
    t->offsets[++t->n_tokens] = (size_t)id + 1;
  }
  IG_TRY(slots_create(t, 1 << 14));
  for (size_t at = 0, bytes; at < length; at += bytes) {
    bytes = ig_pretokenize(text + at, length - at);
    IG_TRY(count_piece(t, text + at, bytes, byte_ids));
  }
  IG_TRY(count_pairs(t));
  return merge_all(t, vocabulary);
}

ig_status ig_tokenizer_train(const char *text, size_t length, int64_t vocabulary,
                             ig_tokenizer **out) {
  IG_CHECK(vocabulary >= 256 && vocabulary <= IG_TOKENIZER_MOST_TOKENS, IG_ERR_USAGE,
           "a vocabulary of %lld tokens, expected 256 to %d", (long long)vocabulary,
           IG_TOKENIZER_MOST_TOKENS);
  trainer t = {0};
  ig_status status = train(&t, text, length, vocabulary);
  for (int64_t i = 0; i < t.n_pairs; i++) ig_free(t.pairs[i].words);
  ig_free(t.pairs);
  ig_free(t.words);
  ig_free(t.ids);
  ig_free(t.slots);
  ig_free(t.heap);
  if (status != IG_OK) {
    ig_free(t.bytes);
    ig_free(t.offsets);
    ig_free(t.merges);
    return status;
  }
  return ig_bpe_create(t.bytes, t.offsets, t.n_tokens, t.merges, t.n_merges, out);
}
