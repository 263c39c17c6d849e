/* Rotary position embedding (Su et al., "RoFormer", 2021): pairs of a head's elements turned by an
 * angle that grows with the position. */
#ifndef IG_KERNELS_ROTARY_H
#define IG_KERNELS_ROTARY_H

#include <stdbool.h>

#include "engine/base/dtype.h"

/* Element d of head h of token s of batch b lies at b * stride_b + h * stride_h + s * stride_s + d,
 * in x and y alike. The first 2 * half elements of a head are turned, the others (up to `size`)
 * copied. Pairs are (2 i, 2 i + 1) when interleaved, else (i, i + half). */
typedef struct ig_rotary {
  int64_t batch, heads, tokens, size, half;
  int64_t stride_b, stride_h, stride_s;
  bool interleaved;
  bool shared; /* the tables are of one batch entry, for all of them */
} ig_rotary;

/* Row `rows[b * tokens + s]` (or, when `rows` is NULL, s where the tables are shared and b * tokens + s elsewhere) of the [*, half] tables
 * holds the cosines and sines of a token. y may be x. */
void ig_cpu_rotary(ig_dtype dtype, const ig_rotary *shape, const void *x, const void *cosines,
                   const void *sines, const int64_t *rows, void *y);

/* On a CUDA device: f32, bf16, f16. The tables have `table` rows; a token whose row is none of them
 * becomes NaN. */
ig_status ig_cuda_rotary(ig_dtype dtype, const ig_rotary *shape, const void *x,
                         const void *cosines, const void *sines, const int64_t *rows,
                         int64_t table, void *y, void *stream);

#endif
