/* The communicator of host memory from within: comm.c is its vtable and its operations' begin and end,
 * machine.c does the work where all ranks are on one machine, across.c where they are not. */
#ifndef IG_DIST_HOST_H
#define IG_DIST_HOST_H

#include "dist/control.h"
#include "dist/mpi/module.h"
#include "dist/shared.h"
#include "engine/backend/comm.h"

typedef struct ig_across ig_across;

/* One operation from begin until it is waited for. */
typedef struct ig_operation {
  ig_collective call;
  uint64_t number;
  bool active;   /* begun and not waited for */
  bool complete; /* its work is done, as this rank has seen */
  void *copy_in, *copy_out; /* operands' shared stand-ins, or NULL */
  const void **ins;         /* by local rank, once resolved */
  void **outs;
  double began; /* across machines: when all ranks were there */
} ig_operation;

/* Shared memory that stands in for operands that are not shared. */
typedef struct ig_stand_in {
  void *memory;
  size_t bytes;
  bool used;
} ig_stand_in;

typedef struct ig_allotment {
  void *memory;
  size_t bytes;
} ig_allotment;

typedef struct ig_host {
  ig_comm base;
  ig_comm_vtable vtable; /* with the transport's name */
  ig_control *control;
  ig_node *node;
  ig_across *across; /* NULL where all ranks are on one machine */
  const ig_mpi_api *mpi; /* to be finished at the end, or NULL */
  char (*hosts)[IG_NAME_BYTES];
  const char **host_names;

  uint64_t next, oldest; /* numbers: of the next operation; the first that is not complete */
  ig_operation operations[IG_SLOTS];
  const void **ins; /* of all operations */
  void **outs;
  ig_allotment *allotments; /* by index */
  int64_t n_allotments, allotment_capacity;
  ig_stand_in *stand_ins;
  int64_t n_stand_ins, stand_in_capacity;
  ig_comm_stats stats;
  double busy_until; /* end of the operations that stats.seconds has counted */
} ig_host;

/* "all-reduce of 1000 f32 (operation 3)" for messages; `text` holds 96 bytes. */
const char *ig_operation_name(const ig_collective *call, char *text);
/* Elements of in and out. */
static inline int64_t ig_in_count(const ig_collective *call, int size) {
  return call->kind == IG_ALL_GATHER ? call->count / size : call->count;
}
static inline int64_t ig_out_count(const ig_collective *call, int size) {
  return call->kind == IG_REDUCE_SCATTER ? call->count / size : call->count;
}

/* Whether another rank means the same operation: otherwise the reason is the last error. */
bool ig_operation_is_same(const ig_host *host, const ig_collective *mine, const ig_collective *theirs,
                          int rank);
/* All local ranks have posted: checks that they mean the same, and maps their operands. */
ig_status ig_operation_resolve(ig_host *host, ig_operation *operation);
/* Does what is left to do of an operation on one machine, together with whoever else is at it, and waits
 * for its end. */
ig_status ig_machine_finish(ig_host *host, ig_operation *operation);
/* Counts an operation's time for the statistics. */
void ig_host_count(ig_host *host, double begin, double end);

/* Takes over control and node, also on failure. */
ig_status ig_host_create(ig_control *control, ig_node *node, int rank, int size,
                         char (*hosts)[IG_NAME_BYTES], const ig_mpi_api *mpi, ig_host **out);

#endif
