/* Runs the built program as a person or a script would, and keeps what it printed. */
#ifndef IG_TESTS_PROGRAM_H
#define IG_TESTS_PROGRAM_H

#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "scratch.h"

#define PROGRAM_TEXT 65536
#define PROGRAM_ARGS 64

typedef struct program_limits {
  size_t file_bytes;    /* RLIMIT_FSIZE; 0 for none */
  size_t memory_bytes;  /* RLIMIT_AS; 0 for none */
  bool nobody;          /* run as a user without rights, when this one is root */
  const char *out_path; /* where stdout goes instead, such as /dev/full */
  double kill_after;    /* seconds; 0 for never */
  int kill_signal;
} program_limits;

typedef struct program {
  int code;    /* exit code, or 128 + n when signal n ended it */
  bool killed; /* by a signal, and not by its own exit */
  char out[PROGRAM_TEXT], err[PROGRAM_TEXT];
} program;

static inline void program_slurp(int fd, char text[PROGRAM_TEXT]) {
  ssize_t size = pread(fd, text, PROGRAM_TEXT - 1, 0);
  text[size > 0 ? size : 0] = '\0';
  close(fd);
}

static inline int program_scratch_file(void) {
  char path[] = "/tmp/ingot-output-XXXXXX";
  int fd = mkstemp(path);
  if (fd >= 0) unlink(path);
  return fd;
}

/* In the child: what must be so before the program begins. */
static inline void program_confine(const program_limits *limits) {
  if (limits->file_bytes) {
    signal(SIGXFSZ, SIG_IGN); /* a write beyond the limit then fails as on a full disk */
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){limits->file_bytes, limits->file_bytes});
  }
  if (limits->memory_bytes) {
    setrlimit(RLIMIT_AS, &(struct rlimit){limits->memory_bytes, limits->memory_bytes});
  }
  if (limits->nobody && geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(126);
}

static inline void program_wait(pid_t child, const program_limits *limits, program *p) {
  int status;
  if (limits->kill_after > 0) {
    struct timespec pause = {
        (time_t)limits->kill_after,
        (long)((limits->kill_after - (double)(time_t)limits->kill_after) * 1e9)};
    nanosleep(&pause, NULL);
    kill(child, limits->kill_signal);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  p->killed = WIFSIGNALED(status);
  p->code = p->killed ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Runs INGOT with a NULL-ended list of arguments. The result is overwritten by the next call. */
static inline program *program_run_limited(const program_limits *limits,
                                           const char *const *arguments) {
  static program p;
  const char *argv[PROGRAM_ARGS] = {INGOT};
  int n = 1;
  while (arguments[n - 1] && n < PROGRAM_ARGS - 1) {
    argv[n] = arguments[n - 1];
    n++;
  }
  int out = limits->out_path ? open(limits->out_path, O_RDWR) : program_scratch_file();
  int err = program_scratch_file();
  assert_true(out >= 0 && err >= 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    /* Opened first: a user without rights need not be able to reach the build folder. */
    int file = open(INGOT, O_RDONLY | O_CLOEXEC);
    program_confine(limits);
    fexecve(file, (char *const *)(uintptr_t)argv, environ);
    _exit(127);
  }
  program_wait(child, limits, &p);
  program_slurp(out, p.out);
  program_slurp(err, p.err);
  return &p;
}

#define RUN(...) program_run_limited(&(program_limits){0}, (const char *const[]){__VA_ARGS__, NULL})
#define RUN_LIMITED(limits, ...)                                                                   \
  program_run_limited((limits), (const char *const[]){__VA_ARGS__, NULL})

static inline bool text_matches(const char *text, const char *pattern) {
  regex_t regex;
  assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE), 0);
  bool found = regexec(&regex, text, 0, NULL, 0) == 0;
  regfree(&regex);
  return found;
}

/* The program refused: that exit code, nothing on stdout, and exactly one line on stderr that matches
 * the extended regular expression. */
static inline void assert_refused(const program *p, int code, const char *pattern) {
  size_t length = strlen(p->err);
  char *first = strchr(p->err, '\n');
  bool one_line = first && first == p->err + length - 1;
  if (p->killed || p->code != code || !one_line || p->out[0] || !text_matches(p->err, pattern)) {
    fail_msg("expected exit %d and one line like\n  %s\ngot exit %d%s and\n  %s%s", code, pattern,
             p->code, p->killed ? " (killed)" : "", p->err, p->out);
  }
}

static inline void assert_succeeded(const program *p) {
  if (p->killed || p->code != 0) fail_msg("exit %d:\n%s", p->code, p->err);
}

#endif
