/* The lobby of rendezvous.h. A visitor is a connection whose hello is not whole yet; a member has
 * said a good one. Numbers are given when all are in: first to those who asked for one, then in the
 * order of arrival. */
#include "dist/rendezvous.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "engine/base/memory.h"

#define VISITORS 64
#define VISIT_SECONDS 5.0 /* from connecting to the end of the hello */
#define RETRY_SECONDS 0.1
#define ATTEMPT_SECONDS 3.0
#define GRACE_SECONDS 1.0 /* rank 0, whose time is up as well, may still say who is missing */

typedef struct visitor {
  int fd;
  double until;
  size_t bytes;
  unsigned char hello[IG_HELLO_BYTES];
} visitor;

typedef struct member {
  int fd, rank; /* rank -1 until all are in */
  char host[IG_NAME_BYTES];
} member;

struct ig_lobby {
  int listener, ranks, n_visitors, n_members, refused;
  bool full;
  char job[IG_NAME_BYTES], host[IG_NAME_BYTES];
  char last[IG_REASON_BYTES + IG_ADDRESS_TEXT]; /* who was refused last, and why */
  visitor visitors[VISITORS];
  member *members; /* without rank 0 itself */
  struct pollfd *polls;
};

ig_status ig_lobby_create(int listener, const ig_hello *self, ig_lobby **out) {
  ig_lobby *lobby = ig_alloc_zero(1, sizeof *lobby);
  if (lobby) {
    lobby->listener = listener;
    lobby->ranks = self->ranks;
    memcpy(lobby->job, self->job, IG_NAME_BYTES);
    memcpy(lobby->host, self->host, IG_NAME_BYTES);
    lobby->members = ig_alloc_zero((size_t)self->ranks, sizeof *lobby->members);
    lobby->polls = ig_alloc_zero((size_t)self->ranks + VISITORS + 1, sizeof *lobby->polls);
    if (lobby->members && lobby->polls) {
      *out = lobby;
      return IG_OK;
    }
    ig_lobby_destroy(lobby);
  } else {
    close(listener);
  }
  return ig_fail(IG_ERR_MEMORY, "rendezvous: out of memory");
}

void ig_lobby_destroy(ig_lobby *lobby) {
  if (!lobby) return;
  close(lobby->listener);
  for (int i = 0; i < lobby->n_visitors; i++) close(lobby->visitors[i].fd);
  for (int i = 0; !lobby->full && i < lobby->n_members; i++) close(lobby->members[i].fd);
  ig_free(lobby->members);
  ig_free(lobby->polls);
  ig_free(lobby);
}

static void send_welcome(int fd, const ig_welcome *welcome) {
  unsigned char bytes[IG_WELCOME_BYTES];
  ig_welcome_encode(welcome, bytes);
  /* A fresh connection takes so little at once; one that does not is closed soon and seen as
   * such. */
  ssize_t sent = send(fd, bytes, sizeof bytes, MSG_NOSIGNAL);
  IG_UNUSED(sent);
}

static void refuse(ig_lobby *lobby, int fd, const char *reason) {
  ig_welcome no = {0};
  ig_address from;
  char text[IG_ADDRESS_TEXT] = "?";
  if (ig_address_of_peer(fd, &from)) ig_address_text(&from, text);
  snprintf(no.reason, sizeof no.reason, "%s", reason);
  snprintf(lobby->last, sizeof lobby->last, "%s: %s", text, reason);
  lobby->refused++;
  send_welcome(fd, &no);
  shutdown(fd, SHUT_WR);
  close(fd);
}

/* Whether that good hello belongs here. */
static bool fits(const ig_lobby *lobby, const ig_hello *hello, char reason[IG_REASON_BYTES]) {
  if (hello->kind != IG_CONTROL_CONNECTION) {
    snprintf(reason, IG_REASON_BYTES, "this is a rendezvous, not a link");
  } else if (strcmp(hello->job, lobby->job) != 0) {
    snprintf(reason, IG_REASON_BYTES, "it is of job \"%s\", this is job \"%s\"", hello->job,
             lobby->job);
  } else if (lobby->full || lobby->n_members + 1 >= lobby->ranks) {
    snprintf(reason, IG_REASON_BYTES, "the job has all of its %d ranks", lobby->ranks);
  } else if (hello->ranks != 0 && hello->ranks != lobby->ranks) {
    snprintf(reason, IG_REASON_BYTES, "it is one of %d ranks, rank 0 waits for %d in all",
             hello->ranks, lobby->ranks);
  } else if (hello->rank == 0 || hello->rank >= lobby->ranks) {
    snprintf(reason, IG_REASON_BYTES, "expected a rank from 1 to %d, found %d", lobby->ranks - 1,
             hello->rank);
  } else {
    for (int i = 0; i < lobby->n_members; i++) {
      if (hello->rank > 0 && lobby->members[i].rank == hello->rank) {
        snprintf(reason, IG_REASON_BYTES, "rank %d is here already, from %s", hello->rank,
                 lobby->members[i].host);
        return false;
      }
    }
    return true;
  }
  return false;
}

