/* Conversion between element types, spread over cores. */
#ifndef IG_KERNELS_CONVERT_H
#define IG_KERNELS_CONVERT_H

#include "engine/base/dtype.h"

/* As ig_convert: source and target do not overlap unless both dtypes and pointers are equal. */
void ig_cpu_convert(ig_dtype from, const void *source, ig_dtype to, void *target, int64_t count);

/* On a CUDA device; f64 is not among the types. */
ig_status ig_cuda_convert(ig_dtype from, const void *source, ig_dtype to, void *target,
                          int64_t count, void *stream);

#endif
