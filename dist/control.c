/* Control connections: failures and their one cause, and what other threads ask (control.h). */
#include "dist/control_state.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/memory.h"

#define BEATS 8             /* in one timeout, at least */
#define MOST_BEAT 0.5       /* seconds between two */
#define SUSPECT_SECONDS 0.5 /* within which the cause of a broken link shows */
#define VERDICT_SECONDS 1.5 /* that rank 0 is given to answer */
#define LINGER_SECONDS 1.0

static ig_status start(ig_control *c) {
  pthread_condattr_t clock;
  pthread_condattr_init(&clock);
  pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->changed, &clock);
  pthread_condattr_destroy(&clock);
  c->has_sync = true;
  c->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  IG_CHECK(c->kick >= 0, IG_ERR_IO, "control: no eventfd: %s", strerror(errno));
  sigset_t all, before; /* signals are the main thread's */
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  int code = pthread_create(&c->thread, NULL, ig_control_serve, c);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  IG_CHECK(code == 0, IG_ERR_IO, "control: no thread: %s", strerror(code));
  c->has_thread = true;
  return IG_OK;
}

static void release(ig_control *c) {
  for (int i = 0; c->wires && i < c->n_wires; i++) {
    if (c->wires[i].fd >= 0) close(c->wires[i].fd);
    ig_free(c->wires[i].in);
    ig_free(c->wires[i].out);
  }
  if (c->kick >= 0) close(c->kick);
  if (c->has_sync) {
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->changed);
  }
  ig_lobby_destroy(c->lobby);
  ig_free(c->wires);
  ig_free(c->polls);
  ig_free(c->hosts);
  ig_free(c->has_part);
  ig_free(c->parts);
  ig_free(c);
}

ig_status ig_control_create(int rank, int size, const int *sockets, ig_lobby *lobby,
                            char (*hosts)[IG_NAME_BYTES], double timeout, ig_control **out) {
  ig_control *c = ig_alloc_zero(1, sizeof *c);
  int n = rank == 0 ? size : 1;
  if (c) {
    c->rank = rank;
    c->size = size;
    c->timeout = timeout;
    c->beat = IG_MIN(MOST_BEAT, timeout / BEATS);
    c->kick = c->suspect = -1;
    c->lobby = lobby;
    c->wires = ig_alloc_zero((size_t)n, sizeof *c->wires);
    c->polls = ig_alloc_zero((size_t)n + 1, sizeof *c->polls);
    c->hosts = ig_alloc_zero((size_t)size, sizeof *c->hosts);
    c->has_part = ig_alloc_zero((size_t)size, sizeof *c->has_part);
  }
  if (!c || !c->wires || !c->polls || !c->hosts || !c->has_part) {
    for (int i = rank == 0; i < n; i++) close(sockets[i]);
    if (c) {
      release(c);
    } else {
      ig_lobby_destroy(lobby);
    }
    return ig_fail(IG_ERR_MEMORY, "control: out of memory");
  }
  memcpy(c->hosts, hosts, (size_t)size * sizeof *hosts);
  c->n_wires = n;
  for (int i = 0; i < n; i++) {
    c->wires[i].fd = rank == 0 && i == 0 ? -1 : sockets[i];
    c->wires[i].heard = ig_seconds();
  }
  ig_status status = start(c);
  if (status != IG_OK) {
    release(c);
    return status;
  }
  *out = c;
  return IG_OK;
}

void ig_control_on_failure(ig_control *c, void (*hook)(void *), void *context) {
  pthread_mutex_lock(&c->lock);
  c->hook = hook;
  c->hook_context = context;
  if (hook && atomic_load(&c->failed)) hook(context);
  pthread_mutex_unlock(&c->lock);
}

void ig_control_set_hosts(ig_control *c, char (*hosts)[IG_NAME_BYTES]) {
  pthread_mutex_lock(&c->lock);
  memcpy(c->hosts, hosts, (size_t)c->size * sizeof *hosts);
  pthread_mutex_unlock(&c->lock);
}

double ig_control_timeout(const ig_control *c) {
  return c->timeout;
}

