/* Profiles and drift against figures worked out with NumPy 2.4 (the commands are beside them). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "lifecycle/drift.h"

static void near(double got, double want) {
  if (!(fabs(got - want) <= 1e-9 * fmax(1, fabs(want))))
    fail_msg("%.12g, expected %.12g", got, want);
}

#define N 1000

/* x = np.array([(i * 7919 % 1000) / 8 for i in range(1000)]), and the class i % 3 */
static ig_dataset *make(double shift, double *x, int64_t *y) {
  for (int i = 0; i < N; i++) {
    x[i] = (i * 7919 % 1000) / 8.0 + shift;
    y[i] = i % 3;
  }
  static const ig_field fields[] = {
      {.name = "x", .kind = IG_FIELD_FEATURES, .dtype = IG_F64, .shape = {.rank = 0}},
      {.name = "y", .kind = IG_FIELD_CLASS, .dtype = IG_I64, .shape = {.rank = 0}, .n_classes = 4}};
  ig_dataset *data;
  assert_int_equal(ig_dataset_from_arrays(N, 2, fields, (const void *[]){x, y}, &data), IG_OK);
  return data;
}

static void moments_and_histograms(void **state) {
  (void)state;
  static double x[N];
  static int64_t y[N];
  ig_dataset *data = make(0, x, y);
  ig_arena *arena = ig_arena_create();
  ig_column *columns;
  int count;
  assert_int_equal(ig_profile_columns(data, 0, 0, NULL, false, arena, &count, &columns), IG_OK);
  assert_int_equal(count, 2);
  const ig_profile *p = &columns[0].profile;
  assert_string_equal(p->name, "x");
  near(p->mean, 62.4375);          /* x.mean() */
  near(p->std, 36.08437378215119); /* x.std() */
  near(p->min, 0);
  near(p->max, 124.875);
  assert_int_equal(p->bins, 10);
  /* np.histogram(x, bins=np.sort(x)[[999 * b // 10 for b in range(11)]]) */
  static const int64_t counts[] = {99, 100, 100, 100, 100, 100, 100, 100, 100, 101};
  assert_memory_equal(p->counts, counts, sizeof counts);
  const ig_profile *classes = &columns[1].profile;
  assert_int_equal(classes->bins, 4);
  assert_null(classes->edges);
  static const int64_t by_class[] = {334, 333, 333, 0};
  assert_memory_equal(classes->counts, by_class, sizeof by_class);
  ig_arena_destroy(arena);
  ig_dataset_destroy(data);
}

static double stability(const ig_column *reference, const ig_column *now) {
  ig_drift drift;
  assert_int_equal(ig_drift_of_column(reference, now, &drift), IG_OK);
  return drift.stability;
}

static void drift(void **state) {
  (void)state;
  static double x[N], moved[N];
  static int64_t y[N];
  ig_dataset *before = make(0, x, y), *after = make(10, moved, y);
  ig_arena *arena = ig_arena_create();
  ig_column *a, *b, *c;
  int n;
  assert_int_equal(ig_profile_columns(before, 0, 0, NULL, false, arena, &n, &a), IG_OK);
  ig_profile known[2] = {a[0].profile, a[1].profile};
  assert_int_equal(ig_profile_columns(after, 0, 2, known, false, arena, &n, &b), IG_OK);
  assert_int_equal(ig_profile_columns(before, 0, 2, known, false, arena, &n, &c), IG_OK);
  /* p, q = counts of x and x + 10 over x's edges; ((p - q) * np.log(p / q)).sum() */
  near(stability(&a[0], &b[0]), 0.17872459083141726);
  near(stability(&a[0], &c[0]), 0);
  near(stability(&a[1], &b[1]), 0);
  assert_true(isnan(stability(&a[0], &a[1])));
  ig_arena_destroy(arena);
  ig_dataset_destroy(before);
  ig_dataset_destroy(after);
}

/* NaN and Inf are counted and stay out of the moments; image channels are columns. */
static void odd_values_and_channels(void **state) {
  (void)state;
  const float x[] = {1, NAN, 3, INFINITY, 5, 5};
  const uint8_t image[] = {0, 0, 10, 20, 4, 4, 30, 40}; /* [2 samples, 2 channels, 1, 2] */
  static const ig_field features = {
      .name = "x", .kind = IG_FIELD_FEATURES, .dtype = IG_F32, .shape = {.rank = 0}};
  static const ig_field picture = {
      .name = "p", .kind = IG_FIELD_IMAGE, .dtype = IG_U8, .shape = {.rank = 3, .dims = {2, 1, 2}}};
  ig_arena *arena = ig_arena_create();
  ig_dataset *data;
  ig_column *columns;
  int n;
  assert_int_equal(ig_dataset_from_arrays(6, 1, &features, (const void *[]){x}, &data), IG_OK);
  assert_int_equal(ig_profile_columns(data, 0, 0, NULL, false, arena, &n, &columns), IG_OK);
  assert_int_equal(columns[0].profile.missing, 1);
  assert_int_equal(columns[0].infinite, 1);
  near(columns[0].profile.mean, 3.5);
  near(columns[0].profile.max, 5);
  ig_dataset_destroy(data);
  assert_int_equal(ig_dataset_from_arrays(2, 1, &picture, (const void *[]){image}, &data), IG_OK);
  assert_int_equal(ig_profile_columns(data, 0, 0, NULL, false, arena, &n, &columns), IG_OK);
  assert_int_equal(n, 2);
  assert_string_equal(columns[1].profile.name, "p.1");
  near(columns[0].profile.mean, 2);
  near(columns[1].profile.mean, 25);
  ig_dataset_destroy(data);
  ig_arena_destroy(arena);
}

/* The sample behind a histogram must not step in time with the pixels: of 8 x 8 images whose first
 * column is 0, an eighth of the values is, however many images there are. */
static void the_sample_is_not_in_step(void **state) {
  (void)state;
  enum { MOST = 3000, PIXELS = 64 };
  static uint8_t images[MOST * PIXELS];
  static const ig_field picture = {
      .name = "p", .kind = IG_FIELD_IMAGE, .dtype = IG_U8, .shape = {.rank = 3, .dims = {1, 8, 8}}};
  for (int i = 0; i < MOST * PIXELS; i++) images[i] = i % 8 == 0 ? 0 : (uint8_t)(1 + i % 7);
  static const int counts[] = {512, 1024, 1617, 1797, 2048, 3000};
  for (int k = 0; k < IG_COUNT(counts); k++) {
    ig_arena *arena = ig_arena_create();
    ig_dataset *data;
    ig_column *column;
    int n;
    assert_int_equal(
        ig_dataset_from_arrays(counts[k], 1, &picture, (const void *[]){images}, &data), IG_OK);
    assert_int_equal(ig_profile_columns(data, 0, 0, NULL, true, arena, &n, &column), IG_OK);
    int64_t zeros = 0;
    for (int64_t i = 0; i < column->n_values; i++) zeros += column->values[i] == 0;
    assert_true(column->n_values > 16000);
    double share = (double)zeros / (double)column->n_values;
    if (fabs(share - 0.125) > 0.002) fail_msg("%d images: %g of the sample is 0", counts[k], share);
    ig_dataset_destroy(data);
    ig_arena_destroy(arena);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(moments_and_histograms), cmocka_unit_test(drift),
      cmocka_unit_test(odd_values_and_channels), cmocka_unit_test(the_sample_is_not_in_step)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
