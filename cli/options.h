/* Options of a verb: one table says name, type, range, default and help, and from it follow the
 * command line, the keys of a --config file, --help, and the settings saved with a run. */
#ifndef IG_CLI_OPTIONS_H
#define IG_CLI_OPTIONS_H

#include <stdio.h>

#include <jansson.h>

#include "engine/base/memory.h"

typedef enum ig_option_type {
  IG_OPTION_FLAG,   /* bool; --name or --no-name, in a file true or false */
  IG_OPTION_INT,    /* int64_t */
  IG_OPTION_FLOAT,  /* double, finite */
  IG_OPTION_STRING, /* const char * */
  IG_OPTION_ENUM,   /* const char *, one of `values` */
  IG_OPTION_SIZE    /* size_t bytes; K, M, G, T multiply by powers of 1,024 */
} ig_option_type;

enum {
  IG_OPTION_REQUIRED = 1 << 0,
  IG_OPTION_POSITIONAL = 1 << 1, /* an argument without a name, in the table's order */
  IG_OPTION_TRANSIENT = 1 << 2   /* of this call alone: not saved with a run */
};

typedef struct ig_option {
  const char *name; /* without dashes; NULL ends the table */
  ig_option_type type;
  size_t offset;        /* of the value in the struct that the table describes */
  const char *fallback; /* the default as a user would type it; NULL leaves zero */
  double low, high;     /* range of numbers, both included; equal for any */
  const char *values;   /* ENUM: "a|b|c"; otherwise the word for the value in help, such as FILE */
  unsigned flags;
  const char *what; /* one line */
} ig_option;

/* Rows of a table for `struct type_`, whose member bears the option's name with '_' for '-'. */
#define IG_FLAG_OPTION(type_, member, name_, what_)                                                \
  { .name = (name_), .type = IG_OPTION_FLAG, .offset = offsetof(type_, member), .what = (what_) }
#define IG_INT_OPTION(type_, member, name_, fallback_, low_, high_, what_)                         \
  {                                                                                                \
    .name = (name_), .type = IG_OPTION_INT, .offset = offsetof(type_, member),                     \
    .fallback = (fallback_), .low = (low_), .high = (double)(high_), .values = "N", .what = (what_)        \
  }
#define IG_FLOAT_OPTION(type_, member, name_, fallback_, low_, high_, what_)                       \
  {                                                                                                \
    .name = (name_), .type = IG_OPTION_FLOAT, .offset = offsetof(type_, member),                   \
    .fallback = (fallback_), .low = (low_), .high = (high_), .values = "X", .what = (what_)        \
  }
#define IG_STRING_OPTION(type_, member, name_, word_, flags_, what_)                               \
  {                                                                                                \
    .name = (name_), .type = IG_OPTION_STRING, .offset = offsetof(type_, member),                  \
    .values = (word_), .flags = (flags_), .what = (what_)                                          \
  }
#define IG_ENUM_OPTION(type_, member, name_, fallback_, values_, what_)                            \
  {                                                                                                \
    .name = (name_), .type = IG_OPTION_ENUM, .offset = offsetof(type_, member),                    \
    .fallback = (fallback_), .values = (values_), .what = (what_)                                  \
  }
#define IG_SIZE_OPTION(type_, member, name_, fallback_, what_)                                     \
  {                                                                                                \
    .name = (name_), .type = IG_OPTION_SIZE, .offset = offsetof(type_, member),                    \
    .fallback = (fallback_), .values = "BYTES", .what = (what_)                                    \
  }

#define IG_MAX_OPTIONS 128
#define IG_MAX_TABLES 3

typedef enum ig_origin { IG_FROM_DEFAULT = 0, IG_FROM_FILE, IG_FROM_COMMAND } ig_origin;

/* Tables and where their values go; `config` is the option that names the file. */
typedef struct ig_options {
  ig_arena *arena; /* holds strings of the file */
  int n_groups;
  const ig_option *tables[IG_MAX_TABLES];
  void *values[IG_MAX_TABLES];
  int count; /* options of all tables together */
  const ig_option *rows[IG_MAX_OPTIONS];
  void *slots[IG_MAX_OPTIONS];
  unsigned char origins[IG_MAX_OPTIONS];
} ig_options;

/* Gathers the tables and sets defaults. `values[i]` must outlive the options; both are borrowed. */
ig_status ig_options_init(ig_options *options, int n_groups, const ig_option *const *tables,
                          void *const *values);
void ig_options_release(ig_options *options);
/* Reads arguments; strings are borrowed from argv. A mistyped name or value is refused with the
 * nearest valid one offered. */
ig_status ig_options_parse(ig_options *options, int argc, char *const *argv);
/* Reads keys of a YAML file (or text, whose `name` is for messages); options from the command line
 * stay as they are. */
ig_status ig_options_read_file(ig_options *options, const char *path);
ig_status ig_options_read_text(ig_options *options, const char *name, const char *text,
                               size_t size);
/* Fails naming the first required option that nobody gave. */
ig_status ig_options_check_required(const ig_options *options);
/* Where the value of the option came from. The name must be one of the tables'. */
ig_origin ig_options_origin(const ig_options *options, const char *name);
/* Sets one option from text, as if it came from `origin`; `where` opens the message ("--lr"). */
ig_status ig_options_set(ig_options *options, int index, const char *text, ig_origin origin,
                         const char *where);
/* Index of the option of that name, or -1. */
int ig_options_find(const ig_options *options, const char *name);

/* All but transient options, as JSON (NULL when memory is short) and as YAML that
 * ig_options_read_file takes. */
json_t *ig_options_json(const ig_options *options);
ig_status ig_options_write_yaml(const ig_options *options, const char *path);
/* Two columns: option and what it does, with range and default. */
void ig_options_help(const ig_option *table, FILE *out);

#endif
