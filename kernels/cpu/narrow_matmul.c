/* Products with packed narrow weights. Packed, 64 columns make a stripe, in which 32-bit words of
 * successive k (8 of 4 bits or 4 of 8) stand column by column: a vector register holds one word of 16
 * columns each, and every column's sum stays in a lane of its own. Codes are stored as unsigned numbers, w
 * less the smallest code, since that is what processors multiply by signed ones; what this adds to a sum is
 * the shift times the sum of the row's stretch, which is taken off once. The order of every sum is written
 * here, so that neither threads nor processors change a bit of the integer forms. */
#include "kernels/narrow_matmul.h"

#include <math.h>
#include <string.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

#include "engine/base/checked.h"
#include "kernels/cpu/parallel.h"
#include "kernels/observe.h"
#include "kernels/quantize.h"

#define LANES 16
#define STRIPE 64 /* columns */
#define BLOCKS (STRIPE / LANES)
#define INLINE static inline __attribute__((always_inline))

typedef float reals __attribute__((vector_size(64)));
typedef int32_t wholes __attribute__((vector_size(64)));
typedef uint32_t words __attribute__((vector_size(64)));

/* Numbers in a word; what is added to each; words of a column. */
static int64_t per_word(const ig_narrow_matmul *s) { return s->code == IG_I4 ? 8 : 4; }
static int32_t shift_of(const ig_narrow_matmul *s) {
  return s->code == IG_I4 ? 8 : s->code == IG_I8 ? 128 : s->zero;
}
/* k filled up, so that words of either kind are whole. */
static int64_t padded(const ig_narrow_matmul *s) { return IG_MAX((s->k + 7) / 8 * 8, 8); }
static int64_t words_of(const ig_narrow_matmul *s) { return padded(s) / per_word(s); }
static int64_t stripes_of(const ig_narrow_matmul *s) { return (s->n + STRIPE - 1) / STRIPE; }
static int64_t block_of(const ig_narrow_matmul *s) { return s->block ? s->block : padded(s); }
static int64_t groups_of(const ig_narrow_matmul *s) {
  return s->block ? (s->k + s->block - 1) / s->block : 1;
}
/* Stretches of a row within which products are summed before they are scaled. */
static int64_t stretch_of(const ig_narrow_matmul *s) {
  return s->rows == IG_NARROW_GROUPS ? s->x_block : block_of(s);
}
static int64_t stretches_of(const ig_narrow_matmul *s) {
  return (padded(s) + stretch_of(s) - 1) / stretch_of(s);
}

/* --- reference -------------------------------------------------------------------------------- */

static double code_at(const ig_narrow_matmul *s, const void *codes, int64_t k, int64_t j) {
  int64_t at = s->transposed ? j * s->k + k : k * s->n + j;
  return s->code == IG_U8 ? ((const uint8_t *)codes)[at] - s->zero : ((const int8_t *)codes)[at];
}

static double scale_at(const ig_narrow_matmul *s, const float *scale, int64_t k, int64_t j) {
  if (s->one_scale) return scale[0];
  int64_t group = s->block ? k / s->block : 0;
  return scale[s->transposed ? j * groups_of(s) + group : group * s->n + j];
}

/* i8 by the largest magnitude of [first, end); NaN and infinities spoil the scale. */
static float scale_of_stretch(const float *x, int64_t count) {
  float most = 0, spoilt = 0;
#pragma omp simd reduction(max : most) reduction(+ : spoilt)
  for (int64_t i = 0; i < count; i++) {
    float v = fabsf(x[i]);
    most = v > most ? v : most;
    spoilt += x[i] - x[i];
  }
  return (most > 0 ? IG_MAX(most / 127, 0x1p-126f) : 1) + spoilt;
}

static inline int32_t rounded(float x, float scale) {
  float v = x / scale;
  v = v > -127.0f ? v : -127.0f; /* NaN as well */
  v = v < 127.0f ? v : 127.0f;
  return (int32_t)((v + 0x1.8p23f) - 0x1.8p23f);
}

