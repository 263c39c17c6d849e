/* The growing text of html.h. */
#include "lifecycle/html.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/memory.h"

void ig_html_bytes(ig_html *html, const char *bytes, size_t size) {
  void *block = html->text;
  if (html->failed ||
      !ig_grow(&block, &html->capacity, html->size + (int64_t)size + 1, sizeof *html->text)) {
    html->failed = true;
    return;
  }
  html->text = block;
  memcpy(html->text + html->size, bytes, size);
  html->size += (int64_t)size;
  html->text[html->size] = '\0';
}

void ig_html_raw(ig_html *html, const char *text) {
  ig_html_bytes(html, text, strlen(text));
}

void ig_html_format(ig_html *html, const char *format, ...) {
  char piece[2048];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(piece, sizeof piece, format, args);
  va_end(args);
  if (length < 0 || length >= (int)sizeof piece) {
    html->failed = true;
    return;
  }
  ig_html_bytes(html, piece, (size_t)length);
}

/* Bytes of the UTF-8 character at `s`, 0 when there is none (RFC 3629, section 4). */
static size_t utf8_length(const unsigned char *s) {
  static const struct {
    unsigned char low, high, second_low, second_high, length;
  } rows[] = {{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
              {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
              {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
  for (int i = 0; i < IG_COUNT(rows); i++) {
    if (s[0] < rows[i].low || s[0] > rows[i].high) continue;
    if (s[1] < rows[i].second_low || s[1] > rows[i].second_high) return 0;
    for (size_t k = 2; k < rows[i].length; k++) {
      if ((s[k] & 0xc0) != 0x80) return 0;
    }
    return rows[i].length;
  }
  return 0;
}

static const char *entity_of(unsigned char c) {
  switch (c) {
  case '&': return "&amp;";
  case '<': return "&lt;";
  case '>': return "&gt;";
  case '"': return "&quot;";
  case '\'': return "&#39;";
  default: return NULL;
  }
}

void ig_html_text(ig_html *html, const char *text) {
  const unsigned char *s = (const unsigned char *)text;
  while (*s) {
    const char *entity = entity_of(*s);
    bool plain = (*s >= 0x20 && *s < 0x7f) || *s == '\n' || *s == '\t';
    size_t length = plain ? 1 : *s >= 0x80 ? utf8_length(s) : 0;
    if (entity) {
      ig_html_raw(html, entity);
      s++;
    } else if (length) {
      ig_html_bytes(html, (const char *)s, length);
      s += length;
    } else {
      ig_html_raw(html, "\xef\xbf\xbd");
      s++;
    }
  }
}

const char *ig_number_text(double value, char text[IG_NUMBER_TEXT]) {
  static const struct {
    double unit;
    const char *suffix;
  } units[] = {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e4, "k"}};
  if (isnan(value)) return "-";
  for (int i = 0; i < IG_COUNT(units); i++) {
    if (!(fabs(value) >= units[i].unit) || isinf(value)) continue;
    double unit = units[i].unit == 1e4 ? 1e3 : units[i].unit;
    snprintf(text, IG_NUMBER_TEXT, "%.4g%s", value / unit, units[i].suffix);
    return text;
  }
  snprintf(text, IG_NUMBER_TEXT, "%.4g", value);
  return text;
}
