/* The thread-local error line behind status.h. */
#include "engine/base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERROR_BYTES 1024

static _Thread_local char last_error[ERROR_BYTES];

const char *ig_version(void) { return "0.1.0"; }

const char *ig_status_name(ig_status status) {
  static const char *const names[] = {
      [IG_OK] = "ok",
      [IG_ERR_USAGE] = "usage",
      [IG_ERR_INPUT] = "bad input",
      [IG_ERR_SHAPE] = "shape mismatch",
      [IG_ERR_UNSUPPORTED] = "unsupported",
      [IG_ERR_MEMORY] = "out of memory",
      [IG_ERR_IO] = "input/output error",
      [IG_ERR_DEVICE] = "device error",
      [IG_ERR_PEER] = "peer failure",
      [IG_ERR_NUMERIC] = "not a finite number",
      [IG_ERR_INTERRUPTED] = "interrupted",
      [IG_ERR_INTERNAL] = "internal error",
  };
  return (unsigned)status < IG_COUNT(names) ? names[status] : "unknown status";
}

const char *ig_last_error(void) { return last_error; }

void ig_clear_error(void) { last_error[0] = '\0'; }

/* Names come from files: a stray newline or escape sequence must not forge a log line. */
static void replace_controls(char *text) {
  for (unsigned char *c = (unsigned char *)text; *c; c++) {
    if (*c < 0x20 || *c == 0x7f) *c = '?';
  }
}

ig_status ig_fail(ig_status code, const char *format, ...) {
  char line[ERROR_BYTES]; /* the arguments may hold the last error itself */
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  replace_controls(line);
  memcpy(last_error, line, sizeof line);
  return code;
}

ig_status ig_fail_in(ig_status code, const char *format, ...) {
  char line[2 * ERROR_BYTES + 2];
  va_list args;
  va_start(args, format);
  int used = vsnprintf(line, ERROR_BYTES, format, args);
  va_end(args);
  if (used < 0) used = 0;
  if (used >= ERROR_BYTES) used = ERROR_BYTES - 1;
  snprintf(line + used, sizeof line - (size_t)used, ": %s", last_error);
  line[ERROR_BYTES - 1] = '\0';
  replace_controls(line);
  memcpy(last_error, line, ERROR_BYTES);
  return code;
}

ig_status ig_fail_errno(const char *verb, const char *path) {
  int code = errno;
  char text[128];
#ifdef _GNU_SOURCE
  const char *reason = strerror_r(code, text, sizeof text);
#else
  strerror_r(code, text, sizeof text);
  const char *reason = text;
#endif
  ig_status status = IG_ERR_IO;
  if (code == ENOMEM) status = IG_ERR_MEMORY;
  if (code == ENOENT || code == ENOTDIR || code == EISDIR || code == ELOOP) status = IG_ERR_INPUT;
  return ig_fail(status, "%s: cannot %s: %s", path, verb, reason);
}
