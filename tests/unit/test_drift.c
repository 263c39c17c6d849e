/* Drift: the statistics against SciPy 1.17.1's values (tests/golden/drift.py writes them), verdicts on
 * columns whose answer is known, and profiles as the source of both. */
#include "scratch.h"

#include <math.h>

#include "lifecycle/drift.h"
#include "lifecycle/statistics.h"

/* --- samples, as tests/golden/drift.py makes them -------------------------------------------- */

static double uniform(int64_t i, uint32_t salt) {
  uint32_t word = (uint32_t)i * 2654435761u + salt * 40503u;
  word = (word ^ (word >> 15)) * 2246822519u;
  return (double)(word >> 8) / 16777216.0;
}

static double *sample(int64_t n, uint32_t salt, double shift, double scale) {
  double *values = malloc((size_t)n * sizeof *values);
  for (int64_t i = 0; i < n; i++) {
    values[i] =
        shift + scale * (uniform(i, salt) + uniform(i, salt + 1) + uniform(i, salt + 2) - 1.5);
  }
  return values;
}

static double *whole_numbers(int64_t n, uint32_t salt, double most) {
  double *values = malloc((size_t)n * sizeof *values);
  for (int64_t i = 0; i < n; i++) values[i] = floor(most * uniform(i, salt));
  return values;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void close_to(double found, double want, double tolerance) {
  if (!(fabs(found - want) <= tolerance)) fail_msg("%.17g, expected %.17g", found, want);
}

/* --- statistics ------------------------------------------------------------------------------ */

static void two_samples(double *x, int64_t n, double *y, int64_t m, double ks, double p,
                        double distance) {
  double *room = malloc((size_t)(m + 1) * sizeof *room);
  qsort(x, (size_t)n, sizeof *x, ascending);
  qsort(y, (size_t)m, sizeof *y, ascending);
  double found = ig_ks_statistic(n, x, m, y);
  close_to(found, ks, 1e-15);
  close_to(ig_ks_p_value(found, n, m, room), p, 1e-12);
  close_to(ig_wasserstein(n, x, m, y), distance, 1e-12);
  /* Both are symmetric. */
  close_to(ig_ks_statistic(m, y, n, x), ks, 1e-15);
  close_to(ig_wasserstein(m, y, n, x), distance, 1e-12);
  free(room);
  free(x);
  free(y);
}

static void ks_and_wasserstein_are_scipys(void **state) {
  (void)state;
  two_samples(sample(200, 1, 0, 1), 200, sample(150, 11, 0, 1), 150, 0.08666666666666667,
              0.5161644310215892, 0.06538646161556244);
  two_samples(sample(200, 1, 0, 1), 200, sample(150, 11, 0.2, 1), 150, 0.19833333333333333,
              0.0020444527354660153, 0.19310229273637133);
  two_samples(sample(1000, 1, 0, 1), 1000, sample(700, 11, 0, 1.5), 700, 0.12357142857142857,
              6.150248808902634e-06, 0.19978983883346835);
  two_samples(whole_numbers(90, 3, 6), 90, whole_numbers(60, 5, 5), 60, 0.15555555555555556,
              0.32569347397223697, 0.5222222222222221);
  two_samples(sample(3, 1, 0, 1), 3, sample(2, 11, 0, 1), 2, 0.6666666666666666, 0.6,
              0.49323425690333056);
  two_samples(sample(20, 1, 0, 1), 20, sample(20, 11, 9, 1), 20, 1.0, 1.4508889103849681e-11,
              8.738096621632577);
}

static void chi_square_is_scipys(void **state) {
  (void)state;
  const double p[] = {10, 20, 30, 0, 40, 0}, q[] = {8, 25, 20, 7, 40, 0}, none[6] = {0};
  int freedom;
  double statistic = ig_chi_square(6, p, q, &freedom);
  assert_int_equal(freedom, 4);
  close_to(statistic, 9.777777777777779, 1e-13);
  close_to(ig_chi_square_p_value(statistic, 4), 0.04434206283882792, 1e-14);
  assert_true(isnan(ig_chi_square(6, p, none, &freedom)));
  static const double rows[][3] = {
      {0.5, 1, 0.47950012218695337},     {3.84, 1, 0.05004352124870519},
      {12, 4, 0.01735126523666451},      {30, 30, 0.4656537089440098},
      {1000, 900, 0.010994608942135844}, {200, 10, 1.6139305336977317e-37},
      {0.001, 3, 0.9999915920809419},
  };
  for (int i = 0; i < IG_COUNT(rows); i++) {
    close_to(ig_chi_square_p_value(rows[i][0], rows[i][1]), rows[i][2], 1e-10 * rows[i][2]);
  }
  assert_true(ig_chi_square_p_value(0, 4) == 1);
  assert_true(ig_chi_square_p_value(5, 0) == 1);
  assert_true(ig_chi_square_p_value(INFINITY, 3) == 0);
}

static void distances_of_histograms(void **state) {
  (void)state;
  const double p[] = {10, 20, 30, 0, 40}, q[] = {8, 25, 20, 7, 40}, none[5] = {0};
  close_to(ig_jensen_shannon(5, p, q), 0.17675546655053198, 1e-15);
  assert_true(ig_jensen_shannon(5, p, p) == 0);
  assert_true(isnan(ig_jensen_shannon(5, p, none)));
  /* By hand: (.1-.2) ln(.1/.2) + (.9-.8) ln(.9/.8) */
  const double a[] = {10, 90}, b[] = {20, 80};
  close_to(ig_stability_index(2, a, b), 0.1 * log(2) + 0.1 * log(0.9 / 0.8), 1e-15);
  assert_true(ig_stability_index(2, a, a) == 0);
  assert_true(isnan(ig_stability_index(2, none, b)));
}

/* --- columns --------------------------------------------------------------------------------- */

enum { LARGE = 20000 };

/* A data set of one normal-like column "x" and a class "y" of three. */
static ig_dataset *make_data(int64_t n, uint32_t salt, double shift, double class_tilt, float *x,
                             int64_t *y) {
  static const char *const columns[] = {"height"};
  const ig_field fields[] = {
      {.name = "x",
       .kind = IG_FIELD_FEATURES,
       .dtype = IG_F32,
       .shape = {1, {1}},
       .columns = columns},
      {.name = "y", .kind = IG_FIELD_CLASS, .dtype = IG_I64, .n_classes = 3},
  };
  for (int64_t i = 0; i < n; i++) {
    x[i] = (float)(shift + uniform(i, salt) + uniform(i, salt + 1) + uniform(i, salt + 2) - 1.5);
    double u = uniform(i, salt + 3);
    y[i] = u < 0.2 - class_tilt ? 0 : u < 0.6 ? 1 : 2;
  }
  const void *data[] = {x, y};
  ig_dataset *dataset;
  assert_int_equal(ig_dataset_from_arrays(n, 2, fields, data, &dataset), IG_OK);
  return dataset;
}

typedef struct comparison {
  int count;
  ig_drift *drifts;
} comparison;

/* Profiles both and compares them; `checkpoint` forgets the reference's values. */
static comparison compare(ig_arena *arena, ig_dataset *reference, ig_dataset *now,
                          bool checkpoint) {
  ig_column *before, *after;
  int n_before, n_after;
  assert_int_equal(ig_profile_columns(reference, 0, 0, NULL, true, arena, &n_before, &before),
                   IG_OK);
  ig_profile known[2];
  assert_int_equal(n_before, 2);
  for (int i = 0; i < 2; i++) {
    known[i] = before[i].profile;
    if (checkpoint) before[i].n_values = 0;
  }
  assert_int_equal(ig_profile_columns(now, 0, 2, known, true, arena, &n_after, &after), IG_OK);
  comparison c;
  assert_int_equal(
      ig_drift_of_columns(n_before, before, n_after, after, arena, &c.count, &c.drifts), IG_OK);
  assert_int_equal(c.count, 2);
  assert_string_equal(c.drifts[0].name, "x.height");
  assert_string_equal(c.drifts[1].name, "y");
  return c;
}

typedef struct verdict_case {
  int64_t n, m;
  double shift, class_tilt;
  bool checkpoint;
  const char *x_test, *y_test;
  bool x_drifted, y_drifted;
} verdict_case;

static void verdicts(void **state) {
  (void)state;
  static const verdict_case cases[] = {
      {800, 400, 0, 0, false, "ks", "chi-square", false, false},
      {800, 400, 0.3, 0.12, false, "ks", "chi-square", true, true},
      {LARGE, LARGE, 0, 0, false, "wasserstein", "jensen-shannon", false, false},
      {LARGE, LARGE, 0.3, 0.15, false, "wasserstein", "jensen-shannon", true, true},
      /* A tiny shift of much data is certain, but does not matter. */
      {LARGE, LARGE, 0.02, 0.01, false, "wasserstein", "jensen-shannon", false, false},
      {LARGE, 500, 0, 0, true, "chi-square", "chi-square", false, false},
      {LARGE, 500, 0.3, 0.12, true, "chi-square", "chi-square", true, true},
      {LARGE, LARGE, 0, 0, true, "jensen-shannon", "jensen-shannon", false, false},
      {LARGE, LARGE, 0.3, 0.15, true, "jensen-shannon", "jensen-shannon", true, true},
  };
  static float x[2][LARGE];
  static int64_t y[2][LARGE];
  for (int i = 0; i < IG_COUNT(cases); i++) {
    const verdict_case *v = &cases[i];
    ig_arena *arena = ig_arena_create();
    ig_dataset *reference = make_data(v->n, 1, 0, 0, x[0], y[0]);
    ig_dataset *now = make_data(v->m, 101, v->shift, v->class_tilt, x[1], y[1]);
    comparison c = compare(arena, reference, now, v->checkpoint);
    const ig_drift *dx = &c.drifts[0], *dy = &c.drifts[1];
    if (strcmp(dx->test, v->x_test) != 0 || dx->drifted != v->x_drifted ||
        strcmp(dy->test, v->y_test) != 0 || dy->drifted != v->y_drifted) {
      fail_msg("case %d: x %s %g, y %s %g", i, dx->test, dx->value, dy->test, dy->value);
    }
    close_to(ig_drift_share(c.count, c.drifts), (v->x_drifted + v->y_drifted) / 2.0, 0);
    /* The numbers are there whatever the verdict came from. */
    assert_int_equal(isnan(dx->ks_p), v->checkpoint);
    assert_int_equal(isnan(dx->wasserstein), v->checkpoint);
    assert_false(isnan(dx->stability) || isnan(dx->jensen_shannon) || isnan(dx->chi_square_p));
    assert_true(isnan(dy->ks) && !isnan(dy->stability));
    ig_dataset_destroy(reference);
    ig_dataset_destroy(now);
    ig_arena_destroy(arena);
  }
}

/* At 0.05, one comparison in twenty of equal distributions errs: over 200 of them, between 2 and 20 do
 * (binomial, 99.9 %). A test that never or too often fires fails here. */
static void false_alarms_are_as_rare_as_promised(void **state) {
  (void)state;
  static float x[2][300];
  static int64_t y[2][300];
  int x_alarms = 0, y_alarms = 0;
  for (uint32_t round = 0; round < 200; round++) {
    ig_arena *arena = ig_arena_create();
    ig_dataset *reference = make_data(300, round * 1009 + 7, 0, 0, x[0], y[0]);
    ig_dataset *now = make_data(300, round * 2003 + 90001, 0, 0, x[1], y[1]);
    comparison c = compare(arena, reference, now, false);
    x_alarms += c.drifts[0].drifted;
    y_alarms += c.drifts[1].drifted;
    ig_dataset_destroy(reference);
    ig_dataset_destroy(now);
    ig_arena_destroy(arena);
  }
  print_message("of 200: %d by KS, %d by chi-square\n", x_alarms, y_alarms);
  assert_true(x_alarms >= 2 && x_alarms <= 20);
  assert_true(y_alarms >= 2 && y_alarms <= 20);
}

static void columns_that_do_not_compare(void **state) {
  (void)state;
  const int64_t counts[] = {1, 2};
  const double edges[] = {0, 1, 2};
  ig_column numbers = {.profile = {"a", 3, 0, 0, 1, 0.5, 0.5, 2, edges, counts}};
  ig_column classes = {.profile = {"a", 3, 0, 0, 1, 0.5, 0.5, 2, NULL, counts}};
  ig_column none = {.profile = {"a", 3, 3, NAN, NAN, NAN, NAN, 0, NULL, NULL}};
  const ig_column *others[] = {&classes, &none};
  for (int i = 0; i < 2; i++) {
    ig_drift d;
    assert_int_equal(ig_drift_of_column(&numbers, others[i], &d), IG_OK);
    assert_null(d.test);
    assert_false(d.drifted);
    assert_true(isnan(d.value) && isnan(d.stability));
  }
  assert_true(isnan(ig_drift_share(0, NULL)));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ks_and_wasserstein_are_scipys),
      cmocka_unit_test(chi_square_is_scipys),
      cmocka_unit_test(distances_of_histograms),
      cmocka_unit_test(verdicts),
      cmocka_unit_test(false_alarms_are_as_rare_as_promised),
      cmocka_unit_test(columns_that_do_not_compare),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
