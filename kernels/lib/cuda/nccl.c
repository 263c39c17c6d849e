/* NCCL by dlopen, like cuBLASLt: hundreds of megabytes that one process alone has no use for. */
#include "kernels/lib/cuda/nccl.h"

#include <nccl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "engine/base/memory.h"
#include "kernels/lib/cuda/load.h"

_Static_assert(sizeof(ncclUniqueId) == IG_NCCL_ID_BYTES, "the identifier that ranks exchange");

static struct {
  ncclResult_t (*ncclGetVersion)(int *);
  const char *(*ncclGetErrorString)(ncclResult_t);
  const char *(*ncclGetLastError)(ncclComm_t);
  ncclResult_t (*ncclGetUniqueId)(ncclUniqueId *);
  ncclResult_t (*ncclCommInitRank)(ncclComm_t *, int, ncclUniqueId, int);
  ncclResult_t (*ncclAllReduce)(const void *, void *, size_t, ncclDataType_t, ncclRedOp_t,
                                ncclComm_t, cudaStream_t);
  ncclResult_t (*ncclReduceScatter)(const void *, void *, size_t, ncclDataType_t, ncclRedOp_t,
                                    ncclComm_t, cudaStream_t);
  ncclResult_t (*ncclAllGather)(const void *, void *, size_t, ncclDataType_t, ncclComm_t,
                                cudaStream_t);
  ncclResult_t (*ncclCommGetAsyncError)(ncclComm_t, ncclResult_t *);
  ncclResult_t (*ncclCommAbort)(ncclComm_t);
  ncclResult_t (*ncclCommDestroy)(ncclComm_t);
} library;

struct ig_nccl {
  ncclComm_t comm;
  cudaStream_t stream;
  int size;
  atomic_bool aborted;
};

/* --- opening ---------------------------------------------------------------------------------- */

static ig_status load(void) {
  void *file;
  IG_TRY(ig_load_library("libnccl.so.2", IG_NCCL_FOLDER, &file));
#define LOAD(name) IG_TRY(ig_load_function(file, #name, &library.name))
  LOAD(ncclGetVersion);
  LOAD(ncclGetErrorString);
  LOAD(ncclGetLastError);
  LOAD(ncclGetUniqueId);
  LOAD(ncclCommInitRank);
  LOAD(ncclAllReduce);
  LOAD(ncclReduceScatter);
  LOAD(ncclAllGather);
  LOAD(ncclCommGetAsyncError);
  LOAD(ncclCommAbort);
  LOAD(ncclCommDestroy);
#undef LOAD
  int version = 0;
  library.ncclGetVersion(&version);
  /* Since 2.10 operations may be recorded in a CUDA graph and bf16 is summed. */
  IG_CHECK(version >= 21000, IG_ERR_UNSUPPORTED, "NCCL %d.%d was found, 2.10 or newer is needed",
           version / 10000, version / 100 % 100);
  return IG_OK;
}

ig_status ig_nccl_open(void) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static bool tried;
  static ig_status found;
  static char reason[512];
  pthread_mutex_lock(&lock);
  if (!tried) {
    tried = true;
    found = load();
    if (found != IG_OK) strncpy(reason, ig_last_error(), sizeof reason - 1);
  }
  pthread_mutex_unlock(&lock);
  return found == IG_OK ? IG_OK : ig_fail(found, "%s", reason);
}

/* A peer's end shows as a system or remote error. */
static ig_status status_of(ncclResult_t result, ncclComm_t comm, const char *what) {
  if (result == ncclSuccess || result == ncclInProgress) return IG_OK;
  const char *more = library.ncclGetLastError(comm);
  bool peer = result == ncclRemoteError || result == ncclSystemError;
  return ig_fail(peer ? IG_ERR_PEER : IG_ERR_DEVICE, "%s: %s%s%s", what,
                 library.ncclGetErrorString(result), more && *more ? ": " : "", more ? more : "");
}

ig_status ig_nccl_make_id(void *id) {
  IG_TRY(ig_nccl_open());
  ncclUniqueId made;
  IG_TRY(status_of(library.ncclGetUniqueId(&made), NULL, "ncclGetUniqueId"));
  memcpy(id, &made, sizeof made);
  return IG_OK;
}

ig_status ig_nccl_join(const void *id, int rank, int size, int device, void *stream,
                       ig_nccl **out) {
  IG_TRY(ig_nccl_open());
  ncclUniqueId common;
  memcpy(&common, id, sizeof common);
  cudaError_t error = cudaSetDevice(device);
  IG_CHECK(error == cudaSuccess, IG_ERR_DEVICE, "cuda:%d: %s", device, cudaGetErrorString(error));
  ig_nccl *nccl = ig_alloc_zero(1, sizeof *nccl);
  IG_CHECK_ALLOC(nccl);
  nccl->stream = stream;
  nccl->size = size;
  ncclResult_t result = library.ncclCommInitRank(&nccl->comm, size, common, rank);
  ig_status status = status_of(result, NULL, "ncclCommInitRank");
  if (status != IG_OK) {
    ig_free(nccl);
    return status;
  }
  *out = nccl;
  return IG_OK;
}

/* --- operations ------------------------------------------------------------------------------- */

static ncclDataType_t type_of(ig_dtype dtype) {
  return dtype == IG_BF16 ? ncclBfloat16 : dtype == IG_F16 ? ncclFloat16 : ncclFloat32;
}

ig_status ig_nccl_all_reduce(ig_nccl *nccl, const void *in, void *out, int64_t count,
                             ig_dtype dtype) {
  return status_of(library.ncclAllReduce(in, out, (size_t)count, type_of(dtype), ncclSum,
                                         nccl->comm, nccl->stream),
                   nccl->comm, "ncclAllReduce");
}

ig_status ig_nccl_reduce_scatter(ig_nccl *nccl, const void *in, void *out, int64_t count,
                                 ig_dtype dtype) {
  return status_of(library.ncclReduceScatter(in, out, (size_t)(count / nccl->size), type_of(dtype),
                                             ncclSum, nccl->comm, nccl->stream),
                   nccl->comm, "ncclReduceScatter");
}

ig_status ig_nccl_all_gather(ig_nccl *nccl, const void *in, void *out, int64_t count,
                             ig_dtype dtype) {
  return status_of(library.ncclAllGather(in, out, (size_t)(count / nccl->size), type_of(dtype),
                                         nccl->comm, nccl->stream),
                   nccl->comm, "ncclAllGather");
}

ig_status ig_nccl_check(ig_nccl *nccl) {
  ncclResult_t result = ncclSuccess;
  if (atomic_load(&nccl->aborted)) return ig_fail(IG_ERR_PEER, "NCCL's operations were ended");
  library.ncclCommGetAsyncError(nccl->comm, &result);
  return status_of(result, nccl->comm, "NCCL");
}

void ig_nccl_abort(ig_nccl *nccl) {
  if (!atomic_exchange(&nccl->aborted, true)) library.ncclCommAbort(nccl->comm);
}

void ig_nccl_leave(ig_nccl *nccl) {
  if (!nccl) return;
  if (!atomic_load(&nccl->aborted)) library.ncclCommDestroy(nccl->comm);
  ig_free(nccl);
}
