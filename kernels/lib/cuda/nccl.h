/* Collectives among GPUs by NCCL 2, which is opened when a job of several ranks first needs it. */
#ifndef IG_KERNELS_LIB_CUDA_NCCL_H
#define IG_KERNELS_LIB_CUDA_NCCL_H

#include "engine/base/dtype.h"
#include "engine/base/status.h"

#define IG_NCCL_ID_BYTES 128

typedef struct ig_nccl ig_nccl; /* one rank's membership of a communicator */

/* IG_ERR_UNSUPPORTED, with the reason, where the build or the machine has none. */
ig_status ig_nccl_open(void);
/* Made by one rank, brought to the others by other means. */
ig_status ig_nccl_make_id(void *id);
/* Collective: returns when all `size` ranks have joined. Operations are queued on `stream` of device
 * `device`, the calling thread's current one. */
ig_status ig_nccl_join(const void *id, int rank, int size, int device, void *stream, ig_nccl **out);
/* `count` elements of the whole, f32, f16 or bf16; sums in the precision that NCCL has for the type. */
ig_status ig_nccl_all_reduce(ig_nccl *nccl, const void *in, void *out, int64_t count,
                             ig_dtype dtype);
/* [count] to [count / size]. */
ig_status ig_nccl_reduce_scatter(ig_nccl *nccl, const void *in, void *out, int64_t count,
                                 ig_dtype dtype);
/* [count / size] to [count]. */
ig_status ig_nccl_all_gather(ig_nccl *nccl, const void *in, void *out, int64_t count,
                             ig_dtype dtype);
/* What an operation that is under way has met. */
ig_status ig_nccl_check(ig_nccl *nccl);
/* Ends operations that wait for a rank which will not come; may be called from any thread, once. */
void ig_nccl_abort(ig_nccl *nccl);
/* After the last operation, or after an abort; NULL is allowed. */
void ig_nccl_leave(ig_nccl *nccl);

#endif
