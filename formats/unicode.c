/* UTF-8 by the table of RFC 3629; classes by binary search in generated ranges. */
#include "formats/unicode.h"

static bool continues(const char *text, int index) {
  return ((unsigned char)text[index] & 0xc0) == 0x80;
}

static uint32_t bits(const char *text, int index) {
  return (unsigned char)text[index] & 0x3f;
}

int ig_utf8_decode(const char *text, size_t length, uint32_t *point) {
  uint32_t lead = (unsigned char)text[0];
  *point = lead;
  if (lead < 0x80) return 1;
  int size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  uint32_t least = size == 4 ? 0x10000 : size == 3 ? 0x800 : 0x80;
  bool valid = lead >= 0xc2 && lead <= 0xf4 && (size_t)size <= length;
  uint32_t value = lead & (0x7fu >> size);
  for (int i = 1; i < size && valid; i++) {
    valid = continues(text, i);
    value = value << 6 | bits(text, i);
  }
  valid = valid && value >= least && value <= 0x10ffff && !(value >= 0xd800 && value <= 0xdfff);
  *point = valid ? value : IG_UTF8_INVALID;
  return valid ? size : 1;
}

int ig_utf8_encode(uint32_t point, char out[4]) {
  if (point < 0x80) {
    out[0] = (char)point;
    return 1;
  }
  int size = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  for (int i = size - 1; i > 0; i--) {
    out[i] = (char)(0x80 | (point & 0x3f));
    point >>= 6;
  }
  out[0] = (char)((0xf00u >> size & 0xff) | point);
  return size;
}

static bool within(const ig_unicode_range *ranges, int count, uint32_t point) {
  int low = 0, high = count;
  while (low < high) {
    int middle = (low + high) / 2;
    if (point > ranges[middle].last) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < count && point >= ranges[low].first;
}

bool ig_unicode_is_letter(uint32_t point) {
  if (point < 0x80) return (point | 0x20) >= 'a' && (point | 0x20) <= 'z';
  return within(ig_unicode_letters, ig_unicode_letters_count, point);
}

bool ig_unicode_is_number(uint32_t point) {
  if (point < 0x80) return point >= '0' && point <= '9';
  return within(ig_unicode_numbers, ig_unicode_numbers_count, point);
}

bool ig_unicode_is_space(uint32_t point) {
  return (point >= 9 && point <= 13) || point == 0x20 || point == 0x85 || point == 0xa0 ||
         point == 0x1680 || (point >= 0x2000 && point <= 0x200a) || point == 0x2028 ||
         point == 0x2029 || point == 0x202f || point == 0x205f || point == 0x3000;
}

bool ig_unicode_is_mark(uint32_t point) {
  return point >= 0x300 && within(ig_unicode_marks, ig_unicode_marks_count, point);
}

bool ig_unicode_is_punctuation(uint32_t point) {
  return within(ig_unicode_punctuation, ig_unicode_punctuation_count, point);
}

bool ig_unicode_is_other(uint32_t point) {
  return within(ig_unicode_others, ig_unicode_others_count, point);
}
