/* Cutting CSV into fields after RFC 4180: fields may be quoted, then hold delimiters, line ends and
 * doubled quotes. Lines end in LF, CR LF or CR. */
#include "formats/csv.h"
#include "formats/number_text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char delimiters[] = {',', ';', '\t', '|'};

/* The delimiter that stands most often in the first record, outside quotes. */
static char find_delimiter(const char *data, size_t size) {
  int64_t counts[IG_COUNT(delimiters)] = {0};
  bool quoted = false;
  for (size_t i = 0; i < size; i++) {
    if (data[i] == '"') quoted = !quoted;
    if (quoted) continue;
    if (data[i] == '\n' || data[i] == '\r') break;
    for (int d = 0; d < IG_COUNT(delimiters); d++) counts[d] += data[i] == delimiters[d];
  }
  int best = 0;
  for (int d = 1; d < IG_COUNT(delimiters); d++) {
    if (counts[d] > counts[best]) best = d;
  }
  return delimiters[best];
}

void ig_csv_begin(ig_csv_scan *scan, const char *path, const void *data, size_t size) {
  *scan = (ig_csv_scan){.path = path, .data = data, .size = size, .line = 1};
  if (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) scan->at = 3;
  scan->delimiter = find_delimiter(scan->data + scan->at, size - scan->at);
}

void ig_csv_end(ig_csv_scan *scan) {
  ig_free(scan->buffer);
  scan->buffer = NULL;
}

static bool at_line_end(const ig_csv_scan *scan) {
  return scan->at >= scan->size || scan->data[scan->at] == '\n' || scan->data[scan->at] == '\r';
}

static void skip_line_end(ig_csv_scan *scan) {
  if (scan->at >= scan->size) return;
  if (scan->data[scan->at] == '\r') {
    scan->at++;
    if (scan->at < scan->size && scan->data[scan->at] == '\n') scan->at++;
  } else {
    scan->at++;
  }
  scan->line++;
}

static bool is_blank(char c, char delimiter) { return (c == ' ' || c == '\t') && c != delimiter; }

/* From the opening quote to behind the closing one. */
static ig_status take_quoted(ig_csv_scan *scan, ig_csv_field *field) {
  int64_t began = scan->line;
  size_t start = ++scan->at, doubled = 0;
  for (;; scan->at++) {
    IG_CHECK(scan->at < scan->size, IG_ERR_INPUT,
             "%s: line %lld: the quoted field that begins here does not end", scan->path,
             (long long)began);
    char c = scan->data[scan->at];
    if (c == '\n') scan->line++;
    if (c != '"') continue;
    if (scan->at + 1 >= scan->size || scan->data[scan->at + 1] != '"') break;
    doubled++;
    scan->at++;
  }
  field->text = scan->data + start;
  field->length = scan->at - start;
  scan->at++;
  if (!doubled) return IG_OK;
  IG_CHECK(ig_grow((void **)&scan->buffer, &scan->capacity, (int64_t)field->length, 1),
           IG_ERR_MEMORY, "%s: no memory for a field of %zu bytes", scan->path, field->length);
  size_t n = 0;
  for (size_t i = 0; i < field->length; i++) {
    scan->buffer[n++] = field->text[i];
    if (field->text[i] == '"') i++;
  }
  field->text = scan->buffer;
  field->length = n;
  return IG_OK;
}

static void take_plain(ig_csv_scan *scan, ig_csv_field *field) {
  size_t start = scan->at;
  while (!at_line_end(scan) && scan->data[scan->at] != scan->delimiter) scan->at++;
  size_t end = scan->at;
  while (end > start && is_blank(scan->data[end - 1], scan->delimiter)) end--;
  field->text = scan->data + start;
  field->length = end - start;
}

ig_status ig_csv_next(ig_csv_scan *scan, ig_csv_field *field, bool *more) {
  if (!scan->in_record) {
    while (scan->at < scan->size && at_line_end(scan)) skip_line_end(scan);
    *more = scan->at < scan->size;
    if (!*more) return IG_OK;
    scan->in_record = true;
    scan->record_line = scan->line;
  }
  *more = true;
  while (scan->at < scan->size && is_blank(scan->data[scan->at], scan->delimiter)) scan->at++;
  if (scan->at < scan->size && scan->data[scan->at] == '"') {
    IG_TRY(take_quoted(scan, field));
    while (scan->at < scan->size && is_blank(scan->data[scan->at], scan->delimiter)) scan->at++;
    IG_CHECK(at_line_end(scan) || scan->data[scan->at] == scan->delimiter, IG_ERR_INPUT,
             "%s: line %lld: expected '%c' or the line's end after the closing quote, found '%c'",
             scan->path, (long long)scan->line, scan->delimiter, scan->data[scan->at]);
  } else {
    take_plain(scan, field);
  }
  field->last = at_line_end(scan);
  if (field->last) {
    skip_line_end(scan);
    scan->in_record = false;
  } else {
    scan->at++;
  }
  return IG_OK;
}

static bool is_one_of(const char *text, size_t length, const char *const *words) {
  for (; *words; words++) {
    if (strlen(*words) == length && strncasecmp(text, *words, length) == 0) return true;
  }
  return false;
}

/* Digits, a point, an exponent: what strtod takes beyond that (hexadecimal) is no number here. */
static bool is_decimal(const char *text, size_t length, bool *whole) {
  size_t i = 0, digits = 0;
  *whole = true;
  if (i < length && (text[i] == '-' || text[i] == '+')) i++;
  for (; i < length && text[i] >= '0' && text[i] <= '9'; i++) digits++;
  if (i < length && text[i] == '.') {
    *whole = false;
    for (i++; i < length && text[i] >= '0' && text[i] <= '9'; i++) digits++;
  }
  if (!digits) return false;
  if (i < length && (text[i] == 'e' || text[i] == 'E')) {
    *whole = false;
    i++;
    if (i < length && (text[i] == '-' || text[i] == '+')) i++;
    size_t from = i;
    while (i < length && text[i] >= '0' && text[i] <= '9') i++;
    if (i == from) return false;
  }
  return i == length;
}

ig_csv_value ig_csv_classify(const char *text, size_t length, double *number) {
  static const char *const missing[] = {"NA", "N/A", "NaN", "null", "none", "?", NULL};
  static const char *const infinite[] = {"inf", "+inf", "-inf", "infinity", "-infinity", NULL};
  char copy[64];
  bool whole = false;
  if (length == 0) return IG_CSV_MISSING;
  if (ig_number_read(text, length, number, &whole) == length) {
    return whole ? IG_CSV_WHOLE : IG_CSV_REAL;
  }
  if (length < sizeof copy &&
      (is_decimal(text, length, &whole) || is_one_of(text, length, infinite))) {
    memcpy(copy, text, length);
    copy[length] = '\0';
    *number = strtod(copy, NULL);
    return whole ? IG_CSV_WHOLE : IG_CSV_REAL;
  }
  return is_one_of(text, length, missing) ? IG_CSV_MISSING : IG_CSV_WORD;
}
