/* Ranges from what an observer saw, against the samples themselves: sorted, or clipped and rounded one by
 * one, in float64. */
#include "graph_run.h"

#include <float.h>
#include <math.h>

#include "engine/quantize/calibrate.h"
#include "kernels/observe.h"

#define MOST 200000

static float samples[MOST];
static int64_t observer[IG_OBSERVER_WORDS];

typedef enum shape { NORMAL, RELU, HEAVY, SKEWED, TINY, SHAPES } shape;

static void draw(shape kind, int64_t n) {
  ig_rng rng = ig_rng_stream(11, IG_RNG_TEST, 0, (uint64_t)kind);
  ig_rng_normals(&rng, 0, (int)n, samples);
  for (int64_t i = 0; i < n; i++) {
    float x = samples[i];
    switch (kind) {
    case RELU: samples[i] = fmaxf(x, 0); break;
    case HEAVY: samples[i] = x * x * x * x * x; break; /* a few numbers far out */
    case SKEWED: samples[i] = x < 0 ? 0.1f * x : expf(1.5f * x); break;
    case TINY: samples[i] = x * 1e-6f; break;
    default: break;
    }
  }
}

static ig_seen see(int64_t n) {
  static char workspace[IG_OBSERVER_WORKSPACE];
  memset(observer, 0, sizeof observer);
  ig_cpu_observe(&(ig_observed){.dtype = IG_F32, .count = n}, samples, observer, workspace);
  ig_extremes ends = {(uint32_t)observer[IG_OBSERVER_MOST],
                      (uint32_t)observer[IG_OBSERVER_MOST_NEGATED]};
  ig_seen seen = {.value = "x",
                  .bins = observer,
                  .nans = observer[IG_OBSERVER_NANS],
                  .infinities = observer[IG_OBSERVER_INFINITIES],
                  .least = ig_least_seen(&ends),
                  .most = ig_most_seen(&ends)};
  for (int i = 0; i < IG_OBSERVER_BINS; i++) seen.count += observer[i];
  return seen;
}

