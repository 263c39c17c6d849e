/* Records of results: what follows from logits against figures worked out by hand, fillers, and columns. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/eval/row_layout.h"

static ig_row_layout make(ig_task task, bool derive) {
  ig_row_layout layout;
  ig_tensor_info outputs[2] = {{.name = "y", .dtype = IG_F32, .shape = IG_SHAPE(3)},
                               {.name = "k", .dtype = IG_I64, .shape = IG_SCALAR}};
  assert_int_equal(ig_row_layout_make(2, outputs, task, derive, &layout), IG_OK);
  return layout;
}

static void get(const ig_row_layout *l, const char *record, int part, void *to) {
  memcpy(to, record + l->parts[part].offset, l->parts[part].bytes);
}

/* Softmax of (0, ln 2, ln 5) is (1, 2, 5) / 8; of equal logits, thirds, and the first is the class. */
static void a_classifiers_record(void **state) {
  (void)state;
  ig_row_layout l = make(IG_TASK_CLASSIFICATION, true);
  assert_int_equal(l.n, 4);
  assert_int_equal(l.bytes, 12 + 8 + 12 + 8 + 1);
  const float y[2][3] = {{0, 0.69314718056f, 1.60943791243f}, {4, 4, 4}};
  const int64_t k[2] = {-7, 1LL << 40};
  const void *outputs[2] = {y, k};
  char record[64];
  float p[3];
  int64_t value;
  ig_row_layout_fill(&l, outputs, 0, record);
  assert_int_equal(ig_row_state_of(&l, record), IG_ROW_COMPUTED);
  get(&l, record, l.probability, p);
  assert_true(fabsf(p[0] - 0.125f) < 1e-7f && fabsf(p[1] - 0.25f) < 1e-7f &&
              fabsf(p[2] - 0.625f) < 1e-7f);
  get(&l, record, l.prediction, &value);
  assert_int_equal(value, 2);
  get(&l, record, 0, p);
  assert_memory_equal(p, y[0], sizeof p);
  ig_row_layout_fill(&l, outputs, 1, record);
  get(&l, record, l.prediction, &value);
  assert_int_equal(value, 0);
  get(&l, record, 1, &value);
  assert_true(value == 1LL << 40);
}

static void flags_have_probabilities(void **state) {
  (void)state;
  ig_row_layout l = make(IG_TASK_MULTILABEL, true);
  assert_int_equal(l.n, 3);
  assert_int_equal(l.prediction, -1);
  const float y[3] = {0, 1.09861228867f, -1.09861228867f}; /* ln 3: 3/4 and 1/4 */
  const int64_t k = 1;
  char record[64];
  float p[3];
  ig_row_layout_fill(&l, (const void *[]){y, &k}, 0, record);
  get(&l, record, l.probability, p);
  assert_true(p[0] == 0.5f && fabsf(p[1] - 0.75f) < 1e-7f && fabsf(p[2] - 0.25f) < 1e-7f);
}

static void plain_numbers_have_nothing_more(void **state) {
  (void)state;
  assert_int_equal(make(IG_TASK_REGRESSION, true).n, 2);
  assert_int_equal(make(IG_TASK_CLASSIFICATION, false).n, 2);
}

static void skipped_rows_are_filled_in(void **state) {
  (void)state;
  ig_row_layout l = make(IG_TASK_CLASSIFICATION, true);
  char records[3 * 64];
  float y[3][3] = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}}, p[3][3];
  int64_t k[3] = {1, 2, 3}, classes[3];
  const void *outputs[2] = {y, k};
  ig_row_layout_fill(&l, outputs, 0, records);
  ig_row_layout_skip(&l, records + l.bytes);
  ig_row_layout_fill(&l, outputs, 2, records + 2 * l.bytes);
  assert_int_equal(ig_row_state_of(&l, records + l.bytes), IG_ROW_SKIPPED);
  float logits[3][3];
  int64_t keys[3];
  ig_row_layout_columns(&l, records, 3, (void *[]){logits, keys, p, classes});
  assert_memory_equal(logits[0], y[0], sizeof y[0]);
  assert_memory_equal(logits[2], y[2], sizeof y[2]);
  for (int i = 0; i < 3; i++) assert_true(isnan(logits[1][i]) && isnan(p[1][i]));
  assert_int_equal(keys[1], -1);
  assert_int_equal(classes[1], -1);
  assert_int_equal(keys[2], 3);
  assert_int_equal(classes[2], 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_classifiers_record),
                                     cmocka_unit_test(flags_have_probabilities),
                                     cmocka_unit_test(plain_numbers_have_nothing_more),
                                     cmocka_unit_test(skipped_rows_are_filled_in)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