void ig_control_wake(ig_control *c) {
  uint64_t one = 1;
  ssize_t n = write(c->kick, &one, sizeof one);
  IG_UNUSED(n); /* full is as good as written */
}

/* The first cause wins: on rank 0, for all ranks. */
void ig_control_latch(ig_control *c, const char *line) {
  if (atomic_load(&c->failed)) return;
  snprintf(c->line, sizeof c->line, "%s", line);
  atomic_store(&c->failed, true);
  for (int i = 0; i < c->n_wires; i++)
    ig_control_queue(c, &c->wires[i], IG_FRAME_FAIL, NULL, 0, c->line, strlen(c->line));
  pthread_cond_broadcast(&c->changed);
  if (c->hook) c->hook(c->hook_context);
  ig_control_wake(c);
}

/* The step that a message about a rank names: the latest that it is known to have come to. */
static long long step_of(const ig_control *c, int rank) {
  int64_t own = atomic_load(&c->step);
  if (rank == c->rank) return own;
  int64_t told = c->rank == 0 ? c->wires[rank].step : rank == 0 ? c->wires[0].step : 0;
  return IG_MAX(own, told);
}

void ig_control_latch_end(ig_control *c, int rank) {
  char line[IG_LINE_BYTES];
  snprintf(line, sizeof line, "rank %d on %s ended (killed?) at step %lld", rank, c->hosts[rank],
           step_of(c, rank));
  ig_control_latch(c, line);
}

/* Who is to blame that `what` did not come: a rank that is silent, or else one that made fewer
 * calls than others. */
void ig_control_judge(ig_control *c, const char *what) {
  int silent = -1, behind = -1;
  double now = ig_seconds(), longest = IG_MAX(4 * c->beat, c->timeout / 2);
  uint64_t own = atomic_load(&c->calls), least = own, most = own;
  for (int r = 1; r < c->size; r++) {
    const ig_wire *w = &c->wires[r];
    if (w->fd >= 0 && now - w->heard > longest) {
      longest = now - w->heard;
      silent = r;
    }
    if (w->calls < least) behind = r;
    least = IG_MIN(least, w->calls);
    most = IG_MAX(most, w->calls);
  }
  if (least < most && behind < 0) behind = 0;
  char line[IG_LINE_BYTES];
  if (silent >= 0) {
    snprintf(line, sizeof line,
             "rank %d on %s gave no sign of life for %.1f s (stopped, or cut off?) at step %lld",
             silent, c->hosts[silent], longest, step_of(c, silent));
  } else if (behind >= 0) {
    snprintf(line, sizeof line, "rank %d on %s did not come to %.200s within %.1f s at step %lld",
             behind, c->hosts[behind], what, c->timeout, step_of(c, behind));
  } else {
    snprintf(line, sizeof line,
             "%.200s did not end within %.1f s at step %lld, with all ranks in it", what,
             c->timeout, (long long)atomic_load(&c->step));
  }
  ig_control_latch(c, line);
}

ig_status ig_control_check(ig_control *c) {
  if (!atomic_load(&c->failed)) return IG_OK;
  pthread_mutex_lock(&c->lock);
  ig_status status = ig_fail(IG_ERR_PEER, "%s", c->line);
  pthread_mutex_unlock(&c->lock);
  return status;
}

bool ig_control_has_failed(const ig_control *c) {
  return atomic_load(&c->failed);
}

void ig_control_note(ig_control *c, int64_t step) {
  atomic_store(&c->step, step);
  atomic_fetch_add(&c->calls, 1);
}

/* Waits for a change until the deadline; false when it has passed. */
static bool wait_change(ig_control *c, double deadline) {
  struct timespec until = {(time_t)deadline, (long)((deadline - (double)(time_t)deadline) * 1e9)};
  return pthread_cond_timedwait(&c->changed, &c->lock, &until) != ETIMEDOUT;
}

static void await_verdict(ig_control *c) {
  double deadline = ig_seconds() + VERDICT_SECONDS;
  while (!atomic_load(&c->failed) && wait_change(c, deadline)) continue;
}

