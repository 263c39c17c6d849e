/* Matrix products by hand: the readable reference, and the product of one row with a matrix that is
 * contiguous along k, where nothing but reading that matrix counts. */
#include "kernels/matmul.h"

#include "kernels/cpu/parallel.h"

/* --- reference -------------------------------------------------------------------------------- */

/* Where batch `index` of the result lies in an operand: dims of 1 repeat. */
static int64_t batch_offset(const ig_matmul *spec, int64_t index, const int64_t *dims,
                            const int64_t *strides) {
  int64_t offset = 0;
  for (int d = spec->rank - 3; d >= 0; d--) {
    if (dims[d] != 1) offset += index % spec->c_dims[d] * strides[d];
    index /= spec->c_dims[d];
  }
  return offset;
}

static double addend_at(const ig_matmul *spec, const void *addend, int64_t batch, int64_t i,
                        int64_t j) {
  ig_shape shape = ig_shape_of(spec->rank, spec->addend_dims);
  int64_t strides[IG_MAX_RANK], at = 0;
  int row = spec->rank - 2;
  ig_shape_strides(&shape, strides);
  at = batch_offset(spec, batch, spec->addend_dims, strides);
  if (shape.dims[row] != 1) at += i * strides[row];
  if (shape.dims[row + 1] != 1) at += j * strides[row + 1];
  return ig_load_f64(spec->c_dtype, addend, at);
}

/* Element `i` of integers of 32 or 64 bits; sums of their products wrap, as the types do. */
static uint64_t whole_at(ig_dtype dtype, const void *x, int64_t i) {
  switch (dtype) {
  case IG_I32: return (uint64_t)((const int32_t *)x)[i];
  case IG_U32: return ((const uint32_t *)x)[i];
  default: return ((const uint64_t *)x)[i];
  }
}

static void store_whole(ig_dtype dtype, void *x, int64_t i, uint64_t value) {
  if (dtype == IG_I32 || dtype == IG_U32) ((uint32_t *)x)[i] = (uint32_t)value;
  else ((uint64_t *)x)[i] = value;
}

/* One element of integers: exact, but for a factor or an addend, which are added in double. */
static void whole_element(const ig_matmul *s, const void *a, const void *b, int64_t depth,
                          const void *addend, void *c, int64_t at, const int64_t place[3]) {
  int64_t a_step = s->a_strides[s->rank - 1], b_step = s->b_strides[s->rank - 2];
  uint64_t sum = 0;
  for (int64_t k = 0; k < depth; k++) {
    sum += whole_at(s->dtype, a, k * a_step) * whole_at(s->dtype, b, k * b_step);
  }
  store_whole(s->dtype, c, at, sum);
  if (s->alpha == 1 && !s->addend) return;
  double value = s->alpha * ig_load_f64(s->dtype, c, at);
  if (s->addend) value += addend_at(s, addend, place[0], place[1], place[2]);
  ig_store_f64(s->dtype, c, at, value);
}

static void reference_row(const ig_matmul *spec, const void *a, const void *b, const void *addend,
                          void *c, int64_t batch, int64_t i) {
  int row = spec->rank - 2, col = spec->rank - 1;
  int64_t n = spec->c_dims[col], depth = spec->a_dims[col];
  int64_t a0 = batch_offset(spec, batch, spec->a_dims, spec->a_strides) + i * spec->a_strides[row];
  int64_t b0 = batch_offset(spec, batch, spec->b_dims, spec->b_strides);
  int64_t c0 = batch_offset(spec, batch, spec->c_dims, spec->c_strides) + i * spec->c_strides[row];
  size_t size = ig_dtype_size(spec->dtype);
  for (int64_t j = 0; j < n; j++) {
    if (ig_dtype_is_int(spec->dtype)) {
      whole_element(spec, (const char *)a + (size_t)a0 * size,
                    (const char *)b + (size_t)(b0 + j * spec->b_strides[col]) * size, depth, addend, c,
                    c0 + j * spec->c_strides[col], (const int64_t[]){batch, i, j});
      continue;
    }
    double sum = 0;
    for (int64_t k = 0; k < depth; k++) {
      sum += ig_load_f64(spec->dtype, a, a0 + k * spec->a_strides[col]) *
             ig_load_f64(spec->b_dtype, b, b0 + k * spec->b_strides[row] + j * spec->b_strides[col]);
    }
    sum *= spec->alpha;
    if (spec->addend) sum += addend_at(spec, addend, batch, i, j);
    int64_t at = c0 + j * spec->c_strides[col];
    ig_store_f64(spec->c_dtype, c, at, ig_activate(&spec->activation, sum));
  }
}

void ig_cpu_matmul_reference(const ig_matmul *spec, const void *a, const void *b,
                             const void *addend, void *c) {
  ig_shape result = ig_shape_of(spec->rank, spec->c_dims);
  int64_t rows = spec->c_dims[spec->rank - 2];
  int64_t count = ig_shape_span(&result, 0, spec->rank - 2) * rows;
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < count; r++) {
    reference_row(spec, a, b, addend, c, r / rows, r % rows);
  }
}

/* --- one row ---------------------------------------------------------------------------------- */

/* A register or several of running sums, whatever the processor's vectors hold; two of them, since
 * one would wait for the result of its last multiply-add. */
#define LANES 16
typedef struct lanes {
  float v[LANES];
} lanes;

static inline void add_products(lanes *sum, const float *restrict x, const float *restrict y) {
  for (int i = 0; i < LANES; i++) sum->v[i] += x[i] * y[i];
}

static float dot(const float *x, const float *y, int64_t n) {
  lanes even = {0}, odd = {0};
  int64_t i = 0;
  for (; i + 2 * LANES <= n; i += 2 * LANES) {
    add_products(&even, x + i, y + i);
    add_products(&odd, x + i + LANES, y + i + LANES);
  }
  for (int l = 0; l < LANES; l++) even.v[l] += odd.v[l];
  for (int width = LANES / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; l++) even.v[l] += even.v[l + width];
  }
  for (; i < n; i++) even.v[0] += x[i] * y[i];
  return even.v[0];
}

void ig_cpu_matmul_one_row(const ig_matmul *spec, const float *a, const float *b,
                           const float *addend, float *c) {
  int64_t n = spec->c_dims[1], k = spec->a_dims[1];
#pragma omp parallel for schedule(static) if (n * k >= IG_PARALLEL_FROM)
  for (int64_t j = 0; j < n; j++) {
    float sum = spec->alpha * dot(a, b + j * spec->b_strides[1], k);
    c[j] = spec->addend ? sum + addend[spec->addend_dims[1] != 1 ? j : 0] : sum;
  }
}
