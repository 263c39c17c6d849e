/* UTF-8 and the three character classes that GPT-2's pre-tokenisation needs. */
#ifndef IG_FORMATS_UNICODE_H
#define IG_FORMATS_UNICODE_H

#include "engine/ingot.h"

typedef struct ig_unicode_range {
  uint32_t first, last;
} ig_unicode_range;

extern const ig_unicode_range ig_unicode_letters[], ig_unicode_numbers[];
extern const int ig_unicode_letters_count, ig_unicode_numbers_count;

#define IG_UTF8_INVALID UINT32_MAX

/* Decodes the code point at text[0 .. length), length >= 1, and returns its bytes. What is not valid
 * UTF-8 (RFC 3629: overlong, surrogate, beyond U+10FFFF, cut off) is one byte, IG_UTF8_INVALID. */
int ig_utf8_decode(const char *text, size_t length, uint32_t *point);
/* Writes at most 4 bytes and returns their number. */
int ig_utf8_encode(uint32_t point, char out[4]);

bool ig_unicode_is_letter(uint32_t point); /* general category L* */
bool ig_unicode_is_number(uint32_t point); /* general category N* */
bool ig_unicode_is_space(uint32_t point);  /* property White_Space */

#endif
