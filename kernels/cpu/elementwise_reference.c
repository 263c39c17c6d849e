/* Elementwise functions the readable way: one element at a time, in double, or in 64-bit integers
 * for integer types. Serves the dtypes that the vector kernels leave out. */
#include "kernels/elementwise.h"

#include <math.h>

#include "kernels/cpu/walk.h"

static const double root_2_over_pi = 0.79788456080286535588;

/* Wraps to the width of the type, as C and ONNX's Cast do. */
static void store_int(ig_dtype dtype, void *data, int64_t i, int64_t value) {
  ig_convert(IG_I64, &value, dtype, (char *)data + i * (int64_t)ig_dtype_size(dtype), 1);
}

static int64_t load_int(ig_dtype dtype, const void *data, int64_t i) {
  return dtype == IG_I64 ? ((const int64_t *)data)[i] : (int64_t)ig_load_f64(dtype, data, i);
}

/* Two's complement without undefined overflow. */
static int64_t wrap_add(int64_t a, int64_t b) {
  return (int64_t)((uint64_t)a + (uint64_t)b);
}
static int64_t wrap_sub(int64_t a, int64_t b) {
  return (int64_t)((uint64_t)a - (uint64_t)b);
}
static int64_t wrap_mul(int64_t a, int64_t b) {
  return (int64_t)((uint64_t)a * (uint64_t)b);
}

/* --- one element ----------------------------------------------------------------------------- */

static double unary_f64(ig_unary kind, double x, double a, double b) {
  switch (kind) {
  case IG_UNARY_NEG: return -x;
  case IG_UNARY_ABS: return fabs(x);
  case IG_UNARY_SIGN: return x > 0 ? 1 : x < 0 ? -1 : x;
  case IG_UNARY_SQRT: return sqrt(x);
  case IG_UNARY_EXP: return exp(x);
  case IG_UNARY_LOG: return log(x);
  case IG_UNARY_ERF: return erf(x);
  case IG_UNARY_TANH: return tanh(x);
  case IG_UNARY_SIGMOID: return 1 / (1 + exp(-x));
  case IG_UNARY_RELU: return x < 0 ? 0 : x;
  case IG_UNARY_LEAKY_RELU: return x < 0 ? a * x : x;
  case IG_UNARY_CLIP: return x < a ? fmin(a, b) : x > b ? b : x;
  case IG_UNARY_GELU: return x * 0.5 * erfc(-x * M_SQRT1_2);
  case IG_UNARY_GELU_TANH: return x / 2 * (1 + tanh(root_2_over_pi * (x + 0.044715 * x * x * x)));
  case IG_UNARY_HARD_SWISH: return x * fmin(fmax(x / 6 + 0.5, 0), 1);
  case IG_UNARY_SOFTPLUS: return fmax(x, 0) + log1p(exp(-fabs(x)));
  default: return x == 0;
  }
}

static int64_t unary_i64(ig_unary kind, int64_t x, double a, double b) {
  switch (kind) {
  case IG_UNARY_NEG: return wrap_sub(0, x);
  case IG_UNARY_ABS: return x < 0 ? wrap_sub(0, x) : x;
  case IG_UNARY_SIGN: return (x > 0) - (x < 0);
  case IG_UNARY_RELU: return x < 0 ? 0 : x;
  case IG_UNARY_CLIP: {
    int64_t least, most;
    ig_store_f64(IG_I64, &least, 0, a); /* infinite bounds saturate */
    ig_store_f64(IG_I64, &most, 0, b);
    return x > most || least > most ? most : x < least ? least : x;
  }
  default: return x == 0; /* NOT */
  }
}

/* f'(x), or in terms of the result where ig_unary_grad_reads_result says so. */
static double slope_f64(ig_unary kind, double x, double a, double b) {
  switch (kind) {
  case IG_UNARY_ABS: return x > 0 ? 1 : x < 0 ? -1 : 0;
  case IG_UNARY_SQRT: return 0.5 / x;
  case IG_UNARY_EXP: return x;
  case IG_UNARY_LOG: return 1 / x;
  case IG_UNARY_ERF: return M_2_SQRTPI * exp(-x * x);
  case IG_UNARY_TANH: return 1 - x * x;
  case IG_UNARY_SIGMOID: return x * (1 - x);
  case IG_UNARY_RELU: return x > 0;
  case IG_UNARY_LEAKY_RELU: return x < 0 ? a : 1;
  case IG_UNARY_CLIP: return x >= a && x <= b;
  case IG_UNARY_GELU:
    return 0.5 * erfc(-x * M_SQRT1_2) + x * exp(-x * x / 2) * M_SQRT1_2 * M_2_SQRTPI / 2;
  case IG_UNARY_GELU_TANH: {
    double t = tanh(root_2_over_pi * (x + 0.044715 * x * x * x));
    return (1 + t) / 2 + x / 2 * (1 - t * t) * root_2_over_pi * (1 + 3 * 0.044715 * x * x);
  }
  case IG_UNARY_HARD_SWISH: return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5;
  case IG_UNARY_SOFTPLUS: return 1 / (1 + exp(-x));
  default: return 0;
  }
}

