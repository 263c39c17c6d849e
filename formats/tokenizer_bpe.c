/* Byte-pair encoding. Within a piece the merge of lowest rank is done first, the leftmost of equals,
 * by a heap over a linked list: O(n log n), so a piece of a megabyte is no attack. Pieces repeat in
 * any text, so each distinct one is merged once and then copied. */
#include "formats/tokenizer_bpe.h"

#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"
#include "formats/pretokenize.h"
#include "formats/unicode.h"

#define OUT_OF_MEMORY IG_ERR_MEMORY, "tokenizer: out of memory"
#define CHECK_MEMORY(condition) IG_CHECK(condition, IG_ERR_MEMORY, "tokenizer: out of memory")

/* --- GPT-2's alphabet ------------------------------------------------------------------------ */

static bool prints_as_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) ||
         (byte >= 0xae && byte <= 0xff);
}

void ig_gpt2_order(unsigned char order[256]) {
  int n = 0;
  for (int byte = 0; byte < 256; byte++) {
    if (prints_as_itself(byte)) order[n++] = (unsigned char)byte;
  }
  for (int byte = 0; byte < 256; byte++) {
    if (!prints_as_itself(byte)) order[n++] = (unsigned char)byte;
  }
}

int ig_gpt2_byte(uint32_t point) {
  if (point < 0x100) return prints_as_itself((int)point) ? (int)point : -1;
  for (int byte = 0, next = 0x100; byte < 256; byte++) {
    if (prints_as_itself(byte)) continue;
    if (point == (uint32_t)next++) return byte;
  }
  return -1;
}

uint32_t ig_gpt2_point(unsigned char byte) {
  if (prints_as_itself(byte)) return byte;
  uint32_t point = 0x100;
  for (int b = 0; b < byte; b++) point += !prints_as_itself(b);
  return point;
}

/* --- the table of merges --------------------------------------------------------------------- */

static size_t pair_hash(int32_t left, int32_t right) {
  uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
  key *= 0x9e3779b97f4a7c15u; /* Fibonacci hashing */
  return (size_t)(key >> 32);
}

int32_t ig_bpe_rank(const ig_tokenizer *t, int32_t left, int32_t right) {
  size_t slot = pair_hash(left, right) & t->table_mask;
  for (; t->table[slot]; slot = (slot + 1) & t->table_mask) {
    const ig_merge *merge = &t->merges[t->table[slot] - 1];
    if (merge->left == left && merge->right == right) return t->table[slot] - 1;
  }
  return -1;
}

static ig_status index_merges(ig_tokenizer *t) {
  size_t slots = 64;
  while (slots < 2 * (size_t)t->n_merges) slots *= 2;
  t->table = ig_alloc_zero(slots, sizeof *t->table);
  CHECK_MEMORY(t->table);
  t->table_mask = slots - 1;
  for (int32_t rank = 0; rank < t->n_merges; rank++) {
    const ig_merge *merge = &t->merges[rank];
    IG_CHECK(ig_bpe_rank(t, merge->left, merge->right) < 0, IG_ERR_INPUT,
             "tokenizer: merge %d repeats an earlier one", (int)rank);
    size_t slot = pair_hash(merge->left, merge->right) & t->table_mask;
    while (t->table[slot]) slot = (slot + 1) & t->table_mask;
    t->table[slot] = rank + 1;
  }
  return IG_OK;
}

static ig_status check_merge(const ig_tokenizer *t, int32_t rank) {
  const ig_merge *m = &t->merges[rank];
  size_t a, b, c;
  const char *left = ig_tokenizer_token(t, m->left, &a);
  const char *right = ig_tokenizer_token(t, m->right, &b);
  const char *result = ig_tokenizer_token(t, m->result, &c);
  IG_CHECK(left && right && result && a + b == c && memcmp(result, left, a) == 0 &&
               memcmp(result + a, right, b) == 0,
           IG_ERR_INPUT, "tokenizer: merge %d does not make its result from its parts", (int)rank);
  return IG_OK;
}

static ig_status index_bytes(ig_tokenizer *t) {
  for (int byte = 0; byte < 256; byte++) t->byte_ids[byte] = -1;
  for (int32_t id = t->n_tokens - 1; id >= 0; id--) {
    size_t length;
    const char *token = ig_tokenizer_token(t, id, &length);
    if (length == 1) t->byte_ids[(unsigned char)*token] = id;
  }
  for (int byte = 0; byte < 256; byte++) {
    IG_CHECK(t->byte_ids[byte] >= 0, IG_ERR_INPUT, "tokenizer: no token for the byte 0x%02x", byte);
  }
  return IG_OK;
}

