/* Sums of f32 arrays short enough to stay in the first cache level (a few thousand elements). Four
 * streams are added before they enter the one vector accumulator: that hides its latency, leaves one
 * sum across lanes, and keeps the error that of blocked summation. */
#ifndef IG_KERNELS_CPU_SUMS_H
#define IG_KERNELS_CPU_SUMS_H

#include <stdint.h>

/* Elements of each of the four streams. */
static inline int64_t ig_quarter(int64_t n) {
  return n / 64 * 16;
}

static inline float ig_sum_f32(const float *x, int64_t n) {
  int64_t q = ig_quarter(n);
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < q; i++) sum += (x[i] + x[q + i]) + (x[2 * q + i] + x[3 * q + i]);
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 4 * q; i < n; i++) sum += x[i];
  return sum;
}

/* Sum of (x[i] - center)^2. */
static inline float ig_sum_squares_f32(const float *x, float center, int64_t n) {
  int64_t q = ig_quarter(n);
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < q; i++) {
    float u = x[i] - center, v = x[q + i] - center;
    float w = x[2 * q + i] - center, z = x[3 * q + i] - center;
    sum += (u * u + v * v) + (w * w + z * z);
  }
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 4 * q; i < n; i++) sum += (x[i] - center) * (x[i] - center);
  return sum;
}

/* *sum is that of g[i], *product that of g[i] * (x[i] - center). */
static inline void ig_sum_products_f32(const float *g, const float *x, float center, int64_t n,
                                       float *sum, float *product) {
  int64_t h = n / 32 * 16;
  float a = 0, b = 0;
#pragma omp simd reduction(+ : a, b)
  for (int64_t i = 0; i < h; i++) {
    a += g[i] + g[h + i];
    b += g[i] * (x[i] - center) + g[h + i] * (x[h + i] - center);
  }
#pragma omp simd reduction(+ : a, b)
  for (int64_t i = 2 * h; i < n; i++) {
    a += g[i];
    b += g[i] * (x[i] - center);
  }
  *sum = a;
  *product = b;
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
