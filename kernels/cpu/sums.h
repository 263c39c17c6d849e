/* Sums of f32 arrays short enough to stay in the first cache level (a few thousand elements). Four
 * vector accumulators hide the latency of addition and, together with the lanes, make the sum a tree
 * of 32 to 64 branches: its error is that of blocked summation. */
#ifndef IG_KERNELS_CPU_SUMS_H
#define IG_KERNELS_CPU_SUMS_H

#include <stdint.h>

/* Elements of a quarter that the four accumulators walk side by side. */
static inline int64_t ig_quarter(int64_t n) {
  return n / 64 * 16;
}

static inline float ig_sum_f32(const float *x, int64_t n) {
  int64_t q = ig_quarter(n);
  float a = 0, b = 0, c = 0, d = 0, rest = 0;
#pragma omp simd reduction(+ : a, b, c, d)
  for (int64_t i = 0; i < q; i++) {
    a += x[i];
    b += x[q + i];
    c += x[2 * q + i];
    d += x[3 * q + i];
  }
#pragma omp simd reduction(+ : rest)
  for (int64_t i = 4 * q; i < n; i++) rest += x[i];
  return (a + b) + (c + d) + rest;
}

/* Sum of (x[i] - center)^2. */
static inline float ig_sum_squares_f32(const float *x, float center, int64_t n) {
  int64_t q = ig_quarter(n);
  float a = 0, b = 0, c = 0, d = 0, rest = 0;
#pragma omp simd reduction(+ : a, b, c, d)
  for (int64_t i = 0; i < q; i++) {
    float u = x[i] - center, v = x[q + i] - center;
    float w = x[2 * q + i] - center, z = x[3 * q + i] - center;
    a += u * u;
    b += v * v;
    c += w * w;
    d += z * z;
  }
#pragma omp simd reduction(+ : rest)
  for (int64_t i = 4 * q; i < n; i++) rest += (x[i] - center) * (x[i] - center);
  return (a + b) + (c + d) + rest;
}

/* *sum is that of g[i], *product that of g[i] * (x[i] - center). */
static inline void ig_sum_products_f32(const float *g, const float *x, float center, int64_t n,
                                       float *sum, float *product) {
  int64_t h = n / 32 * 16;
  float a = 0, b = 0, c = 0, d = 0, rest = 0, rest_product = 0;
#pragma omp simd reduction(+ : a, b, c, d)
  for (int64_t i = 0; i < h; i++) {
    a += g[i];
    b += g[h + i];
    c += g[i] * (x[i] - center);
    d += g[h + i] * (x[h + i] - center);
  }
#pragma omp simd reduction(+ : rest, rest_product)
  for (int64_t i = 2 * h; i < n; i++) {
    rest += g[i];
    rest_product += g[i] * (x[i] - center);
  }
  *sum = (a + b) + rest;
  *product = (c + d) + rest_product;
}

/* Longest stretch summed in f32; longer arrays are added up in f64. */
#define IG_STRETCH 4096

static inline double ig_long_sum_f32(const float *x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i += IG_STRETCH)
    sum += (double)ig_sum_f32(x + i, n - i < IG_STRETCH ? n - i : IG_STRETCH);
  return sum;
}

static inline double ig_long_squares_f32(const float *x, float center, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i += IG_STRETCH)
    sum += (double)ig_sum_squares_f32(x + i, center, n - i < IG_STRETCH ? n - i : IG_STRETCH);
  return sum;
}

#endif
