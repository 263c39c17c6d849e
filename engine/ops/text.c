/* See text.h. */
#include "engine/ops/text.h"

#include <math.h>
#include <string.h>

#include "engine/base/memory.h"

ig_status ig_texts_begin(int64_t n, ig_texts *out) {
  *out = (ig_texts){.n = n};
  out->at = ig_alloc_zero((size_t)n + 1, sizeof *out->at);
  out->arena = ig_arena_create();
  if (out->at && out->arena) return IG_OK;
  ig_texts_end(out);
  return ig_fail(IG_ERR_MEMORY, "out of memory: %lld texts", (long long)n);
}

void ig_texts_end(ig_texts *texts) {
  ig_free(texts->at);
  ig_arena_destroy(texts->arena);
  *texts = (ig_texts){0};
}

ig_status ig_texts_put(ig_texts *texts, int64_t i, const char *bytes, size_t size) {
  char *copy = ig_arena_copy(texts->arena, bytes, size);
  IG_CHECK_ALLOC(copy);
  texts->at[i] = (ig_string){copy, size};
  return IG_OK;
}

ig_status ig_texts_check(ig_datum *const *in, int i) {
  IG_CHECK(in[i] && in[i]->kind == IG_DATUM_TENSOR && in[i]->dtype == IG_STRING, IG_ERR_SHAPE,
           "input %d must be a tensor of texts", i);
  return IG_OK;
}

bool ig_texts_equal(const ig_string *a, const ig_string *b) {
  return a->size == b->size && (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}

ig_string ig_text_of(const char *text) {
  return (ig_string){text ? text : "", text ? strlen(text) : 0};
}

ig_status ig_texts_from_attr(const ig_strings *strings, ig_arena *arena, const ig_string **out) {
  ig_string *texts = ig_arena_alloc(arena, ((size_t)strings->n + 1) * sizeof *texts);
  IG_CHECK_ALLOC(texts);
  for (int i = 0; i < strings->n; i++) texts[i] = ig_text_of(strings->v[i]);
  *out = texts;
  return IG_OK;
}

/* --- keys ------------------------------------------------------------------------------------ */

ig_key ig_key_at(ig_dtype dtype, const void *data, int64_t i) {
  if (dtype == IG_STRING) return (ig_key){.is_text = true, .text = ((const ig_string *)data)[i]};
  ig_key key = {0};
  if (!ig_dtype_is_float(dtype)) {
    int64_t value;
    ig_convert(dtype, (const char *)data + (size_t)i * ig_dtype_size(dtype), IG_I64, &value, 1);
    key.bits = (uint64_t)value;
    return key;
  }
  double value = ig_load_f64(dtype, data, i);
  if (isnan(value)) value = (double)NAN;
  if (value == 0) value = 0; /* of either sign */
  memcpy(&key.bits, &value, sizeof value);
  return key;
}

static uint64_t hash(const ig_key *key) {
  uint64_t h = 0xcbf29ce484222325u;
  const unsigned char *bytes =
      key->is_text ? (const unsigned char *)key->text.bytes : (const unsigned char *)&key->bits;
  size_t size = key->is_text ? key->text.size : sizeof key->bits;
  for (size_t i = 0; i < size; i++) h = (h ^ bytes[i]) * 0x100000001b3u;
  return h ^ h >> 32;
}

static bool same(const ig_key *a, const ig_key *b) {
  if (a->is_text != b->is_text) return false;
  return a->is_text ? ig_texts_equal(&a->text, &b->text) : a->bits == b->bits;
}

static int64_t *slot_of(const ig_key_table *table, const ig_key *key) {
  for (uint64_t h = hash(key);; h++) {
    int64_t *slot = &table->table[h & (uint64_t)(table->slots - 1)];
    if (*slot == 0 || same(&table->keys[*slot - 1], key)) return slot;
  }
}

ig_status ig_key_table_create(ig_dtype dtype, const void *data, int64_t n, ig_key_table *out) {
  *out = (ig_key_table){.n = n, .slots = 16};
  while (out->slots < 2 * n) out->slots *= 2;
  out->keys = ig_alloc_zero((size_t)n + 1, sizeof *out->keys);
  out->table = ig_alloc_zero((size_t)out->slots, sizeof *out->table);
  if (!out->keys || !out->table) {
    ig_key_table_free(out);
    return ig_fail(IG_ERR_MEMORY, "out of memory: a table of %lld keys", (long long)n);
  }
  for (int64_t i = 0; i < n; i++) {
    out->keys[i] = ig_key_at(dtype, data, i);
    *slot_of(out, &out->keys[i]) = i + 1;
  }
  return IG_OK;
}

void ig_key_table_free(ig_key_table *table) {
  ig_free(table->keys);
  ig_free(table->table);
  *table = (ig_key_table){0};
}

int64_t ig_key_table_find(const ig_key_table *table, const ig_key *key) {
  return *slot_of(table, key) - 1;
}
