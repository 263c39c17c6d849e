/* Functions of two elements the readable way: one pair at a time, in double, or in 64-bit integers for
 * integer types. Serves the dtypes that the vector kernels leave out. */
#include <math.h>

#include "kernels/cpu/integers.h"
#include "kernels/cpu/walk.h"
#include "kernels/elementwise.h"

/* --- one pair -------------------------------------------------------------------------------- */

static double binary_f64(ig_binary kind, double a, double b) {
  switch (kind) {
  case IG_BINARY_ADD: return a + b;
  case IG_BINARY_SUB: return a - b;
  case IG_BINARY_MUL: return a * b;
  case IG_BINARY_DIV: return a / b;
  case IG_BINARY_POW: return pow(a, b);
  case IG_BINARY_PRELU: return a < 0 ? a * b : a;
  case IG_BINARY_FMOD: return fmod(a, b);
  case IG_BINARY_EQUAL: return a == b;
  case IG_BINARY_GREATER: return a > b;
  case IG_BINARY_LESS: return a < b;
  case IG_BINARY_GREATER_OR_EQUAL: return a >= b;
  default: return a <= b;
  }
}

static int64_t quotient(int64_t a, int64_t b, bool natural) {
  if (b == 0) return 0;
  if (natural) return (int64_t)((uint64_t)a / (uint64_t)b);
  return b == -1 ? ig_wrap_sub(0, a) : a / b;
}

static int64_t remainder_of(int64_t a, int64_t b, bool natural) {
  if (b == 0) return 0;
  if (natural) return (int64_t)((uint64_t)a % (uint64_t)b);
  return b == -1 ? 0 : a % b;
}

/* Of the sign of the divisor. */
static int64_t modulus(int64_t a, int64_t b, bool natural) {
  int64_t r = remainder_of(a, b, natural);
  return !natural && r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static int64_t power(int64_t a, int64_t b, bool natural_b) {
  if (b < 0 && !natural_b) return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
  int64_t product = 1;
  for (uint64_t bits = (uint64_t)b; bits; bits >>= 1, a = ig_wrap_mul(a, a)) {
    if (bits & 1) product = ig_wrap_mul(product, a);
  }
  return product;
}

static int64_t shifted(int64_t a, int64_t by, bool left) {
  if ((uint64_t)by >= 64) return 0;
  return (int64_t)(left ? (uint64_t)a << by : (uint64_t)a >> by);
}

static int64_t binary_i64(ig_binary kind, int64_t a, int64_t b, bool natural, bool natural_b) {
  switch (kind) {
  case IG_BINARY_ADD: return ig_wrap_add(a, b);
  case IG_BINARY_SUB: return ig_wrap_sub(a, b);
  case IG_BINARY_MUL: return ig_wrap_mul(a, b);
  case IG_BINARY_DIV: return quotient(a, b, natural);
  case IG_BINARY_POW: return power(a, b, natural_b);
  case IG_BINARY_PRELU: return ig_int_less(a, 0, natural) ? ig_wrap_mul(a, b) : a;
  case IG_BINARY_MOD: return modulus(a, b, natural);
  case IG_BINARY_FMOD: return remainder_of(a, b, natural);
  case IG_BINARY_SHIFT_LEFT: return shifted(a, b, true);
  case IG_BINARY_SHIFT_RIGHT: return shifted(a, b, false);
  case IG_BINARY_BITWISE_AND: return a & b;
  case IG_BINARY_BITWISE_OR: return a | b;
  case IG_BINARY_BITWISE_XOR: return a ^ b;
  case IG_BINARY_EQUAL: return a == b;
  case IG_BINARY_GREATER: return ig_int_less(b, a, natural);
  case IG_BINARY_LESS: return ig_int_less(a, b, natural);
  case IG_BINARY_GREATER_OR_EQUAL: return !ig_int_less(a, b, natural);
  case IG_BINARY_LESS_OR_EQUAL: return !ig_int_less(b, a, natural);
  case IG_BINARY_AND: return a && b;
  case IG_BINARY_OR: return a || b;
  default: return !a != !b;
  }
}

/* --- arrays ---------------------------------------------------------------------------------- */

typedef struct binary_job {
  ig_binary kind;
  ig_dtype dtype, b_dtype, result;
  int64_t a_stride, b_stride;
  const void *a, *b;
  void *y;
} binary_job;

static void binary_segment(void *context, const int64_t *offset, int64_t to, int64_t n) {
  const binary_job *j = context;
  bool real = ig_dtype_is_float(j->dtype) || ig_dtype_is_float(j->b_dtype);
  bool natural = j->dtype == IG_U64, natural_b = j->b_dtype == IG_U64;
  for (int64_t i = 0; i < n; i++) {
    int64_t ia = offset[0] + i * j->a_stride, ib = offset[1] + i * j->b_stride;
    if (real) {
      double value =
          binary_f64(j->kind, ig_load_f64(j->dtype, j->a, ia), ig_load_f64(j->b_dtype, j->b, ib));
      ig_store_f64(j->result, j->y, to + i, value);
    } else {
      int64_t value = binary_i64(j->kind, ig_load_i64(j->dtype, j->a, ia),
                                 ig_load_i64(j->b_dtype, j->b, ib), natural, natural_b);
      ig_store_i64(j->result, j->y, to + i, value);
    }
  }
}

void ig_cpu_binary_reference(ig_binary kind, ig_dtype dtype, ig_dtype b_dtype, const ig_walk *walk,
                             const void *a, const void *b, void *y) {
  int inner = walk->rank - 1;
  binary_job job = {.kind = kind,
                    .dtype = dtype,
                    .b_dtype = b_dtype,
                    .result = kind >= IG_BINARY_EQUAL ? IG_BOOL : dtype,
                    .a_stride = walk->strides[0][inner],
                    .b_stride = walk->strides[1][inner],
                    .a = a,
                    .b = b,
                    .y = y};
  int64_t count = ig_walk_count(walk);
  if (count) ig_walk_range(walk, 0, count, binary_segment, &job);
}
