/* What the files of cuDNN share. They alone include its header. The library is used through its graph
 * interface: operations on described tensors are collected in a graph, for which its heuristics name
 * engines; one of them becomes an execution plan. */
#ifndef IG_KERNELS_LIB_CUDA_CUDNN_PARTS_H
#define IG_KERNELS_LIB_CUDA_CUDNN_PARTS_H

#include <cudnn.h>

#include "kernels/cuda/status.h"
#include "kernels/lib/cuda/cudnn.h"

/* Every function that is called, by the name it has in the library. */
#define IG_CUDNN_FUNCTIONS(row)                                                                    \
  row(cudnnCreate) row(cudnnGetErrorString) row(cudnnGetLastErrorString) row(cudnnGetVersion)      \
      row(cudnnSetStream) row(cudnnBackendCreateDescriptor) row(cudnnBackendDestroyDescriptor)     \
          row(cudnnBackendFinalize) row(cudnnBackendSetAttribute) row(cudnnBackendGetAttribute)    \
              row(cudnnBackendExecute)

/* The loaded library with its handle on one device; both stay until the process ends. */
typedef struct ig_cudnn_library {
#define IG_CUDNN_MEMBER(name) __typeof__(&name) name;
  IG_CUDNN_FUNCTIONS(IG_CUDNN_MEMBER)
#undef IG_CUDNN_MEMBER
  cudnnHandle_t handle;
  size_t version;
} ig_cudnn_library;

/* For the current device. */
ig_status ig_cudnn_open(const ig_cudnn_library **out);
/* IG_OK for success; otherwise `code` with the library's words. */
ig_status ig_cudnn_status(const ig_cudnn_library *library, cudnnStatus_t status, ig_status code,
                          const char *what);

/* A graph of operations while it is described, then the plan that an engine made of it. */
typedef struct ig_cudnn_plan {
  const ig_cudnn_library *library;
  ig_dtype dtype;
  bool tf32;                      /* operands of f32 may be rounded */
  cudnnBackendDescriptor_t *made; /* all descriptors, destroyed together */
  int64_t n_made, made_capacity;
  cudnnBackendDescriptor_t plan;
  size_t workspace; /* what to ask for: room for its alignment included */
} ig_cudnn_plan;

/* Everything that fails while a plan is made is the library's declining: IG_ERR_UNSUPPORTED. */
ig_status ig_cudnn_make(ig_cudnn_plan *plan, cudnnBackendDescriptorType_t type,
                        cudnnBackendDescriptor_t *out);
ig_status ig_cudnn_set(ig_cudnn_plan *plan, cudnnBackendDescriptor_t descriptor,
                       cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                       int64_t count, const void *values);
ig_status ig_cudnn_finish(ig_cudnn_plan *plan, cudnnBackendDescriptor_t descriptor);
/* What stands behind a tensor's number when the plan runs: device memory, nothing outside the plan, or
 * one number in host memory. */
typedef enum ig_cudnn_place { IG_CUDNN_MEMORY, IG_CUDNN_VIRTUAL, IG_CUDNN_BY_VALUE } ig_cudnn_place;
cudnnDataType_t ig_cudnn_type(ig_dtype dtype); /* f32, bf16, f16 */
/* A tensor of four dimensions; strides in elements. */
ig_status ig_cudnn_tensor(ig_cudnn_plan *plan, int64_t number, cudnnDataType_t type,
                          ig_cudnn_place place, const int64_t dims[4], const int64_t strides[4],
                          cudnnBackendDescriptor_t *out);
/* Sets plan->plan for the graph of these operations. */
ig_status ig_cudnn_build(ig_cudnn_plan *plan, const cudnnBackendDescriptor_t *operations,
                         int64_t count);
void ig_cudnn_clear(ig_cudnn_plan *plan);
/* With the addresses of `count` tensors by their numbers. */
ig_status ig_cudnn_execute(const ig_cudnn_plan *plan, int64_t count, const int64_t *numbers,
                           void *const *addresses, void *workspace, void *stream);

#endif
