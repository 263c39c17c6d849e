/* Collective communication as the trainer sees it. dist/ implements it: `none` for one process;
 * MPI and NCCL for many. All ranks call the same operations in the same order. */
#ifndef IG_TRAIN_COMM_H
#define IG_TRAIN_COMM_H

#include "engine/base/shape.h"

typedef enum ig_reduce { IG_REDUCE_SUM, IG_REDUCE_MAX, IG_REDUCE_MIN } ig_reduce;

typedef struct ig_comm ig_comm;

typedef struct ig_comm_vtable {
  const char *name;
  /* In place over all ranks; the result is the same bits on every rank. */
  ig_status (*all_reduce)(ig_comm *comm, void *data, int64_t count, ig_dtype dtype,
                          ig_reduce op);
  ig_status (*broadcast)(ig_comm *comm, void *data, size_t bytes, int root);
  /* Rank r's `bytes` land at r * bytes of `all`. */
  ig_status (*all_gather)(ig_comm *comm, const void *mine, size_t bytes, void *all);
  ig_status (*barrier)(ig_comm *comm);
  void (*destroy)(ig_comm *comm);
} ig_comm_vtable;

struct ig_comm {
  const ig_comm_vtable *vtable;
  int rank, size;
};

#endif