/* The scale and zero point of all rows. */
static void range_of(const ig_narrow_matmul *s, const float *x, float *scale, uint8_t *zero) {
  ig_extremes seen = {0, 0};
  ig_cpu_extremes(IG_F32, x, s->m * s->k, &seen);
  ig_quantize_range(ig_least_seen(&seen), ig_most_seen(&seen), scale, zero);
}

static void reference_row(const ig_narrow_matmul *s, const float *x, const void *codes,
                          const float *scale, const float *bias, float whole_scale, uint8_t zero,
                          float *c) {
  const ig_quantize one = {IG_F32, IG_F32, IG_U8, .outer = 1, .n = 1, .inner = 1};
  int64_t stretch = IG_MIN(stretch_of(s), IG_MAX(s->k, 1));
  for (int64_t j = 0; j < s->n; j++) {
    double sum = s->bias ? bias[j] : 0;
    for (int64_t first = 0; first < s->k; first += stretch) {
      int64_t end = IG_MIN(first + stretch, s->k);
      float step = s->rows == IG_NARROW_GROUPS ? scale_of_stretch(x + first, end - first)
                   : s->rows == IG_NARROW_TENSOR ? whole_scale : 1;
      for (int64_t k = first; k < end; k++) {
        double value = x[k];
        if (s->rows == IG_NARROW_GROUPS) value = rounded(x[k], step);
        if (s->rows == IG_NARROW_TENSOR) {
          uint8_t code;
          ig_cpu_quantize_vector(&one, x + k, &step, &zero, &code);
          value = code - zero;
        }
        sum += value * step * code_at(s, codes, k, j) * scale_at(s, scale, k, j);
      }
    }
    c[j] = (float)sum;
  }
}

void ig_cpu_narrow_matmul_reference(const ig_narrow_matmul *s, const float *x, const void *codes,
                                    const float *scale, const float *bias, float *c) {
  float whole_scale = 1;
  uint8_t zero = 0;
  if (s->rows == IG_NARROW_TENSOR) range_of(s, x, &whole_scale, &zero);
  for (int64_t i = 0; i < s->m; i++) {
    reference_row(s, x + i * s->k, codes, scale, bias, whole_scale, zero, c + i * s->n);
  }
}

/* --- packing ---------------------------------------------------------------------------------- */

const char *ig_narrow_reject(const ig_narrow_matmul *s) {
  if (s->k == 0) return "nothing is summed";
  if (s->block % 8 != 0) return "blocks are no multiples of 8";
  if (s->rows == IG_NARROW_TENSOR && s->block != 0) return "blocks within the sum of a row";
  if (s->rows != IG_NARROW_GROUPS) return NULL;
  if (s->x_block % 8 != 0) return "x_block is no multiple of 8";
  return s->block % s->x_block != 0 ? "x_block does not divide the weight's blocks" : NULL;
}

/* The packed form: words [stripes, words, STRIPE], scales [stripes, groups, STRIPE], and each column's sum
 * of codes [stripes, STRIPE]. */
typedef struct packed_parts {
  size_t scales, sums, bytes;
} packed_parts;

static bool parts_of(const ig_narrow_matmul *s, packed_parts *p) {
  size_t column = (size_t)stripes_of(s) * STRIPE * sizeof(float), codes, scales;
  if (!ig_mul_size(column, (size_t)words_of(s), &codes)) return false;
  if (!ig_mul_size(column, (size_t)groups_of(s), &scales)) return false;
  p->scales = codes;
  return ig_add_size(codes, scales, &p->sums) && ig_add_size(p->sums, column, &p->bytes);
}

bool ig_narrow_packed_size(const ig_narrow_matmul *s, size_t *bytes) {
  packed_parts p;
  if (!parts_of(s, &p)) return false;
  *bytes = p.bytes;
  return true;
}

/* Place of number `i` of a word: of 4 bits, the low halves of the bytes come first, so that two
 * operations take the word apart into bytes in order. */
static int bit_of(const ig_narrow_matmul *s, int64_t i) {
  return s->code == IG_I4 ? (int)(i % 4 * 8 + i / 4 * 4) : (int)(i * 8);
}