static double binary_f64(ig_binary kind, double a, double b) {
  switch (kind) {
  case IG_BINARY_ADD: return a + b;
  case IG_BINARY_SUB: return a - b;
  case IG_BINARY_MUL: return a * b;
  case IG_BINARY_DIV: return a / b;
  case IG_BINARY_POW: return pow(a, b);
  case IG_BINARY_EQUAL: return a == b;
  case IG_BINARY_GREATER: return a > b;
  case IG_BINARY_LESS: return a < b;
  case IG_BINARY_GREATER_OR_EQUAL: return a >= b;
  default: return a <= b;
  }
}

static int64_t binary_i64(ig_binary kind, int64_t a, int64_t b) {
  switch (kind) {
  case IG_BINARY_ADD: return wrap_add(a, b);
  case IG_BINARY_SUB: return wrap_sub(a, b);
  case IG_BINARY_MUL: return wrap_mul(a, b);
  case IG_BINARY_DIV: return b == 0 ? 0 : b == -1 ? wrap_sub(0, a) : a / b;
  case IG_BINARY_POW: {
    if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
    int64_t power = 1;
    for (; b; b >>= 1, a = wrap_mul(a, a)) {
      if (b & 1) power = wrap_mul(power, a);
    }
    return power;
  }
  case IG_BINARY_EQUAL: return a == b;
  case IG_BINARY_GREATER: return a > b;
  case IG_BINARY_LESS: return a < b;
  case IG_BINARY_GREATER_OR_EQUAL: return a >= b;
  case IG_BINARY_LESS_OR_EQUAL: return a <= b;
  case IG_BINARY_AND: return a && b;
  case IG_BINARY_OR: return a || b;
  default: return !a != !b;
  }
}

/* --- arrays ---------------------------------------------------------------------------------- */

void ig_cpu_unary_reference(ig_unary kind, ig_dtype dtype, const void *x, void *y, int64_t n,
                            double a, double b) {
  for (int64_t i = 0; i < n; i++) {
    if (ig_dtype_is_float(dtype)) {
      ig_store_f64(dtype, y, i, unary_f64(kind, ig_load_f64(dtype, x, i), a, b));
    } else if (dtype == IG_BOOL) {
      ((uint8_t *)y)[i] = !((const uint8_t *)x)[i];
    } else {
      store_int(dtype, y, i, unary_i64(kind, load_int(dtype, x, i), a, b));
    }
  }
}

void ig_cpu_unary_grad_reference(ig_unary kind, ig_dtype dtype, const void *dy, const void *x,
                                 void *dx, int64_t n, double a, double b) {
  for (int64_t i = 0; i < n; i++) {
    double slope = slope_f64(kind, ig_load_f64(dtype, x, i), a, b);
    ig_store_f64(dtype, dx, i, ig_load_f64(dtype, dy, i) * slope);
  }
}

typedef struct binary_job {
  ig_binary kind;
  ig_dtype dtype, b_dtype, result;
  int64_t a_stride, b_stride;
  const void *a, *b;
  void *y;
} binary_job;

static void binary_segment(void *context, const int64_t *offset, int64_t to, int64_t n) {
  const binary_job *j = context;
  for (int64_t i = 0; i < n; i++) {
    int64_t ia = offset[0] + i * j->a_stride, ib = offset[1] + i * j->b_stride;
    if (ig_dtype_is_float(j->dtype)) {
      double value =
          binary_f64(j->kind, ig_load_f64(j->dtype, j->a, ia), ig_load_f64(j->b_dtype, j->b, ib));
      ig_store_f64(j->result, j->y, to + i, value);
    } else {
      int64_t value =
          binary_i64(j->kind, load_int(j->dtype, j->a, ia), load_int(j->b_dtype, j->b, ib));
      if (j->result == IG_BOOL)
        ((uint8_t *)j->y)[to + i] = value != 0;
      else
        store_int(j->result, j->y, to + i, value);
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
