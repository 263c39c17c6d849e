/* UTF-8, and what tokenizers need of Unicode: classes of characters, normal forms, lower case. */
#ifndef IG_FORMATS_UNICODE_H
#define IG_FORMATS_UNICODE_H

#include "engine/base/memory.h"
#include "engine/ingot.h"

typedef struct ig_unicode_range {
  uint32_t first, last;
} ig_unicode_range;

/* Points of one canonical combining class. */
typedef struct ig_unicode_class {
  uint32_t first, last, value;
} ig_unicode_class;

/* A canonical decomposition of one step; `second` is 0 where there is one part. */
typedef struct ig_unicode_pair {
  uint32_t point, first, second, composes;
} ig_unicode_pair;

/* Every `step` points from first to last, the lower case is `delta` away. */
typedef struct ig_unicode_shift {
  uint32_t first, last, step;
  int32_t delta;
} ig_unicode_shift;

extern const ig_unicode_range ig_unicode_letters[], ig_unicode_numbers[], ig_unicode_marks[],
    ig_unicode_punctuation[], ig_unicode_others[];
extern const ig_unicode_class ig_unicode_classes[];
extern const ig_unicode_pair ig_unicode_pairs[];
extern const ig_unicode_shift ig_unicode_lower[];
extern const int ig_unicode_letters_count, ig_unicode_numbers_count, ig_unicode_marks_count,
    ig_unicode_punctuation_count, ig_unicode_others_count, ig_unicode_classes_count,
    ig_unicode_pairs_count, ig_unicode_lower_count;

#define IG_UTF8_INVALID UINT32_MAX

/* Decodes the code point at text[0 .. length), length >= 1, and returns its bytes. What is not valid
 * UTF-8 (RFC 3629: overlong, surrogate, beyond U+10FFFF, cut off) is one byte, IG_UTF8_INVALID. */
int ig_utf8_decode(const char *text, size_t length, uint32_t *point);
/* Writes at most 4 bytes and returns their number. */
int ig_utf8_encode(uint32_t point, char out[4]);

bool ig_unicode_is_letter(uint32_t point); /* general category L* */
bool ig_unicode_is_number(uint32_t point); /* general category N* */
bool ig_unicode_is_space(uint32_t point);  /* property White_Space */
bool ig_unicode_is_mark(uint32_t point);   /* category Mn: marks without a width */
bool ig_unicode_is_punctuation(uint32_t point); /* category P* */
bool ig_unicode_is_other(uint32_t point);  /* controls, formats, private use */
uint32_t ig_unicode_to_lower(uint32_t point); /* of one point to one */

/* The canonical decomposition of one point (Unicode 3.7), fully; returns how many, at most 4. */
#define IG_UNICODE_MOST_PARTS 4
int ig_unicode_decompose(uint32_t point, uint32_t out[IG_UNICODE_MOST_PARTS]);
/* The normal form C of a text of points that were decomposed, in place: marks in canonical order, then
 * composed. Returns the new length. With `compose` false, the normal form D. */
int64_t ig_unicode_normalize(uint32_t *points, int64_t count, bool compose);
/* The normal form C of a text, in the arena, behind `gap` bytes of room; what is not UTF-8 stays as it
 * is. *bytes is without the gap. */
ig_status ig_normal_form(const char *text, size_t length, ig_arena *arena, size_t gap, char **out,
                         size_t *bytes);

#endif