static uint32_t stored(const ig_narrow_matmul *s, const uint8_t *codes, int64_t k, int64_t j) {
  uint32_t zero = (uint32_t)shift_of(s);
  if (k >= s->k) return zero; /* counts as 0 */
  uint32_t code = codes[s->transposed ? j * s->k + k : k * s->n + j];
  if (s->code == IG_I4) return (code ^ 8) & 15;
  return s->code == IG_I8 ? code ^ 128 : code;
}

static void pack_column(const ig_narrow_matmul *s, const uint8_t *codes, const float *scale,
                        int64_t j, uint32_t *to, float *scales, int32_t *sum) {
  int64_t count = per_word(s);
  *sum = 0;
  for (int64_t w = 0; w < words_of(s); w++) {
    uint32_t word = 0;
    for (int64_t i = 0; i < count; i++) {
      uint32_t code = stored(s, codes, w * count + i, j);
      word |= code << bit_of(s, i);
      *sum += (int32_t)code - shift_of(s);
    }
    to[w * STRIPE] = word;
  }
  for (int64_t g = 0; g < groups_of(s); g++) {
    int64_t at = s->transposed ? j * groups_of(s) + g : g * s->n + j;
    scales[g * STRIPE] = scale[s->one_scale ? 0 : at];
  }
}

void ig_cpu_narrow_pack(const ig_narrow_matmul *s, const void *codes, const float *scale,
                        void *packed) {
  packed_parts p;
  if (!parts_of(s, &p)) return; /* the caller has asked for the size */
  int64_t count = words_of(s), groups = groups_of(s);
  IG_PARALLEL_FOR(s->n * s->k >= IG_PARALLEL_FROM)
  for (int64_t stripe = 0; stripe < stripes_of(s); stripe++) {
    uint32_t *to = (uint32_t *)packed + stripe * count * STRIPE;
    float *scales = (float *)((char *)packed + p.scales) + stripe * groups * STRIPE;
    int32_t *sums = (int32_t *)((char *)packed + p.sums) + stripe * STRIPE;
    int64_t width = IG_MIN(STRIPE, s->n - stripe * STRIPE);
    if (width < STRIPE) { /* columns that are not there */
      memset(to, 0, (size_t)(count * STRIPE) * sizeof *to);
      memset(scales, 0, (size_t)(groups * STRIPE) * sizeof *scales);
      memset(sums, 0, STRIPE * sizeof *sums);
    }
    for (int64_t j = 0; j < width; j++) {
      pack_column(s, codes, scale, stripe * STRIPE + j, to + j, scales + j, sums + j);
    }
  }
}

/* --- rows ------------------------------------------------------------------------------------- */

/* Rows as they are multiplied: f32 [m, padded k], or i8 with each stretch's scale and what the shift of
 * the codes adds to its sums, negated. */
typedef struct row_parts {
  size_t starts, scales, bytes;
} row_parts;

static bool row_parts_of(const ig_narrow_matmul *s, row_parts *p) {
  size_t numbers, stretches, codes;
  if (!ig_mul_size((size_t)s->m, (size_t)padded(s), &numbers)) return false;
  if (s->rows == IG_NARROW_REAL) return ig_mul_size(numbers, sizeof(float), &p->bytes);
  if (!ig_mul_size((size_t)s->m * sizeof(float), (size_t)stretches_of(s), &stretches)) return false;
  if (!ig_align_size(numbers, 64, &codes)) return false;
  p->starts = codes;
  return ig_add_size(codes, stretches, &p->scales) && ig_add_size(p->scales, stretches, &p->bytes);
}

bool ig_narrow_scratch_size(const ig_narrow_matmul *s, size_t *bytes) {
  row_parts p;
  if (!row_parts_of(s, &p)) return false;
  *bytes = s->rows == IG_NARROW_REAL && padded(s) == s->k ? 0 : p.bytes;
  return true;
}

typedef struct rows {
  const float *real;
  int8_t *codes;
  int32_t *starts;
  float *scales;
  int32_t zero; /* of IG_NARROW_TENSOR, less 128 as the codes are */
} rows;

