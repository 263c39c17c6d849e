/* Option tables: from text to typed, checked values. The same code reads a flag and a key of a file,
 * so that both refuse the same things with the same words. */
#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/nearest.h"

ig_status ig_options_init(ig_options *options, int n_groups, const ig_option *const *tables,
                          void *const *values) {
  memset(options, 0, sizeof *options);
  options->arena = ig_arena_create();
  IG_CHECK_ALLOC(options->arena);
  options->n_groups = n_groups;
  for (int g = 0; g < n_groups; g++) {
    options->tables[g] = tables[g];
    options->values[g] = values[g];
    for (const ig_option *row = tables[g]; row && row->name; row++) {
      IG_CHECK(options->count < IG_MAX_OPTIONS, IG_ERR_INTERNAL, "too many options");
      int i = options->count++;
      options->rows[i] = row;
      options->slots[i] = (char *)values[g] + row->offset;
      if (row->fallback) {
        IG_TRY(ig_options_set(options, i, row->fallback, IG_FROM_DEFAULT, row->name));
      }
    }
  }
  return IG_OK;
}

void ig_options_release(ig_options *options) {
  ig_arena_destroy(options->arena);
  options->arena = NULL;
}

int ig_options_find(const ig_options *options, const char *name) {
  for (int i = 0; i < options->count; i++) {
    if (strcmp(options->rows[i]->name, name) == 0) return i;
  }
  return -1;
}

ig_origin ig_options_origin(const ig_options *options, const char *name) {
  int i = ig_options_find(options, name);
  return i < 0 ? IG_FROM_DEFAULT : (ig_origin)options->origins[i];
}

/* --- from text to values ----------------------------------------------------------------------- */

/* strtod and its kin skip leading blanks and take hexadecimal, "inf" and "nan": none is a number
 * here. */
static bool plain_number(const char *text) {
  return *text && text[strspn(text, "0123456789+-.eE")] == '\0';
}

/* A bound beyond exact integers is none to a reader. */
static const char *range_text(const ig_option *row, char text[64]) {
  if (row->high > 9e15) {
    snprintf(text, 64, "%.12g or more", row->low);
  } else {
    snprintf(text, 64, "%.12g to %.12g", row->low, row->high);
  }
  return text;
}

static ig_status in_range(const ig_option *row, double value, const char *text, const char *where) {
  if (row->low == row->high || (value >= row->low && value <= row->high)) return IG_OK;
  char range[64];
  return ig_fail(IG_ERR_USAGE, "%s: %s is outside %s", where, text, range_text(row, range));
}

static ig_status set_int(const ig_option *row, void *slot, const char *text, const char *where) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  IG_CHECK(plain_number(text) && *end == '\0', IG_ERR_USAGE, "%s: '%s' is not a whole number",
           where, text);
  IG_CHECK(errno == 0, IG_ERR_USAGE, "%s: %s is beyond 64 bits", where, text);
  IG_TRY(in_range(row, (double)value, text, where));
  *(int64_t *)slot = value;
  return IG_OK;
}

static ig_status set_float(const ig_option *row, void *slot, const char *text, const char *where) {
  char *end;
  double value = strtod(text, &end);
  IG_CHECK(plain_number(text) && *end == '\0' && isfinite(value), IG_ERR_USAGE,
           "%s: '%s' is not a number", where, text);
  IG_TRY(in_range(row, value, text, where));
  *(double *)slot = value;
  return IG_OK;
}

static ig_status set_size(void *slot, const char *text, const char *where) {
  static const char units[] = "KMGT";
  char *end;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  bool digits = *text >= '0' && *text <= '9' && errno == 0;
  const char *unit = *end ? strchr(units, *end) : NULL;
  IG_CHECK(digits && (*end == '\0' || (unit && end[1] == '\0')), IG_ERR_USAGE,
           "%s: '%s' is not a number of bytes such as 4096, 512M or 2G", where, text);
  int shift = unit ? 10 * (int)(unit - units + 1) : 0;
  IG_CHECK(value <= SIZE_MAX >> shift, IG_ERR_USAGE, "%s: %s is beyond 64 bits", where, text);
  *(size_t *)slot = (size_t)value << shift;
  return IG_OK;
}

static ig_status set_flag(void *slot, const char *text, const char *where) {
  bool yes = strcmp(text, "true") == 0;
  IG_CHECK(yes || strcmp(text, "false") == 0, IG_ERR_USAGE, "%s: '%s' is neither true nor false",
           where, text);
  *(bool *)slot = yes;
  return IG_OK;
}

/* Goes through the words of "a|b|c". */
static ig_status set_enum(ig_options *options, const ig_option *row, void *slot, const char *text,
                          const char *where) {
  char *words = ig_arena_strdup(options->arena, row->values), *rest = NULL;
  IG_CHECK_ALLOC(words);
  ig_nearest_search search = ig_nearest_begin(text);
  for (char *word = strtok_r(words, "|", &rest); word; word = strtok_r(NULL, "|", &rest)) {
    if (strcmp(word, text) == 0) {
      *(const char **)slot = word;
      return IG_OK;
    }
    ig_nearest_offer(&search, word);
  }
  if (search.best) {
    return ig_fail(IG_ERR_USAGE, "%s: '%s' is unknown; did you mean '%s'? (valid: %s)", where, text,
                   search.best, row->values);
  }
  return ig_fail(IG_ERR_USAGE, "%s: '%s' is unknown (valid: %s)", where, text, row->values);
}

