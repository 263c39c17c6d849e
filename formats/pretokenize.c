/* The regular expression by hand: its alternatives are told apart by the class of the first
 * character, or of the second when the first is a blank. */
#include "formats/pretokenize.h"

#include <string.h>

#include "formats/unicode.h"

typedef enum kind { LETTER, NUMBER, SPACE, OTHER } kind;

static kind class_at(const char *text, size_t length, int *bytes) {
  uint32_t point;
  *bytes = ig_utf8_decode(text, length, &point);
  if (point == IG_UTF8_INVALID) return OTHER;
  if (ig_unicode_is_letter(point)) return LETTER;
  if (ig_unicode_is_number(point)) return NUMBER;
  return ig_unicode_is_space(point) ? SPACE : OTHER;
}

/* End of the run of one class that starts at `at`; *last is where its last character starts. */
static size_t run_end(const char *text, size_t length, size_t at, kind wanted, size_t *last) {
  int bytes;
  while (at < length && class_at(text + at, length - at, &bytes) == wanted) {
    *last = at;
    at += (size_t)bytes;
  }
  return at;
}

static size_t contraction(const char *text, size_t length) {
  static const char *const endings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    size_t bytes = strlen(endings[i]);
    if (bytes <= length && memcmp(text, endings[i], bytes) == 0) return bytes;
  }
  return 0;
}

size_t ig_pretokenize(const char *text, size_t length) {
  size_t ending = contraction(text, length), last = 0;
  if (ending) return ending;
  int bytes;
  size_t start = 0;
  kind first = class_at(text, length, &bytes);
  if (text[0] == ' ' && length > 1) {
    kind second = class_at(text + 1, length - 1, &bytes);
    if (second != SPACE) {
      first = second;
      start = 1;
    }
  }
  size_t end = run_end(text, length, start, first, &last);
  /* White space before a word leaves its last character to the word. */
  if (first == SPACE && end < length && last > 0) return last;
  return end;
}
