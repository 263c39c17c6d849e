/* The vector functions of kernels/cpu/vector_math.h against libm's double results, in units of the
 * last place, over floats of every exponent. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/status.h"
#include "kernels/cpu/vector_math.h"

/* Distance in units of the last place of `want` rounded to float. */
static double ulps(float got, double want) {
  if (isnan(want)) return isnan(got) ? 0 : INFINITY;
  if (isinf((float)want) || isinf(got)) return got == (float)want ? 0 : INFINITY;
  int exponent;
  frexp(want, &exponent);
  double unit = ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
  return fabs(got - want) / unit;
}

typedef struct function {
  const char *name;
  float (*got)(float);
  double (*want)(double);
  float low, high; /* magnitudes beyond are skipped */
  double limit;
} function;

static float vexp(float x) {
  return ig_vexp(x);
}
static float vexp_nonpositive(float x) {
  return ig_vexp_nonpositive(-fabsf(x));
}
static double exp_of_minus(double x) {
  return exp(-fabs(x));
}
static float vlog(float x) {
  return ig_vlog(x);
}
static float vtanh(float x) {
  return ig_vtanh(x);
}
static float verf(float x) {
  return ig_verf(x);
}
static float vsigmoid(float x) {
  return ig_vsigmoid(x);
}
static float vsoftplus(float x) {
  return ig_vsoftplus(x);
}
static float vlog1p(float x) {
  return ig_vlog1p_unit(fabsf(x));
}
static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}
static double softplus(double x) {
  return fmax(x, 0) + log1p(exp(-fabs(x)));
}
static double log1p_of_magnitude(double x) {
  return log1p(fabs(x));
}

/* The limits hold with and without fused multiply-add. Below e^-87 results are subnormal and have fewer
 * digits; sigmoid's and softplus's tails are left out there. */
static const function functions[] = {
    {"exp", vexp, exp, 0, INFINITY, 1.1},
    {"exp below zero", vexp_nonpositive, exp_of_minus, 0, 87, 1.1},
    {"log", vlog, log, 0, INFINITY, 1.1},
    {"tanh", vtanh, tanh, 0, INFINITY, 2.0},
    {"erf", verf, erf, 0, INFINITY, 2.0},
    {"sigmoid", vsigmoid, sigmoid, 0, 87, 2.5},
    {"softplus", vsoftplus, softplus, 0, 87, 2.5},
    {"log1p on [0, 1]", vlog1p, log1p_of_magnitude, 0, 1, 2.0},
};

static void errors_are_within_limits(void **state) {
  IG_UNUSED(state);
  for (int f = 0; f < IG_COUNT(functions); f++) {
    double worst = 0;
    float at = 0;
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 4099) { /* a prime: all exponents, signs */
      float x;
      uint32_t word = (uint32_t)bits;
      memcpy(&x, &word, sizeof x);
      if (fabsf(x) < functions[f].low || fabsf(x) > functions[f].high) continue;
      double error = ulps(functions[f].got(x), functions[f].want(x));
      if (error > worst) worst = error, at = x;
    }
    printf("%s: %.2f units in the last place, at %.9g\n", functions[f].name, worst, (double)at);
    assert_true(worst <= functions[f].limit);
  }
}

static void special_values(void **state) {
  IG_UNUSED(state);
  assert_true(isinf(ig_vexp(INFINITY)) && ig_vexp(-INFINITY) == 0 && isnan(ig_vexp(NAN)));
  assert_true(ig_vexp_nonpositive(-INFINITY) == 0 && isnan(ig_vexp_nonpositive(NAN)));
  assert_true(isinf(ig_vlog(0)) && isnan(ig_vlog(-1)) && isinf(ig_vlog(INFINITY)));
  assert_true(ig_vtanh(INFINITY) == 1 && ig_vtanh(-INFINITY) == -1 && isnan(ig_vtanh(NAN)));
  assert_true(ig_verf(INFINITY) == 1 && ig_verf(-INFINITY) == -1 && isnan(ig_verf(NAN)));
  assert_true(ig_vsoftplus(INFINITY) == INFINITY && ig_vsoftplus(-INFINITY) == 0);
  assert_true(signbit(ig_vtanh(-0.0f)) && signbit(ig_verf(-0.0f)));
}

/* The scaled tail: relative accuracy where 1 + erf would have none left. */
static void normal_tail(void **state) {
  IG_UNUSED(state);
  double worst = 0;
  for (int i = 0; i < 13000; i++) {
    float a = (float)i * 0.001f;
    double want = exp((double)a * a / 2) * erfc(a / sqrt(2)) / 2;
    worst = fmax(worst, ulps(ig_vscaled_tail(a), want));
  }
  printf("scaled tail: %.2f units in the last place\n", worst);
  assert_true(worst <= 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(errors_are_within_limits),
      cmocka_unit_test(special_values),
      cmocka_unit_test(normal_tail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
