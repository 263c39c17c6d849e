/* Stands for nccl.c in a build without NCCL: nothing but ig_nccl_open and what comes before a membership
 * can be reached. */
#include "kernels/lib/cuda/nccl.h"

ig_status ig_nccl_open(void) {
  return ig_fail(IG_ERR_UNSUPPORTED, "this build has no NCCL");
}

ig_status ig_nccl_make_id(void *id) {
  IG_UNUSED(id);
  return ig_nccl_open();
}

ig_status ig_nccl_join(const void *id, int rank, int size, int device, void *stream,
                       ig_nccl **out) {
  IG_UNUSED(id);
  IG_UNUSED(rank);
  IG_UNUSED(size);
  IG_UNUSED(device);
  IG_UNUSED(stream);
  IG_UNUSED(out);
  return ig_nccl_open();
}

static ig_status operate(ig_nccl *nccl, const void *in, void *out, int64_t count, ig_dtype dtype) {
  IG_UNUSED(nccl);
  IG_UNUSED(in);
  IG_UNUSED(out);
  IG_UNUSED(count);
  IG_UNUSED(dtype);
  return ig_nccl_open();
}

ig_status ig_nccl_all_reduce(ig_nccl *nccl, const void *in, void *out, int64_t count,
                             ig_dtype dtype) {
  return operate(nccl, in, out, count, dtype);
}

ig_status ig_nccl_reduce_scatter(ig_nccl *nccl, const void *in, void *out, int64_t count,
                                 ig_dtype dtype) {
  return operate(nccl, in, out, count, dtype);
}

ig_status ig_nccl_all_gather(ig_nccl *nccl, const void *in, void *out, int64_t count,
                             ig_dtype dtype) {
  return operate(nccl, in, out, count, dtype);
}

ig_status ig_nccl_check(ig_nccl *nccl) {
  IG_UNUSED(nccl);
  return ig_nccl_open();
}

void ig_nccl_abort(ig_nccl *nccl) {
  IG_UNUSED(nccl);
}
void ig_nccl_leave(ig_nccl *nccl) {
  IG_UNUSED(nccl);
}