/* Reads what a visitor has sent; true when it is a visitor no more. */
static bool visit(ig_lobby *lobby, visitor *v) {
  char reason[IG_REASON_BYTES];
  ssize_t n = recv(v->fd, v->hello + v->bytes, sizeof v->hello - v->bytes, 0);
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
    close(v->fd);
    return true;
  }
  if (n > 0) v->bytes += (size_t)n;
  ig_hello hello;
  unsigned char start[IG_HELLO_BYTES] = {0};
  if (v->bytes < sizeof v->hello) {
    /* Who speaks another protocol need not be waited for: its first bytes tell. */
    ig_hello_encode(&(ig_hello){.kind = IG_CONTROL_CONNECTION}, start);
    if (memcmp(start, v->hello, IG_MIN(v->bytes, 8)) == 0 && ig_seconds() < v->until) return false;
    refuse(lobby, v->fd,
           memcmp(start, v->hello, IG_MIN(v->bytes, 8)) == 0
               ? "its hello did not come in time"
               : "what it sent is not Ingot's protocol");
  } else if (!ig_hello_decode(v->hello, &hello, reason) || !fits(lobby, &hello, reason)) {
    refuse(lobby, v->fd, reason);
  } else {
    member *m = &lobby->members[lobby->n_members++];
    m->fd = v->fd;
    m->rank = hello.rank;
    memcpy(m->host, hello.host, IG_NAME_BYTES);
  }
  return true;
}

