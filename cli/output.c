/* What verbs print: results on stdout, and with --json nothing but one JSON value there. */
#include <stdarg.h>

#include "cli/verb.h"

void ig_say(const ig_cli *cli, const char *format, ...) {
  if (cli->common->quiet || cli->rank > 0) return;
  va_list args;
  va_start(args, format);
  vfprintf(cli->common->json ? stderr : stdout, format, args);
  va_end(args);
}

void ig_warn(const ig_cli *cli, const char *format, ...) {
  if (cli->common->quiet || cli->rank > 0) return;
  char line[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  fprintf(stderr, "ingot %s: warning: %s\n", cli->verb->name, line);
}

void ig_json_real(json_t *object, const char *key, double value) {
  json_t *number = json_real(value); /* NULL for NaN and Inf */
  if (number) json_object_set_new(object, key, number);
}

ig_status ig_emit_json(const ig_cli *cli, json_t *result) {
  IG_CHECK(result, IG_ERR_MEMORY, "no memory for the result");
  int failed = 0;
  if (cli->common->json && cli->rank == 0) {
    failed = json_dumpf(result, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    fputc('\n', stdout);
  }
  json_decref(result);
  IG_CHECK(failed == 0, IG_ERR_IO, "cannot write the result to stdout");
  return IG_OK;
}
