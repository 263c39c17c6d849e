/* One loop for each of the three types; a row of a result is one thread's. */
#include "kernels/contract.h"

#include "kernels/cpu/parallel.h"

static int64_t offset_of(int rank, const int64_t *dims, const int64_t *strides, int64_t index) {
  int64_t offset = 0;
  for (int d = rank - 1; d >= 0; d--) {
    offset += index % dims[d] * strides[d];
    index /= dims[d];
  }
  return offset;
}

static int64_t product(int rank, const int64_t *dims) {
  int64_t count = 1;
  for (int d = 0; d < rank; d++) count *= dims[d];
  return count;
}

/* `type` is summed in `total`. A row of `n` columns of c is the sum of rows of b; one column is a dot
 * product. */
#define DEFINE_TYPE(name, type, total)                                                             \
  static void sum_##name(const ig_box_sum *s, const type *x, type *y) {                            \
    int64_t results = product(s->kept, s->kept_dims), each = product(s->summed, s->summed_dims);   \
    IG_PARALLEL_FOR(results > 1 && results * each > IG_PARALLEL_FROM)                              \
    for (int64_t i = 0; i < results; i++) {                                                        \
      const type *from = x + offset_of(s->kept, s->kept_dims, s->kept_strides, i);                 \
      total sum = 0;                                                                               \
      for (int64_t k = 0; k < each; k++)                                                           \
        sum += (total)from[offset_of(s->summed, s->summed_dims, s->summed_strides, k)];            \
      y[i] = (type)sum;                                                                            \
    }                                                                                              \
  }                                                                                                \
  static void product_##name(const ig_batched_product *p, const type *a, const type *b, type *c) { \
    IG_PARALLEL_FOR(p->batch * p->m > 1 && p->batch * p->m * p->k * p->n > IG_PARALLEL_FROM)       \
    for (int64_t row = 0; row < p->batch * p->m; row++) {                                          \
      const type *left = a + row * p->k, *right = b + row / p->m * p->k * p->n;                    \
      type *to = c + row * p->n;                                                                   \
      if (p->n == 1) {                                                                             \
        type sum = 0;                                                                              \
        _Pragma("omp simd reduction(+ : sum)") for (int64_t k = 0; k < p->k; k++) sum +=           \
            left[k] * right[k];                                                                    \
        to[0] = sum;                                                                               \
        continue;                                                                                  \
      }                                                                                            \
      for (int64_t j = 0; j < p->n; j++) to[j] = 0;                                                \
      for (int64_t k = 0; k < p->k; k++) {                                                         \
        _Pragma("omp simd") for (int64_t j = 0; j < p->n; j++) to[j] +=                            \
            left[k] * right[k * p->n + j];                                                         \
      }                                                                                            \
    }                                                                                              \
  }

DEFINE_TYPE(f64, double, double)
DEFINE_TYPE(f32, float, double)
DEFINE_TYPE(u64, uint64_t, uint64_t) /* i64 that wraps */

void ig_cpu_box_sum(ig_dtype dtype, const ig_box_sum *s, const void *x, void *y) {
  if (dtype == IG_F64) {
    sum_f64(s, x, y);
  } else if (dtype == IG_F32) {
    sum_f32(s, x, y);
  } else {
    sum_u64(s, x, y);
  }
}

void ig_cpu_batched_product(ig_dtype dtype, const ig_batched_product *p, const void *a,
                            const void *b, void *c) {
  if (dtype == IG_F64) {
    product_f64(p, a, b, c);
  } else if (dtype == IG_F32) {
    product_f32(p, a, b, c);
  } else {
    product_u64(p, a, b, c);
  }
}