ig_status ig_options_set(ig_options *options, int i, const char *text, ig_origin origin,
                         const char *where) {
  const ig_option *row = options->rows[i];
  void *slot = options->slots[i];
  switch (row->type) {
  case IG_OPTION_FLAG: IG_TRY(set_flag(slot, text, where)); break;
  case IG_OPTION_INT: IG_TRY(set_int(row, slot, text, where)); break;
  case IG_OPTION_FLOAT: IG_TRY(set_float(row, slot, text, where)); break;
  case IG_OPTION_ENUM: IG_TRY(set_enum(options, row, slot, text, where)); break;
  case IG_OPTION_SIZE: IG_TRY(set_size(slot, text, where)); break;
  case IG_OPTION_STRING:
    IG_CHECK(*text, IG_ERR_USAGE, "%s: an empty value", where);
    *(const char **)slot = text;
    break;
  }
  options->origins[i] = (unsigned char)origin;
  return IG_OK;
}

/* --- the command line -------------------------------------------------------------------------- */

static ig_status unknown_option(const ig_options *options, const char *name) {
  ig_nearest_search search = ig_nearest_begin(name);
  for (int i = 0; i < options->count; i++) {
    if (!(options->rows[i]->flags & IG_OPTION_POSITIONAL)) {
      ig_nearest_offer(&search, options->rows[i]->name);
    }
  }
  if (search.best) {
    return ig_fail(IG_ERR_USAGE, "unknown option '--%s'; did you mean '--%s'?", name, search.best);
  }
  return ig_fail(IG_ERR_USAGE, "unknown option '--%s'; --help lists all", name);
}

/* "--name", "--name=value" or "--no-flag" at argv[*at]; a value may be the next argument. */
static ig_status parse_named(ig_options *options, int argc, char *const *argv, int *at) {
  const char *text = argv[*at] + 2, *value = strchr(text, '=');
  size_t length = value ? (size_t)(value - text) : strlen(text);
  char *name = ig_arena_alloc(options->arena, length + 1);
  IG_CHECK_ALLOC(name);
  memcpy(name, text, length);
  int i = ig_options_find(options, name);
  bool negated = i < 0 && strncmp(name, "no-", 3) == 0;
  if (negated) i = ig_options_find(options, name + 3);
  bool positional = i >= 0 && options->rows[i]->flags & IG_OPTION_POSITIONAL;
  if (i < 0 || positional || (negated && options->rows[i]->type != IG_OPTION_FLAG)) {
    return unknown_option(options, name);
  }
  char *where = ig_arena_format(options->arena, "--%s", name);
  IG_CHECK_ALLOC(where);
  if (options->rows[i]->type == IG_OPTION_FLAG) {
    IG_CHECK(!value, IG_ERR_USAGE, "%s takes no value", where);
    return ig_options_set(options, i, negated ? "false" : "true", IG_FROM_COMMAND, where);
  }
  if (value) {
    value++;
  } else if (*at + 1 < argc && strncmp(argv[*at + 1], "--", 2) != 0) {
    value = argv[++*at];
  } else {
    return ig_fail(IG_ERR_USAGE, "%s needs a value: %s", where, options->rows[i]->values);
  }
  return ig_options_set(options, i, value, IG_FROM_COMMAND, where);
}

static ig_status parse_positional(ig_options *options, const char *text) {
  for (int i = 0; i < options->count; i++) {
    const ig_option *row = options->rows[i];
    if (row->flags & IG_OPTION_POSITIONAL && options->origins[i] != IG_FROM_COMMAND) {
      return ig_options_set(options, i, text, IG_FROM_COMMAND, row->name);
    }
  }
  return ig_fail(IG_ERR_USAGE, "unexpected argument '%s'", text);
}

ig_status ig_options_parse(ig_options *options, int argc, char *const *argv) {
  bool names = true; /* until "--" */
  for (int at = 0; at < argc; at++) {
    if (names && strcmp(argv[at], "--") == 0) {
      names = false;
    } else if (names && strncmp(argv[at], "--", 2) == 0) {
      IG_TRY(parse_named(options, argc, argv, &at));
    } else {
      IG_CHECK(!names || argv[at][0] != '-' || argv[at][1] == '\0', IG_ERR_USAGE,
               "unknown option '%s'; options begin with two dashes", argv[at]);
      IG_TRY(parse_positional(options, argv[at]));
    }
  }
  return IG_OK;
}

ig_status ig_options_check_required(const ig_options *options) {
  for (int i = 0; i < options->count; i++) {
    const ig_option *row = options->rows[i];
    if (!(row->flags & IG_OPTION_REQUIRED) || options->origins[i] != IG_FROM_DEFAULT) continue;
    const char *dashes = row->flags & IG_OPTION_POSITIONAL ? "" : "--";
    const char *choice = row->type == IG_OPTION_ENUM ? row->values : row->what;
    return ig_fail(IG_ERR_USAGE, "%s%s is missing: %s", dashes, row->name, choice);
  }
  return IG_OK;
}

/* --- help -------------------------------------------------------------------------------------- */

static void help_row(const ig_option *row, FILE *out) {
  char left[64], range[64];
  bool positional = row->flags & IG_OPTION_POSITIONAL;
  const char *word = row->type == IG_OPTION_ENUM || row->type == IG_OPTION_FLAG ? "" : row->values;
  snprintf(left, sizeof left, "%s%s%s%s", positional ? "" : "--", row->name, *word ? " " : "",
           positional ? "" : word);
  fprintf(out, "  %-24s %s", left, row->what);
  if (row->type == IG_OPTION_ENUM) fprintf(out, ": %s", row->values);
  if (row->low != row->high) fprintf(out, ", %s", range_text(row, range));
  if (row->fallback) fprintf(out, " [%s]", row->fallback);
  if (row->flags & IG_OPTION_REQUIRED) fputs(" (required)", out);
  fputc('\n', out);
}

void ig_options_help(const ig_option *table, FILE *out) {
  for (const ig_option *row = table; row->name; row++) help_row(row, out);
}
