/* What a verb of the program is: one const descriptor per cli/cmd_<verb>.c, found by file name. */
#ifndef IG_CLI_VERB_H
#define IG_CLI_VERB_H

#include <stdio.h>

#include "cli/options.h"
#include "engine/backend/comm.h"

/* Options that every verb has. */
typedef struct ig_common {
  const char *device; /* "auto", "cpu", "cuda", "cuda:N" */
  int64_t threads;    /* 0: one per core */
  int64_t seed;
  bool json, quiet, help, version;
  const char *config;
} ig_common;

extern const ig_option ig_common_options[];

typedef struct ig_verb ig_verb;

/* One call of the program. */
typedef struct ig_cli {
  const ig_verb *verb;
  const ig_common *common;
  const ig_options *options;
  int argc;
  char *const *argv; /* the whole command line, for provenance */
  int exit_code;     /* when the verb succeeds: 0, 1 when a gate failed, 128 + n after signal n */
  /* As one rank of a job (cli/job.h); of one process: NULL, 0, 1. */
  ig_comm *comm;
  int rank, ranks;
  int threads;           /* that the backend got; 0 for one a core */
  const char *transport; /* as asked for */
  bool told;             /* the line of the failure has been printed, here or by another rank */
} ig_cli;

struct ig_verb {
  const char *name;
  const char *what;  /* one line */
  const char *usage; /* what follows "ingot VERB" in the help */
  const ig_option *options;
  size_t size; /* of the struct that `options` describes */
  bool ranks;  /* may be one of several: has the options of cli/job.h too, and is run with cli->comm */
  /* Called when the command line and --config have been read, to read more settings; may be NULL. */
  ig_status (*settle)(ig_options *options, const void *values);
  /* `values` is that struct. A failure ends the program with the code that suits the status. */
  ig_status (*run)(ig_cli *cli, const void *values);
  void (*more_help)(FILE *out); /* NULL when the table says all */
};

extern const ig_verb *const ig_verb_registry[]; /* NULL-ended; generated */

/* Text for people: on stdout, or on stderr with --json, or nowhere with --quiet. Of several ranks the
 * first alone prints text, warnings and results. */
void ig_say(const ig_cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One line "ingot VERB: warning: ..." on stderr, unless --quiet. */
void ig_warn(const ig_cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints the result on stdout when --json; takes the reference. A NULL result is out of memory. */
ig_status ig_emit_json(const ig_cli *cli, json_t *result);
/* Adds a number; NaN and Inf, which JSON lacks, are left out. */
void ig_json_real(json_t *object, const char *key, double value);

#endif
