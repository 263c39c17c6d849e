/* The one way from a CUDA error to an ig_status. For kernels, kernels/lib and the backend. */
#ifndef IG_KERNELS_CUDA_STATUS_H
#define IG_KERNELS_CUDA_STATUS_H

#include <cuda_runtime_api.h>

#include "engine/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* IG_OK for cudaSuccess; IG_ERR_MEMORY when the device's memory is used up; otherwise IG_ERR_DEVICE
 * with "WHAT: CUDA's name and description of the error". */
ig_status ig_cuda_status(cudaError_t error, const char *what);

#define IG_TRY_CUDA(call) IG_TRY(ig_cuda_status((call), #call))

#ifdef __cplusplus
}
#endif

#endif
