/* Links over MPI: the head of a message is an MPI message with one tag, its body one with another.
 * MPI keeps the order of each, so that bodies need no names. All calls are made by the thread that
 * drives the link. MPI offers no way to sleep until something comes: when nothing moves, this one
 * naps. */
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dist/link.h"
#include "engine/base/memory.h"

#define HEAD_TAG 1
#define BODY_TAG 2
#define AT_ONCE 8 /* messages that MPI is given for one peer */
/* Looking takes time from those who compute: after something moved, looks follow at once, giving
 * way; then with naps, longer the longer nothing moves; with nothing under way, with long ones. */
#define YIELD_SECONDS 1e-4
#define NAP_SECONDS 50e-6
#define LONG_NAP 250e-6
#define IDLE_MS 1

typedef struct message {
  struct message *next;
  ig_head head;
  unsigned char bytes[IG_HEAD_BYTES];
  const void *body;
  bool given, sent[2];
  ig_mpi_request requests[2];
} message;

typedef struct line {
  int rank;
  message *first, *last;
  bool broken, has_head; /* a head is here, and its body is awaited */
  ig_head head;
  unsigned char bytes[IG_HEAD_BYTES];
  ig_mpi_request head_request, body_request;
} line;

typedef struct mpi_link {
  ig_link base;
  const ig_mpi_api *api;
  int n, kick;
  double last; /* when something moved */
  line *lines;
  int *line_of;
} mpi_link;

static ig_status mpi_send(ig_link *base, int to, const ig_head *head, const void *body) {
  mpi_link *t = (mpi_link *)base;
  line *l = &t->lines[t->line_of[to]];
  message *m = ig_alloc(sizeof *m);
  IG_CHECK(m, IG_ERR_MEMORY, "link: out of memory");
  *m = (message){.head = *head, .body = body};
  ig_head_encode(head, m->bytes);
  if (l->last) {
    l->last->next = m;
  } else {
    l->first = m;
  }
  l->last = m;
  return IG_OK;
}

static void break_line(mpi_link *t, line *l) {
  if (l->broken) return;
  l->broken = true;
  t->base.events->broken(t->base.context, l->rank);
}

static bool expect_head(mpi_link *t, line *l) {
  l->has_head = false;
  return !t->api->receive(l->bytes, IG_HEAD_BYTES, l->rank, HEAD_TAG, &l->head_request);
}

/* Gives a message to MPI; false on an error. */
static bool give(mpi_link *t, line *l, message *m) {
  m->given = true;
  m->sent[1] = m->head.bytes == 0;
  return !t->api->send(m->bytes, IG_HEAD_BYTES, l->rank, HEAD_TAG, &m->requests[0]) &&
         (m->sent[1] ||
          !t->api->send(m->body, (int)m->head.bytes, l->rank, BODY_TAG, &m->requests[1]));
}

/* True when something was moved. */
static bool send_some(mpi_link *t, line *l) {
  bool moved = false;
  int under_way = 0;
  for (message *m = l->first; m && under_way < AT_ONCE; m = m->next, under_way++) {
    if (m->given) continue;
    moved = true;
    if (!give(t, l, m)) {
      break_line(t, l);
      return true;
    }
  }
  for (message *m = l->first; m && m->given; m = m->next) {
    for (int i = 0; i < 2; i++) {
      int done = 0;
      if (m->sent[i]) continue;
      if (t->api->test(&m->requests[i], &done)) {
        break_line(t, l);
        return true;
      }
      m->sent[i] = done;
    }
  }
  while (l->first && l->first->given && l->first->sent[0] && l->first->sent[1]) {
    message *m = l->first;
    l->first = m->next;
    if (!l->first) l->last = NULL;
    t->base.events->sent(t->base.context, l->rank, &m->head);
    ig_free(m);
    moved = true;
  }
  return moved;
}

