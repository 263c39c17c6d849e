/* Metrics against scikit-learn 1.9.1. The figures are what `python tests/golden/metrics.py` prints;
 * logits and targets are made here by the same formula. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "engine/base/memory.h"
#include "engine/eval/metrics.h"
#include "engine/eval/roc.h"

/* -4 to 4 in steps of 1/16, as in metrics.py. */
static float noise(uint32_t i, uint32_t j, uint32_t salt) {
  uint32_t h = i * 2654435761u + j * (40503u * 65537u) + salt * 97u;
  h = (h ^ (h >> 15)) * 2246822519u;
  h = (h ^ (h >> 13)) * 3266489917u;
  return (float)((int)((h ^ (h >> 16)) % 129u) - 64) / 16.0f;
}

static float *make_logits(int rows, int n, uint32_t salt) {
  float *z = ig_alloc(sizeof(float) * (size_t)(rows * n));
  assert_non_null(z);
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < n; j++) z[i * n + j] = noise((uint32_t)i, (uint32_t)j, salt);
  }
  return z;
}

static void same(const char *what, double got, double want) {
  bool equal = isnan(want) ? isnan(got) : fabs(got - want) <= 1e-10 * fmax(1, fabs(want));
  if (!equal) fail_msg("%s: %.12g, scikit-learn says %.12g", what, got, want);
}

/* Adds in uneven batches: the result must not depend on the cut. */
static ig_metrics measure(ig_metrics_accumulator *a, const float *z, const int64_t *y, int rows,
                          int n) {
  for (int first = 0, size = 1; first < rows; first += size, size = size * 2 + 1) {
    int count = IG_MIN(size, rows - first);
    assert_int_equal(ig_metrics_add(a, z + first * n, y + first, count), IG_OK);
  }
  ig_metrics m;
  assert_int_equal(ig_metrics_get(a, &m), IG_OK);
  return m;
}

typedef struct class_case {
  const char *name;
  int rows, n;
  uint32_t salt;
  float hint;
  double loss, accuracy, top5, precision, recall, f1, auc, ece;
} class_case;

static const class_case class_cases[] = {
    {"ten",     200, 10, 1, 2, 2.31568769519, 0.39,           0.785,          0.401286179249, 0.39,           0.391493150034,
     0.759361111111,                                                                                                                          0.163788537714},
    {"four",    150, 4,  2, 1, 1.95756617834, 0.38,           NAN,            0.378493550369, 0.380156472262, 0.378031841365,
     0.649357933333,                                                                                                                          0.346678005964},
    {"binary",  120, 2,  3, 1, 1.03684635233, 0.616666666667, NAN,            0.568888888889, 0.578151260504,
     0.56875,                                                                                                                 0.640336134454, 0.221042965622},
    {"absent",  90,  6,  4, 3, 1.35227727592, 0.522222222222, 0.955555555556, 0.391666666667,
     0.261111111111,                                                                                          0.311400966184, 0.851296296296, 0.200897631978},
    {"single",  40,  4,  5, 0, 2.55461765891, 0.275,          NAN,            0.25,           0.06875,        0.107843137255, NAN,
     0.457236588926                                                                                                                                         },
    {"single2", 40,  2,  6, 0, 1.61030292141, 0.45,           NAN,            0.5,            0.225,          0.310344827586, NAN,
     0.41995352027                                                                                                                                          },
    {"ignored", 200, 10, 1, 2, 2.30726549688, 0.390977443609, 0.796992481203, 0.397522893773,
     0.391336996337,                                                                                          0.391030939353, 0.758300244026, 0.151298100476},
};

static int64_t target_of(const class_case *c, int i) {
  static const int64_t some[] = {0, 2, 3};
  if (!strcmp(c->name, "ten")) return (i * 7 + i / 10) % 10;
  if (!strcmp(c->name, "ignored")) return i % 3 ? (i * 7 + i / 10) % 10 : -1;
  if (!strcmp(c->name, "four")) return i * 7 % 4;
  if (!strcmp(c->name, "binary")) return noise((uint32_t)i, 0, 9) > 1;
  if (!strcmp(c->name, "absent")) return some[i % 3];
  return strcmp(c->name, "single") ? 1 : 2;
}

