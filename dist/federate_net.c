/* The hub: one poll loop over the listener and all connections. A connection is a visitor until its hello
 * is whole, and a client's after that; frames wait in its queue and not in anybody's call. */
#include "dist/federate_net.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dist/rendezvous.h"
#include "dist/socket.h"

#define MOST_VISITORS 32
#define MOST_ADDRESSES 8
#define SEND_SECONDS 600
#define PREFIX 8 /* bytes of a frame's length */

/* Frames to be sent to a client; the server asks for a handful before it waits for an answer. */
#define MOST_QUEUED 16

typedef struct connection {
  int fd;       /* -1: none */
  double until; /* a visitor's time */
  char host[IG_NAME_BYTES];
  /* incoming */
  uint8_t prefix[IG_HELLO_BYTES]; /* the hello, or a frame's length */
  size_t have;                    /* bytes of prefix, and then of the frame */
  uint8_t *frame;
  size_t size;
  /* outgoing */
  const uint8_t *queue[MOST_QUEUED];
  size_t sizes[MOST_QUEUED], sent; /* sent: of the first, its length included */
  int n_queued;
} connection;

struct ig_fed_hub {
  ig_fed_hub_options options;
  int listener;
  ig_fed_server *server;
  void (*note)(void *context, const char *line);
  void *note_context;
  connection visitors[MOST_VISITORS];
  connection clients[IG_FED_MOST_CLIENTS + 1]; /* by number */
};

double ig_fed_now(void) {
  return ig_seconds();
}

/* --- creation ---------------------------------------------------------------------------------- */

static ig_status resolve(const char *text, ig_address *addresses, int *n) {
  char host[256];
  int port;
  IG_TRY(ig_split_host_port(text, host, &port));
  return ig_resolve(host, port, addresses, MOST_ADDRESSES, n);
}

ig_status ig_fed_hub_create(const ig_fed_hub_options *options, ig_fed_hub **out) {
  ig_address addresses[MOST_ADDRESSES];
  int n, bound;
  IG_TRY(resolve(options->address, addresses, &n));
  ig_fed_hub *hub = ig_alloc_zero(1, sizeof *hub);
  IG_CHECK_ALLOC(hub);
  hub->options = *options;
  hub->listener = -1;
  for (int i = 0; i < MOST_VISITORS; i++) hub->visitors[i].fd = -1;
  for (int i = 0; i <= IG_FED_MOST_CLIENTS; i++) hub->clients[i].fd = -1;
  for (int i = 0; i < n && hub->listener < 0; i++) {
    if (ig_listen(&addresses[i], 0, &hub->listener, &bound) != IG_OK) hub->listener = -1;
  }
  if (hub->listener < 0) {
    ig_fed_hub_destroy(hub, 0);
    return ig_fail_in(IG_ERR_PEER, "--rendezvous %s", options->address);
  }
  *out = hub;
  return IG_OK;
}

static void shut(connection *c) {
  if (c->fd >= 0) close(c->fd);
  ig_fed_release(c->frame);
  for (int i = 0; i < c->n_queued; i++) ig_fed_release(c->queue[i]);
  *c = (connection){.fd = -1};
}

void ig_fed_hub_serve(ig_fed_hub *hub, ig_fed_server *server) {
  hub->server = server;
}

/* --- sending ----------------------------------------------------------------------------------- */