static bool receive_some(mpi_link *t, line *l) {
  int done = 0;
  if (!l->has_head) {
    if (t->api->test(&l->head_request, &done)) {
      break_line(t, l);
      return true;
    }
    if (!done) return false;
    ig_head_decode(l->bytes, &l->head);
    void *body = t->base.events->head(t->base.context, l->rank, &l->head);
    l->has_head = true;
    if (!body) { /* the job fails */
      l->broken = true;
      return true;
    }
    if (l->head.bytes > 0 &&
        t->api->receive(body, (int)l->head.bytes, l->rank, BODY_TAG, &l->body_request)) {
      break_line(t, l);
      return true;
    }
  }
  done = l->head.bytes == 0;
  if (!done && t->api->test(&l->body_request, &done)) {
    break_line(t, l);
    return true;
  }
  if (!done) return false;
  t->base.events->body(t->base.context, l->rank, &l->head);
  if (!expect_head(t, l)) break_line(t, l);
  return true;
}

static void mpi_progress(ig_link *base, int ms, bool *moved) {
  mpi_link *t = (mpi_link *)base;
  bool busy = false;
  *moved = false;
  for (int i = 0; i < t->n; i++) {
    line *l = &t->lines[i];
    if (l->broken) continue;
    *moved = receive_some(t, l) || *moved;
    if (!l->broken) *moved = send_some(t, l) || *moved;
    busy = busy || l->first || l->has_head;
  }
  double now = ig_seconds();
  if (*moved) t->last = now;
  if (*moved || ms == 0) return;
  if (now - t->last < YIELD_SECONDS) {
    sched_yield();
  } else if (busy || ms <= IDLE_MS) {
    ig_sleep(IG_MAX(NAP_SECONDS, IG_MIN(LONG_NAP, (now - t->last) / 8)));
  } else {
    uint64_t kicks;
    struct pollfd p = {.fd = t->kick, .events = POLLIN};
    if (poll(&p, 1, IDLE_MS) > 0) *moved = read(t->kick, &kicks, sizeof kicks) > 0;
  }
}

static void mpi_wake(ig_link *base) {
  uint64_t one = 1;
  ssize_t n = write(((mpi_link *)base)->kick, &one, sizeof one);
  IG_UNUSED(n);
}

/* What was awaited from a rank that will send no more is taken back. */
static void mpi_destroy(ig_link *base) {
  mpi_link *t = (mpi_link *)base;
  for (int i = 0; t->lines && i < t->n; i++) {
    line *l = &t->lines[i];
    if (t->base.orderly && !l->broken && !l->has_head) t->api->cancel(&l->head_request);
    for (message *m = l->first, *next; m; m = next) {
      next = m->next;
      if (!m->given)
        ig_free(m); /* MPI may still read the others: they stay until the process ends */
    }
  }
  if (t->kick >= 0) close(t->kick);
  ig_free(t->lines);
  ig_free(t->line_of);
  ig_free(t);
}

static const ig_link_vtable mpi_vtable = {"mpi", mpi_send, mpi_progress, mpi_wake, mpi_destroy};

ig_status ig_link_mpi_create(const ig_mpi_api *api, const int *peers, int n_peers, int size,
                             ig_link **out) {
  mpi_link *t = ig_alloc_zero(1, sizeof *t);
  IG_CHECK_ALLOC(t);
  t->base.vtable = &mpi_vtable;
  t->api = api;
  t->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  t->lines = ig_alloc_zero((size_t)n_peers, sizeof *t->lines);
  t->line_of = ig_alloc_zero((size_t)size, sizeof *t->line_of);
  if (!t->lines || !t->line_of || t->kick < 0) {
    mpi_destroy(&t->base);
    return ig_fail(IG_ERR_MEMORY, "links: out of memory");
  }
  for (int r = 0; r < size; r++) t->line_of[r] = -1;
  for (; t->n < n_peers; t->n++) {
    t->lines[t->n].rank = peers[t->n];
    t->line_of[peers[t->n]] = t->n;
    if (!expect_head(t, &t->lines[t->n])) {
      mpi_destroy(&t->base);
      return ig_fail(IG_ERR_PEER, "link to rank %d: MPI refuses to receive", peers[t->n]);
    }
  }
  *out = &t->base;
  return IG_OK;
}
