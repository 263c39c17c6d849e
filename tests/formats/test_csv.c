/* CSV: headers, quoting, words as categories, targets, missing values, the training data's columns,
 * and one clear line for each way in which a table can be broken. */
#include "data_files.h"

#include <math.h>

static void check_rows(ig_dataset *d, int f, int64_t n, const double *values) {
  for (int64_t i = 0; i < n; i++) {
    double got = element(d, f, i);
    if (!(got == values[i] || (isnan(got) && isnan(values[i])))) {
      fail_msg("field %d, element %d: %g, expected %g", f, (int)i, got, values[i]);
    }
  }
}

static void numbers_and_words(void **state) {
  (void)state;
  ig_dataset *d = open_ok(write_text("a.csv", "size,color,weight,kind\n"
                                              "1,red,0.5,cat\r\n"
                                              "2,blue,-1e2,dog\n"
                                              "\n"
                                              "3,red,.25,cat"), NULL);
  assert_string_equal(d->format, "csv");
  assert_int_equal(d->n_samples, 3);
  assert_int_equal(d->fields[0].kind, IG_FIELD_FEATURES);
  assert_int_equal(d->fields[0].dtype, IG_F32);
  assert_string_equal(IG_SHAPE_STR(&d->fields[0].shape), "[4]");
  static const char *const columns[] = {"size", "color=blue", "color=red", "weight"};
  for (int i = 0; i < 4; i++) assert_string_equal(d->fields[0].columns[i], columns[i]);
  check_rows(d, 0, 12, (double[]){1, 0, 1, 0.5, 2, 1, 0, -100, 3, 0, 1, 0.25});
  assert_int_equal(d->fields[1].kind, IG_FIELD_CLASS);
  assert_int_equal(d->fields[1].n_classes, 2);
  assert_string_equal(d->fields[1].classes[0], "cat");
  assert_string_equal(d->fields[1].classes[1], "dog");
  assert_string_equal(d->fields[1].columns[0], "kind");
  check_rows(d, 1, 3, (double[]){0, 1, 0});
  ig_dataset_destroy(d);
  ig_dataset_open_options options = {.categorical = IG_INDEX};
  d = open_ok(scratch("a.csv"), &options);
  assert_string_equal(IG_SHAPE_STR(&d->fields[0].shape), "[3]");
  assert_string_equal(d->fields[0].columns[1], "color{blue|red}");
  check_rows(d, 0, 9, (double[]){1, 1, 0.5, 2, 0, -100, 3, 1, 0.25});
  ig_dataset_destroy(d);
}

static void delimiters_and_headers(void **state) {
  (void)state;
  static const struct {
    const char *text, *first, *second;
  } cases[] = {
      {"a,b,c\n1,2,3\n4,5,6\n", "a", "b"},
      {"a;b;c\n1;2;3\n4;5;6\n", "a", "b"},
      {"a\tb\tc\n1\t2\t3\n4\t5\t6\n", "a", "b"},
      {"a|b|c\r1|2|3\r4|5|6", "a", "b"},
      {"1,2,3\n4,5,6\n", "0", "1"},           /* no header */
      {",b,c\n1,2,3\n4,5,6\n", "column_1", "b"}, /* an index column without a name */
      {"\xef\xbb\xbf" "a,b,c\n1,2,3\n4,5,6\n", "a", "b"},
      {"\"a, or \"\"A\"\"\",\"b\nc\",c\n\"1\",2,3\n4, 5 ,6\n", "a, or \"A\"", "b\nc"},
  };
  for (int i = 0; i < IG_COUNT(cases); i++) {
    ig_dataset *d = open_ok(write_text("d", cases[i].text), NULL);
    assert_string_equal(d->format, "csv");
    assert_int_equal(d->n_samples, 2);
    assert_string_equal(d->fields[0].columns[0], cases[i].first);
    assert_string_equal(d->fields[0].columns[1], cases[i].second);
    check_rows(d, 0, 4, (double[]){1, 2, 4, 5});
    check_rows(d, 1, 2, (double[]){3, 6});
    ig_dataset_destroy(d);
  }
  ig_dataset_open_options options = {.header = IG_HEADER_NO};
  ig_dataset *d = open_ok(write_text("h.csv", "x,1\ny,2\n"), &options);
  assert_int_equal(d->n_samples, 2);
  ig_dataset_destroy(d);
  options.header = IG_HEADER_YES;
  d = open_ok(write_text("h.csv", "2019,2020\n1,2\n3,4\n"), &options);
  assert_int_equal(d->n_samples, 2);
  assert_string_equal(d->fields[0].columns[0], "2019");
  ig_dataset_destroy(d);
}

