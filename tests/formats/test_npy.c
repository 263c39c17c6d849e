/* NPY and NPZ files as numpy writes them (golden/make_golden.py), and what is refused. */
#include "data_files.h"

/* golden/table_*.npy: element (i, j) is 3 i + j. */
static void every_number_type(void **state) {
  (void)state;
  static const struct {
    const char *path;
    ig_dtype dtype;
  } cases[] = {
      {GOLDEN("table_le_f8.npy"), IG_F64}, {GOLDEN("table_le_f4.npy"), IG_F32},
      {GOLDEN("table_le_f2.npy"), IG_F16}, {GOLDEN("table_le_i8.npy"), IG_I64},
      {GOLDEN("table_le_i4.npy"), IG_I32}, {GOLDEN("table_le_i2.npy"), IG_I32},
      {GOLDEN("table_i1.npy"), IG_I8},     {GOLDEN("table_le_u8.npy"), IG_I64},
      {GOLDEN("table_le_u4.npy"), IG_I64}, {GOLDEN("table_le_u2.npy"), IG_I32},
      {GOLDEN("table_u1.npy"), IG_U8},     {GOLDEN("table_be_f4.npy"), IG_F32},
      {GOLDEN("table_be_i8.npy"), IG_I64}, {GOLDEN("table_be_u2.npy"), IG_I32},
      {GOLDEN("table_fortran.npy"), IG_F32},
  };
  for (int i = 0; i < IG_COUNT(cases); i++) {
    ig_dataset *d = open_ok(cases[i].path, NULL);
    assert_string_equal(d->format, "npy");
    assert_int_equal(d->n_samples, 4);
    assert_int_equal(d->n_fields, 1);
    assert_int_equal(d->fields[0].dtype, cases[i].dtype);
    assert_int_equal(d->fields[0].kind, IG_FIELD_FEATURES);
    assert_string_equal(IG_SHAPE_STR(&d->fields[0].shape), "[3]");
    assert_true(d->digest != 0);
    for (int k = 0; k < 12; k++) assert_true(element(d, 0, k) == k);
    ig_dataset_destroy(d);
  }
}

static void booleans(void **state) {
  (void)state;
  ig_dataset *d = open_ok(GOLDEN("table_bool.npy"), NULL);
  assert_int_equal(d->fields[0].dtype, IG_BOOL);
  for (int k = 0; k < 12; k++) assert_true(element(d, 0, k) == k % 2);
  ig_dataset_destroy(d);
}

static void fortran_order_of_rank_three(void **state) {
  (void)state;
  ig_dataset *d = open_ok(GOLDEN("cube_fortran.npy"), NULL);
  assert_string_equal(IG_SHAPE_STR(&d->fields[0].shape), "[3, 4]");
  for (int k = 0; k < 24; k++) assert_true(element(d, 0, k) == k);
  ig_dataset_destroy(d);
}

static void a_column_as_target(void **state) {
  (void)state;
  ig_dataset_open_options options = {.target = "1"};
  ig_dataset *d = open_ok(GOLDEN("table_le_f4.npy"), &options);
  assert_int_equal(d->n_fields, 2);
  assert_int_equal(d->fields[1].kind, IG_FIELD_TARGETS);
  assert_string_equal(IG_SHAPE_STR(&d->fields[0].shape), "[2]");
  for (int i = 0; i < 4; i++) {
    assert_true(element(d, 0, 2 * i) == 3 * i);
    assert_true(element(d, 0, 2 * i + 1) == 3 * i + 2);
    assert_true(element(d, 1, i) == 3 * i + 1);
  }
  ig_dataset_destroy(d);
  options.target = "-1"; /* integers: 2, 5, 8, 11 are classes of 12 */
  d = open_ok(GOLDEN("table_u1.npy"), &options);
  assert_int_equal(d->fields[1].kind, IG_FIELD_CLASS);
  assert_int_equal(d->fields[1].n_classes, 12);
  assert_true(element(d, 1, 3) == 11);
  ig_dataset_destroy(d);
  options.target_as = IG_TARGET_VALUES;
  d = open_ok(GOLDEN("table_u1.npy"), &options);
  assert_int_equal(d->fields[1].kind, IG_FIELD_TARGETS);
  ig_dataset_destroy(d);
  options.target = "3";
  open_fails(GOLDEN("table_u1.npy"), &options, IG_ERR_INPUT,
             "target '3'; expected the number of one of its 3 columns, from 0");
}

static void what_numpy_holds_beyond_numbers(void **state) {
  (void)state;
  open_fails(GOLDEN("objects.npy"), NULL, IG_ERR_INPUT,
             "objects.npy: holds Python objects (dtype |O), which are not read");
  open_fails(GOLDEN("records.npy"), NULL, IG_ERR_INPUT, "records.npy: holds records");
  open_fails(GOLDEN("text.npy"), NULL, IG_ERR_INPUT, "has dtype <U1; expected numbers");
  open_fails(GOLDEN("scalar.npy"), NULL, IG_ERR_INPUT, "is a single number");
  open_fails(GOLDEN("table_u1.npy") ":train", NULL, IG_ERR_INPUT, "a NPY file has no parts");
}

