/* Data sets made of arrays and of other data sets: fields, subsets, and the held-out split, whose
 * parts must be disjoint, complete, stratified and the same for the same seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/memory.h"
#include "engine/train/dataset.h"

#define N 1000

typedef struct fixture {
  float x[N][3];
  int32_t y[N];
  ig_field fields[2];
  ig_dataset *dataset;
} fixture;

/* Class c has about 2^-c of the samples; x holds the sample's index. */
static int set_up(void **state) {
  fixture *f = calloc(1, sizeof *f);
  for (int i = 0; i < N; i++) {
    for (int j = 0; j < 3; j++) f->x[i][j] = (float)(10 * i + j);
    f->y[i] = i % 2 ? 0 : i % 4 ? 1 : i % 8 ? 2 : 3;
  }
  f->fields[0] = (ig_field){
      .name = "x", .kind = IG_FIELD_FEATURES, .dtype = IG_F32, .shape = IG_SHAPE(3)};
  f->fields[1] = (ig_field){
      .name = "y", .kind = IG_FIELD_CLASS, .dtype = IG_I32, .shape = IG_SCALAR, .n_classes = 4};
  assert_int_equal(ig_dataset_from_arrays(N, 2, f->fields, (const void *[]){f->x, f->y},
                                          &f->dataset), IG_OK);
  *state = f;
  return 0;
}

static int tear_down(void **state) {
  fixture *f = *state;
  ig_dataset_destroy(f->dataset);
  free(f);
  return 0;
}

/* The sample's index in the base, recovered from x. */
static int64_t origin(ig_dataset *dataset, int64_t index, int32_t *label) {
  float x[3];
  int32_t y;
  assert_int_equal(ig_dataset_read(dataset, &index, 1, (void *[]){x, &y}), IG_OK);
  assert_float_equal(x[1], x[0] + 1, 0);
  if (label) *label = y;
  return (int64_t)x[0] / 10;
}

static void fields_by_name(void **state) {
  fixture *f = *state;
  assert_ptr_equal(ig_dataset_field(f->dataset, "y"), &f->dataset->fields[1]);
  assert_null(ig_dataset_field(f->dataset, "z"));
}

static void reads_in_the_order_asked(void **state) {
  fixture *f = *state;
  int64_t indices[] = {999, 0, 500, 500};
  float x[4][3];
  assert_int_equal(ig_dataset_read(f->dataset, indices, 4, (void *[]){x, NULL}), IG_OK);
  for (int i = 0; i < 4; i++) assert_float_equal(x[i][2], (float)(10 * indices[i] + 2), 0);
}

static void subset_maps_indices(void **state) {
  fixture *f = *state;
  int64_t indices[600];
  for (int i = 0; i < 600; i++) indices[i] = (i * 7) % N;
  ig_dataset *view, *inner;
  assert_int_equal(ig_dataset_subset(f->dataset, false, indices, 600, &view), IG_OK);
  assert_int_equal(view->n_samples, 600);
  assert_true(view->digest != f->dataset->digest);
  int64_t all[600];
  float x[600][3];
  for (int i = 0; i < 600; i++) all[i] = 599 - i;
  assert_int_equal(ig_dataset_read(view, all, 600, (void *[]){x, NULL}), IG_OK);
  for (int i = 0; i < 600; i++) assert_float_equal(x[i][0], (float)(10 * indices[599 - i]), 0);
  int64_t second[] = {10, 20};
  assert_int_equal(ig_dataset_subset(view, true, second, 2, &inner), IG_OK);
  assert_int_equal(origin(inner, 1, NULL), indices[20]);
  ig_dataset_destroy(inner); /* and `view` with it */
}

static void subset_refuses_bad_indices(void **state) {
  fixture *f = *state;
  ig_dataset *view;
  int64_t high[] = {0, N}, low[] = {-1};
  assert_int_equal(ig_dataset_subset(f->dataset, false, high, 2, &view), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "1000; expected 0 to 999"));
  assert_int_equal(ig_dataset_subset(f->dataset, false, low, 1, &view), IG_ERR_INPUT);
}

static void split_is_stratified(void **state) {
  fixture *f = *state;
  ig_dataset *rest, *held;
  assert_int_equal(ig_dataset_split(f->dataset, 0.1, 7, &rest, &held), IG_OK);
  assert_int_equal(held->n_samples, 100);
  assert_int_equal(rest->n_samples, 900);
  int seen[N] = {0}, held_by_class[4] = {0};
  for (int64_t i = 0; i < 900; i++) seen[origin(rest, i, NULL)]++;
  for (int64_t i = 0; i < 100; i++) {
    int32_t label;
    seen[origin(held, i, &label)]++;
    held_by_class[label]++;
  }
  for (int i = 0; i < N; i++) assert_int_equal(seen[i], 1);
  /* Of 500, 250, 125 and 125 samples: 50, 25, 12.5 and 12.5; one of the two halves is rounded
   * up. */
  assert_int_equal(held_by_class[0], 50);
  assert_int_equal(held_by_class[1], 25);
  assert_int_equal(held_by_class[2], 13);
  assert_int_equal(held_by_class[3], 12);
  ig_dataset_destroy(rest);
  ig_dataset_destroy(held);
}