static void round_row(const ig_narrow_matmul *s, const float *x, int64_t row, rows *r) {
  int64_t stretch = stretch_of(s), count = stretches_of(s), width = padded(s);
  int8_t *codes = r->codes + row * width;
  memset(codes + s->k, 0, (size_t)(width - s->k));
  for (int64_t g = 0; g < count; g++) {
    int64_t first = g * stretch, n = IG_MIN(stretch, s->k - first);
    float scale = scale_of_stretch(x + first, n);
    int32_t sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = first; i < first + n; i++) {
      int32_t code = rounded(x[i], scale);
      codes[i] = (int8_t)code;
      sum += code;
    }
    r->starts[row * count + g] = -shift_of(s) * sum;
    r->scales[row * count + g] = scale;
  }
}

/* A row of the whole tensor's u8 codes, which it has in the place of its own, less 128. */
static void centre_row(const ig_narrow_matmul *s, int64_t row, float scale, rows *r) {
  int8_t *codes = r->codes + row * padded(s);
  int32_t sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < s->k; i++) {
    int32_t code = (int32_t)(uint8_t)codes[i] - 128;
    codes[i] = (int8_t)code;
    sum += code;
  }
  memset(codes + s->k, 0, (size_t)(padded(s) - s->k));
  r->starts[row] = -shift_of(s) * sum;
  r->scales[row] = scale;
}

static void round_rows(const ig_narrow_matmul *s, const float *x, rows *r) {
  const ig_quantize q = {IG_F32, IG_F32, IG_U8, .outer = 1, .n = 1, .inner = s->k};
  float scale = 1;
  uint8_t zero = 0;
  if (s->rows == IG_NARROW_TENSOR) range_of(s, x, &scale, &zero);
  r->zero = (int32_t)zero - 128;
  IG_PARALLEL_FOR(s->m > 1 && s->m * s->k >= IG_PARALLEL_FROM)
  for (int64_t row = 0; row < s->m; row++) {
    if (s->rows == IG_NARROW_GROUPS) {
      round_row(s, x + row * s->k, row, r);
    } else {
      ig_cpu_quantize_vector(&q, x + row * s->k, &scale, &zero, r->codes + row * padded(s));
      centre_row(s, row, scale, r);
    }
  }
}

static rows open_rows(const ig_narrow_matmul *s, const float *x, void *scratch) {
  rows r = {.real = x};
  row_parts p;
  if (!row_parts_of(s, &p)) return r; /* the caller has asked for the size */
  if (s->rows != IG_NARROW_REAL) {
    r.codes = scratch;
    r.starts = (int32_t *)((char *)scratch + p.starts);
    r.scales = (float *)((char *)scratch + p.scales);
    round_rows(s, x, &r);
  } else if (padded(s) != s->k) {
    r.real = scratch;
    for (int64_t row = 0; row < s->m; row++) {
      float *to = (float *)scratch + row * padded(s);
      memcpy(to, x + row * s->k, (size_t)s->k * sizeof *to);
      memset(to + s->k, 0, (size_t)(padded(s) - s->k) * sizeof *to);
    }
  }
  return r;
}

/* --- tiles ------------------------------------------------------------------------------------ */

/* Some rows by some blocks of 16 columns of a stripe. */
typedef struct tile {
  const ig_narrow_matmul *s;
  const rows *r;
  const uint32_t *words;
  const float *scales;
  const int32_t *sums;
  int64_t row;
} tile;

INLINE words load(const uint32_t *from) {
  words v;
  memcpy(&v, from, sizeof v);
  return v;
}

INLINE reals load_real(const float *from) {
  reals v;
  memcpy(&v, from, sizeof v);
  return v;
}

/* sums + the four products of each lane's unsigned bytes with the signed ones of `x`. */
INLINE wholes add_products(wholes sums, words w, uint32_t x) {
#ifdef __AVX512VNNI__
  return (wholes)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)w, _mm512_set1_epi32((int)x));
