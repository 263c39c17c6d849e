/* What ingot_mpi.so offers: the few MPI calls that are needed, behind C types of our own, so that
 * the program loads libmpi (which costs more than all of `ingot --help`) only under an MPI
 * launcher. All calls come from one thread at a time; those between start and finish never
 * block. */
#ifndef IG_DIST_MPI_MODULE_H
#define IG_DIST_MPI_MODULE_H

#include <stddef.h>
#include <stdint.h>

#define IG_MPI_ABI 1 /* to be raised whenever this struct changes */
#define IG_MPI_SYMBOL "ig_mpi_module"

typedef struct ig_mpi_request {
  _Alignas(8) unsigned char opaque[16];
} ig_mpi_request;

/* Functions that return text return NULL for success and what went wrong otherwise. */
typedef struct ig_mpi_api {
  int abi;
  const char *(*start)(int *rank, int *size); /* MPI_Init_thread and a communicator of our own */
  const char *(*library)(void);               /* its name and version */
  /* Blocking: from rank 0 to all. Used before the control connections are there. */
  const char *(*broadcast)(void *data, int bytes);
  const char *(*send)(const void *data, int bytes, int to, int tag, ig_mpi_request *request);
  const char *(*receive)(void *data, int bytes, int from, int tag, ig_mpi_request *request);
  const char *(*test)(ig_mpi_request *request, int *done);
  void (*cancel)(ig_mpi_request *request); /* of a receive that nothing was sent for */
  /* MPI_Finalize, which waits for all ranks: only when all are known to call it. */
  void (*finish)(void);
} ig_mpi_api;

typedef const ig_mpi_api *(*ig_mpi_module_function)(void);

#endif
