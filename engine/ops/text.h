/* What the operators on texts share. They are interpreted: plans have no memory for texts. */
#ifndef IG_OPS_TEXT_H
#define IG_OPS_TEXT_H

#include "engine/ops/op.h"

/* Texts being made: a table of `n`, and their bytes. */
typedef struct ig_texts {
  int64_t n;
  ig_string *at;
  ig_arena *arena;
} ig_texts;

ig_status ig_texts_begin(int64_t n, ig_texts *out);
void ig_texts_end(ig_texts *texts);
/* Text i becomes a copy of `size` bytes. */
ig_status ig_texts_put(ig_texts *texts, int64_t i, const char *bytes, size_t size);
/* Texts of a tensor. */
static inline const ig_string *ig_texts_of(const ig_datum *datum) { return datum->data; }
/* Fails unless input `i` is a tensor of texts. */
ig_status ig_texts_check(ig_datum *const *in, int i);
bool ig_texts_equal(const ig_string *a, const ig_string *b);
/* An attribute's text. */
ig_string ig_text_of(const char *text);

/* From words to places: a table over keys that others own, each of 8 bytes or a text. */
typedef struct ig_key {
  bool is_text;
  ig_string text;
  uint64_t bits;
} ig_key;

/* Element i of an array: a text, an integer, or a float, of which all NaNs and both zeros are one. */
ig_key ig_key_at(ig_dtype dtype, const void *data, int64_t i);

typedef struct ig_key_table {
  int64_t n, slots;
  ig_key *keys;
  int64_t *table; /* 1 + index into keys */
} ig_key_table;

/* Keys of an array; of equal ones the last counts. */
ig_status ig_key_table_create(ig_dtype dtype, const void *data, int64_t n, ig_key_table *out);
void ig_key_table_free(ig_key_table *table);
/* Index of the key, or -1. */
int64_t ig_key_table_find(const ig_key_table *table, const ig_key *key);

/* The attribute's texts as an array like a tensor's, in the arena. */
ig_status ig_texts_from_attr(const ig_strings *strings, ig_arena *arena, const ig_string **out);

#endif
