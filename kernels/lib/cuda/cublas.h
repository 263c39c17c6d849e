/* Matrix products through cuBLASLt. The library, of hundreds of megabytes, is loaded when the first
 * product is made and not before: the program starts at once, and where it is absent. */
#ifndef IG_KERNELS_LIB_CUDA_CUBLAS_H
#define IG_KERNELS_LIB_CUDA_CUBLAS_H

#include "kernels/matmul.h"

/* No product asks for more workspace. */
#define IG_CUBLAS_WORKSPACE ((size_t)32 << 20)

typedef struct ig_cublas_matmul ig_cublas_matmul;

/* Descriptors and the chosen algorithm for c = activation(alpha * a b + beta * addend) on the
 * current device; f32, bf16, f16, nothing empty, or 8-bit floats of which not both are e5m2, a contiguous
 * along k and b along k, all three sizes multiples of 16. Not while work is being recorded. With
 * IG_AUTOTUNE=1 in the environment algorithms are timed, and the choice kept in the user's cache
 * folder.
 * IG_ERR_UNSUPPORTED where the library is absent or takes no operands of this form. */
ig_status ig_cublas_matmul_create(const ig_matmul *spec, float beta, ig_cublas_matmul **out);
void ig_cublas_matmul_destroy(ig_cublas_matmul *product); /* NULL is allowed */
size_t ig_cublas_matmul_workspace(const ig_cublas_matmul *product);
/* Operands, addend included, are device memory aligned to IG_ALIGNMENT. `a_scale` and `b_scale` are what
 * 8-bit floats are multiplied by, one f32 each on the device, and NULL for other types. */
ig_status ig_cublas_matmul_run(const ig_cublas_matmul *product, const void *a, const void *b,
                               const float *a_scale, const float *b_scale, const void *addend,
                               void *c, void *workspace, void *stream);

#endif