/* As much as the connection takes now; false when it broke, with errno. */
static bool flush(connection *c) {
  while (c->n_queued > 0) {
    uint8_t prefix[PREFIX];
    ig_put64(prefix, c->sizes[0]);
    bool head = c->sent < PREFIX;
    const uint8_t *from = head ? prefix + c->sent : c->queue[0] + (c->sent - PREFIX);
    size_t left = head ? PREFIX - c->sent : PREFIX + c->sizes[0] - c->sent;
    ssize_t n = send(c->fd, from, left, MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    c->sent += (size_t)n;
    if (c->sent < PREFIX + c->sizes[0]) continue;
    ig_fed_release(c->queue[0]);
    c->n_queued--;
    memmove(c->queue, c->queue + 1, (size_t)c->n_queued * sizeof *c->queue);
    memmove(c->sizes, c->sizes + 1, (size_t)c->n_queued * sizeof *c->sizes);
    c->sent = 0;
  }
  return true;
}

static ig_status hub_send(void *context, int client, const void *frame, size_t size) {
  ig_fed_hub *hub = context;
  connection *c = &hub->clients[client];
  IG_CHECK(c->fd >= 0, IG_ERR_PEER, "its connection is gone");
  IG_CHECK(c->n_queued < MOST_QUEUED, IG_ERR_PEER, "it does not read what it is sent");
  ig_fed_hold(frame);
  c->queue[c->n_queued] = frame;
  c->sizes[c->n_queued++] = size;
  IG_CHECK(flush(c), IG_ERR_PEER, "its connection broke: %s", strerror(errno));
  return IG_OK;
}

static void hub_close(void *context, int client) {
  shut(&((ig_fed_hub *)context)->clients[client]);
}

static void hub_note(void *context, const char *line) {
  const ig_fed_hub *hub = context;
  if (hub->note) hub->note(hub->note_context, line);
}

ig_fed_server_calls ig_fed_hub_calls(ig_fed_hub *hub, void (*note)(void *context, const char *line),
                                     void *note_context) {
  hub->note = note;
  hub->note_context = note_context;
  return (ig_fed_server_calls){hub, hub_send, hub_close, hub_note};
}

/* --- coming in --------------------------------------------------------------------------------- */

static void answer(int fd, const ig_welcome *welcome) {
  uint8_t bytes[IG_WELCOME_BYTES];
  ig_welcome_encode(welcome, bytes);
  /* A fresh connection takes so little at once; if not, it ends soon. */
  ssize_t n = send(fd, bytes, sizeof bytes, MSG_NOSIGNAL);
  IG_UNUSED(n);
}

/* A refusal is said to the visitor and to people here. */
static void turn_away(ig_fed_hub *hub, connection *visitor, const char *reason) {
  ig_welcome no = {0};
  ig_address from;
  char text[IG_ADDRESS_TEXT] = "?", line[IG_REASON_BYTES + 2 * IG_ADDRESS_TEXT];
  snprintf(no.reason, sizeof no.reason, "%s", reason);
  if (ig_address_of_peer(visitor->fd, &from)) ig_address_text(&from, text);
  snprintf(line, sizeof line, "a connection from %s was refused: %s", text, no.reason);
  hub_note(hub, line);
  answer(visitor->fd, &no);
  shutdown(visitor->fd, SHUT_WR);
  shut(visitor);
}

/* A machine that vanishes says nothing: a minute without an answer from its system ends the connection, or
 * ten with data on the way, so that its client may come back. Ten, since who trains or validates does not
 * read, and then sending stands still as well. */
static void keep_alive(int fd) {
  const struct {
    int level, name, value;
  } options[] = {{SOL_SOCKET, SO_KEEPALIVE, 1},
                 {IPPROTO_TCP, TCP_KEEPIDLE, 30},
                 {IPPROTO_TCP, TCP_KEEPINTVL, 10},
                 {IPPROTO_TCP, TCP_KEEPCNT, 3},
                 {IPPROTO_TCP, TCP_USER_TIMEOUT, 600000}};
  for (int i = 0; i < IG_COUNT(options); i++) {
    setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
  }
}

/* Takes the connection over, whatever comes of it. */
static ig_status add(ig_fed_hub *hub, int client, int fd, const char *name) {
  hub->clients[client] = (connection){.fd = fd};
  ig_status status = ig_fed_server_joined(hub->server, client, name);
  if (status == IG_OK) {
    status = hub_send(hub, client, hub->options.welcome, hub->options.welcome_size);
    if (status != IG_OK) ig_fed_server_lost(hub->server, client, ig_last_error(), ig_seconds());
  }
  if (status != IG_OK) {
    shut(&hub->clients[client]);
    return status;
  }
  char line[IG_NAME_BYTES + 64];
  snprintf(line, sizeof line, "%s is here", name);
  hub_note(hub, line);
  return IG_OK;
}

static void let_in(ig_fed_hub *hub, connection *visitor) {
  char reason[IG_REASON_BYTES], name[IG_NAME_BYTES + 32];
  ig_hello hello;
  if (!ig_hello_decode(visitor->prefix, &hello, reason)) {
    turn_away(hub, visitor, reason);
    return;
  }
  bool fits = hello.kind == IG_FEDERATION_CONNECTION && hello.rank >= 1 &&
              hello.rank < hub->options.ranks && hello.ranks == hub->options.ranks;
  if (!fits || ig_fed_server_has(hub->server, hello.rank)) {
    snprintf(reason, sizeof reason,
             fits ? "rank %d of %d is connected already"
                  : "rank %d of %d: this is the server of a federation of %d",
             hello.rank, hello.ranks, hub->options.ranks);
    turn_away(hub, visitor, reason);
    return;
  }
  answer(visitor->fd, &(ig_welcome){.accepted = true, .rank = hello.rank, .ranks = hello.ranks});
  int fd = visitor->fd;
  keep_alive(fd);
  *visitor = (connection){.fd = -1};
  snprintf(name, sizeof name, "client %d (%s)", hello.rank, hello.host);
  if (add(hub, hello.rank, fd, name) != IG_OK) ig_clear_error(); /* told by the server */
}

ig_status ig_fed_hub_add(ig_fed_hub *hub, int client, int fd, const char *name) {
  return add(hub, client, fd, name);
}

static void visit(ig_fed_hub *hub, connection *v) {
  ssize_t n = recv(v->fd, v->prefix + v->have, IG_HELLO_BYTES - v->have, 0);
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
    shut(v);
    return;
  }
  if (n > 0) v->have += (size_t)n;
  if (v->have == IG_HELLO_BYTES) {
    let_in(hub, v);
  } else if (ig_seconds() >= v->until) {
    turn_away(hub, v, "its hello did not come in time");
  }
}

