/* What the tokenizer's files share: the struct, and byte-pair merging within one piece. */
#ifndef IG_FORMATS_TOKENIZER_BPE_H
#define IG_FORMATS_TOKENIZER_BPE_H

#include "formats/pretokenize.h"
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
  /* Of Hugging Face's files. Tokens found in a text as they are, before all else: */
  int32_t n_added;
  int32_t *added;
  bool added_first[256]; /* whether one begins with that byte */
  /* Byte pairs: how a text is cut, whether what is a token as a whole is not merged, whether a text
   * starts with a blank, whether it is brought into normal form C. */
  ig_cut cut;
  bool ignore_merges, prefix_blank, normal_form;
  bool padded; /* ids that have no token, so that the model may have more than there are */
  /* Tokens by their bytes: id + 1, open addressing; NULL when nothing asks for it. */
  int32_t *lookup;
  size_t lookup_mask;
  /* Word pieces: what is done to a text, the token of what has no pieces, characters of a word at most. */
  bool clean, ideographs, strip_accents, lowercase;
  int32_t unknown;
  int64_t longest_word;
  size_t longest_token; /* bytes */
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

/* For both kinds: takes over `ids` (also when it fails); and makes `lookup`. */
ig_status ig_tokenizer_set_added(ig_tokenizer *tokenizer, int32_t *ids, int32_t count);
ig_status ig_tokenizer_index(ig_tokenizer *tokenizer);
bool ig_tokenizer_is_added(const ig_tokenizer *tokenizer, int32_t id);
/* Gives it `n_tokens` ids, no fewer than it has. */
ig_status ig_tokenizer_pad(ig_tokenizer *tokenizer, int32_t n_tokens);
/* The id of the token of these bytes, or -1. */
int32_t ig_tokenizer_lookup(const ig_tokenizer *tokenizer, const char *bytes, size_t length);
/* Where the first added token from `from` on stands, the longest of those there, and its id; `length` and
 * -1 when there is none. */
size_t ig_tokenizer_next_added(const ig_tokenizer *tokenizer, const char *text, size_t length,
                               size_t from, int32_t *id);

/* Word pieces (tokenizer_wordpiece.c): takes over the arrays as ig_bpe_create does. */
ig_status ig_wordpiece_create(char *bytes, size_t *offsets, int32_t n_tokens, const char *unknown,
                              ig_tokenizer **out);
ig_status ig_wordpiece_encode(const ig_tokenizer *tokenizer, const char *text, size_t length,
                              int32_t **ids, int64_t *count);

#endif
