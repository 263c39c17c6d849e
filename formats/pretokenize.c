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

/* --- Llama 3 and Qwen2 --------------------------------------------------------------------------- */

/* 's, 't and so on in either case; the long s is one of the cases of s. */
static size_t any_contraction(const char *text, size_t length) {
  static const char *const endings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
  if (length >= 3 && memcmp(text, "'\xc5\xbf", 3) == 0) return 3;
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    size_t bytes = strlen(endings[i]), same = 0;
    while (same < bytes && same < length && (text[same] | (same > 0) << 5) == endings[i][same]) {
      same++;
    }
    if (same == bytes) return bytes;
  }
  return 0;
}

/* At most `most` numbers. */
static size_t numbers_end(const char *text, size_t length, size_t at, int most) {
  int bytes;
  for (; most > 0 && at < length && class_at(text + at, length - at, &bytes) == NUMBER; most--) {
    at += (size_t)bytes;
  }
  return at;
}

/* White space: through its last line break, else all but the last character before a word. */
static size_t space_end(const char *text, size_t length) {
  size_t last = 0, end = run_end(text, length, 0, SPACE, &last), line = end;
  while (line > 0 && text[line - 1] != '\n' && text[line - 1] != '\r') line--;
  if (line > 0) return line;
  return end < length && last > 0 ? last : end;
}

size_t ig_cut_piece(ig_cut cut, const char *text, size_t length) {
  if (cut == IG_CUT_GPT2) return ig_pretokenize(text, length);
  size_t ending = any_contraction(text, length), last;
  if (ending) return ending;
  int bytes, next_bytes;
  kind first = class_at(text, length, &bytes);
  if (first == LETTER) return run_end(text, length, 0, LETTER, &last);
  if (first == NUMBER) return numbers_end(text, length, 0, cut == IG_CUT_LLAMA3 ? 3 : 1);
  bool line = text[0] == '\n' || text[0] == '\r';
  size_t next = (size_t)bytes;
  kind second = next < length ? class_at(text + next, length - next, &next_bytes) : SPACE;
  if (!line && next < length && second == LETTER) return run_end(text, length, next, LETTER, &last);
  bool blank = text[0] == ' ' && next < length && second == OTHER;
  if (first == OTHER || blank) {
    size_t end = run_end(text, length, blank ? next : 0, OTHER, &last);
    while (end < length && (text[end] == '\n' || text[end] == '\r')) end++;
    return end;
  }
  return space_end(text, length);
}