static ig_range range_of(const ig_seen *seen, ig_range_method method, bool symmetric) {
  ig_range range;
  ig_quant_settings settings = {.ranges = method, .percentile = 99.99, .symmetric = symmetric};
  GOOD(ig_range_of(seen, &settings, &range));
  assert_true(range.low <= 0 && range.high >= 0);
  return range;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The percentile of |x| among the numbers of one sign, or of both (0), that are not 0. */
static double sorted_percentile(int64_t n, int sign, double percentile) {
  double *sizes = malloc((size_t)n * sizeof *sizes), result = 0;
  int64_t m = 0;
  for (int64_t i = 0; i < n; i++) {
    double x = (double)samples[i];
    if (fabs(x) >= 0x1p-28 && sign * x >= 0) sizes[m++] = fabs(x);
  }
  qsort(sizes, (size_t)m, sizeof *sizes, ascending);
  if (m > 0) result = sizes[IG_MIN((int64_t)ceil(percentile / 100 * (double)m), m) - 1];
  free(sizes);
  return result;
}

static void percentiles_are_those_of_the_samples(void **state) {
  (void)state;
  for (int kind = 0; kind < SHAPES; kind++) {
    draw(kind, MOST);
    ig_seen seen = see(MOST);
    ig_range both = range_of(&seen, IG_RANGE_PERCENTILE, true);
    double want = sorted_percentile(MOST, 0, 99.99);
    double got = fmax((double)both.high, -(double)both.low);
    if (!(fabs(got - want) <= want / 64)) fail_msg("shape %d: %g, not %g", kind, got, want);
    ig_range sides = range_of(&seen, IG_RANGE_PERCENTILE, false);
    double low = sorted_percentile(MOST, -1, 99.99), high = sorted_percentile(MOST, 1, 99.99);
    assert_true(fabs(-(double)sides.low - low) <= low / 64);
    assert_true(fabs((double)sides.high - high) <= high / 64);
  }
}

static void extremes_are_exact(void **state) {
  (void)state;
  for (int kind = 0; kind < SHAPES; kind++) {
    float least = 0, most = 0;
    draw(kind, 1000);
    for (int i = 0; i < 1000; i++) {
      least = fminf(least, samples[i]);
      most = fmaxf(most, samples[i]);
    }
    ig_seen seen = see(1000);
    ig_range range = range_of(&seen, IG_RANGE_MINMAX, false);
    assert_true(range.low == least && range.high == most);
  }
}

/* Mean squared error of the samples quantized with a range. */
static double error_of(int64_t n, ig_range range, bool symmetric) {
  float scale;
  int zero;
  ig_range_quantize(range, symmetric, &scale, &zero);
  double sum = 0, least = symmetric ? -127 : 0, most = symmetric ? 127 : 255;
  for (int64_t i = 0; i < n; i++) {
    double q = fmin(fmax(rint((double)samples[i] / (double)scale) + zero, least), most);
    double d = (q - zero) * (double)scale - (double)samples[i];
    sum += d * d;
  }
  return sum / (double)n;
}

/* No range out of a fine grid is better by more than what bins and the rounding of the zero point hide. */
static void squared_error_is_least(void **state) {
  (void)state;
  enum { N = 30000 };
  for (int kind = 0; kind < SHAPES; kind++) {
    draw(kind, N);
    ig_seen seen = see(N);
    for (int symmetric = 0; symmetric < 2; symmetric++) {
      ig_range got = range_of(&seen, IG_RANGE_MSE, symmetric);
      double error = error_of(N, got, symmetric), least = INFINITY;
      float low = fminf(seen.least, 0), high = fmaxf(seen.most, 0);
      for (int i = 0; i < 48; i++) {
        for (int k = 0; k < (symmetric || low == 0 ? 1 : 48); k++) {
          float a = powf(0.93f, (float)i), b = symmetric ? a : powf(0.93f, (float)k);
          float ends = fmaxf(-low, high) * a;
          ig_range tried = symmetric ? (ig_range){-ends, ends} : (ig_range){low * b, high * a};
          least = fmin(least, error_of(N, tried, symmetric));
        }
      }
      if (!(error <= 1.03 * least)) {
        fail_msg("shape %d, symmetric %d: error %g, least %g", kind, symmetric, error, least);
      }
    }
  }
}

/* Migacz's loop, as his slides have it, over the samples' own histogram; divergences by candidate. */
static void divergences(int64_t n, double most, int levels, double result[2049]) {
  static double hist[2048], p[2048], q[2048];
  memset(hist, 0, sizeof hist);
  for (int64_t i = 0; i < n; i++) {
    double size = fabs((double)samples[i]);
    if (size >= 0x1p-28) hist[IG_MIN((int)(size / most * 2048), 2047)]++;
  }
  for (int bins = levels; bins <= 2048; bins++) {
    double beyond = 0, sum_p = 0, sum_q = 0, kl = 0;
    for (int i = bins; i < 2048; i++) beyond += hist[i];
    for (int i = 0; i < bins; i++) p[i] = hist[i];
    p[bins - 1] += beyond;
    for (int g = 0; g < levels; g++) {
      int from = bins * g / levels, to = bins * (g + 1) / levels, filled = 0;
      double mass = 0;
      for (int i = from; i < to; i++) {
        mass += hist[i];
        filled += hist[i] > 0;
      }
      for (int i = from; i < to; i++) q[i] = hist[i] > 0 ? mass / filled : 0;
    }
    for (int i = 0; i < bins; i++) {
      sum_p += p[i];
      sum_q += q[i];
    }
    for (int i = 0; i < bins; i++) {
      if (p[i] > 0) kl += q[i] > 0 ? p[i] / sum_p * log(p[i] / sum_p / (q[i] / sum_q)) : INFINITY;
    }
    result[bins] = kl;
  }
}

/* The threshold found is one that the samples' own histogram holds for nearly as good as its best. */
static void entropy_is_least(void **state) {
  (void)state;
  static double of[2049];
  const shape kinds[] = {NORMAL, RELU, HEAVY, SKEWED};
  for (int k = 0; k < IG_COUNT(kinds); k++) {
    draw(kinds[k], MOST);
    ig_seen seen = see(MOST);
    ig_range got = range_of(&seen, IG_RANGE_ENTROPY, true);
    double most = fmax(fabs((double)seen.least), (double)seen.most), least = INFINITY;
    double top = fmax(-(double)got.low, (double)got.high);
    divergences(MOST, most, 128, of);
    int found = (int)lrint(top / most * 2048);
    double near = INFINITY;
    for (int bins = 128; bins <= 2048; bins++) {
      least = fmin(least, of[bins]);
      if (abs(bins - found) <= 8) near = fmin(near, of[bins]); /* an empty bin's is infinite */
    }
    if (!(near <= 1.05 * least)) fail_msg("shape %d: %g at %d, least %g", k, near, found, least);
  }
}

static void constants_are_exact(void **state) {
  (void)state;
  ig_rng rng = ig_rng_stream(12, IG_RNG_TEST, 0, 0);
  for (int i = 0; i < 20000; i++) {
    uint32_t bits = (uint32_t)ig_rng_below(&rng, (uint64_t)i, (uint64_t)1 << 32);
    memcpy(&samples[0], &bits, sizeof bits);
    float c = samples[0];
    if (!isfinite(c) || fabsf(c) < 1e-30f || fabsf(c) > 1e36f) continue;
    for (int k = 0; k < 3; k++) samples[k] = c;
    ig_seen seen = see(3);
    for (int symmetric = 0; symmetric < 2; symmetric++) {
      ig_range range = range_of(&seen, (ig_range_method)(i % 5), symmetric);
      float scale;
      int zero;
      ig_range_quantize(range, symmetric, &scale, &zero);
      float q = rintf(c / scale) + (float)zero;
      assert_true(q >= (symmetric ? -127 : 0) && q <= (symmetric ? 127 : 255));
      float back = (q - (float)zero) * scale;
      if (back != c) fail_msg("%a comes out as %a", (double)c, (double)back);
    }
  }
}

/* Every method on numbers at the ends of what a float holds gives a usable scale. */
static void odd_tensors_have_ranges(void **state) {
  (void)state;
  const float of[][2] = {{0, 0},
                         {1e-45f, -1e-45f},
                         {FLT_MAX, -FLT_MAX},
                         {0, FLT_MAX},
                         {-FLT_MAX, 1e-45f},
                         {-0.0f, 3e-39f},
                         {1e-12f, 2e-12f},
                         {5, 5},
                         {-2, 3e7f}};
  for (int i = 0; i < IG_COUNT(of); i++) {
    for (int k = 0; k < 100; k++) samples[k] = of[i][k % 2];
    ig_seen seen = see(100);
    seen.moving_least = seen.least;
    seen.moving_most = seen.most;
    for (int m = 0; m < 5; m++) {
      for (int symmetric = 0; symmetric < 2; symmetric++) {
        ig_range range = range_of(&seen, (ig_range_method)m, symmetric);
        float scale;
        int zero;
        ig_range_quantize(range, symmetric, &scale, &zero);
        assert_true(isnormal(scale) && scale > 0 && zero >= 0 && zero <= 255);
        assert_true(!symmetric || zero == 0);
      }
    }
  }
}

static void what_has_no_range_is_refused(void **state) {
  (void)state;
  ig_range range;
  ig_quant_settings settings = {.percentile = 99.99};
  ig_seen seen = see(0);
  assert_int_equal(ig_range_of(&seen, &settings, &range), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "'x'"));
  samples[0] = NAN;
  seen = see(1);
  assert_int_equal(ig_range_of(&seen, &settings, &range), IG_ERR_INPUT);
  samples[0] = INFINITY;
  samples[1] = 1;
  seen = see(2);
  assert_int_equal(ig_range_of(&seen, &settings, &range), IG_ERR_INPUT);
  seen = see(0);
  samples[0] = 3;
  seen = see(1);
  settings.percentile = 0;
  assert_int_equal(ig_range_of(&seen, &settings, &range), IG_ERR_USAGE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(percentiles_are_those_of_the_samples),
      cmocka_unit_test(extremes_are_exact),
      cmocka_unit_test(squared_error_is_least),
      cmocka_unit_test(entropy_is_least),
      cmocka_unit_test(constants_are_exact),
      cmocka_unit_test(odd_tensors_have_ranges),
      cmocka_unit_test(what_has_no_range_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