static void classes(void **state) {
  (void)state;
  for (int at = 0; at < IG_COUNT(class_cases); at++) {
    const class_case *c = &class_cases[at];
    float *z = make_logits(c->rows, c->n, c->salt);
    int64_t y[200];
    for (int i = 0; i < c->rows; i++) {
      y[i] = target_of(c, i);
      if (y[i] >= 0) z[i * c->n + y[i]] += c->hint;
    }
    ig_metrics_accumulator *a;
    assert_int_equal(ig_metrics_create(IG_TASK_CLASSIFICATION, c->n, true, &a), IG_OK);
    ig_metrics m = measure(a, z, y, c->rows, c->n);
    same(c->name, m.loss, c->loss);
    same(c->name, m.accuracy, c->accuracy);
    same(c->name, m.top5_accuracy, c->top5);
    same(c->name, m.precision, c->precision);
    same(c->name, m.recall, c->recall);
    same(c->name, m.f1, c->f1);
    same(c->name, m.auc, c->auc);
    same(c->name, m.ece, c->ece);
    same(c->name, ig_metrics_score(&m), c->accuracy);
    same(c->name, m.mse, NAN);
    same(c->name, m.perplexity, NAN);
    ig_metrics_destroy(a);
    ig_free(z);
  }
}

static void confusion(void **state) {
  (void)state;
  static const int64_t want[16] = {18, 7, 7, 6, 6, 13, 14, 4, 4, 5, 16, 12, 9, 12, 7, 10};
  const class_case *c = &class_cases[1];
  float *z = make_logits(c->rows, 4, c->salt);
  int64_t y[150];
  for (int i = 0; i < c->rows; i++) {
    y[i] = target_of(c, i);
    z[i * 4 + y[i]] += 1;
  }
  ig_metrics_accumulator *a;
  assert_int_equal(ig_metrics_create(IG_TASK_CLASSIFICATION, 4, true, &a), IG_OK);
  measure(a, z, y, 10, 4);
  ig_metrics_reset(a);
  ig_metrics m = measure(a, z, y, c->rows, 4);
  assert_memory_equal(m.confusion, want, sizeof want);
  for (int k = 0; k < 4; k++) {
    int64_t row = 0, column = 0;
    for (int j = 0; j < 4; j++) {
      row += want[k * 4 + j];
      column += want[j * 4 + k];
    }
    assert_int_equal(m.class_support[k], row);
    same("class precision", m.class_precision[k], (double)want[k * 5] / (double)column);
    same("class recall", m.class_recall[k], (double)want[k * 5] / (double)row);
  }
  ig_metrics_destroy(a);
  ig_free(z);
}

static void flags(void **state) {
  (void)state;
  float *z = make_logits(130, 5, 7), y[130 * 5];
  for (int i = 0; i < 130; i++) {
    for (int k = 0; k < 5; k++) {
      y[i * 5 + k] = k < 4 && noise((uint32_t)i, (uint32_t)k, 8) > 1;
      z[i * 5 + k] += 2 * y[i * 5 + k];
    }
  }
  ig_metrics_accumulator *a;
  ig_metrics m;
  assert_int_equal(ig_metrics_create(IG_TASK_MULTILABEL, 5, true, &a), IG_OK);
  assert_int_equal(ig_metrics_add(a, z, y, 31), IG_OK);
  assert_int_equal(ig_metrics_add(a, z + 31 * 5, y + 31 * 5, 99), IG_OK);
  assert_int_equal(ig_metrics_get(a, &m), IG_OK);
  same("loss", m.loss, 1.00674425419);
  same("accuracy", m.accuracy, 0.0307692307692);
  same("precision", m.precision, 0.37846947599);
  same("recall", m.recall, 0.632659437328);
  same("f1", m.f1, 0.472379782661);
  same("auc", m.auc, 0.715842522209);
  same("score", ig_metrics_score(&m), m.f1);
  assert_null(m.confusion);
  ig_metrics_destroy(a);
  ig_free(z);
}

