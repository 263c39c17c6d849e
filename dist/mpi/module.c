/* ingot_mpi.so: MPI behind module.h. It links libmpi and nothing of Ingot. */
#include "dist/mpi/module.h"

#include <mpi.h>
#include <string.h>

_Static_assert(sizeof(MPI_Request) <= sizeof(ig_mpi_request), "requests must hold MPI's");

static MPI_Comm world = MPI_COMM_NULL;

/* NULL for MPI_SUCCESS; otherwise MPI's own words, good until the next error. */
static const char *outcome(int code) {
  static char text[MPI_MAX_ERROR_STRING + 1];
  int length = 0;
  if (code == MPI_SUCCESS) return NULL;
  if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) return "unknown MPI error";
  text[length] = '\0';
  return text;
}

static const char *mpi_start(int *rank, int *size) {
  int provided = 0;
  const char *error = outcome(MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided));
  if (error) return error;
  if (provided < MPI_THREAD_SERIALIZED) return "it offers no MPI_THREAD_SERIALIZED";
  error = outcome(MPI_Comm_dup(MPI_COMM_WORLD, &world));
  if (!error) error = outcome(MPI_Comm_set_errhandler(world, MPI_ERRORS_RETURN));
  if (!error) error = outcome(MPI_Comm_rank(world, rank));
  if (!error) error = outcome(MPI_Comm_size(world, size));
  return error;
}

static const char *mpi_library(void) {
  static char text[MPI_MAX_LIBRARY_VERSION_STRING + 1];
  int length = 0;
  if (MPI_Get_library_version(text, &length) != MPI_SUCCESS) return "MPI";
  text[length] = '\0';
  text[strcspn(text, ",\n")] = '\0';
  return text;
}

static const char *mpi_broadcast(void *data, int bytes) {
  return outcome(MPI_Bcast(data, bytes, MPI_BYTE, 0, world));
}

static const char *mpi_send(const void *data, int bytes, int to, int tag, ig_mpi_request *request) {
  MPI_Request r;
  const char *error = outcome(MPI_Isend(data, bytes, MPI_BYTE, to, tag, world, &r));
  memcpy(request->opaque, &r, sizeof r);
  return error;
}

static const char *mpi_receive(void *data, int bytes, int from, int tag, ig_mpi_request *request) {
  MPI_Request r;
  const char *error = outcome(MPI_Irecv(data, bytes, MPI_BYTE, from, tag, world, &r));
  memcpy(request->opaque, &r, sizeof r);
  return error;
}

static const char *mpi_test(ig_mpi_request *request, int *done) {
  MPI_Request r;
  memcpy(&r, request->opaque, sizeof r);
  const char *error = outcome(MPI_Test(&r, done, MPI_STATUS_IGNORE));
  memcpy(request->opaque, &r, sizeof r);
  return error;
}

static void mpi_cancel(ig_mpi_request *request) {
  MPI_Request r;
  memcpy(&r, request->opaque, sizeof r);
  if (MPI_Cancel(&r) == MPI_SUCCESS) MPI_Request_free(&r);
}

static void mpi_finish(void) {
  if (world != MPI_COMM_NULL) MPI_Comm_free(&world);
  MPI_Finalize();
}

__attribute__((visibility("default"))) const ig_mpi_api *ig_mpi_module(void);
const ig_mpi_api *ig_mpi_module(void) {
  static const ig_mpi_api api = {IG_MPI_ABI,  mpi_start, mpi_library, mpi_broadcast, mpi_send,
                                 mpi_receive, mpi_test,  mpi_cancel,  mpi_finish};
  return &api;
}
