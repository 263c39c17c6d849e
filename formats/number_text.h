/* Numbers as text, where millions of them are read and written: the common cases at a few nanoseconds each, and
 * bit for bit what strtod and printf give. */
#ifndef IG_FORMATS_NUMBER_TEXT_H
#define IG_FORMATS_NUMBER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The decimal number (sign, digits, point, exponent) that `text` begins with: its length, and *value, exactly
 * rounded; *whole where it has neither point nor exponent. 0 where there is none, or one that takes more work
 * than this (many digits, a large exponent), for strtod. */
size_t ig_number_read(const char *text, size_t length, double *value, bool *whole);

#define IG_NUMBER_BYTES 32
/* As printf's "%.9g" writes a float, and "%d" an integer. Return the length; no NUL is written. */
size_t ig_number_write_float(float value, char text[IG_NUMBER_BYTES]);
size_t ig_number_write_int(int64_t value, char text[IG_NUMBER_BYTES]);

#endif
