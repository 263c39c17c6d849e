/* CSV read row by row: the same numbers as from the whole file in memory, whatever quotes, blanks and line ends
 * it has, and errors that concern one row. */
#include "data_files.h"

#include <math.h>

static const char *const columns[] = {"b", "color=blue", "color=red", "a"};
static const ig_field like[] = {
    {.name = "x", .dtype = IG_F32, .shape = {.rank = 1, .dims = {4}}, .columns = columns}};
static const ig_dataset_open_options eager = {.n_like = 1, .like = like};
static const ig_dataset_open_options by_row = {.n_like = 1, .like = like, .inputs_only = true};

static void assert_same(const char *name, int64_t rows) {
  ig_dataset *whole = open_ok(scratch(name), &eager), *single = open_ok(scratch(name), &by_row);
  assert_int_equal(whole->n_samples, rows);
  assert_int_equal(single->n_samples, rows);
  assert_int_equal(single->n_fields, 1);
  float *a = malloc((size_t)rows * 16), *b = malloc((size_t)rows * 16);
  int64_t *indices = malloc((size_t)rows * 8);
  for (int64_t i = 0; i < rows; i++) indices[i] = i;
  void *to_a[IG_MAX_FIELDS] = {a}, *to_b[IG_MAX_FIELDS] = {b};
  assert_int_equal(ig_dataset_read(whole, indices, rows, to_a), IG_OK);
  if (ig_dataset_read(single, indices, rows, to_b) != IG_OK) fail_msg("%s", ig_last_error());
  assert_memory_equal(a, b, (size_t)rows * 16);
  for (int64_t i = 0; i < rows; i++) indices[i] = (i * 37 + 11) % rows; /* in no order */
  assert_int_equal(ig_dataset_read(whole, indices, rows, to_a), IG_OK);
  assert_int_equal(ig_dataset_read(single, indices, rows, to_b), IG_OK);
  assert_memory_equal(a, b, (size_t)rows * 16);
  free(a);
  free(b);
  free(indices);
  ig_dataset_destroy(whole);
  ig_dataset_destroy(single);
}

static void same_as_in_memory(void **state) {
  (void)state;
  write_text("plain.csv", "a,color,b,other\n1,red,0.5,x\n-2e-3,blue,7,\n\n3.25,red,1e9,zz\n");
  assert_same("plain.csv", 3);
  write_text("crlf.csv", "a,color,b\r\n1,red,0.5\r\n2,blue,7\r\n\r\n3,red,8");
  assert_same("crlf.csv", 3);
  write_text("quoted.csv", "\xef\xbb\xbf\"a\";color;b;note\n 1 ; \"red\" ;0.5;\"two\nlines; and \"\"\"\n"
                           "2;blue;7;5\" pipe\n\"3\";red;8;x\n");
  assert_same("quoted.csv", 3);
  write_text("cr.csv", "a,color,b\r1,red,0.5\r2,blue,0.123456789012345678901\r");
  assert_same("cr.csv", 2);
}

/* More rows than the index keeps places for, with some that take the slow way. */
static void many_rows(void **state) {
  (void)state;
  static char text[200000];
  for (int quoted = 0; quoted < 2; quoted++) {
    size_t n = (size_t)sprintf(text, "b,color,a,y\n");
    for (int i = 0; i < 1000; i++) {
      n += (size_t)sprintf(text + n, "%.9g,%s,%d,%s\n", sin(i), i % 3 ? "red" : "blue", i * i,
                           quoted && i % 7 == 0 ? "\"k,\n\"" : "k");
    }
    write_bytes("many.csv", text, n);
    assert_same("many.csv", 1000);
  }
}

static void a_bad_row_is_its_own(void **state) {
  (void)state;
  static const struct {
    const char *row, *says;
  } bad[] = {{"x,red,1", "bad.csv: line 4, column 'a': expected a number, found 'x'"},
             {",red,1", "line 4, column 'a': expected a number, found nothing"},
             {"1,green,1", "line 4, column 'color': expected a category of the training data"},
             {"1,red", "line 4: found 2 fields; expected 3"},
             {"1,red,2,3", "line 4: found 4 fields; expected 3"},
             {"1,red,inf", "line 4, column 'b': expected a finite number, found 'inf'"},
             {"1,red,1e39", "line 4, column 'b': expected a finite number, found '1e39'"},
             {"1,\"red,1", "line 4: the quoted field that begins here does not end"}};
  for (int k = 0; k < IG_COUNT(bad); k++) {
    char text[256];
    snprintf(text, sizeof text, "a,color,b\n1,red,2\n2,blue,3\n%s\n4,red,5\n", bad[k].row);
    write_text("bad.csv", text);
    ig_dataset *d = open_ok(scratch("bad.csv"), &by_row);
    float row[4];
    void *to[IG_MAX_FIELDS] = {row};
    bool open_quote = strchr(bad[k].row, '"') != NULL; /* which takes the rest of the file */
    assert_int_equal(d->n_samples, open_quote ? 3 : 4);
    for (int64_t i = 0; i < d->n_samples; i++) {
      ig_status status = ig_dataset_read(d, &i, 1, to);
      assert_int_equal(status, i == 2 ? IG_ERR_INPUT : IG_OK);
      if (i == 2 && !strstr(ig_last_error(), bad[k].says)) {
        fail_msg("%s; expected: %s", ig_last_error(), bad[k].says);
      }
      if (i == 3) assert_true(row[0] == 5 && row[2] == 1 && row[3] == 4);
    }
    ig_dataset_destroy(d);
  }
}

static void broken_files(void **state) {
  (void)state;
  write_text("header.csv", "a,color,b\n");
  open_fails(scratch("header.csv"), &by_row, IG_ERR_INPUT, "holds a header and no rows");
  write_text("other.csv", "a,b\n1,2\n");
  open_fails(scratch("other.csv"), &by_row, IG_ERR_INPUT, "has no column for 'color=blue'");
  write_text("cut.csv", "a,color,b\n1,red,2\n1,red,2\n");
  ig_dataset *d = open_ok(scratch("cut.csv"), &by_row);
  assert_int_equal(truncate(scratch("cut.csv"), 12), 0);
  float row[4];
  void *to[IG_MAX_FIELDS] = {row};
  assert_int_equal(ig_dataset_read(d, (int64_t[]){1}, 1, to), IG_ERR_IO);
  ig_dataset_destroy(d);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(same_as_in_memory), cmocka_unit_test(many_rows),
      cmocka_unit_test(a_bad_row_is_its_own), cmocka_unit_test(broken_files)};
  return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
