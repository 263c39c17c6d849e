/* Starts the ranks of a test job (worker.c) and collects how each ended and what it said. */
#ifndef IG_TESTS_RANKS_H
#define IG_TESTS_RANKS_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scratch.h"
#include "free_port.h"

#define MOST_RANKS 8
#define MOST_ARGUMENTS 32
#define SAID_BYTES 16384

typedef struct ranks {
  int n, endless; /* ranks; how many of them are not waited for */
  pid_t pids[MOST_RANKS];
  int said[MOST_RANKS];     /* memory files of stdout and stderr */
  int codes[MOST_RANKS];    /* of exit; 128 + n after signal n; -1 while running */
  double ended[MOST_RANKS]; /* seconds after the start */
  double start;
  char text[MOST_RANKS][SAID_BYTES];
} ranks;

static inline double ranks_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline void ranks_pause(double seconds) {
  struct timespec t = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
  nanosleep(&t, NULL);
}

/* Runs a NULL-ended list of arguments as rank j->n. */
static inline void ranks_add(ranks *j, char *const *arguments) {
  int r = j->n++;
  if (r == 0) j->start = ranks_now();
  j->codes[r] = -1;
  j->said[r] = memfd_create("said", MFD_CLOEXEC);
  assert_true(j->said[r] >= 0);
  fflush(NULL);
  j->pids[r] = fork();
  if (j->pids[r] == 0) {
    setpgid(0, 0);
    dup2(j->said[r], 1);
    dup2(j->said[r], 2);
    execv(arguments[0], arguments);
    _exit(127);
  }
  assert_true(j->pids[r] > 0);
}

/* The same where mpirun is among the arguments: libmpi leaks. */
static inline void ranks_add_leaky(ranks *j, char *const *arguments) {
  const char *outer = getenv("ASAN_OPTIONS");
  char before[512], inner[600];
  snprintf(before, sizeof before, "%s", outer ? outer : "");
  snprintf(inner, sizeof inner, "%s:detect_leaks=0", before);
  setenv("ASAN_OPTIONS", inner, 1);
  ranks_add(j, arguments);
  setenv("ASAN_OPTIONS", before, 1);
}

/* Waits until all that end have ended or `limit` seconds have passed since the start; what runs
 * then is killed, and keeps -1. */
static inline void ranks_wait(ranks *j, double limit) {
  int left = j->n;
  while (left > j->endless && ranks_now() - j->start < limit) {
    left = 0;
    for (int r = 0; r < j->n; r++) {
      int status;
      if (j->codes[r] >= 0) continue;
      if (waitpid(j->pids[r], &status, WNOHANG) == j->pids[r]) {
        j->codes[r] = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        j->ended[r] = ranks_now() - j->start;
      } else {
        left++;
      }
    }
    ranks_pause(0.01);
  }
  for (int r = 0; r < j->n; r++) {
    if (j->codes[r] < 0) {
      kill(-j->pids[r], SIGKILL);
      waitpid(j->pids[r], NULL, 0);
    }
    ssize_t n = pread(j->said[r], j->text[r], SAID_BYTES - 1, 0);
    j->text[r][n > 0 ? n : 0] = '\0';
    close(j->said[r]);
  }
}

static inline void ranks_show(const ranks *j) {
  for (int r = 0; r < j->n; r++) fprintf(stderr, "[%d] exit %d: %s\n", r, j->codes[r], j->text[r]);
}

#define ranks_check(j, condition)                                                                  \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      ranks_show(j);                                                                               \
      fail_msg("%s", #condition);                                                                  \
    }                                                                                              \
  } while (0)

/* One worker of `n` at a rendezvous on `port`; rank -1 to be told; `more` are further
 * "key=value". */
static inline void ranks_add_worker(ranks *j, const char *scenario, int port, int rank, int n,
                                    const char *const *more) {
  char place[64], own[32], all[32],
      *arguments[MOST_ARGUMENTS] = {DIST_WORKER, (char *)scenario, place, own, all};
  int count = 5;
  snprintf(place, sizeof place, "rendezvous=127.0.0.1:%d", port);
  snprintf(own, sizeof own, "rank=%d", rank);
  snprintf(all, sizeof all, "ranks=%d", n);
  for (int i = 0; more && more[i] && count < MOST_ARGUMENTS - 1; i++)
    arguments[count++] = (char *)more[i];
  ranks_add(j, arguments);
}

/* A whole job at a rendezvous, of which `endless` ranks do not end by themselves. */
static inline void ranks_run(ranks *j, const char *scenario, int n, const char *const *more,
                             int endless, double limit) {
  int port = free_port();
  *j = (ranks){.endless = endless};
  for (int r = 0; r < n; r++) ranks_add_worker(j, scenario, port, r, n, more);
  ranks_wait(j, limit);
}

/* A whole job under mpirun, which is the one process here. Libraries of MPI leak: what Ingot itself
 * would leak, jobs at a rendezvous show. */
static inline void ranks_mpirun(ranks *j, const char *scenario, int n, const char *const *more,
                                double limit) {
  char number[16];
  char *arguments[MOST_ARGUMENTS] = {MPIRUN, "--oversubscribe", "--bind-to",     "none", "-n",
                                     number, DIST_WORKER,       (char *)scenario};
  int count = 8;
  snprintf(number, sizeof number, "%d", n);
  for (int i = 0; more && more[i] && count < MOST_ARGUMENTS - 1; i++)
    arguments[count++] = (char *)more[i];
  *j = (ranks){0};
  ranks_add_leaky(j, arguments);
  ranks_wait(j, limit);
}

#endif
