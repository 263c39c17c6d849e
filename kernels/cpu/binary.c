/* Functions of two elements with broadcasting, and selection. The walk is cut into segments along
 * the innermost dimension, in which an operand either advances or repeats; a loop a kind, made from
 * its formula, runs over a segment. */
#include "kernels/elementwise.h"

#include <math.h>
#include <string.h>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/walk.h"

#define BLOCK 512

/* One segment: n results, each operand advancing (stride 1) or repeating (stride 0). */
typedef void segment_loop(const void *a, int64_t a_stride, const void *b, int64_t b_stride, void *y,
                          int64_t n);

#define SEGMENT(name, result, formula)                                                             \
  static void name(const void *pa, int64_t a_stride, const void *pb, int64_t b_stride, void *py,   \
                   int64_t n) {                                                                    \
    const float *as = pa, *bs = pb;                                                                \
    result *ys = py;                                                                               \
    if (a_stride && b_stride) {                                                                    \
      _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                                        \
        float a = as[i], b = bs[i];                                                                \
        ys[i] = (formula);                                                                         \
      }                                                                                            \
    } else if (a_stride) {                                                                         \
      float b = bs[0];                                                                             \
      _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                                        \
        float a = as[i];                                                                           \
        ys[i] = (formula);                                                                         \
      }                                                                                            \
    } else {                                                                                       \
      float a = as[0];                                                                             \
      _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                                        \
        float b = bs[b_stride ? i : 0];                                                            \
        ys[i] = (formula);                                                                         \
      }                                                                                            \
    }                                                                                              \
  }

SEGMENT(add_segment, float, a + b)
SEGMENT(sub_segment, float, a - b)
SEGMENT(mul_segment, float, a *b)
SEGMENT(div_segment, float, a / b)
SEGMENT(general_pow_segment, float, powf(a, b))
SEGMENT(prelu_segment, float, a < 0.0f ? a *b : a)
SEGMENT(fmod_segment, float, fmodf(a, b))
SEGMENT(equal_segment, uint8_t, a == b)
SEGMENT(greater_segment, uint8_t, a > b)
SEGMENT(less_segment, uint8_t, a < b)
SEGMENT(greater_or_equal_segment, uint8_t, a >= b)
SEGMENT(less_or_equal_segment, uint8_t, a <= b)

/* The constant exponents that models use need no powf. */
static void pow_segment(const void *pa, int64_t a_stride, const void *pb, int64_t b_stride,
                        void *py, int64_t n) {
  const float *a = pa, *b = pb;
  float *y = py;
  if (b_stride || !a_stride) {
    general_pow_segment(pa, a_stride, pb, b_stride, py, n);
  } else if (b[0] == 2.0f) {
    mul_segment(a, 1, a, 1, y, n);
  } else if (b[0] == 3.0f) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = a[i] * a[i] * a[i];
  } else if (b[0] == 1.0f) {
    memmove(y, a, (size_t)n * sizeof *y);
  } else {
    general_pow_segment(pa, a_stride, pb, b_stride, py, n);
  }
}

static segment_loop *const loops[IG_BINARY_COUNT] = {
    [IG_BINARY_ADD] = add_segment,
    [IG_BINARY_SUB] = sub_segment,
    [IG_BINARY_MUL] = mul_segment,
    [IG_BINARY_DIV] = div_segment,
    [IG_BINARY_POW] = pow_segment,
    [IG_BINARY_PRELU] = prelu_segment,
    [IG_BINARY_FMOD] = fmod_segment,
    [IG_BINARY_EQUAL] = equal_segment,
    [IG_BINARY_GREATER] = greater_segment,
    [IG_BINARY_LESS] = less_segment,
    [IG_BINARY_GREATER_OR_EQUAL] = greater_or_equal_segment,
    [IG_BINARY_LESS_OR_EQUAL] = less_or_equal_segment,
};

/* --- binary ---------------------------------------------------------------------------------- */

typedef struct binary_job {
  segment_loop *loop;
  ig_dtype dtype, result;
  int64_t a_stride, b_stride;
  const void *a, *b;
  void *y;
} binary_job;

static const void *at(const void *base, int64_t i, ig_dtype dtype) {
  return (const char *)base + i * (int64_t)ig_dtype_size(dtype);
}

