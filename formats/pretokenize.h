/* GPT-2's cut of a text into pieces, within which bytes may be merged to tokens. */
#ifndef IG_FORMATS_PRETOKENIZE_H
#define IG_FORMATS_PRETOKENIZE_H

#include "engine/ingot.h"

/* Bytes of the first piece of text[0 .. length), length >= 1, as the regular expression
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * matches it (Radford et al. 2019, the released encoder). Bytes that are not UTF-8 belong to the
 * class of punctuation. */
size_t ig_pretokenize(const char *text, size_t length);

#endif
