/* regex.h by PCRE2. Its matcher backtracks; the limits make that end. Without Unicode properties \w and its
 * kin are those of ASCII, and $ is the end of the text alone, as in RE2. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "engine/base/memory.h"
#include "kernels/regex.h"

#define MOST_PATTERN 10000
#define MOST_STEPS 1000000
#define MOST_KIBIBYTES 20000

struct ig_regex {
  pcre2_code *code;
  pcre2_match_data *found;
  pcre2_match_context *limits;
};

static ig_status compile(const char *pattern, pcre2_compile_context *context, pcre2_code **out) {
  int code;
  PCRE2_SIZE at;
  pcre2_set_max_pattern_length(context, MOST_PATTERN);
  *out = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                       PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY |
                           PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C,
                       &code, &at, context);
  if (*out) return IG_OK;
  PCRE2_UCHAR reason[128] = "";
  pcre2_get_error_message(code, reason, sizeof reason);
  return ig_fail(IG_ERR_INPUT, "regular expression, byte %zu: %s", (size_t)at, (char *)reason);
}

ig_status ig_regex_compile(const char *pattern, ig_regex **out) {
  ig_regex *regex = ig_alloc_zero(1, sizeof *regex);
  pcre2_compile_context *context = pcre2_compile_context_create(NULL);
  ig_status status = regex && context ? compile(pattern, context, &regex->code)
                                      : ig_fail(IG_ERR_MEMORY, "regular expression: out of memory");
  pcre2_compile_context_free(context);
  if (status == IG_OK) {
    regex->found = pcre2_match_data_create_from_pattern(regex->code, NULL);
    regex->limits = pcre2_match_context_create(NULL);
    if (!regex->found || !regex->limits) {
      status = ig_fail(IG_ERR_MEMORY, "regular expression: out of memory");
    }
  }
  if (status != IG_OK) {
    ig_regex_destroy(regex);
    return status;
  }
  pcre2_set_match_limit(regex->limits, MOST_STEPS);
  pcre2_set_heap_limit(regex->limits, MOST_KIBIBYTES);
  *out = regex;
  return IG_OK;
}

void ig_regex_destroy(ig_regex *regex) {
  if (!regex) return;
  pcre2_code_free(regex->code);
  pcre2_match_data_free(regex->found);
  pcre2_match_context_free(regex->limits);
  ig_free(regex);
}

ig_status ig_regex_matches(ig_regex *regex, const char *text, size_t size, bool *out) {
  int code = pcre2_match(regex->code, (PCRE2_SPTR)(size ? text : ""), size, 0, 0, regex->found,
                         regex->limits);
  *out = code >= 0;
  if (code >= 0 || code == PCRE2_ERROR_NOMATCH) return IG_OK;
  PCRE2_UCHAR reason[128] = "";
  pcre2_get_error_message(code, reason, sizeof reason);
  return ig_fail(IG_ERR_UNSUPPORTED, "regular expression: a text of %zu bytes: %s", size,
                 (char *)reason);
}
