/* How ranks find each other and which transport they speak: mpirun's ranks by MPI, those of Slurm and
 * of --rendezvous by TCP, those of one machine through shared memory, GPUs by NCCL. A communicator is
 * opened on the host first, which says which device of the machine is whose, and then put before the
 * device. */
#ifndef IG_DIST_DIST_H
#define IG_DIST_DIST_H

#include "engine/backend/backend.h"
#include "engine/backend/comm.h"

typedef struct ig_dist_options {
  const char *transport;  /* "auto", "mpi", "tcp", "nccl", "staged", "none" */
  const char *rendezvous; /* "host:port" where rank 0 listens; NULL for mpirun's or Slurm's way */
  int rank, ranks;        /* with rendezvous; -1 and 0 for those of the environment */
  const char *node;       /* this machine's name for grouping; NULL for the host's */
  double timeout;         /* seconds that any call waits for a peer at most */
} ig_dist_options;

/* The communicator of this process's job: *out is NULL when it runs alone (no launcher, no rendezvous,
 * or a job of one rank). IG_ERR_USAGE for options that do not go together, IG_ERR_UNSUPPORTED for a
 * transport that this build lacks, IG_ERR_PEER for a rendezvous that was not reached in time. */
ig_status ig_dist_open(const ig_dist_options *options, ig_comm **out);

/* Puts `host` before the backend's memory: NCCL where each rank has a GPU of its own and the library is
 * there, staged copies through host memory otherwise; the CPU's is `host` itself. Takes over `host`,
 * also on failure. */
ig_status ig_dist_on_device(ig_comm *host, const char *transport, ig_backend *backend,
                            ig_comm **out);

#endif
