/* What the readers and writers of tokenizers' JSON share. */
#ifndef IG_FORMATS_TOKENIZER_JSON_H
#define IG_FORMATS_TOKENIZER_JSON_H

#include <jansson.h>

#include "formats/tokenizer_bpe.h"

/* The texts of n ids from {"token": id, ...} and the list of added tokens [{"id", "content"}, ...] (NULL
 * for none), `spelled` in GPT-2's alphabet or as they are; ids without a token get none. The caller
 * releases both arrays with ig_free. */
ig_status ig_tokens_read(json_t *vocab, json_t *added, bool spelled, int32_t n, char **bytes,
                         size_t **offsets);
ig_status ig_bpe_read(json_t *vocab, json_t *merges, json_t *added, int32_t n, ig_tokenizer **out);
/* Puts "vocab" and "merges" into an object. */
ig_status ig_bpe_write(const ig_tokenizer *tokenizer, json_t *root);

/* Hugging Face's tokenizer.json. Written for checkpoints with `own`, which keeps the number of ids. */
ig_status ig_tokenizer_from_hf(json_t *root, ig_tokenizer **out);
ig_status ig_tokenizer_to_hf(const ig_tokenizer *tokenizer, bool own, json_t *root);

#endif
