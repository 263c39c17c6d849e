/* Tensors of 8-bit codes: the end of a product by its definition, sums, tables. The loops that are meant
 * to be fast are plain ones over f32 that a compiler turns into vector code; work is cut by elements, so
 * that results do not depend on the number of threads. */
#include "kernels/quantized.h"

#include <math.h>

#include "kernels/cpu/parallel.h"

#if defined(__AVX512VBMI__) && defined(__AVX512BW__)
#include <immintrin.h>
#endif

#define PIECE 16384 /* elements of a task */

static double value_of(const ig_codes *codes, const void *x, int64_t i) {
  return (ig_load_f64(codes->dtype, x, i) - codes->zero) * (double)codes->scale;
}

/* ig_store_f64 saturates. */
static void put(const ig_codes *codes, void *y, int64_t i, double value) {
  if (codes->dtype == IG_F32)
    ((float *)y)[i] = (float)value;
  else
    ig_store_f64(codes->dtype, y, i, nearbyint(value / (double)codes->scale) + codes->zero);
}

/* --- the end of a product --------------------------------------------------------------------- */

void ig_cpu_quantized_end(const ig_quantized_end *end, int64_t outer, int64_t channels,
                          int64_t inner, const int32_t *sums, const float *weight_scale,
                          const float *bias, const void *z, void *y) {
  IG_PARALLEL_FOR(ig_worth_team(outer * channels * inner * (int64_t)sizeof *sums))
  for (int64_t row = 0; row < outer * channels; row++) {
    int64_t c = row % channels;
    double scale = (double)end->x.scale * (double)weight_scale[end->by_channel ? c : 0];
    for (int64_t i = row * inner; i < (row + 1) * inner; i++) {
      double value = scale * (double)sums[i] + (bias ? (double)bias[c] : 0);
      if (z) value += value_of(&end->z, z, i);
      put(&end->y, y, i, ig_activate(&end->activation, value));
    }
  }
}

/* --- sums ------------------------------------------------------------------------------------- */

void ig_cpu_quantized_add_reference(const ig_codes *a, const ig_codes *b, const ig_codes *y,
                                    const ig_activation *f, int64_t count, const void *a_codes,
                                    const void *b_codes, void *y_codes) {
  IG_PARALLEL_FOR(count >= IG_PARALLEL_FROM)
  for (int64_t i = 0; i < count; i++) {
    double sum = value_of(a, a_codes, i) + value_of(b, b_codes, i);
    put(y, y_codes, i, ig_activate(f, sum));
  }
}

/* y's code before rounding is a ka + b kb + k, between bounds that are whole. */
typedef struct add_numbers {
  float ka, kb, k, low, high;
} add_numbers;

static add_numbers numbers_of(const ig_codes *a, const ig_codes *b, const ig_codes *y,
                              const ig_activation *f) {
  double ka = (double)a->scale / (double)y->scale, kb = (double)b->scale / (double)y->scale;
  double least = y->dtype == IG_I8 ? -128 : 0, low = least, high = least + 255;
  if (f->on) {
    bool relu = f->kind == IG_UNARY_RELU;
    double from = (relu ? 0 : (double)f->a) / (double)y->scale;
    double to = relu ? (double)INFINITY : (double)f->b / (double)y->scale;
    low = fmin(fmax(low, nearbyint(from) + y->zero), high);
    high = fmax(fmin(high, nearbyint(to) + y->zero), low);
  }
  /* The zero point is added behind the rounding, which is to even codes of the quotient. */
  return (add_numbers){(float)ka, (float)kb, (float)(-ka * a->zero - kb * b->zero),
                       (float)(low - y->zero), (float)(high - y->zero)};
}

static inline int32_t sum_code(const add_numbers *n, int32_t a, int32_t b) {
  float v = (float)a * n->ka + ((float)b * n->kb + n->k);
  v = v > n->low ? v : n->low;
  v = v < n->high ? v : n->high;
  return (int32_t)((v + 0x1.8p23f) - 0x1.8p23f);
}

#define ADD(name, a_type, b_type, y_type)                                                          \
  static void name(const add_numbers *numbers, int32_t zero, int64_t n, const a_type *a,           \
                   const b_type *b, y_type *y) {                                                   \
    const add_numbers k = *numbers;                                                                \
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                                          \
      y[i] = (y_type)(sum_code(&k, a[i], b[i]) + zero);                                            \
    }                                                                                              \
  }

