/* Extremes and histograms on the CPU against plain loops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "engine/base/memory.h"
#include "observe_loops.h"

#define LONGEST 200003

static const int64_t lengths[] = {0, 1, 2, 15, 64, 1000, 1025, LONGEST};
static const ig_dtype types[] = {IG_F32, IG_BF16, IG_F16, IG_F64};
static const ig_histogram shapes[] = {
    {.low = 0, .high = 16, .bins = 2048, .magnitude = true},
    {.low = -8, .high = 8, .bins = 64},
    {.low = -1, .high = 31, .bins = IG_MAX_BINS},
    {.low = 2, .high = 4, .bins = 1, .magnitude = true},
};

static void *x;
static int64_t counts[IG_MAX_BINS + 1], wanted[IG_MAX_BINS + 1];

static void set_threads(int threads) {
#ifdef _OPENMP
  omp_set_num_threads(threads);
#else
  (void)threads;
#endif
}

static void finds_extremes(void **state) {
  (void)state;
  for (int t = 0; t < IG_COUNT(types); t++) {
    for (int l = 0; l < IG_COUNT(lengths); l++) {
      double least, most;
      ig_extremes seen = {0, 0};
      observe_fill(types[t], x, lengths[l]);
      observe_ends(types[t], x, lengths[l], &least, &most);
      ig_cpu_extremes(types[t], x, lengths[l], &seen);
      assert_true((double)ig_least_seen(&seen) == least);
      assert_true((double)ig_most_seen(&seen) == most);
      double magnitude = lengths[l] ? fmax(fabs(least), fabs(most)) : 0;
      assert_true((double)ig_abs_most_seen(&seen) == magnitude);
    }
  }
}

/* One call for each number, in whatever part of the tensor the extremes are. */
static void extremes_stream(void **state) {
  (void)state;
  ig_extremes seen = {0, 0};
  const float numbers[] = {NAN, -3, NAN, -7, -5, 0.25f, INFINITY};
  const float least[] = {INFINITY, -3, -3, -7, -7, -7, -7};
  const float most[] = {-INFINITY, -3, -3, -3, -3, 0.25f, INFINITY};
  for (int i = 0; i < IG_COUNT(numbers); i++) {
    ig_cpu_extremes(IG_F32, &numbers[i], 1, &seen);
    assert_true(ig_least_seen(&seen) == least[i]);
    assert_true(ig_most_seen(&seen) == most[i]);
  }
  for (int64_t at = 0; at < LONGEST; at += 7919) {
    ig_extremes found = {0, 0};
    memset(x, 0, LONGEST * sizeof(float));
    ((float *)x)[at] = at % 2 ? 3.5f : -3.5f;
    ig_cpu_extremes(IG_F32, x, LONGEST, &found);
    assert_true(ig_abs_most_seen(&found) == 3.5f);
    assert_true(ig_least_seen(&found) == (at % 2 ? 0.0f : -3.5f));
  }
}

static void infinities_are_numbers(void **state) {
  (void)state;
  const float low[] = {-INFINITY, -INFINITY, NAN};
  ig_extremes seen = {0, 0};
  ig_cpu_extremes(IG_F32, low, 3, &seen);
  assert_true(ig_least_seen(&seen) == -INFINITY && ig_most_seen(&seen) == -INFINITY);
  assert_true(ig_abs_most_seen(&seen) == INFINITY);
}

static void counts_like_a_loop(void **state) {
  (void)state;
  for (int s = 0; s < IG_COUNT(shapes); s++) {
    for (int t = 0; t < IG_COUNT(types); t++) {
      memset(counts, 0, sizeof counts);
      memset(wanted, 0, sizeof wanted);
      for (int l = 0; l < IG_COUNT(lengths); l++) { /* each adds to what is there */
        observe_fill(types[t], x, lengths[l]);
        observe_spoil(types[t], x, lengths[l]);
        observe_count(&shapes[s], types[t], x, lengths[l], wanted);
        set_threads(1 + l % 3);
        assert_int_equal(ig_cpu_histogram(&shapes[s], types[t], x, lengths[l], counts), IG_OK);
        assert_memory_equal(counts, wanted, sizeof counts);
      }
    }
  }
  set_threads(1);
}

static void refused(const ig_histogram *h, const char *says) {
  ig_clear_error();
  assert_int_equal(ig_cpu_histogram(h, IG_F32, x, 1, counts), IG_ERR_USAGE);
  if (!strstr(ig_last_error(), says)) fail_msg("expected '%s' in '%s'", says, ig_last_error());
}

static void impossible_histograms_are_refused(void **state) {
  (void)state;
  refused(&(ig_histogram){.low = 0, .high = 1, .bins = 0},
          "histogram of 0 bins, expected 1 to 8192");
  refused(&(ig_histogram){.low = 0, .high = 1, .bins = 8193}, "histogram of 8193 bins");
  refused(&(ig_histogram){.low = 1, .high = 1, .bins = 8}, "over [1, 1)");
  refused(&(ig_histogram){.low = 2, .high = 1, .bins = 8}, "over [2, 1)");
  refused(&(ig_histogram){.low = 0, .high = NAN, .bins = 8}, "expected a range");
  refused(&(ig_histogram){.low = -3e38f, .high = 3e38f, .bins = 8}, "expected a range");
  refused(&(ig_histogram){.low = -INFINITY, .high = 1, .bins = 8}, "expected a range");
}

static int take_memory(void **state) {
  (void)state;
  x = ig_alloc(LONGEST * sizeof(double));
  return x ? 0 : -1;
}

static int give_memory(void **state) {
  (void)state;
  ig_free(x);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_extremes),
      cmocka_unit_test(extremes_stream),
      cmocka_unit_test(infinities_are_numbers),
      cmocka_unit_test(counts_like_a_loop),
      cmocka_unit_test(impossible_histograms_are_refused),
  };
  return cmocka_run_group_tests(tests, take_memory, give_memory);
}