ig_status ig_bpe_create(char *bytes, size_t *offsets, int32_t n_tokens, ig_merge *merges,
                        int32_t n_merges, ig_tokenizer **out) {
  ig_tokenizer *t = ig_alloc_zero(1, sizeof *t);
  if (!t) {
    ig_free(bytes);
    ig_free(offsets);
    ig_free(merges);
    return ig_fail(OUT_OF_MEMORY);
  }
  t->kind = IG_TOKENIZER_BPE;
  t->bytes = bytes;
  t->offsets = offsets;
  t->n_tokens = n_tokens;
  t->merges = merges;
  t->n_merges = n_merges;
  ig_status status = index_bytes(t);
  for (int32_t i = 0; i < n_merges && status == IG_OK; i++) status = check_merge(t, i);
  if (status == IG_OK) status = index_merges(t);
  if (status != IG_OK) {
    ig_tokenizer_destroy(t);
    return status;
  }
  *out = t;
  return IG_OK;
}

/* --- merging one piece ----------------------------------------------------------------------- */

typedef struct symbol {
  int32_t id;
  int32_t previous, next; /* -1 at the ends */
} symbol;

/* A merge that was possible when it was found; stale when its symbols have changed since. */
typedef struct candidate {
  int32_t rank, at; /* `at` is the left symbol */
} candidate;

typedef struct merger {
  const ig_tokenizer *tokenizer;
  symbol *symbols;
  candidate *heap;
  int64_t symbol_capacity, heap_capacity, heap_count;
} merger;

static bool before(candidate a, candidate b) {
  return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

static void heap_push(merger *m, candidate c) {
  int64_t i = m->heap_count++;
  for (; i > 0 && before(c, m->heap[(i - 1) / 2]); i = (i - 1) / 2) {
    m->heap[i] = m->heap[(i - 1) / 2];
  }
  m->heap[i] = c;
}

static candidate heap_pop(merger *m) {
  candidate top = m->heap[0], moved = m->heap[--m->heap_count];
  int64_t i = 0;
  for (int64_t child; (child = 2 * i + 1) < m->heap_count; i = child) {
    if (child + 1 < m->heap_count && before(m->heap[child + 1], m->heap[child])) child++;
    if (!before(m->heap[child], moved)) break;
    m->heap[i] = m->heap[child];
  }
  m->heap[i] = moved;
  return top;
}

static void offer(merger *m, int32_t at) {
  if (at < 0 || m->symbols[at].next < 0) return;
  int32_t rank = ig_bpe_rank(m->tokenizer, m->symbols[at].id, m->symbols[m->symbols[at].next].id);
  if (rank >= 0) heap_push(m, (candidate){rank, at});
}

static void apply(merger *m, candidate c) {
  symbol *left = &m->symbols[c.at];
  if (left->id < 0 || left->next < 0) return;
  const ig_merge *merge = &m->tokenizer->merges[c.rank];
  symbol *right = &m->symbols[left->next];
  if (left->id != merge->left || right->id != merge->right) return;
  left->id = merge->result;
  left->next = right->next;
  right->id = -1;
  if (left->next >= 0) m->symbols[left->next].previous = c.at;
  offer(m, left->previous);
  offer(m, c.at);
}

/* Leaves the piece's tokens linked from symbol 0. Each of the n - 1 first pairs and each merge adds at
 * most two candidates, so 3 n of them are room enough. */
static ig_status merge_piece(merger *m, const char *piece, size_t length) {
  IG_CHECK(length < INT32_MAX / 4, IG_ERR_INPUT, "tokenizer: a word of %zu bytes is too long",
           length);
  int32_t n = (int32_t)length;
  CHECK_MEMORY(ig_grow((void **)&m->symbols, &m->symbol_capacity, n, sizeof *m->symbols) &&
               ig_grow((void **)&m->heap, &m->heap_capacity, 3 * (int64_t)n, sizeof *m->heap));
  for (int32_t i = 0; i < n; i++) {
    m->symbols[i] = (symbol){.id = m->tokenizer->byte_ids[(unsigned char)piece[i]],
                             .previous = i - 1,
                             .next = i + 1 < n ? i + 1 : -1};
  }
  m->heap_count = 0;
  for (int32_t i = 0; i < n; i++) offer(m, i);
  while (m->heap_count > 0) apply(m, heap_pop(m));
  return IG_OK;
}

/* --- a whole text ---------------------------------------------------------------------------- */

/* A piece seen before, and where its ids stand in the output. */
typedef struct seen {
  const char *piece;
  size_t length;
  int64_t first, count;
} seen;

typedef struct encoding {
  merger merger;
  int32_t *ids;
  int64_t count, capacity;
  seen *table; /* open addressing; piece NULL is free */
  int64_t slots, used;
  ig_arena *arena; /* for texts that had to be changed; NULL while there are none */
} encoding;

static uint64_t bytes_hash(const char *bytes, size_t length) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
  return hash ^ hash >> 32;
}

static seen *lookup(const encoding *e, const char *piece, size_t length) {
  size_t mask = (size_t)e->slots - 1, slot = (size_t)bytes_hash(piece, length) & mask;
  while (e->table[slot].piece &&
         (e->table[slot].length != length || memcmp(e->table[slot].piece, piece, length) != 0)) {
    slot = (slot + 1) & mask;
  }
  return &e->table[slot];
}

