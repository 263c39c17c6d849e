/* Functions of one element the readable way: one at a time, in double, or in 64-bit integers for integer
 * types. Serves the dtypes that the vector kernels leave out. */
#include "kernels/elementwise.h"

#include <math.h>

#include "kernels/cpu/integers.h"

static const double root_2_over_pi = 0.79788456080286535588;

/* --- one element ----------------------------------------------------------------------------- */

/* tanh(softplus(x)) = (e^2x + 2 e^x) / (e^2x + 2 e^x + 2), without what overflows. */
static double mish_gate(double x) {
  double e = exp(-fabs(x));
  return x < 0 ? e * (e + 2) / (e * (e + 2) + 2) : (1 + 2 * e) / (1 + 2 * e + 2 * e * e);
}

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
  case IG_UNARY_RECIPROCAL: return 1 / x;
  case IG_UNARY_CEIL: return ceil(x);
  case IG_UNARY_FLOOR: return floor(x);
  case IG_UNARY_ROUND: return nearbyint(x);
  case IG_UNARY_SIN: return sin(x);
  case IG_UNARY_COS: return cos(x);
  case IG_UNARY_TAN: return tan(x);
  case IG_UNARY_ASIN: return asin(x);
  case IG_UNARY_ACOS: return acos(x);
  case IG_UNARY_ATAN: return atan(x);
  case IG_UNARY_SINH: return sinh(x);
  case IG_UNARY_COSH: return cosh(x);
  case IG_UNARY_ASINH: return asinh(x);
  case IG_UNARY_ACOSH: return acosh(x);
  case IG_UNARY_ATANH: return atanh(x);
  case IG_UNARY_ELU: return x < 0 ? a * expm1(x) : x;
  case IG_UNARY_CELU: return x < 0 ? a * expm1(x / a) : x;
  case IG_UNARY_SELU: return b * (x < 0 ? a * expm1(x) : x);
  case IG_UNARY_HARD_SIGMOID: return isnan(x) ? x : fmin(fmax(a * x + b, 0), 1);
  case IG_UNARY_THRESHOLDED_RELU: return x <= a ? 0 : x;
  case IG_UNARY_SHRINK: return x < -a ? x + b : x > a ? x - b : isnan(x) ? x : 0;
  case IG_UNARY_SOFTSIGN: return isinf(x) ? copysign(1, x) : x / (1 + fabs(x));
  case IG_UNARY_MISH: return x * mish_gate(x);
  case IG_UNARY_SWISH: return x / (1 + exp(-a * x));
  default: return x == 0;
  }
}

/* `natural` integers have no sign, which only 64 bits can tell from their bits here. */
static int64_t unary_i64(ig_unary kind, int64_t x, bool natural, double a, double b) {
  bool negative = x < 0 && !natural;
  switch (kind) {
  case IG_UNARY_NEG: return ig_wrap_sub(0, x);
  case IG_UNARY_ABS: return negative ? ig_wrap_sub(0, x) : x;
  case IG_UNARY_SIGN: return negative ? -1 : x != 0;
  case IG_UNARY_RELU: return negative ? 0 : x;
  case IG_UNARY_BITWISE_NOT: return ~x;
  case IG_UNARY_SHRINK: { /* the bias in whole numbers, as the result has it */
    double real = natural ? (double)(uint64_t)x : (double)x, shrunk = unary_f64(kind, real, a, b);
    int64_t whole;
    ig_store_f64(natural ? IG_U64 : IG_I64, &whole, 0, shrunk);
    return whole;
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
  case IG_UNARY_RECIPROCAL: return -1 / (x * x);
  case IG_UNARY_SIN: return cos(x);
  case IG_UNARY_COS: return -sin(x);
  case IG_UNARY_TAN: return 1 + tan(x) * tan(x);
  case IG_UNARY_ASIN: return 1 / sqrt(1 - x * x);
  case IG_UNARY_ACOS: return -1 / sqrt(1 - x * x);
  case IG_UNARY_ATAN: return 1 / (1 + x * x);
  case IG_UNARY_SINH: return cosh(x);
  case IG_UNARY_COSH: return sinh(x);
  case IG_UNARY_ASINH: return 1 / sqrt(1 + x * x);
  case IG_UNARY_ACOSH: return 1 / sqrt(x * x - 1);
  case IG_UNARY_ATANH: return 1 / (1 - x * x);
  case IG_UNARY_ELU: return x < 0 ? a * exp(x) : 1;
  case IG_UNARY_CELU: return x < 0 ? exp(x / a) : 1;
  case IG_UNARY_SELU: return b * (x < 0 ? a * exp(x) : 1);
  case IG_UNARY_HARD_SIGMOID: return a * x + b > 0 && a * x + b < 1 ? a : 0;
  case IG_UNARY_THRESHOLDED_RELU: return x > a;
  case IG_UNARY_SHRINK: return x < -a || x > a;
  case IG_UNARY_SOFTSIGN: return 1 / ((1 + fabs(x)) * (1 + fabs(x)));
  case IG_UNARY_MISH: {
    double gate = mish_gate(x);
    return gate + x * (1 - gate * gate) / (1 + exp(-x));
  }
  case IG_UNARY_SWISH: {
    double s = 1 / (1 + exp(-a * x));
    return s + a * x * s * (1 - s);
  }
  default: return 0;
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
      int64_t value = unary_i64(kind, ig_load_i64(dtype, x, i), dtype == IG_U64, a, b);
      ig_store_i64(dtype, y, i, value);
    }
  }
}

void ig_cpu_clip_int(ig_dtype dtype, const void *x, const void *low, const void *high, void *y,
                     int64_t n) {
  bool natural = dtype == IG_U64;
  int64_t least = low ? ig_load_i64(dtype, low, 0) : 0, most = high ? ig_load_i64(dtype, high, 0) : 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t value = ig_load_i64(dtype, x, i);
    if (low && ig_int_less(value, least, natural)) value = least;
    if (high && ig_int_less(most, value, natural)) value = most;
    ig_store_i64(dtype, y, i, value);
  }
}

void ig_cpu_is_special(ig_special wanted, ig_dtype dtype, const void *x, uint8_t *y, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    double value = ig_load_f64(dtype, x, i);
    y[i] = isnan(value)   ? wanted.nan
           : isinf(value) ? (value < 0 ? wanted.minus_infinity : wanted.infinity)
                          : 0;
  }
}

void ig_cpu_unary_grad_reference(ig_unary kind, ig_dtype dtype, const void *dy, const void *x,
                                 void *dx, int64_t n, double a, double b) {
  for (int64_t i = 0; i < n; i++) {
    double slope = slope_f64(kind, ig_load_f64(dtype, x, i), a, b);
    ig_store_f64(dtype, dx, i, ig_load_f64(dtype, dy, i) * slope);
  }
}