static ig_metrics regress(const float *z, const float *y, int rows, int n) {
  ig_metrics_accumulator *a;
  ig_metrics m;
  assert_int_equal(ig_metrics_create(IG_TASK_REGRESSION, n, true, &a), IG_OK);
  assert_int_equal(ig_metrics_add(a, z, y, 7), IG_OK);
  assert_int_equal(ig_metrics_add(a, z + 7 * n, y + 7 * n, rows - 7), IG_OK);
  assert_int_equal(ig_metrics_get(a, &m), IG_OK);
  ig_metrics_destroy(a);
  return m;
}

static void numbers(void **state) {
  (void)state;
  enum { ROWS = 110, N = 3 };
  float *z = make_logits(ROWS, N, 10), *y = make_logits(ROWS, N, 11);
  for (int i = 0; i < ROWS * N; i++) z[i] = y[i] + z[i] / 4;
  ig_metrics m = regress(z, y, ROWS, N);
  same("mse", m.mse, 0.334102746212);
  same("loss", m.loss, 0.334102746212);
  same("mae", m.mae, 0.496212121212);
  same("r2", m.r2, 0.935813260875);
  same("score", ig_metrics_score(&m), -m.mse);
  same("accuracy", m.accuracy, NAN);
  for (int i = 0; i < ROWS; i++) y[i * N + 1] = 1.5f;
  m = regress(z, y, ROWS, N);
  same("constant mse", m.mse, 2.492578125);
  same("constant r2", m.r2, 0.621748740558);
  for (int i = 0; i < ROWS; i++) z[i * N + 1] = 1.5f;
  m = regress(z, y, ROWS, N);
  same("met mse", m.mse, 0.232412257339);
  same("met r2", m.r2, 0.955082073891);
  float far_z[ROWS], far_y[ROWS];
  for (int i = 0; i < ROWS; i++) {
    far_z[i] = z[i * N] + 65536;
    far_y[i] = y[i * N] + 65536;
  }
  same("far r2", regress(far_z, far_y, ROWS, 1).r2, 0.923739035462);
  ig_free(z);
  ig_free(y);
}

static void one_row_has_no_r2(void **state) {
  (void)state;
  ig_metrics_accumulator *a;
  ig_metrics m;
  assert_int_equal(ig_metrics_create(IG_TASK_REGRESSION, 1, true, &a), IG_OK);
  assert_int_equal(ig_metrics_add(a, (float[]){1}, (float[]){3}, 1), IG_OK);
  assert_int_equal(ig_metrics_get(a, &m), IG_OK);
  same("mse", m.mse, 4);
  same("r2", m.r2, NAN);
  ig_metrics_destroy(a);
}

static void ties(void **state) {
  (void)state;
  ig_roc_sample samples[60];
  for (uint32_t i = 0; i < 60; i++) {
    samples[i] = (ig_roc_sample){rintf(noise(i, 0, 12)), noise(i, 1, 12) > 0};
  }
  same("auc", ig_roc_auc(samples, 60), 0.441964285714);
  for (int i = 0; i < 60; i++) samples[i].score = 1;
  same("all tied", ig_roc_auc(samples, 60), 0.5);
  for (int i = 0; i < 60; i++) samples[i].positive = true;
  same("all positive", ig_roc_auc(samples, 60), NAN);
  same("none", ig_roc_auc(samples, 0), NAN);
}

static void language(void **state) {
  (void)state;
  /* Uniform logits: every token costs log(vocabulary), so perplexity is the vocabulary. */
  enum { ROWS = 300, N = 1500 };
  float *z = ig_alloc_zero(ROWS * N, sizeof(float));
  int64_t y[ROWS];
  for (int i = 0; i < ROWS; i++) y[i] = i % 2 ? i : -100;
  ig_metrics_accumulator *a;
  assert_int_equal(ig_metrics_create(IG_TASK_LANGUAGE, N, true, &a), IG_OK);
  ig_metrics m = measure(a, z, y, ROWS, N);
  assert_int_equal(m.samples, ROWS / 2);
  same("perplexity", m.perplexity, N);
  same("loss", m.loss, log(N));
  same("score", ig_metrics_score(&m), -log(N));
  same("f1", m.f1, NAN);
  same("auc", m.auc, NAN);
  assert_null(m.confusion);
  ig_metrics_destroy(a);
  ig_free(z);
}