long long ig_control_step(const ig_control *c) {
  return atomic_load(&c->step);
}

bool ig_control_is_leaving(ig_control *c) {
  pthread_mutex_lock(&c->lock);
  bool leaving = c->leaving;
  pthread_mutex_unlock(&c->lock);
  return leaving;
}

/* A rank other than 0 gives rank 0 the time to say what all are to say. */
void ig_control_fail(ig_control *c, const char *line) {
  pthread_mutex_lock(&c->lock);
  if (c->rank != 0 && !atomic_load(&c->failed)) {
    ig_control_queue(c, &c->wires[0], IG_FRAME_FAIL, NULL, 0, line, strlen(line));
    ig_control_wake(c);
    await_verdict(c);
  }
  ig_control_latch(c, line);
  pthread_mutex_unlock(&c->lock);
}

void ig_control_abandon(ig_control *c, const char *reason) {
  char line[IG_LINE_BYTES];
  pthread_mutex_lock(&c->lock);
  snprintf(line, sizeof line, "rank %d on %s gave up at step %lld: %.350s", c->rank,
           c->hosts[c->rank], step_of(c, c->rank), reason);
  ig_control_latch(c, line);
  pthread_mutex_unlock(&c->lock);
}

void ig_control_suspect(ig_control *c, int rank) {
  unsigned char bytes[4];
  pthread_mutex_lock(&c->lock);
  if (c->suspect < 0) {
    c->suspect = rank;
    c->suspect_until = ig_seconds() + (c->rank == 0 ? 1 : 2) * SUSPECT_SECONDS;
    ig_put32(bytes, (uint32_t)rank);
    if (c->rank != 0) ig_control_queue(c, &c->wires[0], IG_FRAME_SUSPECT, bytes, 4, NULL, 0);
    ig_control_wake(c);
  }
  pthread_mutex_unlock(&c->lock);
}

ig_status ig_control_lost(ig_control *c, int rank) {
  ig_control_suspect(c, rank);
  pthread_mutex_lock(&c->lock);
  await_verdict(c);
  ig_control_latch_end(c, rank); /* unless it came */
  pthread_mutex_unlock(&c->lock);
  return ig_control_check(c);
}

ig_status ig_control_stuck(ig_control *c, const char *what) {
  pthread_mutex_lock(&c->lock);
  if (c->rank == 0) {
    ig_control_judge(c, what);
  } else if (!atomic_load(&c->failed)) {
    ig_control_queue(c, &c->wires[0], IG_FRAME_STUCK, NULL, 0, what, strnlen(what, 200));
    ig_control_wake(c);
    await_verdict(c);
    char line[IG_LINE_BYTES];
    snprintf(line, sizeof line,
             "rank 0 on %s gave no sign of life (stopped, or cut off?) at step %lld", c->hosts[0],
             step_of(c, 0));
    ig_control_latch(c, line); /* unless the verdict came */
  }
  pthread_mutex_unlock(&c->lock);
  return ig_control_check(c);
}

void ig_control_leave(ig_control *c) {
  if (atomic_load(&c->failed)) return;
  pthread_mutex_lock(&c->lock);
  c->leaving = true;
  if (c->rank == 0) {
    ig_control_count_leaving(c);
  } else {
    ig_control_queue(c, &c->wires[0], IG_FRAME_BYE, NULL, 0, NULL, 0);
  }
  ig_control_wake(c);
  double deadline = ig_seconds() + c->timeout;
  while (!atomic_load(&c->failed) && !c->all_left && wait_change(c, deadline)) continue;
  pthread_mutex_unlock(&c->lock);
}

void ig_control_destroy(ig_control *c, bool *orderly) {
  *orderly = !atomic_load(&c->failed) && c->all_left;
  pthread_mutex_lock(&c->lock);
  c->stop = true;
  pthread_mutex_unlock(&c->lock);
  ig_control_wake(c);
  pthread_join(c->thread, NULL);
  ig_control_linger(c, LINGER_SECONDS);
  release(c);
}
