/* The program: finds the verb, reads its options, runs it, and turns a status into one line on stderr
 * and an exit code. Nothing is initialised before the verb asks, so that --help stays quick. */
#include <stdlib.h>
#include <string.h>

#include "cli/job.h"
#include "engine/base/nearest.h"

#define EXIT_GATE 1
#define EXIT_USAGE 2
#define EXIT_MACHINE 3

const ig_option ig_common_options[] = {
    {.name = "device",
     .type = IG_OPTION_STRING,
     .offset = offsetof(ig_common, device),
     .fallback = "auto",
     .values = "D",
     .what = "auto, cpu, cuda or cuda:N"},
    IG_INT_OPTION(ig_common, threads, "threads", "0", 0, 1024,
                  "processor threads, 0 for one a core"),
    IG_INT_OPTION(ig_common, seed, "seed", "1", 0, INT64_MAX, "seed of every random choice"),
    {.name = "json",
     .type = IG_OPTION_FLAG,
     .offset = offsetof(ig_common, json),
     .flags = IG_OPTION_TRANSIENT,
     .what = "the result alone on stdout, as JSON"},
    {.name = "quiet",
     .type = IG_OPTION_FLAG,
     .offset = offsetof(ig_common, quiet),
     .flags = IG_OPTION_TRANSIENT,
     .what = "print errors alone"},
    {.name = "config",
     .type = IG_OPTION_STRING,
     .offset = offsetof(ig_common, config),
     .values = "FILE",
     .flags = IG_OPTION_TRANSIENT,
     .what = "YAML file whose keys are options; the command line wins"},
    {.name = "help",
     .type = IG_OPTION_FLAG,
     .offset = offsetof(ig_common, help),
     .flags = IG_OPTION_TRANSIENT,
     .what = "print this"},
    {.name = "version",
     .type = IG_OPTION_FLAG,
     .offset = offsetof(ig_common, version),
     .flags = IG_OPTION_TRANSIENT,
     .what = "print the version"},
    {.name = NULL}};

/* What was buffered must have arrived: a full disk behind stdout is an error like any other. */
static ig_status flush_stdout(void) {
  bool failed = ferror(stdout) != 0;
  failed = fflush(stdout) != 0 || failed;
  return failed ? ig_fail_errno("write", "stdout") : IG_OK;
}

static int exit_code_of(ig_status status) {
  switch (status) {
  case IG_OK: return EXIT_SUCCESS;
  case IG_ERR_NUMERIC: return EXIT_GATE;
  case IG_ERR_USAGE:
  case IG_ERR_INPUT:
  case IG_ERR_SHAPE:
  case IG_ERR_UNSUPPORTED: return EXIT_USAGE;
  default: return EXIT_MACHINE;
  }
}

/* --- help -------------------------------------------------------------------------------------- */

static void print_help(void) {
  printf("ingot %s: trains, evaluates and runs neural networks\n\nusage: ingot VERB [options]\n\n",
         ig_version());
  for (const ig_verb *const *verb = ig_verb_registry; *verb; verb++) {
    printf("  %-10s %s\n", (*verb)->name, (*verb)->what);
  }
  fputs("\n'ingot VERB --help' lists the options of a verb. Options of every verb:\n", stdout);
  ig_options_help(ig_common_options, stdout);
}

static void print_verb_help(const ig_verb *verb) {
  printf("ingot %s: %s\n\nusage: ingot %s %s\n\n", verb->name, verb->what, verb->name, verb->usage);
  ig_options_help(verb->options, stdout);
  if (verb->ranks) {
    fputs("\nAs one of several ranks:\n", stdout);
    ig_options_help(ig_job_options, stdout);
  }
  fputs("\nOptions of every verb:\n", stdout);
  ig_options_help(ig_common_options, stdout);
  if (verb->more_help) verb->more_help(stdout);
}

/* --- from arguments to a verb ------------------------------------------------------------------ */

static ig_status find_verb(const char *name, const ig_verb **out) {
  ig_nearest_search search = ig_nearest_begin(name);
  for (const ig_verb *const *verb = ig_verb_registry; *verb; verb++) {
    if (strcmp((*verb)->name, name) == 0) {
      *out = *verb;
      return IG_OK;
    }
    ig_nearest_offer(&search, (*verb)->name);
  }
  if (search.best) {
    return ig_fail(IG_ERR_USAGE, "unknown verb '%s'; did you mean '%s'?", name, search.best);
  }
  return ig_fail(IG_ERR_USAGE, "unknown verb '%s'; 'ingot --help' lists all", name);
}

/* Reads the options and runs the verb. */
static ig_status run_verb(ig_cli *cli, ig_common *common, ig_options *options, void *values) {
  ig_job_values job = {0};
  const ig_option *tables[] = {cli->verb->options, ig_common_options, ig_job_options};
  void *slots[] = {values, common, &job};
  IG_TRY(ig_options_init(options, cli->verb->ranks ? 3 : 2, tables, slots));
  IG_TRY(ig_options_parse(options, cli->argc - 2, cli->argv + 2));
  if (common->help) {
    print_verb_help(cli->verb);
    return IG_OK;
  }
  if (common->version) {
    printf("ingot %s\n", ig_version());
    return IG_OK;
  }
  if (common->config) IG_TRY(ig_options_read_file(options, common->config));
  if (cli->verb->settle) IG_TRY(cli->verb->settle(options, values));
  IG_TRY(ig_options_check_required(options));
  if (cli->verb->ranks) IG_TRY(ig_job_open(cli, &job));
  return cli->verb->run(cli, values);
}

static ig_status call_verb(ig_cli *cli) {
  ig_common common = {0};
  ig_options options = {0};
  void *values = ig_alloc_zero(1, cli->verb->size);
  IG_CHECK_ALLOC(values);
  cli->common = &common;
  cli->options = &options;
  ig_status status = run_verb(cli, &common, &options, values);
  ig_job_close(cli, status);
  ig_options_release(&options);
  ig_free(values);
  return status;
}

int main(int argc, char **argv) {
  ig_cli cli = {.argc = argc, .argv = argv, .ranks = 1};
  ig_status status = IG_OK;
  const char *name = argc > 1 ? argv[1] : "";
  if (strcmp(name, "--help") == 0) {
    print_help();
  } else if (strcmp(name, "--version") == 0) {
    printf("ingot %s\n", ig_version());
  } else if (*name == '\0' || *name == '-') {
    status = ig_fail(IG_ERR_USAGE, "a verb is missing before '%s'; 'ingot --help' lists all", name);
  } else {
    status = find_verb(name, &cli.verb);
    if (status == IG_OK) status = call_verb(&cli);
  }
  ig_status flushed = status == IG_OK ? flush_stdout() : IG_OK;
  if (flushed != IG_OK) status = flushed;
  if (status == IG_OK || status == IG_ERR_INTERRUPTED) return cli.exit_code;
  ig_job_tell(&cli, status);
  return exit_code_of(status);
}