static void split_depends_on_the_seed_alone(void **state) {
  fixture *f = *state;
  ig_dataset *rest[3], *held[3];
  uint64_t seeds[] = {7, 7, 8};
  for (int i = 0; i < 3; i++) {
    assert_int_equal(ig_dataset_split(f->dataset, 0.2, seeds[i], &rest[i], &held[i]), IG_OK);
  }
  int same = 0;
  for (int64_t i = 0; i < 200; i++) {
    assert_int_equal(origin(held[0], i, NULL), origin(held[1], i, NULL));
    same += origin(held[0], i, NULL) == origin(held[2], i, NULL);
  }
  assert_true(same < 50);
  assert_true(held[0]->digest == held[1]->digest);
  assert_true(held[0]->digest != held[2]->digest);
  for (int i = 0; i < 3; i++) {
    ig_dataset_destroy(rest[i]);
    ig_dataset_destroy(held[i]);
  }
}

/* Windows of 8 tokens at every position: no window of the rest may reach into the held-out part,
 * whose windows follow one another. */
static void split_of_a_sequence_cuts_the_end(void **state) {
  fixture *f = *state;
  f->dataset->sequential = true;
  f->dataset->overlap = 7;
  ig_dataset *rest, *held;
  assert_int_equal(ig_dataset_split(f->dataset, 0.1, 7, &rest, &held), IG_OK);
  assert_int_equal(rest->n_samples, 893);
  for (int64_t i = 0; i < 893; i++) assert_int_equal(origin(rest, i, NULL), i);
  assert_int_equal(held->n_samples, 13);
  for (int64_t i = 0; i < 13; i++) assert_int_equal(origin(held, i, NULL), 900 + 8 * i);
  ig_dataset_destroy(rest);
  ig_dataset_destroy(held);
}

static void split_refuses_empty_parts(void **state) {
  fixture *f = *state;
  ig_dataset *rest, *held;
  assert_int_equal(ig_dataset_split(f->dataset, 0, 7, &rest, &held), IG_ERR_USAGE);
  assert_int_equal(ig_dataset_split(f->dataset, 1, 7, &rest, &held), IG_ERR_USAGE);
  assert_int_equal(ig_dataset_split(f->dataset, 0.0001, 7, &rest, &held), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "leaves one part empty"));
  f->dataset->sequential = true;
  f->dataset->overlap = 990;
  assert_int_equal(ig_dataset_split(f->dataset, 0.1, 7, &rest, &held), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "without overlap"));
}

static void split_names_a_label_out_of_range(void **state) {
  fixture *f = *state;
  f->y[41] = 4;
  ig_dataset *rest, *held;
  assert_int_equal(ig_dataset_split(f->dataset, 0.1, 7, &rest, &held), IG_ERR_INPUT);
  assert_string_equal(ig_last_error(), "memory: sample 41 has class 4; expected 0 to 3");
}

static void count_releases(void *owner) { ++*(int *)owner; }

static void owned_arrays_are_released_once(void **state) {
  fixture *f = *state;
  ig_dataset description = *f->dataset, *owned;
  description.path = "here";
  int releases = 0;
  const void *data[] = {f->x, f->y};
  assert_int_equal(ig_dataset_own_arrays(&description, data, count_releases, &releases, &owned),
                   IG_OK);
  assert_string_equal(owned->path, "here");
  assert_int_equal(origin(owned, 12, NULL), 12);
  ig_dataset_destroy(owned);
  assert_int_equal(releases, 1);
  description.fields[0].shape = IG_SHAPE(INT64_MAX / 4, 3);
  assert_int_equal(ig_dataset_own_arrays(&description, data, count_releases, &releases, &owned),
                   IG_ERR_SHAPE);
  assert_int_equal(releases, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(fields_by_name),
      TEST(reads_in_the_order_asked),
      TEST(subset_maps_indices),
      TEST(subset_refuses_bad_indices),
      TEST(split_is_stratified),
      TEST(split_depends_on_the_seed_alone),
      TEST(split_of_a_sequence_cuts_the_end),
      TEST(split_refuses_empty_parts),
      TEST(split_names_a_label_out_of_range),
      TEST(owned_arrays_are_released_once),
  };
  return cmocka_run_group_tests_name("dataset", tests, NULL, NULL);
}
