/* Connections of a federation: a star of TCP around the server that outlives any of its clients. The
 * first bytes of a connection are those of every other of Ingot's (handshake.h); then frames follow, each
 * its length and a message. Nothing that a client does or does not do holds up the others. */
#ifndef IG_DIST_FEDERATE_NET_H
#define IG_DIST_FEDERATE_NET_H

#include "dist/federate_client.h"
#include "dist/federate_server.h"
#include "dist/handshake.h"

/* --- the server's side ------------------------------------------------------------------------- */

typedef struct ig_fed_hub_options {
  const char *address; /* "host:port" to listen at */
  int ranks;           /* ranks 1 to ranks - 1 may connect */
  size_t longest;      /* bytes of a message from a client at most */
  double hello_timeout;
  const uint8_t *welcome; /* frame (ig_fed_frame) that each client is sent first; borrowed */
  size_t welcome_size;
} ig_fed_hub_options;

typedef struct ig_fed_hub ig_fed_hub;

/* Listens. IG_ERR_PEER when the address cannot be had. */
ig_status ig_fed_hub_create(const ig_fed_hub_options *options, ig_fed_hub **out);
/* Closes all connections, after what is still to be sent, for up to `seconds`. NULL is allowed. */
void ig_fed_hub_destroy(ig_fed_hub *hub, double seconds);
/* What the server calls to speak; its `note` and that one's context are the caller's. */
ig_fed_server_calls ig_fed_hub_calls(ig_fed_hub *hub, void (*note)(void *context, const char *line),
                                     void *note_context);
void ig_fed_hub_serve(ig_fed_hub *hub, ig_fed_server *server);
/* The other end of a client in this process: `fd` is taken over. */
ig_status ig_fed_hub_add(ig_fed_hub *hub, int client, int fd, const char *name);
/* Waits for something to happen, until `deadline` (of ig_fed_now) at most, and passes it to the server.
 * Returns what the server does. */
ig_status ig_fed_hub_step(ig_fed_hub *hub, double deadline);
double ig_fed_now(void);

/* --- a client's side --------------------------------------------------------------------------- */

/* Connects to the server as that rank of `ranks`, trying until the time is up. IG_ERR_PEER when it is
 * not reached or refuses. */
ig_status ig_fed_connect(const char *address, int rank, int ranks, double seconds, int *fd);
/* One message; *frame is released with ig_fed_release. `interrupted` is polled; non-zero is
 * IG_ERR_INTERRUPTED. IG_ERR_PEER when the connection ends. */
ig_status ig_fed_receive(int fd, size_t longest, int (*interrupted)(void *), uint8_t **frame,
                         size_t *size);
ig_status ig_fed_send(int fd, const void *frame, size_t size);

#endif
