/* Rotary embedding, a token of all heads at a time: its row of the tables is then read once. */
#include "kernels/rotary.h"

#include <string.h>

#include "kernels/cpu/parallel.h"

/* y may be x: both elements of a pair are read before either is written. */
static void turn_f32(const float *x, const float *c, const float *s, int64_t half, bool interleaved,
                     float *y) {
  if (interleaved) {
#pragma omp simd
    for (int64_t i = 0; i < half; i++) {
      float a = x[2 * i], b = x[2 * i + 1];
      y[2 * i] = a * c[i] - b * s[i];
      y[2 * i + 1] = a * s[i] + b * c[i];
    }
  } else {
#pragma omp simd
    for (int64_t i = 0; i < half; i++) {
      float a = x[i], b = x[i + half];
      y[i] = a * c[i] - b * s[i];
      y[i + half] = a * s[i] + b * c[i];
    }
  }
}

static void turn(ig_dtype dtype, const void *x, int64_t at, const void *cosines, const void *sines,
                 int64_t row, int64_t half, bool interleaved, void *y) {
  int64_t step = interleaved ? 2 : 1, other = interleaved ? 1 : half;
  for (int64_t i = 0; i < half; i++) {
    double a = ig_load_f64(dtype, x, at + step * i);
    double b = ig_load_f64(dtype, x, at + step * i + other);
    double c = ig_load_f64(dtype, cosines, row * half + i);
    double s = ig_load_f64(dtype, sines, row * half + i);
    ig_store_f64(dtype, y, at + step * i, a * c - b * s);
    ig_store_f64(dtype, y, at + step * i + other, a * s + b * c);
  }
}

void ig_cpu_rotary(ig_dtype dtype, const ig_rotary *r, const void *x, const void *cosines,
                   const void *sines, const int64_t *rows, void *y) {
  int64_t tokens = r->batch * r->tokens;
  size_t size = ig_dtype_size(dtype), rest = (size_t)(r->size - 2 * r->half) * size;
  int64_t bytes = 2 * tokens * r->heads * r->size * (int64_t)size;
  IG_PARALLEL_FOR(ig_worth_team(bytes))
  for (int64_t t = 0; t < tokens; t++) {
    int64_t row = rows ? rows[t] : r->shared ? t % r->tokens : t;
    for (int64_t h = 0; h < r->heads; h++) {
      int64_t at = t / r->tokens * r->stride_b + h * r->stride_h + t % r->tokens * r->stride_s;
      if (dtype == IG_F32) {
        turn_f32((const float *)x + at, (const float *)cosines + row * r->half,
                 (const float *)sines + row * r->half, r->half, r->interleaved, (float *)y + at);
      } else {
        turn(dtype, x, at, cosines, sines, row, r->half, r->interleaved, y);
      }
      size_t from = (size_t)(at + 2 * r->half) * size;
      if (x != y && rest) memcpy((char *)y + from, (const char *)x + from, rest);
    }
  }
}
