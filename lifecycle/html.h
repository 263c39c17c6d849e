/* Building a text piece by piece: HTML and SVG for the report. Failures for want of memory stay in the
 * text, so that one check at its end is enough. */
#ifndef IG_LIFECYCLE_HTML_H
#define IG_LIFECYCLE_HTML_H

#include "engine/base/status.h"

typedef struct ig_html {
  char *text; /* heap, ended by a zero byte; NULL while empty */
  int64_t size, capacity;
  bool failed;
} ig_html;

void ig_html_raw(ig_html *html, const char *text);
void ig_html_bytes(ig_html *html, const char *bytes, size_t size);
/* printf; the result must not hold text from outside, which is for ig_html_text. */
void ig_html_format(ig_html *html, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Text from outside, as content or inside a quoted attribute: & < > " ' become entities; control
 * characters and bytes that are not UTF-8 become U+FFFD. */
void ig_html_text(ig_html *html, const char *text);

/* A number for people: at most four significant digits, "1.2k", "3.4M", "5.6G"; "-" for NaN. */
#define IG_NUMBER_TEXT 32
const char *ig_number_text(double value, char text[IG_NUMBER_TEXT]);
#define IG_NUMBER_STR(value) ig_number_text((value), (char[IG_NUMBER_TEXT]){0})

#endif
