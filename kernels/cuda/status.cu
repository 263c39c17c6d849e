/* Names for CUDA's errors. */
#include "kernels/cuda/device.cuh"

ig_status ig_cuda_status(cudaError_t error, const char *what) {
  if (error == cudaSuccess) return IG_OK;
  /* The runtime keeps the error for whoever asks next; it was told here. */
  cudaGetLastError();
  ig_status code = error == cudaErrorMemoryAllocation ? IG_ERR_MEMORY : IG_ERR_DEVICE;
  return ig_fail(code, "%s: %s (%s)", what, cudaGetErrorString(error), cudaGetErrorName(error));
}
