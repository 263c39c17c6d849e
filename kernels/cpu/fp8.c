/* Quantizing to 8-bit floats and widening them. Maxima do not depend on the order in which they are
 * taken, so that parts may be cut by the number of threads. */
#include "kernels/fp8.h"

#include <math.h>
#include <string.h>

#include "kernels/cpu/parallel.h"

float ig_fp8_largest(ig_dtype dtype) {
  return dtype == IG_F8E4M3 ? 448.0f : 57344.0f;
}

float ig_fp8_scale(ig_dtype dtype, float amax, float *inverse) {
  int exponent = IG_FP8_MOST_EXPONENT;
  if (amax > 0) {
    float ratio = ig_fp8_largest(dtype) / amax;
    int found = isinf(ratio) ? IG_FP8_MOST_EXPONENT : ilogbf(ratio);
    exponent = IG_MIN(IG_MAX(found, -IG_FP8_MOST_EXPONENT), IG_FP8_MOST_EXPONENT);
  }
  *inverse = ldexpf(1, -exponent);
  return ldexpf(1, exponent);
}

static inline float load(ig_dtype dtype, const void *x, int64_t i) {
  switch (dtype) {
  case IG_F32: return ((const float *)x)[i];
  case IG_BF16: return ig_bf16_to_f32(((const uint16_t *)x)[i]);
  default: return ig_f16_to_f32(((const uint16_t *)x)[i]);
  }
}

/* NaN when an element is not finite. */
static float maximum(const ig_fp8_cast *c, const void *x) {
  float most = 0;
  bool finite = true;
  int64_t count = c->rows * c->cols;
#pragma omp parallel for reduction(max : most) reduction(&& : finite) if (count > IG_PARALLEL_FROM)
  for (int64_t i = 0; i < count; i++) {
    float size = fabsf(load(c->from, x, i));
    finite = finite && size < INFINITY; /* not for NaN */
    most = size > most ? size : most;
  }
  return finite ? most : NAN;
}

void ig_cpu_fp8_quantize(const ig_fp8_cast *c, const void *x, const float *history,
                         const ig_fp8_results *out) {
  float past = 0, now = maximum(c, x);
  for (int i = 0; i < IG_FP8_HISTORY; i++) past = fmaxf(past, history[i]);
  float scale = ig_fp8_scale(c->to, past > 0 ? past : now, out->inverse);
  int64_t rows = c->rows, cols = c->cols;
  IG_PARALLEL_FOR(rows * cols > IG_PARALLEL_FROM)
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < cols; j++) {
      float v = load(c->from, x, i * cols + j);
      v = isfinite(v) ? v * scale : NAN;
      uint8_t q = c->to == IG_F8E4M3 ? ig_f32_to_f8e4m3(v) : ig_f32_to_f8e5m2(v);
      if (out->plain) out->plain[i * cols + j] = q;
      if (out->turned) out->turned[j * rows + i] = q;
    }
  }
  bool kept = isfinite(now);
  memmove(out->next + kept, history, (size_t)(IG_FP8_HISTORY - kept) * sizeof *history);
  if (kept) out->next[0] = now;
}

void ig_cpu_fp8_widen(ig_dtype from, const uint8_t *q, float factor, float *x, int64_t count) {
  float table[256];
  for (int i = 0; i < 256; i++) {
    uint8_t bits = (uint8_t)i;
    table[i] = factor * (float)ig_load_f64(from, &bits, 0);
  }
  IG_PARALLEL_FOR(count > IG_PARALLEL_FROM)
  for (int64_t i = 0; i < count; i++) x[i] = table[q[i]];
}
