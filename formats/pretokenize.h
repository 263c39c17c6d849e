/* How texts are cut into pieces, within which bytes may be merged to tokens. */
#ifndef IG_FORMATS_PRETOKENIZE_H
#define IG_FORMATS_PRETOKENIZE_H

#include "engine/ingot.h"

/* Bytes of the first piece of text[0 .. length), length >= 1, as the regular expression
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * matches it (Radford et al. 2019, the released encoder). Bytes that are not UTF-8 belong to the
 * class of punctuation. */
size_t ig_pretokenize(const char *text, size_t length);

typedef enum ig_cut {
  IG_CUT_GPT2,   /* as ig_pretokenize */
  IG_CUT_LLAMA3, /* numbers in threes */
  IG_CUT_QWEN2   /* numbers digit by digit */
} ig_cut;

/* The same for the expression of Llama 3 (with {1,3}) and Qwen2 (without):
 *     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|
 *     \s*[\r\n]+|\s+(?!\S)|\s+ */
size_t ig_cut_piece(ig_cut cut, const char *text, size_t length);

#endif
