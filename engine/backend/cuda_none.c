/* Stands for cuda.c in a build without CUDA. */
#include "engine/backend/backend.h"

int ig_backend_cuda_count(void) { return 0; }

ig_status ig_backend_cuda_create(int index, ig_backend **out) {
  IG_UNUSED(index);
  IG_UNUSED(out);
  return ig_fail(IG_ERR_DEVICE, "this build of Ingot has no CUDA backend (configure with "
                                "-DIG_CUDA=ON where the CUDA toolkit is installed)");
}