#else
  for (int i = 0; i < 4; i++) {
    wholes byte = (wholes)((w >> (8 * i)) & 255);
    sums += byte * (int32_t)(int8_t)(x >> (8 * i));
  }
  return sums;
#endif
}

INLINE uint32_t four(const int8_t *codes) {
  uint32_t v;
  memcpy(&v, codes, sizeof v);
  return v;
}

/* Codes of 4 bits, at bit `at`, as numbers. */
INLINE reals numbers4(words w, int at) {
#ifdef __AVX512F__
  const __m512 table = _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
  return (reals)_mm512_permutexvar_ps((__m512i)(w >> at), table); /* takes 4 bits of each lane */
#else
  return __builtin_convertvector((wholes)((w >> at) & 15) - 8, reals);
#endif
}

/* Codes of 8 bits as the low bits of 2^23 + code, from which `base`, 2^23 + shift, is taken: exact, and
 * two operations less than a conversion. */
INLINE reals numbers8(words w, int at, float base) {
  return (reals)(((w >> at) & 255u) | 0x4b000000u) - base;
}

/* Integer sums, scaled by stretch. */
INLINE void multiply_whole(const tile *t, int n_rows, int blocks, bool four_bits, int first,
                           reals total[8][BLOCKS]) {
  const ig_narrow_matmul *s = t->s;
  int64_t width = padded(s), stretch = stretch_of(s), count = stretches_of(s), block = block_of(s);
  int64_t number = four_bits ? 8 : 4;
  const int8_t *x = t->r->codes + t->row * width;
  const uint32_t *w = t->words + first * LANES;
  for (int64_t g = 0; g < count; g++) {
    wholes sum[8][BLOCKS];
    for (int i = 0; i < n_rows; i++) {
      for (int b = 0; b < blocks; b++) {
        sum[i][b] = (wholes){0} + t->r->starts[(t->row + i) * count + g];
        if (s->rows == IG_NARROW_TENSOR) {
          sum[i][b] -= t->r->zero * (wholes)load((const uint32_t *)t->sums + (first + b) * LANES);
        }
      }
    }
    int64_t end = IG_MIN((g + 1) * stretch, width);
    for (int64_t k = g * stretch; k < end; k += number, w += STRIPE) {
#pragma GCC unroll 4
      for (int b = 0; b < blocks; b++) {
        words v = load(w + b * LANES);
        words low = four_bits ? v & 0x0f0f0f0fu : v, high = (v >> 4) & 0x0f0f0f0fu;
#pragma GCC unroll 8
        for (int i = 0; i < n_rows; i++) {
          sum[i][b] = add_products(sum[i][b], low, four(x + i * width + k));
          if (four_bits) sum[i][b] = add_products(sum[i][b], high, four(x + i * width + k + 4));
        }
      }
    }
    const float *scales = t->scales + g * stretch / block * STRIPE + first * LANES;
    for (int i = 0; i < n_rows; i++) {
      for (int b = 0; b < blocks; b++) {
        reals step = load_real(scales + b * LANES) * t->r->scales[(t->row + i) * count + g];
        total[i][b] += step * __builtin_convertvector(sum[i][b], reals);
      }
    }
  }
}

/* f32 sums, scaled by the weights' groups. */
INLINE void multiply_real(const tile *t, int n_rows, int blocks, bool four_bits, int first,
                          reals total[8][BLOCKS]) {
  const ig_narrow_matmul *s = t->s;
  int64_t width = padded(s), block = block_of(s), number = four_bits ? 8 : 4;
  float base = (float)(0x800000 + shift_of(s));
  const float *x = t->r->real + t->row * width;
  const uint32_t *w = t->words + first * LANES;
  for (int64_t g = 0; g < groups_of(s); g++) {
    reals sum[8][BLOCKS];
    for (int i = 0; i < n_rows; i++) {
      for (int b = 0; b < blocks; b++) sum[i][b] = (reals){0};
    }
    int64_t end = IG_MIN((g + 1) * block, width);
    for (int64_t k = g * block; k < end; k += number, w += STRIPE) {
#pragma GCC unroll 4
      for (int b = 0; b < blocks; b++) {
        words v = load(w + b * LANES);
#pragma GCC unroll 8
        for (int j = 0; j < number; j++) {
          reals value = four_bits ? numbers4(v, j % 4 * 8 + j / 4 * 4) : numbers8(v, 8 * j, base);
#pragma GCC unroll 8
          for (int i = 0; i < n_rows; i++) sum[i][b] += value * x[i * width + k + j];
        }
      }
    }
    const float *scales = t->scales + g * STRIPE + first * LANES;
    for (int i = 0; i < n_rows; i++) {
      for (int b = 0; b < blocks; b++) total[i][b] += load_real(scales + b * LANES) * sum[i][b];
    }
  }
}

