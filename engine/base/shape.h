/* Shapes: row-major dense tensors of up to IG_MAX_RANK dimensions, all arithmetic checked. */
#ifndef IG_BASE_SHAPE_H
#define IG_BASE_SHAPE_H

#include "engine/base/dtype.h"

/* A shape from a list: ig_shape_of(3, (int64_t[]){2, 3, 4}). Rank beyond IG_MAX_RANK is cut by an
 * assertion: lengths from input are checked before. */
ig_shape ig_shape_of(int rank, const int64_t *dims);
#define IG_SHAPE(...)                                                                              \
  ig_shape_of((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})
#define IG_SCALAR ((ig_shape){.rank = 0})

/* Elements; the shape must have been accepted by ig_shape_check before. A scalar has 1. */
int64_t ig_shape_count(const ig_shape *shape);
/* Elements in dims [from, to). */
int64_t ig_shape_span(const ig_shape *shape, int from, int to);
/* Fails unless rank and dims are in range and the bytes fit in half the address space. */
ig_status ig_shape_check(const ig_shape *shape, ig_dtype dtype);
/* Bytes of a dense tensor whose shape was checked. */
size_t ig_shape_bytes(const ig_shape *shape, ig_dtype dtype);
bool ig_shape_equal(const ig_shape *a, const ig_shape *b);
/* Writes "[2, 3, 4]" ("[]" for a scalar) and returns `text`, so it can stand in a printf. */
#define IG_SHAPE_TEXT 192
const char *ig_shape_text(const ig_shape *shape, char text[IG_SHAPE_TEXT]);
#define IG_SHAPE_STR(shape) ig_shape_text((shape), (char[IG_SHAPE_TEXT]){0})
/* NumPy broadcasting of two shapes (ONNX "multidirectional"); false when they do not fit. */
bool ig_shape_broadcast(const ig_shape *a, const ig_shape *b, ig_shape *out);
/* Row-major strides in elements. With `against`, the strides by which this shape is walked while
 * iterating over the larger shape: 0 in broadcast dimensions. */
void ig_shape_strides(const ig_shape *shape, int64_t strides[IG_MAX_RANK]);
void ig_shape_broadcast_strides(const ig_shape *shape, const ig_shape *against,
                                int64_t strides[IG_MAX_RANK]);
/* An ONNX axis in [-rank, rank) made non-negative; -1 when out of range. */
int ig_shape_axis(const ig_shape *shape, int64_t axis);

#endif
