/* Tokenizers: bytes, characters, and byte-level byte-pair encoding (Sennrich, Haddow, Birch, ACL
 * 2016; on bytes: Radford et al. 2019), trained here or read from other programs' files; and BERT's
 * word pieces. Encoding and decoding are exact inverses for any bytes (characters: for any text of the
 * vocabulary), but for word pieces and where a tokenizer.json asks for a normal form or a first blank. A tokenizer
 * is constant once made and may be used by several threads at once. */
#ifndef IG_FORMATS_TOKENIZER_H
#define IG_FORMATS_TOKENIZER_H

#include "engine/ingot.h"

typedef struct ig_tokenizer ig_tokenizer;

typedef enum ig_tokenizer_kind {
  IG_TOKENIZER_BYTES,      /* a token is a byte; 256 of them */
  IG_TOKENIZER_CHARACTERS, /* a token is a Unicode character of the text it was made from, sorted */
  IG_TOKENIZER_BPE,        /* a token is a string of bytes */
  IG_TOKENIZER_WORDPIECE   /* a token is a word or, after "##", a later part of one (BERT) */
} ig_tokenizer_kind;

/* Vocabularies and tokens beyond these are refused. */
#define IG_TOKENIZER_MOST_TOKENS (1 << 20)
#define IG_TOKENIZER_MOST_TOKEN_BYTES 4096

ig_status ig_tokenizer_bytes(ig_tokenizer **out);
/* The distinct characters of a UTF-8 text. Fails with the place of what is not UTF-8. */
ig_status ig_tokenizer_characters(const char *text, size_t length, ig_tokenizer **out);
/* Merges the most frequent pair of neighbouring tokens within GPT-2's pieces (pretokenize.h) again
 * and again, until there are `vocabulary` tokens or no pair occurs twice. Equal counts go to the pair
 * with the smaller ids. Ids 0 to 255 are the bytes in GPT-2's order. */
ig_status ig_tokenizer_train(const char *text, size_t length, int64_t vocabulary,
                             ig_tokenizer **out);
/* GPT-2's vocab.json (token to id) and merges.txt (a pair a line, best first). Tokens that no merge
 * makes, such as <|endoftext|>, are decoded but never encoded. */
ig_status ig_tokenizer_read_gpt2(const char *vocab_path, const char *merges_path,
                                 ig_tokenizer **out);
void ig_tokenizer_destroy(ig_tokenizer *tokenizer); /* NULL is allowed */

ig_tokenizer_kind ig_tokenizer_kind_of(const ig_tokenizer *tokenizer);
int64_t ig_tokenizer_vocabulary(const ig_tokenizer *tokenizer);
/* The bytes of one token; NULL for an id outside the vocabulary. Not NUL-terminated. */
const char *ig_tokenizer_token(const ig_tokenizer *tokenizer, int64_t id, size_t *length);

/* The ids of a text; *ids is released with ig_free. Only a character tokenizer can fail on content:
 * the message has the character and its place. */
ig_status ig_tokenizer_encode(const ig_tokenizer *tokenizer, const char *text, size_t length,
                              int32_t **ids, int64_t *count);
/* The text of some ids, NUL-terminated; *text is released with ig_free. */
ig_status ig_tokenizer_decode(const ig_tokenizer *tokenizer, const int32_t *ids, int64_t count,
                              char **text, size_t *length);

/* As one line of JSON, for checkpoints; *text is released with ig_free. Reading it back gives an equal
 * tokenizer; malformed text is IG_ERR_INPUT. */
ig_status ig_tokenizer_to_json(const ig_tokenizer *tokenizer, char **text);
ig_status ig_tokenizer_from_json(const char *text, size_t length, ig_tokenizer **out);

#endif