ADD(add_uuu, uint8_t, uint8_t, uint8_t)
ADD(add_uui, uint8_t, uint8_t, int8_t)
ADD(add_uiu, uint8_t, int8_t, uint8_t)
ADD(add_uii, uint8_t, int8_t, int8_t)
ADD(add_iuu, int8_t, uint8_t, uint8_t)
ADD(add_iui, int8_t, uint8_t, int8_t)
ADD(add_iiu, int8_t, int8_t, uint8_t)
ADD(add_iii, int8_t, int8_t, int8_t)

static void add_piece(const ig_codes *a, const ig_codes *b, const ig_codes *y,
                      const add_numbers *k, int64_t n, const void *x, const void *z, void *out) {
  int which = (a->dtype == IG_I8) * 4 + (b->dtype == IG_I8) * 2 + (y->dtype == IG_I8);
  switch (which) {
  case 0: add_uuu(k, y->zero, n, x, z, out); break;
  case 1: add_uui(k, y->zero, n, x, z, out); break;
  case 2: add_uiu(k, y->zero, n, x, z, out); break;
  case 3: add_uii(k, y->zero, n, x, z, out); break;
  case 4: add_iuu(k, y->zero, n, x, z, out); break;
  case 5: add_iui(k, y->zero, n, x, z, out); break;
  case 6: add_iiu(k, y->zero, n, x, z, out); break;
  default: add_iii(k, y->zero, n, x, z, out); break;
  }
}

void ig_cpu_quantized_add(const ig_codes *a, const ig_codes *b, const ig_codes *y,
                          const ig_activation *f, int64_t count, const void *a_codes,
                          const void *b_codes, void *y_codes) {
  const add_numbers k = numbers_of(a, b, y, f);
  IG_PARALLEL_FOR(ig_worth_team(3 * count))
  for (int64_t first = 0; first < count; first += PIECE) {
    add_piece(a, b, y, &k, IG_MIN(PIECE, count - first), (const char *)a_codes + first,
              (const char *)b_codes + first, (char *)y_codes + first);
  }
}

/* --- tables ----------------------------------------------------------------------------------- */

void ig_cpu_lookup_reference(const uint8_t table[256], int64_t count, const uint8_t *x,
                             uint8_t *y) {
  IG_PARALLEL_FOR(ig_worth_team(2 * count))
  for (int64_t i = 0; i < count; i++) y[i] = table[x[i]];
}

#if defined(__AVX512VBMI__) && defined(__AVX512BW__)
/* Four registers hold the table: two permutations look up the lower seven bits, the eighth chooses. */
static void lookup_piece(const uint8_t table[256], int64_t n, const uint8_t *x, uint8_t *y) {
  const __m512i t0 = _mm512_loadu_si512(table), t1 = _mm512_loadu_si512(table + 64);
  const __m512i t2 = _mm512_loadu_si512(table + 128), t3 = _mm512_loadu_si512(table + 192);
  for (int64_t i = 0; i < n; i += 64) {
    __mmask64 some = n - i >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << (n - i)) - 1;
    __m512i v = _mm512_maskz_loadu_epi8(some, x + i);
    __m512i low = _mm512_permutex2var_epi8(t0, v, t1), high = _mm512_permutex2var_epi8(t2, v, t3);
    __m512i found = _mm512_mask_blend_epi8(_mm512_movepi8_mask(v), low, high);
    _mm512_mask_storeu_epi8(y + i, some, found);
  }
}
#else
static void lookup_piece(const uint8_t table[256], int64_t n, const uint8_t *x, uint8_t *y) {
  for (int64_t i = 0; i < n; i++) y[i] = table[x[i]];
}
#endif

void ig_cpu_lookup(const uint8_t table[256], int64_t count, const uint8_t *x, uint8_t *y) {
  IG_PARALLEL_FOR(ig_worth_team(2 * count))
  for (int64_t first = 0; first < count; first += PIECE) {
    lookup_piece(table, IG_MIN(PIECE, count - first), x + first, y + first);
  }
}
