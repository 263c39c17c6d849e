/* Regular expressions over texts in UTF-8, with the syntax of RE2 as far as PCRE2 shares it. Matching ends:
 * steps and memory are limited, so that no pattern hangs the caller. */
#ifndef IG_KERNELS_REGEX_H
#define IG_KERNELS_REGEX_H

#include "engine/base/status.h"

typedef struct ig_regex ig_regex;

/* IG_ERR_INPUT says where the pattern is wrong. */
ig_status ig_regex_compile(const char *pattern, ig_regex **out);
void ig_regex_destroy(ig_regex *regex); /* NULL is allowed */
/* Whether the whole text matches; bytes that are not UTF-8 match nothing. IG_ERR_UNSUPPORTED where telling
 * would take too many steps. */
ig_status ig_regex_matches(ig_regex *regex, const char *text, size_t size, bool *out);

#endif
