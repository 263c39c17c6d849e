/* Powers of two by Cooley and Tukey's algorithm (1965), other lengths as a convolution of such a length
 * (Bluestein 1970): jk = (j^2 + k^2 - (k - j)^2) / 2. Tables hold, in order: the roots of unity of the
 * power of two; for other lengths the chirp exp(-pi i j^2 / n), the transform of its conjugate, and room
 * for one sequence. */
#include "kernels/dft.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846

static bool is_power(int64_t n) {
  return (n & (n - 1)) == 0;
}

/* The power of two that a length is computed with. */
static int64_t base_of(int64_t n) {
  int64_t m = 1;
  while (m < (is_power(n) ? n : 2 * n - 1)) m *= 2;
  return m;
}

size_t ig_dft_tables(int64_t n) {
  size_t m = (size_t)base_of(n);
  return is_power(n) ? m + 2 : m + 2 + 2 * (size_t)n + 4 * m;
}

static void multiply(double *x, double re, double im) {
  double old = x[0];
  x[0] = old * re - x[1] * im;
  x[1] = old * im + x[1] * re;
}

static void reverse_bits(int64_t m, double *x) {
  for (int64_t i = 1, j = 0; i < m; i++) {
    int64_t bit = m / 2;
    for (; j & bit; bit /= 2) j ^= bit;
    j ^= bit;
    if (i >= j) continue;
    for (int k = 0; k < 2; k++) {
      double kept = x[2 * i + k];
      x[2 * i + k] = x[2 * j + k];
      x[2 * j + k] = kept;
    }
  }
}

/* roots[k] = exp(-2 pi i k / m), k < m / 2. */
static void power_of_two(int64_t m, bool inverse, double *x, const double *roots) {
  reverse_bits(m, x);
  for (int64_t half = 1; half < m; half *= 2) {
    int64_t step = m / (2 * half);
    for (int64_t from = 0; from < m; from += 2 * half) {
      for (int64_t k = 0; k < half; k++) {
        double *low = x + 2 * (from + k), *high = low + 2 * half;
        double re = roots[2 * k * step], im = roots[2 * k * step + 1];
        double turned[2] = {high[0], high[1]};
        multiply(turned, re, inverse ? -im : im);
        high[0] = low[0] - turned[0];
        high[1] = low[1] - turned[1];
        low[0] += turned[0];
        low[1] += turned[1];
      }
    }
  }
}

void ig_dft_prepare(int64_t n, double *tables) {
  int64_t m = base_of(n);
  double *roots = tables, *chirp = roots + m + 2, *kernel = chirp + 2 * n;
  for (int64_t k = 0; k < m / 2; k++) {
    double angle = -2 * PI * (double)k / (double)m;
    roots[2 * k] = cos(angle);
    roots[2 * k + 1] = sin(angle);
  }
  if (is_power(n)) return;
  memset(kernel, 0, 2 * (size_t)m * sizeof(double));
  int64_t square = 0; /* j^2 modulo 2 n, so that the angle stays exact */
  for (int64_t j = 0; j < n; j++) {
    double angle = -PI * (double)square / (double)n;
    chirp[2 * j] = cos(angle);
    chirp[2 * j + 1] = sin(angle);
    int64_t mirror = j ? m - j : 0;
    kernel[2 * j] = kernel[2 * mirror] = chirp[2 * j];
    kernel[2 * j + 1] = kernel[2 * mirror + 1] = -chirp[2 * j + 1];
    square = (square + 2 * j + 1) % (2 * n);
  }
  power_of_two(m, false, kernel, roots);
}

/* The inverse transform is the conjugate of that of the conjugate. */
static void conjugate(int64_t n, double *x) {
  for (int64_t i = 0; i < n; i++) x[2 * i + 1] = -x[2 * i + 1];
}

void ig_dft_run(int64_t n, bool inverse, double *x, double *tables) {
  int64_t m = base_of(n);
  const double *roots = tables, *chirp = roots + m + 2, *kernel = chirp + 2 * n;
  double *room = tables + m + 2 + 2 * n + 2 * m;
  if (is_power(n)) {
    power_of_two(m, inverse, x, roots);
    return;
  }
  if (inverse) conjugate(n, x);
  memset(room, 0, 2 * (size_t)m * sizeof(double));
  memcpy(room, x, 2 * (size_t)n * sizeof(double));
  for (int64_t j = 0; j < n; j++) multiply(room + 2 * j, chirp[2 * j], chirp[2 * j + 1]);
  power_of_two(m, false, room, roots);
  for (int64_t j = 0; j < m; j++) multiply(room + 2 * j, kernel[2 * j], kernel[2 * j + 1]);
  power_of_two(m, true, room, roots);
  for (int64_t j = 0; j < n; j++) {
    x[2 * j] = room[2 * j] / (double)m;
    x[2 * j + 1] = room[2 * j + 1] / (double)m;
    multiply(x + 2 * j, chirp[2 * j], chirp[2 * j + 1]);
  }
  if (inverse) conjugate(n, x);
}