static void f32_segment(void *context, const int64_t *offset, int64_t to, int64_t n) {
  const binary_job *j = context;
  j->loop((const float *)j->a + offset[0], j->a_stride, (const float *)j->b + offset[1],
          j->b_stride, (void *)at(j->y, to, j->result), n);
}

/* 16-bit operands pass through f32 in blocks. */
static void narrow_segment(void *context, const int64_t *offset, int64_t to, int64_t n) {
  const binary_job *j = context;
  for (int64_t i = 0; i < n; i += BLOCK) {
    float a[BLOCK], b[BLOCK];
    int64_t m = IG_MIN(BLOCK, n - i);
    ig_convert(j->dtype, at(j->a, offset[0] + i * j->a_stride, j->dtype), IG_F32, a,
               j->a_stride ? m : 1);
    ig_convert(j->dtype, at(j->b, offset[1] + i * j->b_stride, j->dtype), IG_F32, b,
               j->b_stride ? m : 1);
    void *y = (void *)at(j->y, to + i, j->result);
    if (j->result == IG_BOOL) {
      j->loop(a, j->a_stride, b, j->b_stride, y, m);
    } else {
      float block[BLOCK];
      j->loop(a, j->a_stride, b, j->b_stride, block, m);
      ig_convert(IG_F32, block, j->result, y, m);
    }
  }
}

void ig_cpu_binary_vector(ig_binary kind, ig_dtype dtype, const ig_walk *walk, const void *a,
                          const void *b, void *y) {
  int inner = walk->rank - 1;
  binary_job job = {.loop = loops[kind],
                    .dtype = dtype,
                    .result = kind >= IG_BINARY_EQUAL ? IG_BOOL : dtype,
                    .a_stride = walk->strides[0][inner],
                    .b_stride = walk->strides[1][inner],
                    .a = a,
                    .b = b,
                    .y = y};
  int64_t count = ig_walk_count(walk);
#pragma omp parallel if (count * (kind == IG_BINARY_POW || kind == IG_BINARY_FMOD ? 8 : 1) >= IG_PARALLEL_FROM)
  {
    int64_t begin, end;
    ig_thread_share(count, 64, &begin, &end);
    if (begin < end) {
      ig_walk_range(walk, begin, end, dtype == IG_F32 ? f32_segment : narrow_segment, &job);
    }
  }
}

/* --- where ----------------------------------------------------------------------------------- */

typedef struct where_job {
  size_t size;
  int64_t c_stride, a_stride, b_stride;
  const uint8_t *condition;
  const void *a, *b;
  void *y;
} where_job;

#define WHERE(type)                                                                                \
  do {                                                                                             \
    const type *a = (const type *)j->a + offset[1], *b = (const type *)j->b + offset[2];           \
    type *y = (type *)j->y + to;                                                                   \
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                                          \
      type yes = a[i * j->a_stride], no = b[i * j->b_stride];                                      \
      y[i] = c[i * j->c_stride] ? yes : no;                                                        \
    }                                                                                              \
  } while (0)

static void where_segment(void *context, const int64_t *offset, int64_t to, int64_t n) {
  const where_job *j = context;
  const uint8_t *c = j->condition + offset[0];
  switch (j->size) {
  case 1: WHERE(uint8_t); break;
  case 2: WHERE(uint16_t); break;
  case 4: WHERE(uint32_t); break;
  default: WHERE(uint64_t); break;
  }
}

void ig_cpu_where(size_t size, const ig_walk *walk, const uint8_t *condition, const void *a,
                  const void *b, void *y) {
  int inner = walk->rank - 1;
  where_job job = {.size = size,
                   .c_stride = walk->strides[0][inner],
                   .a_stride = walk->strides[1][inner],
                   .b_stride = walk->strides[2][inner],
                   .condition = condition,
                   .a = a,
                   .b = b,
                   .y = y};
  int64_t count = ig_walk_count(walk);
#pragma omp parallel if (count >= IG_PARALLEL_FROM)
  {
    int64_t begin, end;
    ig_thread_share(count, 64, &begin, &end);
    if (begin < end) ig_walk_range(walk, begin, end, where_segment, &job);
  }
}
