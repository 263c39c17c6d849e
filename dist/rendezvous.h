/* How ranks without MPI meet: rank 0 keeps a lobby where the others come in, are looked at and get
 * their numbers. A lobby goes on after the job began, to tell latecomers that it is full. Whoever
 * connects may be anything: what is no hello of this job is refused, and holds up nobody. */
#ifndef IG_DIST_RENDEZVOUS_H
#define IG_DIST_RENDEZVOUS_H

#include "dist/handshake.h"
#include "dist/socket.h"

typedef struct ig_lobby ig_lobby;

/* Takes over the listening socket, also on failure. `self` is rank 0's own hello: its job and
 * ranks. */
ig_status ig_lobby_create(int listener, const ig_hello *self, ig_lobby **out);
void ig_lobby_destroy(ig_lobby *lobby); /* NULL is allowed */
/* Waits until all ranks are in: sockets[r] and hosts[r] of rank r, sockets[0] is -1; `token` is
 * made anew. IG_ERR_PEER at the deadline, telling those who came. */
ig_status ig_lobby_gather(ig_lobby *lobby, double deadline, int *sockets,
                          char (*hosts)[IG_NAME_BYTES], unsigned char token[IG_TOKEN_BYTES]);
/* Refuses whoever came since the last time. */
void ig_lobby_refuse(ig_lobby *lobby);

/* The other side: tries the addresses in turn, and waits for the welcome, until the deadline.
 * `where` is for messages. */
ig_status ig_lobby_join(const ig_address *addresses, int n, const char *where,
                        const ig_hello *hello, double deadline, int *fd, ig_welcome *welcome);

#endif
