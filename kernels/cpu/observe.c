/* Extremes and histograms of tensors. Both are made of operations whose order does not matter (maxima,
 * sums of integers), so that each thread works on what it gets. 16-bit types and f64 are converted in
 * blocks that stay in the first-level cache. */
#include "kernels/observe.h"

#include "engine/base/memory.h"
#include "kernels/cpu/parallel.h"

#define BLOCK 1024
#define MOST_PARTS 64
#define PART_LEAST (1 << 14)

/* Elements [i, i + m), m <= BLOCK, as floats: where they are, or converted into `buffer`. */
static const float *load(ig_dtype dtype, const void *x, int64_t i, int64_t m, float *buffer) {
  if (dtype == IG_F32) return (const float *)x + i;
  ig_convert(dtype, (const char *)x + i * (int64_t)ig_dtype_size(dtype), IG_F32, buffer, m);
  return buffer;
}

static bool worth_team(ig_dtype dtype, int64_t count) {
  return ig_worth_team(count * (int64_t)ig_dtype_size(dtype));
}

/* --- extremes --------------------------------------------------------------------------------- */

/* Comparisons with NaN are false, which passes over it. */
static void extremes_of_block(const float *x, int64_t n, float *most, float *most_negated) {
  float a = *most, b = *most_negated;
#pragma omp simd reduction(max : a, b)
  for (int64_t i = 0; i < n; i++) {
    a = x[i] > a ? x[i] : a;
    b = -x[i] > b ? -x[i] : b;
  }
  *most = a;
  *most_negated = b;
}

static ig_extremes extremes_of_part(ig_dtype dtype, const void *x, int64_t begin, int64_t end) {
  float most = -INFINITY, most_negated = -INFINITY, buffer[BLOCK];
  for (int64_t i = begin; i < end; i += BLOCK) {
    int64_t m = IG_MIN(BLOCK, end - i);
    extremes_of_block(load(dtype, x, i, m, buffer), m, &most, &most_negated);
  }
  /* A number was seen unless both are where they started. */
  if (most < -most_negated) return (ig_extremes){0, 0};
  return (ig_extremes){ig_order_key(most), ig_order_key(most_negated)};
}

void ig_cpu_extremes(ig_dtype dtype, const void *x, int64_t count, ig_extremes *seen) {
  ig_extremes found[MOST_PARTS];
  int64_t parts = ig_parts(count, PART_LEAST, MOST_PARTS);
  IG_PARALLEL_FOR(worth_team(dtype, count))
  for (int64_t part = 0; part < parts; part++) {
    found[part] = extremes_of_part(dtype, x, ig_part_begin(count, parts, part),
                                   ig_part_begin(count, parts, part + 1));
  }
  for (int64_t part = 0; part < parts; part++) {
    seen->most = IG_MAX(seen->most, found[part].most);
    seen->most_negated = IG_MAX(seen->most_negated, found[part].most_negated);
  }
}

/* --- histogram -------------------------------------------------------------------------------- */

ig_status ig_histogram_check(const ig_histogram *shape, float *bins_per_unit) {
  IG_CHECK(shape->bins >= 1 && shape->bins <= IG_MAX_BINS, IG_ERR_USAGE,
           "histogram of %lld bins, expected 1 to %d", (long long)shape->bins, IG_MAX_BINS);
  float scale = (float)shape->bins / (shape->high - shape->low);
  /* NaN fails every comparison; a range too wide or too narrow for f32 gives 0 or infinity. */
  IG_CHECK(scale > 0.0f && scale < INFINITY, IG_ERR_USAGE,
           "histogram over [%g, %g): expected a range with a width in f32", (double)shape->low,
           (double)shape->high);
  *bins_per_unit = scale;
  return IG_OK;
}

/* The bin of each number; `bins` for NaN. */
static void bins_of_block(const ig_histogram *shape, float scale, const float *x, int64_t n,
                          int32_t *bin) {
  const float low = shape->low, last = (float)(shape->bins - 1);
  const int32_t nan_bin = (int32_t)shape->bins;
  const bool magnitude = shape->magnitude;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    float v = magnitude ? fabsf(x[i]) : x[i], t = (v - low) * scale;
    t = t > 0.0f ? t : 0.0f;
    t = t < last ? t : last;
    bin[i] = v == v ? (int32_t)t : nan_bin;
  }
}

static void count_part(const ig_histogram *shape, float scale, ig_dtype dtype, const void *x,
                       int64_t begin, int64_t end, int64_t *counts) {
  float buffer[BLOCK];
  int32_t bin[BLOCK];
  for (int64_t i = begin; i < end; i += BLOCK) {
    int64_t m = IG_MIN(BLOCK, end - i);
    bins_of_block(shape, scale, load(dtype, x, i, m, buffer), m, bin);
    for (int64_t k = 0; k < m; k++) counts[bin[k]]++;
  }
}

ig_status ig_cpu_histogram(const ig_histogram *shape, ig_dtype dtype, const void *x, int64_t count,
                           int64_t *counts) {
  float scale;
  IG_TRY(ig_histogram_check(shape, &scale));
  bool team = worth_team(dtype, count);
  int64_t parts = team ? ig_parts(count, PART_LEAST, IG_MIN(ig_threads(), MOST_PARTS)) : 1;
  if (parts == 1) {
    count_part(shape, scale, dtype, x, 0, count, counts);
    return IG_OK;
  }
  int64_t stride = shape->bins + 1;
  int64_t *partial = ig_alloc_zero((size_t)(parts * stride), sizeof *partial);
  IG_CHECK(partial, IG_ERR_MEMORY, "out of memory for %lld histograms of %lld bins",
           (long long)parts, (long long)shape->bins);
  IG_PARALLEL_FOR(team)
  for (int64_t part = 0; part < parts; part++) {
    count_part(shape, scale, dtype, x, ig_part_begin(count, parts, part),
               ig_part_begin(count, parts, part + 1), partial + part * stride);
  }
  for (int64_t i = 0; i < parts * stride; i++) counts[i % stride] += partial[i];
  ig_free(partial);
  return IG_OK;
}