static void accept_visitors(ig_fed_hub *hub) {
  for (int i = 0; i < MOST_VISITORS; i++) {
    connection *v = &hub->visitors[i];
    if (v->fd >= 0) continue;
    v->fd = ig_accept(hub->listener);
    if (v->fd < 0) return;
    v->have = 0;
    v->until = ig_seconds() + hub->options.hello_timeout;
  }
}

/* --- receiving --------------------------------------------------------------------------------- */

/* Reads into the frame that is under way. 1: it is whole; 0: not yet; -1: broken, with a line. */
static int read_some(int fd, connection *c, size_t longest) {
  bool head = c->have < PREFIX;
  uint8_t *to = head ? c->prefix + c->have : c->frame + (c->have - PREFIX);
  size_t left = head ? PREFIX - c->have : PREFIX + c->size - c->have;
  ssize_t n = recv(fd, to, left, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (n <= 0) {
    ig_fail(IG_ERR_PEER, "its connection %s%s",
            n == 0 ? "was closed" : "broke: ", n == 0 ? "" : strerror(errno));
    return -1;
  }
  c->have += (size_t)n;
  if (head && c->have == PREFIX) {
    uint64_t size = ig_get64(c->prefix);
    if (size < IG_FED_HEAD || size > longest) {
      ig_fail(IG_ERR_INPUT, "it announced a message of %llu bytes, expected %d to %zu",
              (unsigned long long)size, IG_FED_HEAD, longest);
      return -1;
    }
    c->size = (size_t)size;
    c->frame = ig_fed_frame(IG_FED_END, 0, c->size - IG_FED_HEAD);
    if (!c->frame) {
      ig_fail(IG_ERR_MEMORY, "no memory for a message of %zu bytes", c->size);
      return -1;
    }
  }
  return c->have >= PREFIX && c->have == PREFIX + c->size;
}

static ig_status hear(ig_fed_hub *hub, int client) {
  connection *c = &hub->clients[client];
  if (c->fd < 0) return IG_OK;
  int found = read_some(c->fd, c, hub->options.longest);
  if (found < 0) {
    char why[256];
    snprintf(why, sizeof why, "%s", ig_last_error());
    shut(c);
    return ig_fed_server_lost(hub->server, client, why, ig_seconds());
  }
  if (found == 0) return IG_OK; /* the rest at the next step: others have their turn before */
  uint8_t *frame = c->frame;
  size_t size = c->size;
  c->frame = NULL;
  c->have = c->size = 0;
  ig_status status = ig_fed_server_receive(hub->server, client, frame, size, ig_seconds());
  ig_fed_release(frame);
  return status;
}

static ig_status write_on(ig_fed_hub *hub, int client) {
  connection *c = &hub->clients[client];
  if (c->fd < 0 || flush(c)) return IG_OK;
  char why[256];
  snprintf(why, sizeof why, "its connection broke: %s", strerror(errno));
  shut(c);
  return ig_fed_server_lost(hub->server, client, why, ig_seconds());
}

/* --- the loop ---------------------------------------------------------------------------------- */

static int gather_polls(const ig_fed_hub *hub, struct pollfd *polls) {
  int n = 0;
  polls[n++] = (struct pollfd){.fd = hub->listener, .events = POLLIN};
  for (int i = 0; i < MOST_VISITORS; i++) {
    polls[n++] = (struct pollfd){.fd = hub->visitors[i].fd, .events = POLLIN};
  }
  for (int i = 1; i <= IG_FED_MOST_CLIENTS; i++) {
    const connection *c = &hub->clients[i];
    short events = (short)(POLLIN | (c->n_queued > 0 ? POLLOUT : 0));
    polls[n++] = (struct pollfd){.fd = c->fd, .events = events};
  }
  return n;
}

ig_status ig_fed_hub_step(ig_fed_hub *hub, double deadline) {
  struct pollfd polls[1 + MOST_VISITORS + IG_FED_MOST_CLIENTS];
  int n = gather_polls(hub, polls);
  poll(polls, (nfds_t)n, ig_poll_ms(deadline, 200));
  for (int i = 0; i < MOST_VISITORS; i++) {
    if (hub->visitors[i].fd >= 0) visit(hub, &hub->visitors[i]);
  }
  if (polls[0].revents) accept_visitors(hub);
  for (int i = 1; i <= IG_FED_MOST_CLIENTS; i++) {
    short events = polls[MOST_VISITORS + i].revents;
    if (events & POLLOUT) IG_TRY(write_on(hub, i));
    if (events & (POLLIN | POLLHUP | POLLERR)) IG_TRY(hear(hub, i));
  }
  return ig_fed_server_tick(hub->server, ig_seconds());
}

void ig_fed_hub_destroy(ig_fed_hub *hub, double seconds) {
  if (!hub) return;
  double deadline = ig_seconds() + seconds;
  bool waiting = true;
  while (waiting && ig_seconds() < deadline) {
    waiting = false;
    for (int i = 1; i <= IG_FED_MOST_CLIENTS; i++) {
      connection *c = &hub->clients[i];
      if (c->fd >= 0 && !flush(c)) shut(c);
      waiting = waiting || c->n_queued > 0;
    }
    if (waiting) ig_sleep(0.01);
  }
  for (int i = 0; i < MOST_VISITORS; i++) shut(&hub->visitors[i]);
  for (int i = 0; i <= IG_FED_MOST_CLIENTS; i++) shut(&hub->clients[i]);
  if (hub->listener >= 0) close(hub->listener);
  ig_free(hub);
}

/* --- a client's side --------------------------------------------------------------------------- */

ig_status ig_fed_connect(const char *address, int rank, int ranks, double seconds, int *fd) {
  ig_address addresses[MOST_ADDRESSES];
  ig_hello hello = {.kind = IG_FEDERATION_CONNECTION, .rank = rank, .ranks = ranks};
  ig_welcome welcomed;
  int n;
  IG_TRY(resolve(address, addresses, &n));
  if (gethostname(hello.host, sizeof hello.host) != 0) snprintf(hello.host, sizeof hello.host, "?");
  hello.host[sizeof hello.host - 1] = '\0';
  IG_TRY(ig_lobby_join(addresses, n, address, &hello, ig_seconds() + seconds, fd, &welcomed));
  keep_alive(*fd);
  return IG_OK;
}

ig_status ig_fed_receive(int fd, size_t longest, int (*interrupted)(void *), uint8_t **frame,
                         size_t *size) {
  connection c = {.fd = fd};
  int found = 0;
  while (found == 0) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int signal_number = interrupted ? interrupted(NULL) : 0;
    if (signal_number) {
      ig_fed_release(c.frame);
      return ig_fail(IG_ERR_INTERRUPTED, "stopped by signal %d", signal_number);
    }
    if (poll(&p, 1, 200) > 0) found = read_some(fd, &c, longest);
  }
  if (found < 0) {
    ig_fed_release(c.frame);
    return ig_fail(IG_ERR_PEER, "the server: %s", ig_last_error());
  }
  *frame = c.frame;
  *size = c.size;
  return IG_OK;
}

ig_status ig_fed_send(int fd, const void *frame, size_t size) {
  uint8_t prefix[PREFIX];
  double deadline = ig_seconds() + SEND_SECONDS;
  ig_put64(prefix, size);
  IG_CHECK(ig_send_all(fd, prefix, sizeof prefix, deadline) &&
               ig_send_all(fd, frame, size, deadline),
           IG_ERR_PEER, "the connection to the server broke: %s", strerror(errno));
  return IG_OK;
}
