/* Collective communication as the engine sees it: some ranks, each one process with one device, that
 * call the same operations in the same order. dist/ implements it over shared memory, MPI, TCP and
 * NCCL; a NULL ig_comm is one process alone.
 *
 * Large operations are begun and waited for apart, so that they travel while the backward pass still
 * computes; ingot.AllReduce and its kin are how a graph says so. Small messages about the run itself
 * (counts, metrics, agreement) are blocking and on host memory. No call waits longer than the
 * communicator's timeout: a peer that died, hangs or gave up ends it with IG_ERR_PEER, whose message
 * names that rank, its host and the step. After that every call fails likewise, at once. */
#ifndef IG_BACKEND_COMM_H
#define IG_BACKEND_COMM_H

#include "engine/base/shape.h"

typedef enum ig_collective_kind {
  IG_ALL_REDUCE,     /* sums; in == out: [count] */
  IG_REDUCE_SCATTER, /* sums; in [count], out [count / size]: rank r has part r */
  IG_ALL_GATHER      /* in [count / size], out [count] */
} ig_collective_kind;

/* One operation. Sums of f32, f16 and bf16 are formed in f32 and rounded once. Where the number of
 * ranks is a power of two, every element is summed in the balanced binary tree over the ranks
 * ((0 + 1) + (2 + 3)) + ...; otherwise in an order that depends on `count` and the ranks alone. All
 * ranks get the same bits. */
typedef struct ig_collective {
  ig_collective_kind kind;
  ig_dtype dtype; /* f32, f16, bf16 */
  int64_t count;  /* elements; with scatter and gather a multiple of the ranks */
  int index;      /* of the operation in its step: equal on all ranks, and checked */
  const void *in; /* both in memory of ig_comm_alloc, or any memory of the device */
  void *out;
} ig_collective;

typedef struct ig_comm ig_comm;

/* Since creation; a rank's own view. */
typedef struct ig_comm_stats {
  int64_t operations;
  double bytes;   /* of operands of this rank */
  double seconds; /* operations under way, from all ranks being there to the end; overlaps counted once */
  double waited;  /* that ig_comm_wait blocked: communication that nothing hid, and slower ranks */
} ig_comm_stats;

typedef struct ig_comm_vtable {
  const char *name; /* "shared memory", "mpi", "tcp", "nccl", ... */
  ig_status (*alloc)(ig_comm *comm, int index, size_t bytes, void **out);
  ig_status (*begin)(ig_comm *comm, const ig_collective *operation, void *stream);
  ig_status (*wait)(ig_comm *comm, const void *out, void *stream);
  ig_status (*check)(ig_comm *comm);
  ig_status (*exchange)(ig_comm *comm, const void *mine, size_t bytes, void *all);
  ig_status (*broadcast)(ig_comm *comm, void *data, size_t bytes, int root);
  void (*abandon)(ig_comm *comm, const char *reason);
  ig_comm_stats (*stats)(const ig_comm *comm);
  void (*destroy)(ig_comm *comm);
} ig_comm_vtable;

struct ig_comm {
  const ig_comm_vtable *vtable;
  int rank, size;
  int node, n_nodes;          /* machines, in the order of their lowest rank */
  int local_rank, local_size; /* on this machine */
  const char *const *hosts;   /* by rank: name of its machine, for messages */
  bool any_order;             /* sums in the order of a library, not in the tree that is promised */
  int64_t step;               /* that training is in, for messages; set by who drives the run */
  char description[256];      /* what was chosen and why, for people */
};

/* Memory for operand `index` of operations, 64-byte aligned, where this transport moves it fastest
 * (of the device, before which the communicator stands); the communicator's own, until it is destroyed. Asking again for an index gives the same memory, so
 * that plans which never run at once share it; larger sizes may move it, and only with no operation
 * under way. */
static inline ig_status ig_comm_alloc(ig_comm *comm, int index, size_t bytes, void **out) {
  return comm->vtable->alloc(comm, index, bytes, out);
}
/* Begins an operation behind what is queued on `stream` (NULL on the host: now), and returns. Operands
 * are the communicator's until ig_comm_wait(out). */
static inline ig_status ig_comm_begin(ig_comm *comm, const ig_collective *operation, void *stream) {
  return comm->vtable->begin(comm, operation, stream);
}
/* What follows (on `stream`) finds the operation that writes `out` ended. */
static inline ig_status ig_comm_wait(ig_comm *comm, const void *out, void *stream) {
  return comm->vtable->wait(comm, out, stream);
}
/* IG_OK while all is well; otherwise the failure that every call has from now on. Never blocks: for those
 * who wait for a device, whose queue cannot fail by itself when a peer does. */
static inline ig_status ig_comm_check(ig_comm *comm) {
  return comm ? comm->vtable->check(comm) : IG_OK;
}
/* Blocking, host memory: rank r's `bytes` land at r * bytes of `all`, on every rank. `bytes` is the
 * same on all ranks. Also the barrier. */
static inline ig_status ig_comm_exchange(ig_comm *comm, const void *mine, size_t bytes, void *all) {
  return comm->vtable->exchange(comm, mine, bytes, all);
}
/* Blocking, host memory. */
static inline ig_status ig_comm_broadcast(ig_comm *comm, void *data, size_t bytes, int root) {
  return comm->vtable->broadcast(comm, data, bytes, root);
}
/* This rank ends for that reason: all others' calls fail with it. Never blocks. */
static inline void ig_comm_abandon(ig_comm *comm, const char *reason) {
  if (comm) comm->vtable->abandon(comm, reason);
}
static inline ig_comm_stats ig_comm_statistics(const ig_comm *comm) {
  return comm->vtable->stats(comm);
}
/* Leaves in good order, waiting for the others as long as the timeout, unless the communicator has
 * failed; NULL is allowed. */
static inline void ig_comm_destroy(ig_comm *comm) {
  if (comm) comm->vtable->destroy(comm);
}
/* Collective: every rank passes how it fared so far, and all get the same answer: IG_OK when every rank
 * is well, otherwise the status of the lowest rank that failed, with its message, which names rank and
 * host unless all failed alike. IG_ERR_PEER, after which no agreement is possible, is returned as it is;
 * and so is `status` when comm is NULL. */
ig_status ig_comm_settle(ig_comm *comm, ig_status status);

static inline int ig_comm_rank(const ig_comm *comm) { return comm ? comm->rank : 0; }
static inline int ig_comm_size(const ig_comm *comm) { return comm ? comm->size : 1; }

#endif