/* The whole header is text: every wrong one is told apart. */
static void bad_headers(void **state) {
  (void)state;
  static const struct {
    const char *header, *says;
  } cases[] = {
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }",
       "needs 12 bytes of elements; found 8"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", "dimension 0 is not a number"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }",
       "more elements than can be counted"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
       "dimension 0 is not a number that fits"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }",
       "more than 8 dimensions"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,", "dimension 1 is not a number"},
      {"{'descr': '<f4', 'fortran_order': 0, 'shape': (2,), }", "expected True or False"},
      {"{'descr': '<f4', 'shape': (2,), }", "expected descr, fortran_order and shape"},
      {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "has dtype <c8"},
      {"{'descr': '<f4', 'extra': 1, 'fortran_order': False, 'shape': (2,), }",
       "unknown key 'extra'"},
      {"__import__('os').system('true')", "expected '{'"},
  };
  for (int i = 0; i < IG_COUNT(cases); i++) {
    unsigned char bytes[256] = "\x93NUMPY\x01";
    size_t n = strlen(cases[i].header);
    bytes[8] = (unsigned char)n;
    memcpy(bytes + 10, cases[i].header, n);
    open_fails(write_bytes("bad.npy", bytes, 10 + n + 8), NULL, IG_ERR_INPUT, cases[i].says);
  }
}

/* images[s, h, w, c] is ((s * 6 + h) * 4 + w) * 3 + c modulo 251; the reader turns it to [c, h,
 * w]. */
static void npz_images(void **state) {
  (void)state;
  static const char *const paths[] = {GOLDEN("images.npz"), GOLDEN("images_deflated.npz")};
  static const int labels[] = {2, 0, 1, 2, 0};
  for (int p = 0; p < 2; p++) {
    ig_dataset *d = open_ok(paths[p], NULL);
    assert_string_equal(d->format, "npz");
    assert_int_equal(d->n_samples, 5);
    assert_string_equal(d->fields[0].name, "x");
    assert_int_equal(d->fields[0].kind, IG_FIELD_IMAGE);
    assert_string_equal(IG_SHAPE_STR(&d->fields[0].shape), "[3, 6, 4]");
    assert_string_equal(d->fields[1].name, "y");
    assert_int_equal(d->fields[1].kind, IG_FIELD_CLASS);
    assert_int_equal(d->fields[1].n_classes, 3);
    uint8_t *x = read_field(d, 0);
    for (int s = 0, at = 0; s < 5; s++) {
      for (int c = 0; c < 3; c++) {
        for (int h = 0; h < 6; h++) {
          for (int w = 0; w < 4; w++) {
            assert_int_equal(x[at++], (((s * 6 + h) * 4 + w) * 3 + c) % 251);
          }
        }
      }
      assert_true(element(d, 1, s) == labels[s]);
    }
    free(x);
    ig_dataset_destroy(d);
  }
}

static void npz_without_target(void **state) {
  (void)state;
  ig_dataset *d = open_ok(GOLDEN("two_inputs.npz"), NULL);
  assert_int_equal(d->n_fields, 2);
  assert_string_equal(d->fields[0].name, "a");
  assert_string_equal(d->fields[1].name, "b");
  assert_int_equal(d->fields[1].kind, IG_FIELD_FEATURES);
  ig_dataset_destroy(d);
  ig_dataset_open_options options = {.target = "a"};
  d = open_ok(GOLDEN("two_inputs.npz"), &options);
  assert_string_equal(d->fields[1].name, "a");
  assert_int_equal(d->fields[1].kind, IG_FIELD_TARGETS);
  ig_dataset_destroy(d);
  options.target = "z";
  open_fails(GOLDEN("two_inputs.npz"), &options, IG_ERR_INPUT, "has no array 'z' for the target");
}

static void npz_refusals(void **state) {
  (void)state;
  open_fails(GOLDEN("uneven.npz"), NULL, IG_ERR_SHAPE,
             "array 'x' has 3 samples and 'y' has 2; expected as many");
  ig_dataset_open_options small = {.memory_limit = 100};
  open_fails(GOLDEN("images.npz"), &small, IG_ERR_MEMORY, "the memory limit");
}

/* A label that the training data did not have. */
static void labels_like_the_training_data(void **state) {
  (void)state;
  ig_field like[] = {{.name = "y", .kind = IG_FIELD_CLASS, .n_classes = 10}};
  ig_dataset_open_options options = {.like = like, .n_like = 1};
  ig_dataset *d = open_ok(GOLDEN("images.npz"), &options);
  assert_int_equal(d->fields[1].n_classes, 10);
  ig_dataset_destroy(d);
  like[0].n_classes = 2;
  open_fails(GOLDEN("images.npz"), &options, IG_ERR_INPUT,
             "'y', sample 0: found label 2; expected 0 to 1");
}

static void damage(void **state) {
  (void)state;
  every_truncation_fails(GOLDEN("table_le_f4.npy"), "cut.npy", NULL);
  every_truncation_fails(GOLDEN("images_deflated.npz"), "cut.npz", NULL);
  every_byte_changed(GOLDEN("table_le_f4.npy"), "changed.npy", NULL);
  every_byte_changed(GOLDEN("images_deflated.npz"), "changed.npz", NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_number_type),
      cmocka_unit_test(booleans),
      cmocka_unit_test(fortran_order_of_rank_three),
      cmocka_unit_test(a_column_as_target),
      cmocka_unit_test(what_numpy_holds_beyond_numbers),
      cmocka_unit_test(bad_headers),
      cmocka_unit_test(npz_images),
      cmocka_unit_test(npz_without_target),
      cmocka_unit_test(npz_refusals),
      cmocka_unit_test(labels_like_the_training_data),
      cmocka_unit_test(damage),
  };
  return cmocka_run_group_tests_name("npy", tests, make_scratch, remove_scratch);
}
