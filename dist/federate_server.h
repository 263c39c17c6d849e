/* The server of a federation as a state machine: messages of clients, losses of connections and the time
 * come in; messages to clients go out. It owns no connection and reads no clock, so that tests drive it
 * without either. A client that is late, lost, fails or breaks the protocol is left out of the round,
 * never waited for past the round's timeout, and named in a line. */
#ifndef IG_DIST_FEDERATE_SERVER_H
#define IG_DIST_FEDERATE_SERVER_H

#include "dist/federate_message.h"

typedef struct ig_fed_server_options {
  int n_clients;   /* numbers are 1 to this, at most IG_FED_MOST_CLIENTS */
  int min_clients; /* a round with fewer is none; at least 1, with secure sums at least 2 */
  int64_t count;   /* elements of an update */
  uint64_t layout; /* digest of what the elements are */
  bool secure;
  /* With secure sums, clients that unmask: more than this share of a round's (0.5 to 1). */
  double threshold;
  double noise;         /* deviation of the noise on the sum, as a multiple of the clipping norm */
  double round_timeout; /* seconds for each exchange of a round, training being the first */
} ig_fed_server_options;

typedef struct ig_fed_server_calls {
  void *context;
  /* Queues the frame, of ig_fed_frame; ig_fed_hold keeps it. A failure counts as a lost connection. */
  ig_status (*send)(void *context, int client, const void *frame, size_t size);
  /* The client broke the protocol: its connection is to be closed. Not reported by ig_fed_server_lost. */
  void (*close)(void *context, int client);
  void (*note)(void *context, const char *line); /* a line for people; may be NULL */
} ig_fed_server_calls;

typedef struct ig_fed_round {
  uint32_t round;
  int clients, dropped; /* in the mean; asked and not in it */
  int64_t weight;       /* sum of their samples, or the number of clients */
  double loss;          /* weighted mean of their training losses */
  double
      multiplier; /* of the noise that is in the sum: less than asked where clients dropped out */
  const float *mean; /* of the updates; the server's until the next round */
} ig_fed_round;

typedef struct ig_fed_server ig_fed_server;

ig_status ig_fed_server_create(const ig_fed_server_options *options,
                               const ig_fed_server_calls *calls, ig_fed_server **out);
void ig_fed_server_destroy(ig_fed_server *server); /* NULL is allowed */

/* Clients that could take part in a round now. */
int ig_fed_server_ready(const ig_fed_server *server);
/* Those that are connected. */
int ig_fed_server_connected(const ig_fed_server *server);
bool ig_fed_server_has(const ig_fed_server *server, int client);
/* A client connected, first or again. IG_ERR_PEER when one of that number is connected already. `name`
 * is for messages ("client 2 (host)"), and copied. */
ig_status ig_fed_server_joined(ig_fed_server *server, int client, const char *name);

/* Asks all ready clients to train from `global`. IG_ERR_PEER when they are fewer than min_clients. */
ig_status ig_fed_server_begin(ig_fed_server *server, uint32_t round, const float *global,
                              double now);
/* These move the round on. IG_ERR_PEER when too few clients are left for it: the round has then ended
 * without a result. */
ig_status ig_fed_server_receive(ig_fed_server *server, int client, const void *frame, size_t size,
                                double now);
ig_status ig_fed_server_lost(ig_fed_server *server, int client, const char *why, double now);
ig_status ig_fed_server_tick(ig_fed_server *server, double now);
/* When ig_fed_server_tick has something to do at the latest; infinite between rounds. */
double ig_fed_server_deadline(const ig_fed_server *server);
/* Whether the round has ended well; *out is its result then. */
bool ig_fed_server_done(const ig_fed_server *server, ig_fed_round *out);
/* Tells all clients that it is over; `why` is NULL when all went well. */
void ig_fed_server_end(ig_fed_server *server, const char *why);

#endif