/* A member says nothing before its welcome: what can be read is its end. */
static bool has_ended(int fd) {
  char byte;
  ssize_t n = recv(fd, &byte, 1, MSG_PEEK);
  return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* One look at everybody; waits up to `ms` for something to happen. */
static void step(ig_lobby *lobby, int ms) {
  int n = 0;
  lobby->polls[n++] = (struct pollfd){.fd = lobby->listener, .events = POLLIN};
  for (int i = 0; i < lobby->n_visitors; i++)
    lobby->polls[n++] = (struct pollfd){.fd = lobby->visitors[i].fd, .events = POLLIN};
  for (int i = 0; !lobby->full && i < lobby->n_members; i++)
    lobby->polls[n++] = (struct pollfd){.fd = lobby->members[i].fd, .events = POLLIN};
  poll(lobby->polls, (nfds_t)n, ms);
  for (int i = lobby->n_visitors - 1; i >= 0; i--) {
    if (visit(lobby, &lobby->visitors[i]))
      lobby->visitors[i] = lobby->visitors[--lobby->n_visitors];
  }
  for (int i = lobby->n_members - 1; !lobby->full && i >= 0; i--) {
    member *m = &lobby->members[i];
    if (!has_ended(m->fd)) continue;
    close(m->fd);
    lobby->n_members--;
    memmove(m, m + 1, (size_t)(lobby->n_members - i) * sizeof *m); /* the order of arrival stays */
  }
  for (int fd; lobby->n_visitors < VISITORS && (fd = ig_accept(lobby->listener)) >= 0;)
    lobby->visitors[lobby->n_visitors++] =
        (visitor){.fd = fd, .until = ig_seconds() + VISIT_SECONDS};
}

void ig_lobby_refuse(ig_lobby *lobby) {
  step(lobby, 0);
}

static void number_members(ig_lobby *lobby) {
  for (int i = 0, next = 1; i < lobby->n_members; i++) {
    if (lobby->members[i].rank > 0) continue;
    for (bool taken = true; taken; next += taken) {
      taken = false;
      for (int k = 0; k < lobby->n_members; k++) taken = taken || lobby->members[k].rank == next;
    }
    lobby->members[i].rank = next;
  }
}

static ig_status tell_of_absence(ig_lobby *lobby) {
  ig_welcome no = {0};
  snprintf(no.reason, sizeof no.reason, "only %d of %d ranks came in time", lobby->n_members + 1,
           lobby->ranks);
  for (int i = 0; i < lobby->n_members; i++) send_welcome(lobby->members[i].fd, &no);
  if (lobby->refused == 0) return ig_fail(IG_ERR_PEER, "rendezvous: %s", no.reason);
  return ig_fail(IG_ERR_PEER, "rendezvous: %s; %d connections were refused, the last from %s",
                 no.reason, lobby->refused, lobby->last);
}

ig_status ig_lobby_gather(ig_lobby *lobby, double deadline, int *sockets,
                          char (*hosts)[IG_NAME_BYTES], unsigned char token[IG_TOKEN_BYTES]) {
  while (lobby->n_members + 1 < lobby->ranks) {
    if (ig_seconds() >= deadline) return tell_of_absence(lobby);
    step(lobby, ig_poll_ms(deadline, 200));
  }
  number_members(lobby);
  ig_welcome yes = {.accepted = true, .ranks = lobby->ranks};
  if (getrandom(yes.token, IG_TOKEN_BYTES, 0) != IG_TOKEN_BYTES)
    return ig_fail(IG_ERR_IO, "rendezvous: the system gives no random numbers");
  memcpy(token, yes.token, IG_TOKEN_BYTES);
  sockets[0] = -1;
  memcpy(hosts[0], lobby->host, IG_NAME_BYTES);
  for (int i = 0; i < lobby->n_members; i++) {
    member *m = &lobby->members[i];
    yes.rank = m->rank;
    send_welcome(m->fd, &yes);
    sockets[m->rank] = m->fd;
    memcpy(hosts[m->rank], m->host, IG_NAME_BYTES);
  }
  lobby->full = true;
  return IG_OK;
}

/* One attempt at one address: the connection when it was welcomed; otherwise -1 and in `trouble`
 * why. *refused: an answer came, and trying again would bring no other. */
static int ask(const ig_address *address, const ig_hello *hello, double deadline, bool *refused,
               char trouble[IG_REASON_BYTES], ig_welcome *welcome) {
  unsigned char mine[IG_HELLO_BYTES], theirs[IG_WELCOME_BYTES];
  double until = deadline + GRACE_SECONDS;
  int fd = ig_connect(address, IG_MIN(deadline, ig_seconds() + ATTEMPT_SECONDS));
  if (fd < 0) {
    if (!*refused) snprintf(trouble, IG_REASON_BYTES, "%s", strerror(errno));
    return -1;
  }
  ig_hello_encode(hello, mine);
  if (!ig_send_all(fd, mine, sizeof mine, until) ||
      !ig_receive_all(fd, theirs, sizeof theirs, until)) {
    bool closed = errno == 0 || errno == ECONNRESET;
    if (!*refused)
      snprintf(trouble, IG_REASON_BYTES, "%s",
               closed ? "the connection was closed" : strerror(errno));
  } else if (!ig_welcome_decode(theirs, welcome)) {
    *refused = true;
    snprintf(trouble, IG_REASON_BYTES, "what answers there is not Ingot");
  } else if (!welcome->accepted) {
    *refused = true;
    memcpy(trouble, welcome->reason, IG_REASON_BYTES);
  } else {
    return fd;
  }
  close(fd);
  return -1;
}

/* Of several addresses one may lead to another machine (each has its own 172.17.0.1): a refusal
 * counts when no other address does better. */
ig_status ig_lobby_join(const ig_address *addresses, int n, const char *where,
                        const ig_hello *hello, double deadline, int *out, ig_welcome *welcome) {
  char trouble[IG_REASON_BYTES] = "nobody listens";
  bool refused = false;
  double begin = ig_seconds();
  do {
    for (int i = 0; i < n; i++) {
      *out = ask(&addresses[i], hello, deadline, &refused, trouble, welcome);
      if (*out >= 0) return IG_OK;
    }
    IG_CHECK(!refused, IG_ERR_PEER, "rendezvous %s refused this process: %s", where, trouble);
    ig_sleep(IG_MIN(RETRY_SECONDS, deadline - ig_seconds()));
  } while (ig_seconds() < deadline);
  return ig_fail(IG_ERR_PEER, "rendezvous %s was not reached within %.1f s: %s", where,
                 ig_seconds() - begin, trouble);
}
