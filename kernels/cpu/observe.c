/* Extremes, histograms and observers of tensors. All are made of operations whose order does not matter
 * (maxima, sums of integers), so that each thread works on what it gets. 16-bit types and f64 are converted in
 * blocks that stay in the first-level cache. */
#include "kernels/observe.h"

#include "engine/base/layout.h"
#include "engine/base/memory.h"
#include "kernels/cpu/parallel.h"

#define BLOCK 1024
#define MOST_PARTS 64
#define PART_LEAST (1 << 14)
#define OBSERVED_LEAST (1 << 16) /* what pays for the zeroing and the adding up of two tables */

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

static ig_extremes keys_of(float most, float most_negated) {
  /* A number was seen unless both are where they started. */
  if (most < -most_negated) return (ig_extremes){0, 0};
  return (ig_extremes){ig_order_key(most), ig_order_key(most_negated)};
}

static ig_extremes extremes_of_part(ig_dtype dtype, const void *x, int64_t begin, int64_t end) {
  float most = -INFINITY, most_negated = -INFINITY, buffer[BLOCK];
  for (int64_t i = begin; i < end; i += BLOCK) {
    int64_t m = IG_MIN(BLOCK, end - i);
    extremes_of_block(load(dtype, x, i, m, buffer), m, &most, &most_negated);
  }
  return keys_of(most, most_negated);
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

/* --- observers ---------------------------------------------------------------------------------- */

#define COUNTERS (IG_OBSERVER_INFINITIES + 1)
#define SLAB ((int64_t)1 << 31) /* elements that 32 bits count for sure */

/* The keys of numbers (their bits without sign, and without the fraction's last bits) from the first
 * octave on; the key before it stands for all that is less. */
#define KEY_SHIFT (23 - IG_OBSERVER_FRACTION)
#define KEY_BEFORE (((127 + IG_OBSERVER_LOWEST) << IG_OBSERVER_FRACTION) - 1)

static void places_of_block(const float *x, int64_t n, int32_t *bin) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    int32_t bits;
    memcpy(&bits, &x[i], sizeof bits);
    int32_t magnitude = bits & 0x7fffffff, side = (magnitude >> KEY_SHIFT) - KEY_BEFORE;
    side = side > 0 ? side : 0;
    side = side < IG_OBSERVER_SIDE ? side : IG_OBSERVER_SIDE;
    int32_t place = IG_OBSERVER_SIDE + (bits < 0 ? -side : side);
    place = magnitude >= 0x7f800000 ? IG_OBSERVER_INFINITIES : place;
    bin[i] = magnitude > 0x7f800000 ? IG_OBSERVER_NANS : place;
  }
}

/* By turns in two tables: the many equal numbers behind a Relu would otherwise wait for each other in one
 * counter. */
static void count_block(const int32_t *bin, int64_t n, uint32_t *counts) {
  uint32_t *other = counts + COUNTERS;
  int64_t i = 0;
  for (; i + 1 < n; i += 2) {
    counts[bin[i]]++;
    other[bin[i + 1]]++;
  }
  if (i < n) counts[bin[i]]++;
}

/* Drops the padding among elements [first, first + n) of memory; returns how many stay. */
static int64_t drop_padding(const ig_observed *what, int64_t first, int64_t n, const float *x,
                            float *kept) {
  int64_t m = 0;
  for (int64_t i = 0; i < n; i += IG_LAYOUT_BLOCK) {
    int64_t block = (first + i) / IG_LAYOUT_BLOCK / what->area;
    int channels = block % what->blocks == what->blocks - 1 ? what->tail : IG_LAYOUT_BLOCK;
    memcpy(kept + m, x + i, (size_t)channels * sizeof *x);
    m += channels;
  }
  return m;
}

/* Elements [begin, end), both multiples of BLOCK or the end of all. */
static void observe_part(const ig_observed *what, const void *x, int64_t begin, int64_t end,
                         uint32_t *counts, ig_extremes *seen) {
  float buffer[BLOCK], kept[BLOCK], most = -INFINITY, most_negated = -INFINITY;
  int32_t bin[BLOCK];
  memset(counts, 0, 2 * COUNTERS * sizeof *counts);
  for (int64_t i = begin; i < end; i += BLOCK) {
    int64_t n = IG_MIN(BLOCK, end - i);
    const float *numbers = load(what->dtype, x, i, n, buffer);
    if (what->tail) {
      n = drop_padding(what, i, n, numbers, kept);
      numbers = kept;
    }
    places_of_block(numbers, n, bin);
    extremes_of_block(numbers, n, &most, &most_negated);
    count_block(bin, n, counts);
  }
  *seen = keys_of(most, most_negated);
}

/* First block of a part, as an element. */
static int64_t block_begin(int64_t count, int64_t parts, int64_t part) {
  return IG_MIN(ig_part_begin((count + BLOCK - 1) / BLOCK, parts, part) * BLOCK, count);
}

static void observe_slab(const ig_observed *what, const void *x, int64_t first, int64_t count,
                         int64_t *state, uint32_t *counts, ig_extremes *call) {
  ig_extremes seen[IG_OBSERVER_PARTS];
  int64_t parts = ig_parts(count, OBSERVED_LEAST, IG_OBSERVER_PARTS);
  IG_PARALLEL_FOR(parts > 1)
  for (int64_t part = 0; part < parts; part++) {
    observe_part(what, x, first + block_begin(count, parts, part),
                 first + block_begin(count, parts, part + 1), counts + part * 2 * COUNTERS,
                 &seen[part]);
  }
  for (int64_t part = 0; part < 2 * parts; part++) {
    for (int64_t i = 0; i < COUNTERS; i++) {
      state[i] = (int64_t)((uint64_t)state[i] + counts[part * COUNTERS + i]);
    }
  }
  for (int64_t part = 0; part < parts; part++) {
    call->most = IG_MAX(call->most, seen[part].most);
    call->most_negated = IG_MAX(call->most_negated, seen[part].most_negated);
  }
}

void ig_cpu_observe(const ig_observed *what, const void *x, int64_t *state, void *workspace) {
  ig_extremes call = {0, 0};
  for (int64_t first = 0; first < what->count; first += SLAB) {
    int64_t count = IG_MIN(SLAB, what->count - first);
    observe_slab(what, x, first, count, state, workspace, &call);
  }
  if (!call.most && !call.most_negated) return;
  /* Through unsigned, so that no state that a file brings along can lead astray. */
  uint64_t calls = (uint64_t)state[IG_OBSERVER_CALLS];
  state[IG_OBSERVER_RECENT + (int64_t)(calls % IG_OBSERVER_KEPT)] =
      (int64_t)((uint64_t)call.most << 32 | call.most_negated);
  state[IG_OBSERVER_CALLS] = (int64_t)(calls + 1);
  if (state[IG_OBSERVER_MOST] < call.most) state[IG_OBSERVER_MOST] = call.most;
  if (state[IG_OBSERVER_MOST_NEGATED] < call.most_negated) {
    state[IG_OBSERVER_MOST_NEGATED] = call.most_negated;
  }
}
