/* Links: messages between pairs of ranks, in order, for the data of collectives. A message is a
 * head of fixed size and a body; the receiver says where the body goes once it knows the head. One
 * thread uses a link; nothing waits. Two implementations: over MPI, whose launcher may have a
 * faster network than TCP, and over TCP. */
#ifndef IG_DIST_LINK_H
#define IG_DIST_LINK_H

#include "dist/mpi/module.h"
#include "dist/socket.h"
#include "dist/control.h"

#define IG_HEAD_BYTES 40

typedef struct ig_head {
  uint32_t type;  /* across.c's */
  uint32_t bytes; /* of the body */
  uint64_t number, offset;
  int64_t words[2];
} ig_head;

typedef struct ig_link ig_link;

/* What the link's owner does with what comes; `from` is a rank. */
typedef struct ig_link_events {
  /* Where the body goes; NULL refuses the message, which the owner makes a failure of the job. */
  void *(*head)(void *context, int from, const ig_head *head);
  void (*body)(void *context, int from,
               const ig_head *head);                        /* it is there; also when it is empty */
  void (*sent)(void *context, int to, const ig_head *head); /* the body's memory is free again */
  void (*broken)(void *context, int rank);
} ig_link_events;

typedef struct ig_link_vtable {
  const char *name; /* "mpi", "tcp" */
  /* Queues a message; `body` stays as it is until `sent`. IG_ERR_MEMORY. */
  ig_status (*send)(ig_link *link, int to, const ig_head *head, const void *body);
  /* Moves what can be moved, calling back, and waits up to `ms` when nothing could be. *moved
   * tells. */
  void (*progress)(ig_link *link, int ms, bool *moved);
  /* Ends a wait in progress(); from any thread. */
  void (*wake)(ig_link *link);
  void (*destroy)(ig_link *link);
} ig_link_vtable;

struct ig_link {
  const ig_link_vtable *vtable;
  const ig_link_events *events; /* set by the owner before anything is moved */
  void *context;
  bool orderly; /* set before destroy: all ranks have left in good order */
};

/* Connects this rank with those of `peers` (its own rank is not among them). addresses[r] is where
 * rank r listens; `listener` is taken over, also on failure. IG_ERR_PEER. */
ig_status ig_link_tcp_create(ig_control *control, int rank, int size, const int *peers, int n_peers,
                             const ig_address *addresses, int listener,
                             const unsigned char token[IG_TOKEN_BYTES], ig_link **out);
ig_status ig_link_mpi_create(const ig_mpi_api *api, const int *peers, int n_peers, int size,
                             ig_link **out);

void ig_head_encode(const ig_head *head, unsigned char out[IG_HEAD_BYTES]);
void ig_head_decode(const unsigned char in[IG_HEAD_BYTES], ig_head *out);

#endif
