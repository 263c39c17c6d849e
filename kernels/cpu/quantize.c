/* Linear quantization. A task is a piece of a row over which scales are either one number or lie side
 * by side, so that the inner loops are plain vector loops. */
#include "kernels/quantize.h"

#include <math.h>

#include "kernels/cpu/parallel.h"

#define PIECE 4096 /* elements of a row at a time */

/* Zero points of 0, of any type. */
static const int32_t zeros[PIECE];

typedef struct piece {
  int64_t first, length; /* elements */
  int64_t scale;         /* the first one's */
  bool beside;           /* one an element, otherwise one for all */
} piece;

/* Rows run along the innermost dimension of more than one element; in blocks along it, a row is a
 * block. */
typedef struct row_cut {
  int64_t rows, length, pieces; /* of a row */
} row_cut;

static int64_t blocks_of(const ig_quantize *q) {
  return q->block ? (q->n + q->block - 1) / q->block : q->n;
}

static row_cut cut_of(const ig_quantize *q) {
  row_cut cut = {.rows = q->outer * q->n, .length = q->inner};
  if (q->inner == 1 && q->block == 0) cut = (row_cut){.rows = q->outer, .length = q->n};
  if (q->inner == 1 && q->block > 0) {
    cut = (row_cut){.rows = q->outer * blocks_of(q), .length = IG_MIN(q->block, q->n)};
  }
  cut.pieces = (cut.length + PIECE - 1) / PIECE;
  return cut;
}

static piece piece_of(const ig_quantize *q, const row_cut *cut, int64_t task) {
  int64_t row = task / cut->pieces, begin = task % cut->pieces * PIECE, length = cut->length;
  piece p = {.first = row * cut->length};
  if (q->inner > 1 && q->block == 0) {
    p.scale = row % q->n;
  } else if (q->inner > 1) {
    p.scale = (row / q->n * blocks_of(q) + row % q->n / q->block) * q->inner + begin;
    p.beside = true;
  } else if (q->block == 0) {
    p.scale = begin;
    p.beside = true;
  } else {
    int64_t block = row % blocks_of(q);
    p.first = row / blocks_of(q) * q->n + block * q->block;
    p.scale = row;
    length = IG_MIN(q->block, q->n - block * q->block);
  }
  p.first += begin;
  p.length = IG_MAX(IG_MIN(PIECE, length - begin), 0);
  return p;
}

static const void *zero_of(const ig_quantize *q, const piece *p, const void *zero) {
  if (!zero) return zeros;
  return (const char *)zero + p->scale * (int64_t)ig_dtype_size(q->whole);
}

static bool worth_team(const ig_quantize *q) {
  return ig_worth_team(q->outer * q->n * q->inner * (int64_t)sizeof(float));
}

/* --- quantizing ------------------------------------------------------------------------------- */

/* Saturates before it rounds, to the same end, since the bounds are whole; adding and taking away
 * 1.5 2^23 rounds half to even. */
static inline int32_t rounded(float x, float scale, int32_t zero, int32_t least, int32_t most) {
  float low = (float)(least - zero), high = (float)(most - zero), v = x / scale;
  v = v == v ? v : 0.0f;
  v = v > low ? v : low;
  v = v < high ? v : high;
  return (int32_t)((v + 0x1.8p23f) - 0x1.8p23f) + zero;
}

#define QUANTIZE(name, type, least, most)                                                          \
  static void name(const float *x, const float *scale, const type *zero, type *y, int64_t n,       \
                   bool beside) {                                                                  \
    if (beside) {                                                                                  \
      _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                                        \
        y[i] = (type)rounded(x[i], scale[i], zero[i], (least), (most));                            \
      }                                                                                            \
    } else {                                                                                       \
      const float one_scale = *scale;                                                              \
      const int32_t one_zero = *zero;                                                              \
      _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                                        \
        y[i] = (type)rounded(x[i], one_scale, one_zero, (least), (most));                          \
      }                                                                                            \
    }                                                                                              \
  }

QUANTIZE(quantize_i8, int8_t, -128, 127)
QUANTIZE(quantize_u8, uint8_t, 0, 255)

void ig_cpu_quantize_vector(const ig_quantize *q, const float *x, const float *scale,
                            const void *zero, void *y) {
  const row_cut cut = cut_of(q);
  IG_PARALLEL_FOR(worth_team(q))
  for (int64_t task = 0; task < cut.rows * cut.pieces; task++) {
    piece p = piece_of(q, &cut, task);
    const void *z = zero_of(q, &p, zero);
    if (q->whole == IG_I8)
      quantize_i8(x + p.first, scale + p.scale, z, (int8_t *)y + p.first, p.length, p.beside);
    else
      quantize_u8(x + p.first, scale + p.scale, z, (uint8_t *)y + p.first, p.length, p.beside);
  }
}

/* --- dequantizing ----------------------------------------------------------------------------- */

#define DEQUANTIZE(name, type, wide)                                                               \
  static void name(const type *x, const float *scale, const type *zero, float *y, int64_t n,       \
                   bool beside) {                                                                  \
    if (beside) {                                                                                  \
      _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                                        \
        y[i] = (float)((wide)x[i] - (wide)zero[i]) * scale[i];                                     \
      }                                                                                            \
    } else {                                                                                       \
      const float one_scale = *scale;                                                              \
      const wide one_zero = *zero;                                                                 \
      _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                                        \
        y[i] = (float)((wide)x[i] - one_zero) * one_scale;                                         \
      }                                                                                            \
    }                                                                                              \
  }

