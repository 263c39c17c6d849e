/* What the tokenizer's files share: the struct, and byte-pair merging within one piece. */
#ifndef IG_FORMATS_TOKENIZER_BPE_H
#define IG_FORMATS_TOKENIZER_BPE_H

#include "formats/tokenizer.h"

/* Two neighbouring tokens that become one. Its place in the list is its rank: lower goes first. */
typedef struct ig_merge {
  int32_t left, right, result;
} ig_merge;

struct ig_tokenizer {
  ig_tokenizer_kind kind;
  int32_t n_tokens;
  char *bytes;           /* of all tokens, one after another */
  size_t *offsets;       /* n_tokens + 1 */
  int32_t byte_ids[256]; /* BPE: the token of a single byte */
  int32_t n_merges;
  ig_merge *merges;
  int32_t *table; /* open addressing: rank + 1 by hash of (left, right); 0 is free */
  size_t table_mask;
  uint32_t *points; /* characters: the sorted code points */
};

/* The byte with which GPT-2 writes the code point in its files, or -1: printable bytes are
 * themselves, the other 68 are U+0100 and up. */
int ig_gpt2_byte(uint32_t point);
uint32_t ig_gpt2_point(unsigned char byte);
/* GPT-2's order of the bytes: byte of id 0 to 255. */
void ig_gpt2_order(unsigned char order[256]);

/* Takes over both arrays (also when it fails): tokens' bytes by id, `offsets` with n_tokens + 1
 * entries; and the merges. Fails unless every byte has a token and each merge's result is its parts
 * joined. */
ig_status ig_bpe_create(char *bytes, size_t *offsets, int32_t n_tokens, ig_merge *merges,
                        int32_t n_merges, ig_tokenizer **out);
/* Rank of the pair, or -1. */
int32_t ig_bpe_rank(const ig_tokenizer *tokenizer, int32_t left, int32_t right);
ig_status ig_bpe_encode(const ig_tokenizer *tokenizer, const char *text, size_t length,
                        int32_t **ids, int64_t *count);

#endif
