/* Errors: a coarse code that is returned, and a thread-local line that says what, where, expected
 * and found. Nothing here aborts, exits or prints. */
#ifndef IG_BASE_STATUS_H
#define IG_BASE_STATUS_H

#include "engine/ingot.h"

/* Records the formatted line (at most 1,023 bytes, control characters replaced) as the calling
 * thread's last error and returns `code`. */
ig_status ig_fail(ig_status code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts "context: " before the recorded line, so that a caller can add the file, node or option it
 * was working on. Returns `code` unchanged. */
ig_status ig_fail_in(ig_status code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Forgets the calling thread's last error. */
void ig_clear_error(void);

/* The failure of a system call on a path: "PATH: cannot VERB: strerror(errno)", IG_ERR_MEMORY for
 * ENOMEM, IG_ERR_INPUT for ENOENT, ENOTDIR, EISDIR and ELOOP, otherwise IG_ERR_IO. */
ig_status ig_fail_errno(const char *verb, const char *path);

#define IG_TRY(call)                                                                               \
  do {                                                                                             \
    ig_status ig_try_status = (call);                                                              \
    if (ig_try_status != IG_OK) return ig_try_status;                                              \
  } while (0)

/* As IG_TRY, for functions that release what they hold at the label `done` and return `status`. */
#define IG_TRY_DONE(call)                                                                          \
  do {                                                                                             \
    status = (call);                                                                               \
    if (status != IG_OK) goto done;                                                                \
  } while (0)

#define IG_CHECK(condition, code, ...)                                                             \
  do {                                                                                             \
    if (!(condition)) return ig_fail(code, __VA_ARGS__);                                           \
  } while (0)

#define IG_CHECK_DONE(condition, code, ...)                                                        \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      status = ig_fail(code, __VA_ARGS__);                                                         \
      goto done;                                                                                   \
    }                                                                                              \
  } while (0)

/* The usual answer to a NULL from ig_alloc and its kin. */
#define IG_CHECK_ALLOC(pointer)                                                                    \
  IG_CHECK((pointer) != NULL, IG_ERR_MEMORY, "%s: out of memory", __func__)

#define IG_COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define IG_MIN(a, b) ((a) < (b) ? (a) : (b))
#define IG_MAX(a, b) ((a) > (b) ? (a) : (b))
#define IG_UNUSED(name) (void)(name)

#endif
