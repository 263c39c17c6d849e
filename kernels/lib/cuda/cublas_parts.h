/* What the files of cuBLASLt share. They alone include its header. */
#ifndef IG_KERNELS_LIB_CUDA_CUBLAS_PARTS_H
#define IG_KERNELS_LIB_CUDA_CUBLAS_PARTS_H

#include <cublasLt.h>

#include "kernels/cuda/status.h"
#include "kernels/lib/cuda/cublas.h"

/* Every function that is called, by the name it has in the library. */
#define IG_CUBLAS_FUNCTIONS(row)                                                                   \
  row(cublasLtCreate) row(cublasLtGetVersion) row(cublasLtGetStatusString) row(cublasLtMatmul)     \
      row(cublasLtMatmulDescCreate) row(cublasLtMatmulDescDestroy)                                 \
          row(cublasLtMatmulDescSetAttribute) row(cublasLtMatrixLayoutCreate)                      \
              row(cublasLtMatrixLayoutDestroy) row(cublasLtMatrixLayoutSetAttribute)               \
                  row(cublasLtMatmulPreferenceCreate) row(cublasLtMatmulPreferenceDestroy)         \
                      row(cublasLtMatmulPreferenceSetAttribute)                                    \
                          row(cublasLtMatmulAlgoGetHeuristic) row(cublasLtMatmulAlgoCheck)

/* The loaded library with its handle on one device; both stay until the process ends. */
typedef struct ig_cublas_library {
#define IG_CUBLAS_MEMBER(name) __typeof__(&name) name;
  IG_CUBLAS_FUNCTIONS(IG_CUBLAS_MEMBER)
#undef IG_CUBLAS_MEMBER
  cublasLtHandle_t handle;
  size_t version;
  bool autotune;
} ig_cublas_library;

/* For the current device. */
ig_status ig_cublas_open(const ig_cublas_library **out);
/* IG_OK for success; IG_ERR_UNSUPPORTED where the library declines; else IG_ERR_DEVICE. */
ig_status ig_cublas_status(const ig_cublas_library *library, cublasStatus_t status,
                           const char *what);
#define IG_TRY_CUBLAS(library, call) IG_TRY(ig_cublas_status((library), (library)->call, #call))

/* Everything that a call of cublasLtMatmul needs besides pointers. */
typedef struct ig_cublas_form {
  cublasLtMatmulDesc_t desc;
  cublasLtMatrixLayout_t a, b, c; /* c: of addend and result alike */
  size_t a_bytes, b_bytes, c_bytes;
  float alpha, beta;
  bool bias;          /* the epilogue reads one */
  uint32_t alignment; /* of all operands, bytes */
  char key[256];      /* tells forms apart: types, sizes, strides, epilogue */
} ig_cublas_form;

/* The algorithm that the library's heuristic names first, or the fastest of the first few. */
ig_status ig_cublas_choose(const ig_cublas_library *library, const ig_cublas_form *form,
                           cublasLtMatmulAlgo_t *algo, size_t *workspace);

#endif