static void nothing_measured(void **state) {
  (void)state;
  ig_metrics_accumulator *a;
  ig_metrics m;
  assert_int_equal(ig_metrics_create(IG_TASK_CLASSIFICATION, 3, true, &a), IG_OK);
  assert_int_equal(ig_metrics_add(a, (float[3]){0}, NULL, 1), IG_OK);
  assert_int_equal(ig_metrics_add(a, (float[3]){0}, (int64_t[]){-1}, 1), IG_OK);
  assert_int_equal(ig_metrics_get(a, &m), IG_OK);
  assert_int_equal(m.samples, 0);
  same("loss", m.loss, NAN);
  same("accuracy", m.accuracy, NAN);
  same("ece", m.ece, NAN);
  ig_metrics_destroy(a);
}

static void refuses(void **state) {
  (void)state;
  ig_metrics_accumulator *a;
  assert_int_equal(ig_metrics_create(IG_TASK_CLASSIFICATION, 3, true, &a), IG_OK);
  assert_int_equal(ig_metrics_add(a, (float[6]){0}, (int64_t[]){0, 3}, 2), IG_ERR_INPUT);
  assert_string_equal(ig_last_error(), "row 1: class 3, but the model has 3 outputs");
  ig_metrics_reset(a);
  assert_int_equal(ig_metrics_add(a, (float[]){0, NAN, 0}, (int64_t[]){0}, 1), IG_ERR_NUMERIC);
  ig_metrics_reset(a);
  assert_int_equal(ig_metrics_add(a, (float[]){0, INFINITY, 0}, (int64_t[]){0}, 1), IG_ERR_NUMERIC);
  ig_metrics_reset(a); /* a masked class that is not the target is fine */
  assert_int_equal(ig_metrics_add(a, (float[]){0, -INFINITY, 0}, (int64_t[]){0}, 1), IG_OK);
  ig_metrics m;
  assert_int_equal(ig_metrics_get(a, &m), IG_OK);
  same("masked", m.loss, log(2));
  ig_metrics_destroy(a);
  assert_int_equal(ig_metrics_create(IG_TASK_AUTO, 3, true, &a), IG_ERR_USAGE);
  assert_int_equal(ig_metrics_create(IG_TASK_CLASSIFICATION, 0, true, &a), IG_ERR_USAGE);
}

static void too_many_rows_for_auc(void **state) {
  (void)state;
  enum { BLOCK = 1 << 16 };
  float *z = ig_alloc_zero(2 * BLOCK, sizeof(float));
  int64_t *y = ig_alloc_zero(BLOCK, sizeof(int64_t));
  for (int i = 0; i < BLOCK; i += 2) {
    y[i] = 1;
    z[2 * i + 1] = 1;
  }
  ig_metrics_accumulator *a;
  ig_metrics m;
  assert_int_equal(ig_metrics_create(IG_TASK_CLASSIFICATION, 2, true, &a), IG_OK);
  for (int64_t rows = 0; rows < (int64_t)1 << 22; rows += BLOCK) {
    assert_int_equal(ig_metrics_add(a, z, y, BLOCK), IG_OK);
  }
  assert_int_equal(ig_metrics_get(a, &m), IG_OK);
  same("auc at the limit", m.auc, 1);
  assert_int_equal(ig_metrics_add(a, z, y, 1), IG_OK);
  assert_int_equal(ig_metrics_get(a, &m), IG_OK);
  same("auc beyond", m.auc, NAN);
  same("accuracy", m.accuracy, 1);
  ig_metrics_destroy(a);
  ig_free(z);
  ig_free(y);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(classes),
                                     cmocka_unit_test(confusion),
                                     cmocka_unit_test(flags),
                                     cmocka_unit_test(numbers),
                                     cmocka_unit_test(one_row_has_no_r2),
                                     cmocka_unit_test(ties),
                                     cmocka_unit_test(language),
                                     cmocka_unit_test(nothing_measured),
                                     cmocka_unit_test(refuses),
                                     cmocka_unit_test(too_many_rows_for_auc)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
