/* Conversion between element types, spread over cores. */
#ifndef IG_KERNELS_CONVERT_H
#define IG_KERNELS_CONVERT_H

#include "engine/base/dtype.h"

/* As ig_convert: source and target do not overlap unless both dtypes and pointers are equal. */
void ig_cpu_convert(ig_dtype from, const void *source, ig_dtype to, void *target, int64_t count);

/* As ig_convert_small. */
void ig_cpu_convert_small(ig_dtype from, const void *source, ig_dtype to, void *target,
                          int64_t count, ig_narrowing how);

/* One of several tensors that are copied or converted together; zeros where `from` is NULL. */
typedef struct ig_segment {
  const void *from;
  void *to;
  int64_t count;
} ig_segment;

/* Segments' targets do not overlap anything. `stream` is for a device's form. */
ig_status ig_cpu_copy_segments(ig_dtype from, ig_dtype to, const ig_segment *segments, int n,
                               void *stream);
/* As above, of f32, bf16 and f16, by few launches; addresses are multiples of 64 bytes but for those
 * of zeros. */
ig_status ig_cuda_copy_segments(ig_dtype from, ig_dtype to, const ig_segment *segments, int n,
                                void *stream);

/* On a CUDA device; types from f32 to bool, i.e. neither f64 nor any after IG_BOOL. */
ig_status ig_cuda_convert(ig_dtype from, const void *source, ig_dtype to, void *target,
                          int64_t count, void *stream);

#endif