DEQUANTIZE(dequantize_i8, int8_t, int32_t)
DEQUANTIZE(dequantize_u8, uint8_t, int32_t)
DEQUANTIZE(dequantize_i32, int32_t, int64_t)

void ig_cpu_dequantize_vector(const ig_quantize *q, const void *x, const float *scale,
                              const void *zero, float *y) {
  const row_cut cut = cut_of(q);
  IG_PARALLEL_FOR(worth_team(q))
  for (int64_t task = 0; task < cut.rows * cut.pieces; task++) {
    piece p = piece_of(q, &cut, task);
    const void *z = zero_of(q, &p, zero);
    const float *s = scale + p.scale;
    if (q->whole == IG_I8)
      dequantize_i8((const int8_t *)x + p.first, s, z, y + p.first, p.length, p.beside);
    else if (q->whole == IG_U8)
      dequantize_u8((const uint8_t *)x + p.first, s, z, y + p.first, p.length, p.beside);
    else
      dequantize_i32((const int32_t *)x + p.first, s, z, y + p.first, p.length, p.beside);
  }
}

/* --- one element at a time -------------------------------------------------------------------- */

static int64_t scale_index(const ig_quantize *q, int64_t row, int64_t i) {
  int64_t outer = row / q->n, place = row % q->n;
  return q->block ? (outer * blocks_of(q) + place / q->block) * q->inner + i : place;
}

static double rounded_to(ig_dtype dtype, double value) {
  double cell;
  ig_store_f64(dtype, &cell, 0, value);
  return ig_load_f64(dtype, &cell, 0);
}

/* x / scale, f32 quotients being those of their doubles rounded once. */
static double quotient(const ig_quantize *q, double x, double scale) {
  if (q->precision == IG_NONE) return (double)(float)(x / scale);
  return rounded_to(q->precision, rounded_to(q->precision, x) / rounded_to(q->precision, scale));
}

static void store_whole(const ig_quantize *q, double ratio, double zero, void *y, int64_t at) {
  if (ig_dtype_is_small_float(q->whole)) {
    ig_narrowing how = {.overflows = q->overflows};
    ((uint8_t *)y)[at] = ig_small_float_encode(q->whole, ratio + zero, how);
  } else {
    ig_store_f64(q->whole, y, at, (isnan(ratio) ? 0 : nearbyint(ratio)) + zero); /* saturates */
  }
}

void ig_cpu_quantize_reference(const ig_quantize *q, const void *x, const void *scale,
                               const void *zero, void *y) {
  IG_PARALLEL_FOR(worth_team(q))
  for (int64_t row = 0; row < q->outer * q->n; row++) {
    for (int64_t i = 0; i < q->inner; i++) {
      int64_t at = row * q->inner + i, s = scale_index(q, row, i);
      double z = zero ? ig_load_f64(q->whole, zero, s) : 0;
      double ratio = quotient(q, ig_load_f64(q->real, x, at), ig_load_f64(q->scale, scale, s));
      store_whole(q, ratio, z, y, at);
    }
  }
}

void ig_cpu_dequantize_reference(const ig_quantize *q, const void *x, const void *scale,
                                 const void *zero, void *y) {
  IG_PARALLEL_FOR(worth_team(q))
  for (int64_t row = 0; row < q->outer * q->n; row++) {
    for (int64_t i = 0; i < q->inner; i++) {
      int64_t at = row * q->inner + i, s = scale_index(q, row, i);
      double z = zero ? ig_load_f64(q->whole, zero, s) : 0;
      double value = (ig_load_f64(q->whole, x, at) - z) * ig_load_f64(q->scale, scale, s);
      ig_store_f64(q->real, y, at, value);
    }
  }
}

/* --- sums of products ------------------------------------------------------------------------- */

void ig_cpu_requantize(const ig_requantize *r, const int32_t *sums, const void *a_scale,
                       const void *b_scale, const void *y_scale, const void *y_zero, void *y) {
  const float y_step = (float)ig_load_f64(r->scale, y_scale, 0);
  const int32_t zero = (int32_t)ig_load_f64(r->whole, y_zero, 0);
  const int32_t least = r->whole == IG_I8 ? -128 : 0;
  IG_PARALLEL_FOR(ig_worth_team(r->rows * r->n * (int64_t)sizeof *sums))
  for (int64_t row = 0; row < r->rows; row++) {
    float a_step = (float)ig_load_f64(r->scale, a_scale, r->by_row ? row % r->m : 0);
    for (int64_t j = 0; j < r->n; j++) {
      int64_t at = row * r->n + j;
      float b_step = (float)ig_load_f64(r->scale, b_scale, r->by_column ? j : 0);
      float value = (float)sums[at] * (a_step * b_step / y_step);
      int32_t q = rounded(value, 1.0f, zero, least, least + 255);
      if (r->whole == IG_I8)
        ((int8_t *)y)[at] = (int8_t)q;
      else
        ((uint8_t *)y)[at] = (uint8_t)q;
    }
  }
}

/* --- the range -------------------------------------------------------------------------------- */

void ig_quantize_range(float least, float most, float *scale, uint8_t *zero) {
  float low = least < 0.0f ? least : 0.0f, high = most > 0.0f ? most : 0.0f;
  *scale = high > low ? (high - low) / 255.0f : 1.0f;
  *zero = (uint8_t)rounded(-low, *scale, 0, 0, 255);
}