static void targets(void **state) {
  (void)state;
  const char *path = write_text("t.csv", "a,b,p,q\n1,0.5,1,0\n2,1.5,0,0\n3,2.5,1,1\n");
  ig_dataset_open_options options = {.target = "a"};
  ig_dataset *d = open_ok(path, &options);
  assert_int_equal(d->fields[1].kind, IG_FIELD_CLASS); /* few whole numbers */
  assert_int_equal(d->fields[1].n_classes, 4);
  assert_string_equal(d->fields[0].columns[0], "b");
  ig_dataset_destroy(d);
  options.target_as = IG_TARGET_VALUES;
  d = open_ok(path, &options);
  assert_int_equal(d->fields[1].kind, IG_FIELD_TARGETS);
  check_rows(d, 1, 3, (double[]){1, 2, 3});
  ig_dataset_destroy(d);
  options = (ig_dataset_open_options){.target = "b"};
  d = open_ok(path, &options);
  assert_int_equal(d->fields[1].kind, IG_FIELD_TARGETS);
  assert_int_equal(d->fields[1].shape.rank, 0);
  ig_dataset_destroy(d);
  options.target = "p,q";
  d = open_ok(path, &options);
  assert_int_equal(d->fields[1].kind, IG_FIELD_TARGETS);
  assert_int_equal(d->fields[1].dtype, IG_U8); /* flags */
  assert_string_equal(IG_SHAPE_STR(&d->fields[1].shape), "[2]");
  check_rows(d, 1, 6, (double[]){1, 0, 0, 0, 1, 1});
  ig_dataset_destroy(d);
  options.target = "a,q";
  d = open_ok(path, &options);
  assert_int_equal(d->fields[1].dtype, IG_F32);
  check_rows(d, 1, 6, (double[]){1, 0, 2, 0, 3, 1});
  ig_dataset_destroy(d);
  options.target = "b,c";
  open_fails(path, &options, IG_ERR_INPUT,
             "t.csv: has no column 'c' for the target; its columns are 'a' to 'q'");
  options = (ig_dataset_open_options){.no_target = true};
  d = open_ok(path, &options);
  assert_int_equal(d->n_fields, 1);
  assert_string_equal(IG_SHAPE_STR(&d->fields[0].shape), "[4]");
  ig_dataset_destroy(d);
}

static void many_whole_numbers_are_values(void **state) {
  (void)state;
  static char text[40000];
  size_t used = (size_t)sprintf(text, "a,price\n");
  for (int i = 0; i < 2000; i++) used += (size_t)sprintf(text + used, "%d,%d\n", i % 7, 900 + i);
  ig_dataset *d = open_ok(write_text("p.csv", text), NULL);
  assert_int_equal(d->fields[1].kind, IG_FIELD_TARGETS);
  ig_dataset_destroy(d);
  open_fails(write_text("n.csv", "a,y\n1,-1\n2,1\n"), NULL, IG_ERR_INPUT,
             "'y', sample 0: found label -1; classes count from 0");
}

static void missing_values(void **state) {
  (void)state;
  const char *path = write_text("m.csv", "a,b,y\n1,red,0.5\nNA,,1.5\n3,blue,2.5\n");
  open_fails(path, NULL, IG_ERR_INPUT, "m.csv: line 3, column 'a': expected a number, found 'NA'");
  ig_dataset_open_options options = {.missing = IG_MISSING_NAN};
  ig_dataset *d = open_ok(path, &options);
  check_rows(d, 0, 9, (double[]){1, 0, 1, NAN, 0, 0, 3, 1, 0});
  ig_dataset_destroy(d);
  open_fails(write_text("m.csv", "a,y\n1,2\n2,\n"), NULL, IG_ERR_INPUT,
             "line 3, column 'y': expected a number, found nothing");
  open_fails(write_text("m.csv", "a,y\n1,x\n2,\n"), &options, IG_ERR_INPUT,
             "line 3, column 'y': expected a category, found nothing");
  open_fails(write_text("m.csv", "a,y\n1,2\ninf,3\n"), NULL, IG_ERR_INPUT,
             "line 3, column 'a': expected a finite number, found 'inf'");
  open_fails(write_text("m.csv", "a,y\n1,2\n1e60,3\n"), NULL, IG_ERR_INPUT,
             "expected a finite number, found '1e60'");
}

/* One word among many numbers is a mistake, not a category. */
static void a_word_among_numbers(void **state) {
  (void)state;
  char text[1000] = "a,y\n";
  for (int i = 0; i < 30; i++) sprintf(text + strlen(text), "%d,%d\n", i, i % 2);
  strcat(text, "12x,1\n");
  open_fails(write_text("w.csv", text), NULL, IG_ERR_INPUT,
             "w.csv: line 32, column 'a': expected a number, found '12x'");
}

