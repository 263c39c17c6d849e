/* Links over TCP: one connection for each pair of ranks, the higher rank calls the lower. The first
 * bytes are a hello with the job's token, which only its ranks know; whoever calls without it is
 * not heard. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dist/link.h"
#include "engine/base/memory.h"

#define CALLERS 16 /* that have not said who they are */
#define CALLER_SECONDS 5.0
#define TURN_BYTES (1 << 20) /* moved on one connection before the next has its turn */

typedef struct message {
  struct message *next;
  ig_head head;
  unsigned char bytes[IG_HEAD_BYTES];
  const void *body;
  size_t done;
} message;

typedef struct line {
  int fd, rank;
  message *first, *last; /* to be sent */
  ig_head head;          /* of what comes */
  unsigned char bytes[IG_HEAD_BYTES];
  size_t come; /* of head and body */
  char *body;
} line;

typedef struct tcp_link {
  ig_link base;
  int n, kick;
  line *lines;
  int *line_of; /* by rank; -1 for none */
  struct pollfd *polls;
} tcp_link;

static ig_status tcp_send(ig_link *base, int to, const ig_head *head, const void *body) {
  tcp_link *t = (tcp_link *)base;
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

static void drop_line(tcp_link *t, line *l) {
  if (l->fd < 0) return;
  close(l->fd);
  l->fd = -1;
  t->base.events->broken(t->base.context, l->rank);
}

/* True when something was moved. */
static bool send_some(tcp_link *t, line *l) {
  size_t moved = 0;
  while (l->fd >= 0 && l->first && moved < TURN_BYTES) {
    message *m = l->first;
    size_t in_head = m->done < IG_HEAD_BYTES ? IG_HEAD_BYTES - m->done : 0;
    size_t in_body = m->done > IG_HEAD_BYTES ? m->done - IG_HEAD_BYTES : 0;
    struct iovec parts[2] = {{m->bytes + IG_HEAD_BYTES - in_head, in_head},
                             {m->body ? (char *)m->body + in_body : NULL, m->head.bytes - in_body}};
    struct msghdr call = {.msg_iov = parts, .msg_iovlen = m->head.bytes ? 2 : 1};
    ssize_t n = sendmsg(l->fd, &call, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) {
      drop_line(t, l);
      break;
    }
    m->done += (size_t)n;
    moved += (size_t)n;
    if (m->done < IG_HEAD_BYTES + (size_t)m->head.bytes) continue;
    l->first = m->next;
    if (!l->first) l->last = NULL;
    t->base.events->sent(t->base.context, l->rank, &m->head);
    ig_free(m);
  }
  return moved > 0;
}

static bool receive_some(tcp_link *t, line *l) {
  size_t moved = 0;
  while (l->fd >= 0 && moved < TURN_BYTES) {
    bool in_head = l->come < IG_HEAD_BYTES;
    size_t in_body = in_head ? 0 : l->come - IG_HEAD_BYTES;
    ssize_t n = in_head ? recv(l->fd, l->bytes + l->come, IG_HEAD_BYTES - l->come, 0)
                        : recv(l->fd, l->body + in_body, l->head.bytes - in_body, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n <= 0) {
      drop_line(t, l);
      break;
    }
    l->come += (size_t)n;
    moved += (size_t)n;
    if (in_head && l->come == IG_HEAD_BYTES) {
      ig_head_decode(l->bytes, &l->head);
      l->body = t->base.events->head(t->base.context, l->rank, &l->head);
      if (!l->body) return true; /* the job fails: nothing more is read */
    }
    if (l->come == IG_HEAD_BYTES + (size_t)l->head.bytes) {
      l->come = 0;
      t->base.events->body(t->base.context, l->rank, &l->head);
    }
  }
  return moved > 0;
}

static void tcp_progress(ig_link *base, int ms, bool *moved) {
  tcp_link *t = (tcp_link *)base;
  uint64_t kicks;
  for (int i = 0; i < t->n; i++) {
    short events = t->lines[i].first ? POLLIN | POLLOUT : POLLIN;
    t->polls[i] = (struct pollfd){.fd = t->lines[i].fd, .events = events};
  }
  t->polls[t->n] = (struct pollfd){.fd = t->kick, .events = POLLIN};
  *moved = false;
  if (poll(t->polls, (nfds_t)t->n + 1, ms) <= 0) return;
  if (t->polls[t->n].revents) *moved = read(t->kick, &kicks, sizeof kicks) > 0;
  for (int i = 0; i < t->n; i++) {
    if (t->polls[i].revents & ~POLLOUT) *moved = receive_some(t, &t->lines[i]) || *moved;
    if (t->polls[i].revents & POLLOUT) *moved = send_some(t, &t->lines[i]) || *moved;
  }
}

static void tcp_wake(ig_link *base) {
  uint64_t one = 1;
  ssize_t n = write(((tcp_link *)base)->kick, &one, sizeof one);
  IG_UNUSED(n);
}

static void tcp_destroy(ig_link *base) {
  tcp_link *t = (tcp_link *)base;
  for (int i = 0; t->lines && i < t->n; i++) {
    if (t->lines[i].fd >= 0) close(t->lines[i].fd);
    for (message *m = t->lines[i].first, *next; m; m = next) {
      next = m->next;
      ig_free(m);
    }
  }
  if (t->kick >= 0) close(t->kick);
  ig_free(t->lines);
  ig_free(t->line_of);
  ig_free(t->polls);
  ig_free(t);
}

static const ig_link_vtable tcp_vtable = {"tcp", tcp_send, tcp_progress, tcp_wake, tcp_destroy};

typedef struct caller {
  int fd;
  double until;
  size_t bytes;
  unsigned char hello[IG_HELLO_BYTES];
} caller;

/* What the connecting of all lines is about. */
typedef struct calling {
  ig_control *control;
  int rank, size, listener, missing, n_callers;
  const unsigned char *token;
  double deadline;
  caller callers[CALLERS];
} calling;

/* Calls a lower rank and says who this is. */
static ig_status call_peer(const calling *c, line *l, const ig_address *address) {
  unsigned char bytes[IG_HELLO_BYTES];
  char text[IG_ADDRESS_TEXT];
  ig_hello hello = {.kind = IG_LINK_CONNECTION, .rank = c->rank, .ranks = l->rank};
  memcpy(hello.token, c->token, IG_TOKEN_BYTES);
  ig_hello_encode(&hello, bytes);
  while (l->fd < 0) {
    IG_TRY(ig_control_check(c->control));
    l->fd = ig_connect(address, IG_MIN(c->deadline, ig_seconds() + 1));
    IG_CHECK(l->fd >= 0 || ig_seconds() < c->deadline, IG_ERR_PEER, "link to rank %d at %s: %s",
             l->rank, ig_address_text(address, text), strerror(errno));
    if (l->fd < 0) ig_sleep(0.05);
  }
  IG_CHECK(ig_send_all(l->fd, bytes, sizeof bytes, c->deadline), IG_ERR_PEER, "link to rank %d: %s",
           l->rank, strerror(errno));
  return IG_OK;
}

/* True when that caller is one no more: a line, or gone. */
static bool hear_caller(tcp_link *t, calling *c, caller *who) {
  char reason[IG_REASON_BYTES];
  ig_hello hello;
  ssize_t n = recv(who->fd, who->hello + who->bytes, sizeof who->hello - who->bytes, 0);
  if (n > 0) who->bytes += (size_t)n;
  bool open = n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
  if (open && who->bytes < sizeof who->hello && ig_seconds() < who->until) return false;
  if (who->bytes == sizeof who->hello && ig_hello_decode(who->hello, &hello, reason) &&
      hello.kind == IG_LINK_CONNECTION && hello.ranks == c->rank && hello.rank > c->rank &&
      hello.rank < c->size && memcmp(hello.token, c->token, IG_TOKEN_BYTES) == 0 &&
      t->line_of[hello.rank] >= 0 && t->lines[t->line_of[hello.rank]].fd < 0) {
    t->lines[t->line_of[hello.rank]].fd = who->fd;
    c->missing--;
  } else {
    close(who->fd);
  }
  return true;
}

static ig_status hear_callers(tcp_link *t, calling *c) {
  ig_status status = IG_OK;
  while (c->missing > 0) {
    struct pollfd polls[CALLERS + 1] = {{.fd = c->listener, .events = POLLIN}};
    for (int i = 0; i < c->n_callers; i++)
      polls[i + 1] = (struct pollfd){.fd = c->callers[i].fd, .events = POLLIN};
    poll(polls, (nfds_t)c->n_callers + 1, 50);
    for (int i = c->n_callers - 1; i >= 0; i--)
      if (hear_caller(t, c, &c->callers[i])) c->callers[i] = c->callers[--c->n_callers];
    for (int fd; c->n_callers < CALLERS && (fd = ig_accept(c->listener)) >= 0;)
      c->callers[c->n_callers++] = (caller){.fd = fd, .until = ig_seconds() + CALLER_SECONDS};
    IG_TRY_DONE(ig_control_check(c->control));
    IG_CHECK_DONE(ig_seconds() < c->deadline, IG_ERR_PEER, "links: %d ranks did not call in time",
                  c->missing);
  }
done:
  for (int i = 0; i < c->n_callers; i++) close(c->callers[i].fd);
  return status;
}

ig_status ig_link_tcp_create(ig_control *control, int rank, int size, const int *peers, int n_peers,
                             const ig_address *addresses, int listener,
                             const unsigned char token[IG_TOKEN_BYTES], ig_link **out) {
  tcp_link *t = ig_alloc_zero(1, sizeof *t);
  calling c = {.control = control,
               .rank = rank,
               .size = size,
               .listener = listener,
               .token = token,
               .deadline = ig_seconds() + ig_control_timeout(control)};
  ig_status status = IG_OK;
  if (t) {
    t->base.vtable = &tcp_vtable;
    t->n = n_peers;
    t->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    t->lines = ig_alloc_zero((size_t)n_peers, sizeof *t->lines);
    t->line_of = ig_alloc_zero((size_t)size, sizeof *t->line_of);
    t->polls = ig_alloc_zero((size_t)n_peers + 1, sizeof *t->polls);
  }
  if (!t || !t->lines || !t->line_of || !t->polls || t->kick < 0) {
    if (t) t->n = 0;
    status = ig_fail(IG_ERR_MEMORY, "links: out of memory");
    goto done;
  }
  for (int r = 0; r < size; r++) t->line_of[r] = -1;
  for (int i = 0; i < n_peers; i++) {
    t->lines[i] = (line){.fd = -1, .rank = peers[i]};
    t->line_of[peers[i]] = i;
    c.missing += peers[i] > rank;
  }
  for (int i = 0; i < n_peers; i++)
    if (peers[i] < rank) IG_TRY_DONE(call_peer(&c, &t->lines[i], &addresses[peers[i]]));
  status = hear_callers(t, &c);
done:
  close(listener);
  if (status == IG_OK) {
    *out = &t->base;
  } else if (t) {
    tcp_destroy(&t->base);
  }
  return status;
}
