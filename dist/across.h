/* Collectives of ranks on several machines. A thread of its own moves the data while the main
 * thread computes. An operation is cut into one slice for each rank, its owner. Every rank sends
 * each owner what it has of that slice; the owner adds up what came, in the order of ranks, and
 * sends the sum to all. Both halves move as little as can be (each rank sends and receives (n - 1)
 * / n of the operand twice), no message waits for a chain of others, and the order of a sum does
 * not depend on who is on which machine.
 *
 * Where machines hold blocks of ranks of equal size (as mpirun and srun place them), what leaves a
 * machine is the sum over its ranks, made in shared memory, and rank l of a machine exchanges with
 * ranks l of the others alone: on the network, a machine is one rank. Otherwise every rank sends by
 * itself.
 *
 * across.c has the thread, and messages between it and the link; across_flight.c an operation's
 * course. */
#ifndef IG_DIST_ACROSS_H
#define IG_DIST_ACROSS_H

#include <pthread.h>

#include "dist/host.h"
#include "dist/link.h"

/* Messages of the link. */
typedef enum ig_across_message {
  IG_ACROSS_READY = 1, /* this rank has begun the operation; words: what it is, its count */
  IG_ACROSS_DATA,      /* of the receiver's slice; offset: which chunk */
  IG_ACROSS_RESULT     /* of the sender's slice */
} ig_across_message;

/* What one party of the exchange has done, in one operation. */
typedef struct ig_party_state {
  bool ready;
  int64_t sent;    /* chunks of its slice that were queued */
  int64_t came;    /* chunks of this rank's slice that came from it */
  int64_t results; /* chunks of its slice's sum that came */
} ig_party_state;

/* An operation on its way. */
typedef struct ig_flight {
  ig_operation *op; /* NULL for none */
  uint64_t number;
  bool resolved;             /* this machine's ranks are all there: others were told */
  ig_dtype wire;             /* of contributions: f32 where they are sums already */
  int64_t stride;            /* elements from slice to slice */
  int64_t reduced;           /* chunks of this rank's slice that are summed */
  int64_t unsent;            /* messages that the link has not let go */
  double began;              /* when all ranks were there; 0 before */
  void *received, *partials; /* by remote party: what came; sums of this machine that go out */
  ig_party_state *parties;
} ig_flight;

typedef struct ig_block {
  void *memory;
  size_t bytes;
  bool used;
} ig_block;

struct ig_across {
  ig_host *host;
  ig_link *link;
  bool regular, has_thread;
  int n_parties, self, n_remote;
  int *ranks;    /* of the parties, in order */
  int *party_of; /* by rank; -1 for none */
  int *remote;   /* by party: its place among those on other machines, or -1 */
  pthread_t thread;
  atomic_bool stop;
  atomic_uint_least64_t begun; /* operations handed over */
  uint64_t adopted, oldest;    /* the thread's: operations taken; the first that may be under way */
  ig_flight flights[IG_SLOTS];
  ig_party_state *states;
  uint64_t *told; /* [party][slot]: number + 1 of the latest READY, and what it said */
  int64_t *said;  /* [party][slot][2] */
  ig_block blocks[3 * IG_SLOTS];
  void *scratch; /* one chunk in f32 */
  const void **sources;
  char description[128];
};

#define IG_CHUNK ((int64_t)1 << 16) /* elements in a message */

/* Takes over the link, also on failure. */
ig_status ig_across_create(ig_host *host, ig_link *link, ig_across **out);
/* Whether the machines' ranks are in blocks of equal size. */
bool ig_across_is_regular(const ig_node *node, int size);
ig_status ig_across_begin(ig_host *host, ig_operation *operation);
/* Waits for the end of the operation. */
ig_status ig_across_finish(ig_host *host, ig_operation *operation);
/* Ends the thread; nothing is moved any more. NULL is allowed. */
void ig_across_stop(ig_across *across);
/* What was chosen, for people. */
const char *ig_across_description(const ig_across *across);
void ig_across_destroy(ig_across *across); /* NULL is allowed */

/* One step of a flight; true when something was done. Fails the job where it cannot go on. */
bool ig_flight_step(ig_across *across, ig_flight *flight);
/* Where the body of a DATA or RESULT message goes; NULL for what does not fit. */
void *ig_flight_place(ig_across *across, ig_flight *flight, int party, const ig_head *head);
/* It is there. */
void ig_flight_take(ig_across *across, ig_flight *flight, int party, const ig_head *head);
/* Ends the job for a failure of this rank's own: its last error. */
void ig_across_fail(ig_across *across);
/* Memory that is reused. NULL when it is short. */
void *ig_across_take_block(ig_across *across, size_t bytes);
void ig_across_give_block(ig_across *across, void *memory);

#endif