/* Rows of the tile, `blocks` of the stripe from block `first` on, into c at the stripe's first column. */
INLINE void multiply_part(const tile *t, int n_rows, int blocks, int first, int64_t columns,
                          const float *bias, float *c) {
  reals total[8][BLOCKS];
  for (int i = 0; i < n_rows; i++) {
    for (int b = 0; b < blocks; b++) total[i][b] = (reals){0};
  }
  bool four_bits = t->s->code == IG_I4;
  if (t->s->rows == IG_NARROW_REAL) {
    if (four_bits) multiply_real(t, n_rows, blocks, true, first, total);
    else multiply_real(t, n_rows, blocks, false, first, total);
  } else {
    if (four_bits) multiply_whole(t, n_rows, blocks, true, first, total);
    else multiply_whole(t, n_rows, blocks, false, first, total);
  }
  for (int i = 0; i < n_rows; i++) {
    for (int b = 0; b < blocks; b++) {
      int64_t column = (first + b) * LANES, many = IG_MIN(LANES, columns - column);
      for (int64_t j = 0; j < many; j++) {
        c[i * t->s->n + column + j] = total[i][b][j] + (bias ? bias[column + j] : 0);
      }
    }
  }
}

#define TILE(rows_, blocks_)                                                                       \
  static void tile_##rows_(const tile *t, int64_t columns, const float *bias, float *c) {          \
    for (int first = 0; first < BLOCKS && first * LANES < columns; first += (blocks_)) {           \
      multiply_part(t, rows_, blocks_, first, columns, bias, c);                                   \
    }                                                                                              \
  }
TILE(1, 4)
TILE(2, 4)
TILE(4, 2)
TILE(8, 2)

void ig_cpu_narrow_matmul(const ig_narrow_matmul *s, const float *x, const void *packed,
                          const float *bias, float *c, void *scratch) {
  packed_parts p;
  if (s->m == 0 || s->n == 0 || !parts_of(s, &p)) return;
  const rows r = open_rows(s, x, scratch);
  int64_t pieces = (s->m + 7) / 8, tasks = stripes_of(s) * pieces;
  IG_PARALLEL_FOR(tasks > 1 && s->m * s->n * s->k >= 4 * IG_PARALLEL_FROM)
  for (int64_t task = 0; task < tasks; task++) {
    int64_t stripe = task / pieces, row = task % pieces * 8, end = IG_MIN(row + 8, s->m);
    int64_t column = stripe * STRIPE, columns = IG_MIN(STRIPE, s->n - column);
    tile t = {.s = s, .r = &r};
    t.words = (const uint32_t *)packed + stripe * words_of(s) * STRIPE;
    t.scales = (const float *)((const char *)packed + p.scales) + stripe * groups_of(s) * STRIPE;
    t.sums = (const int32_t *)((const char *)packed + p.sums) + stripe * STRIPE;
    while (row < end) {
      float *to = c + row * s->n + column;
      const float *add = s->bias ? bias + column : NULL;
      t.row = row;
      if (end - row >= 8) tile_8(&t, columns, add, to), row += 8;
      else if (end - row >= 4) tile_4(&t, columns, add, to), row += 4;
      else if (end - row >= 2) tile_2(&t, columns, add, to), row += 2;
      else tile_1(&t, columns, add, to), row++;
    }
  }
}