static void like_the_training_data(void **state) {
  (void)state;
  ig_dataset *train = open_ok(write_text("train.csv", "color,size,kind\nred,1,cat\nblue,2,dog\n"
                                                      "green,3,cow\n"), NULL);
  ig_dataset_open_options options = {.like = train->fields, .n_like = train->n_fields};
  /* Other order, another column, fewer categories. */
  ig_dataset *d = open_ok(write_text("test.csv", "kind,id,size,color\ndog,77,5,green\n"), &options);
  assert_string_equal(IG_SHAPE_STR(&d->fields[0].shape), "[4]");
  check_rows(d, 0, 4, (double[]){0, 1, 0, 5}); /* blue green red size */
  assert_int_equal(d->fields[1].n_classes, 3);
  check_rows(d, 1, 1, (double[]){2}); /* cat cow dog */
  ig_dataset_destroy(d);
  d = open_ok(write_text("infer.csv", "size,color\n5,red\n6,blue\n"), &options); /* no target */
  assert_int_equal(d->n_fields, 1);
  check_rows(d, 0, 8, (double[]){0, 0, 1, 5, 1, 0, 0, 6});
  ig_dataset_destroy(d);
  open_fails(
      write_text("u.csv", "size,color,kind\n5,pink,cat\n"), &options, IG_ERR_INPUT,
      "u.csv: line 2, column 'color': expected a category of the training data, found 'pink'");
  open_fails(write_text("u.csv", "size,color,kind\n5,red,owl\n"), &options, IG_ERR_INPUT,
             "column 'kind': expected a category of the training data, found 'owl'");
  open_fails(write_text("u.csv", "size,kind\n5,cat\n"), &options, IG_ERR_INPUT,
             "has no column for 'color=blue', which the model was trained on");
  ig_dataset_destroy(train);
  options = (ig_dataset_open_options){.categorical = IG_INDEX};
  train = open_ok(scratch("train.csv"), &options);
  options.like = train->fields;
  options.n_like = train->n_fields;
  d = open_ok(scratch("test.csv"), &options);
  check_rows(d, 0, 2, (double[]){1, 5});
  ig_dataset_destroy(d);
  ig_dataset_destroy(train);
}

static void broken_tables(void **state) {
  (void)state;
  static const struct {
    const char *text, *says;
  } cases[] = {
      {"a,b\n1,2\n3\n", "b.csv: line 3: found 1 fields; expected 2"},
      {"a,b\n1,2\n\"x\ny\",2\n3,4,5\n", "line 5: found 3 fields; expected 2"},
      {"a,b\n1,\"2\n", "line 2: the quoted field that begins here does not end"},
      {"a,b\n1,\"2\"x\n",
       "line 2: expected ',' or the line's end after the closing quote, found 'x'"},
      {"a,b\n", "holds a header and no rows"},
      {"\n\n", "holds no records"},
      {"a\n1\n2\n", "has one column, delimited by none of , ; | and tab"},
  };
  for (int i = 0; i < IG_COUNT(cases); i++) {
    open_fails(write_text("b.csv", cases[i].text), NULL, IG_ERR_INPUT, cases[i].says);
  }
  open_fails(write_text("b.csv", "a,b\n1,2\n3,\xff\n"), NULL, IG_ERR_INPUT,
             "b.csv: is named like csv but is not: expected UTF-8 text, found 61 2c 62 0a");
  static char padded[70100]; /* the damage stands beyond what is looked at to recognise it */
  memset(padded, '\n', sizeof padded);
  memcpy(padded, "a,b\n1,2\n", 8);
  memcpy(padded + 70000, "3,\xff\n", 4);
  open_fails(write_bytes("b.csv", padded, sizeof padded), NULL, IG_ERR_INPUT,
             "b.csv: line 69995: holds bytes that are not UTF-8 text");
  ig_dataset_open_options options = {.header = IG_HEADER_YES};
  open_fails(write_text("b.csv", "a,a\n1,2\n"), &options, IG_ERR_INPUT,
             "line 1: the column 'a' is named twice");
  options = (ig_dataset_open_options){.memory_limit = 20};
  open_fails(write_text("b.csv", "a,b\n1,2\n3,4\n"), &options, IG_ERR_MEMORY,
             "2 rows of 1 features exceed the memory limit of 20 bytes");
  open_fails(write_text("b.csv", "y\n1\n"), &(ig_dataset_open_options){.target = "y"}, IG_ERR_INPUT,
             "has no columns besides the target");
}

static void too_many_categories(void **state) {
  (void)state;
  static char text[100000];
  size_t used = (size_t)sprintf(text, "id,y\n");
  for (int i = 0; i < 5000; i++) used += (size_t)sprintf(text + used, "n%d,%d\n", i, i % 2);
  open_fails(write_text("i.csv", text), NULL, IG_ERR_INPUT,
             "i.csv: line 4098, column 'id': expected at most 4096 categories");
}

/* A table cut short is still a table: what matters is that nothing crashes, and that a row which
 * lost fields is noticed. */
static void damage(void **state) {
  (void)state;
  const char *text = "a,\"b \"\"q\"\"\",y\n1,\"x\ny\",2\n3,\"z\",4\n";
  for (size_t cut = 0; cut <= strlen(text); cut++) {
    open_and_read(write_bytes("cut.csv", text, cut), NULL);
  }
  every_byte_changed(write_text("sound.csv", text), "changed.csv", NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_and_words),
      cmocka_unit_test(delimiters_and_headers),
      cmocka_unit_test(targets),
      cmocka_unit_test(many_whole_numbers_are_values),
      cmocka_unit_test(missing_values),
      cmocka_unit_test(a_word_among_numbers),
      cmocka_unit_test(like_the_training_data),
      cmocka_unit_test(broken_tables),
      cmocka_unit_test(too_many_categories),
      cmocka_unit_test(damage),
  };
  return cmocka_run_group_tests_name("csv", tests, make_scratch, remove_scratch);
}