static ig_status grow_table(encoding *e) {
  if (2 * (e->used + 1) <= e->slots) return IG_OK;
  seen *old = e->table;
  int64_t old_slots = e->slots;
  e->slots = old_slots ? 2 * old_slots : 1024;
  e->table = ig_alloc_zero((size_t)e->slots, sizeof *e->table);
  if (e->table) {
    for (int64_t i = 0; i < old_slots; i++) {
      if (old[i].piece) *lookup(e, old[i].piece, old[i].length) = old[i];
    }
  }
  ig_free(old);
  CHECK_MEMORY(e->table);
  return IG_OK;
}

static ig_status encode_piece(encoding *e, const char *piece, size_t length) {
  IG_TRY(grow_table(e));
  CHECK_MEMORY(ig_grow((void **)&e->ids, &e->capacity, e->count + (int64_t)length, sizeof *e->ids));
  seen *entry = lookup(e, piece, length);
  if (entry->piece) {
    memcpy(e->ids + e->count, e->ids + entry->first, (size_t)entry->count * sizeof *e->ids);
    e->count += entry->count;
    return IG_OK;
  }
  const ig_tokenizer *t = e->merger.tokenizer;
  int64_t first = e->count;
  int32_t whole = t->ignore_merges ? ig_tokenizer_lookup(t, piece, length) : -1;
  if (whole >= 0) {
    e->ids[e->count++] = whole;
  } else {
    IG_TRY(merge_piece(&e->merger, piece, length));
    for (int32_t at = 0; at >= 0; at = e->merger.symbols[at].next) {
      e->ids[e->count++] = e->merger.symbols[at].id;
    }
  }
  *entry = (seen){piece, length, first, e->count - first};
  e->used++;
  return IG_OK;
}

/* What stands between added tokens, brought into the form that the tokenizer wants; *out is the text
 * itself where it has that form, and otherwise in the arena, since pieces are remembered by address. */
static ig_status prepare(encoding *e, const char *text, size_t length, const char **out,
                         size_t *bytes) {
  const ig_tokenizer *t = e->merger.tokenizer;
  bool plain = true, blank = t->prefix_blank && length > 0 && *text != ' ';
  for (size_t i = 0; i < length && plain; i++) plain = (unsigned char)text[i] < 0x80;
  *out = text;
  *bytes = length;
  if ((plain || !t->normal_form) && !blank) return IG_OK;
  if (!e->arena) e->arena = ig_arena_create();
  CHECK_MEMORY(e->arena);
  char *copy;
  if (plain || !t->normal_form) {
    copy = ig_arena_alloc(e->arena, length + 1);
    CHECK_MEMORY(copy);
    memcpy(copy + blank, text, length);
  } else {
    IG_TRY(ig_normal_form(text, length, e->arena, blank, &copy, &length));
  }
  if (blank) *copy = ' ';
  *out = copy;
  *bytes = length + blank;
  return IG_OK;
}

static ig_status encode_between(encoding *e, const char *text, size_t length) {
  IG_TRY(prepare(e, text, length, &text, &length));
  for (size_t at = 0, bytes; at < length; at += bytes) {
    bytes = ig_cut_piece(e->merger.tokenizer->cut, text + at, length - at);
    IG_TRY(encode_piece(e, text + at, bytes));
  }
  return IG_OK;
}

static ig_status encode_all(encoding *e, const char *text, size_t length) {
  const ig_tokenizer *t = e->merger.tokenizer;
  for (size_t at = 0, bytes; at < length; at += bytes) {
    int32_t id;
    size_t next = ig_tokenizer_next_added(t, text, length, at, &id);
    IG_TRY(encode_between(e, text + at, next - at));
    at = next;
    bytes = 0;
    if (id < 0) continue;
    CHECK_MEMORY(ig_grow((void **)&e->ids, &e->capacity, e->count + 1, sizeof *e->ids));
    e->ids[e->count++] = id;
    ig_tokenizer_token(t, id, &bytes);
  }
  return IG_OK;
}

ig_status ig_bpe_encode(const ig_tokenizer *tokenizer, const char *text, size_t length,
                        int32_t **ids, int64_t *count) {
  encoding e = {.merger = {.tokenizer = tokenizer}};
  ig_status status = encode_all(&e, text, length);
  ig_free(e.merger.symbols);
  ig_free(e.merger.heap);
  ig_free(e.table);
  ig_arena_destroy(e.arena);
  if (status == IG_OK && !e.ids) {
    e.ids = ig_alloc(sizeof *e.ids);
    if (!e.ids) status = ig_fail(OUT_OF_MEMORY);
  }
  if (status != IG_OK) {
    ig_free(e.ids);
    return status;
  }
  *ids = e.ids;
  *count = e.count;
  return IG_OK;
}
