/* `ingot infer` over many rows: the same bytes for any number of threads, after kills at any moment, and from
 * a cache; bad rows; a disk that fills up. Ranks are dist/test_infer_ranks.c's. */
#include <math.h>
#include <sys/time.h>

#include "run_folder.h"

enum { ROWS = 6000, BAD = 4321 };

/* Every row stands twice, so that a cache has something to find. */
static void write_csv(const char *name, int rows, int bad, bool target) {
  FILE *file = fopen(in(name).text, "wb");
  assert_non_null(file);
  fputs(target ? "a,b,c,y\n" : "a,b,c\n", file);
  for (int i = 0; i < rows; i++) {
    int k = i / 2;
    if (i == bad) fputs("1,oops,3", file);
    else fprintf(file, "%.7g,%d,%.3f", sin(k * 0.37), k % 97, k * 0.01);
    if (target) fprintf(file, ",%s", k % 3 ? "yes" : "no");
    fputc('\n', file);
  }
  fclose(file);
}

static int make_all(void **state) {
  (void)state;
  folder = scratch_make();
  write_csv("train.csv", 400, -1, true);
  write_csv("d.csv", ROWS, -1, false);
  write_csv("bad.csv", ROWS, BAD, false);
  assert_succeeded(RUN("train", "--model", "mlp:48,24", "--data", in("train.csv").text, "--out",
                       in("model").text, "--epochs", "2", "--quiet", "--threads", "1"));
  return 0;
}

static int remove_all(void **state) {
  (void)state;
  scratch_remove(&folder);
  return 0;
}

#define INFER(data, out, ...)                                                                      \
  "infer", "--model", in("model").text, "--data", in(data).text, "--out", in(out).text, "--quiet", \
      __VA_ARGS__

static void assert_same_file(const char *a, const char *b) {
  size_t n, m;
  unsigned char *x = scratch_read(in(a).text, &n), *y = scratch_read(in(b).text, &m);
  assert_int_equal(n, m);
  if (memcmp(x, y, n) != 0) fail_msg("%s and %s differ", a, b);
  free(x);
  free(y);
}

static bool is_there(const char *name) { return access(in(name).text, F_OK) == 0; }

static double told(const program *p, const char *key) {
  json_error_t error;
  json_t *result = json_loads(p->out, 0, &error);
  if (!result) fail_msg("no JSON: %s", p->out);
  const json_t *value = json_object_get(result, key);
  double number = json_is_number(value) ? json_number_value(value) : NAN;
  json_decref(result);
  return number;
}

/* --- the same results -------------------------------------------------------------------------- */

static void threads_change_nothing(void **state) {
  (void)state;
  static const char *const formats[] = {"csv", "h5", "npz", "npy"};
  for (int i = 0; i < 4; i++) {
    char one[32], three[32];
    snprintf(one, sizeof one, "one.%s", formats[i]);
    snprintf(three, sizeof three, "three.%s", formats[i]);
    assert_succeeded(RUN(INFER("d.csv", one, "--batch", "32", "--threads", "1")));
    assert_succeeded(RUN(INFER("d.csv", three, "--batch", "32", "--threads", "3", "--workers", "4")));
    assert_same_file(one, three);
  }
  assert_false(is_there("one.csv.resume"));
  assert_false(is_there("one.csv.partial"));
}

/* What a batch has beside a row does not change it, nor does the row's place. */
static void places_in_a_batch_change_nothing(void **state) {
  (void)state;
  assert_succeeded(RUN(INFER("d.csv", "whole.npy", "--batch", "64")));
  assert_succeeded(RUN(INFER("d.csv", "part.npy", "--batch", "64", "--limit", "1000")));
  size_t n, m;
  unsigned char *whole = scratch_read(in("whole.npy").text, &n);
  unsigned char *part = scratch_read(in("part.npy").text, &m);
  assert_int_equal(m - 128, 1000 * 2 * 4);
  assert_memory_equal(part + 128, whole + 128, m - 128); /* row 999 stands in a batch that is padded */
  const unsigned char *row = whole + 128;
  for (int i = 0; i + 1 < ROWS; i += 2) assert_memory_equal(row + i * 8, row + i * 8 + 8, 8);
  free(whole);
  free(part);
}

static void a_batch_is_found(void **state) {
  (void)state;
  const program *p = RUN(INFER("d.csv", "auto.csv", "--json", "--price-per-hour", "3.6"));
  assert_succeeded(p);
  double batch = told(p, "batch"), rate = told(p, "rows_per_second");
  assert_true(batch >= 8 && batch <= 1024 && exp2(round(log2(batch))) == batch);
  assert_true(told(p, "rows") == ROWS);
  double cost = told(p, "cost_per_million_rows");
  assert_true(fabs(cost * rate / 1000 - 1) < 1e-6); /* 0.001 a second */
  double wait = told(p, "compute_wait_share");
  assert_true(wait >= 0 && wait <= 1);
  assert_refused(RUN(INFER("d.csv", "x.csv", "--batch", "some")), 2, "--batch: expected auto or a");
  assert_refused(RUN(INFER("d.csv", "x.csv", "--batch", "0")), 2, "--batch: expected auto or a");
}

/* --- kills ------------------------------------------------------------------------------------- */

static double seconds_of(const char *out) {
  struct timeval start, end;
  gettimeofday(&start, NULL);
  assert_succeeded(RUN(INFER("d.csv", out, "--batch", "2", "--threads", "2")));
  gettimeofday(&end, NULL);
  return (double)(end.tv_sec - start.tv_sec) + 1e-6 * (double)(end.tv_usec - start.tv_usec);
}

/* Goes on with a run until one call is not killed, at moments that differ; how many were. */
static int run_torn(double seconds, uint32_t *random, double *from_before) {
  int killed = 0;
  unlink(in("torn.csv").text);
  unlink(in("torn.csv.resume").text);
  for (;;) {
    *random = *random * 1664525u + 1013904223u;
    program_limits limits = {.kill_after = seconds * (0.1 + 0.8 * (*random >> 8) / (1 << 24)),
                             .kill_signal = SIGKILL};
    if (killed == 30) limits.kill_after = 0;
    const program *p = RUN_LIMITED(&limits, INFER("d.csv", "torn.csv", "--batch", "2", "--threads",
                                                  killed % 2 ? "1" : "2", "--resume", "--json"));
    if (!p->killed) {
      assert_succeeded(p);
      *from_before = told(p, "rows_from_before");
      return killed;
    }
    killed++;
  }
}

static void kills_lose_nothing(void **state) {
  (void)state;
  double seconds = fmin(seconds_of("calm.csv"), seconds_of("calm.csv")), before;
  int killed = 0, resumed = 0;
  uint32_t random = 12345;
  for (int round = 0; round < 30 && (killed < 5 || resumed < 3); round++) {
    killed += run_torn(seconds, &random, &before);
    resumed += before > 0;
    assert_same_file("torn.csv", "calm.csv");
    assert_false(is_there("torn.csv.resume"));
    assert_false(is_there("torn.csv.partial"));
  }
  print_message("%d kills, %d runs that went on\n", killed, resumed);
  assert_true(killed > 0 && resumed > 0);
}

/* Asked to stop, it says how to go on, and does. */
static void a_signal_stops_it(void **state) {
  (void)state;
  const program *p = NULL;
  for (double after = 0.1; after < 30; after *= 1.5) {
    unlink(in("stop.csv").text);
    p = RUN_LIMITED((&(program_limits){.kill_after = after, .kill_signal = SIGTERM}),
                    INFER("d.csv", "stop.csv", "--batch", "1", "--threads", "1"));
    if (is_there("stop.csv.resume") || is_there("stop.csv")) break;
  }
  if (is_there("stop.csv.resume")) assert_int_equal(p->code, 128 + SIGTERM);
  p = RUN(INFER("d.csv", "stop.csv", "--batch", "1", "--resume"));
  assert_succeeded(p);
  assert_succeeded(RUN(INFER("d.csv", "calm1.csv", "--batch", "1")));
  assert_same_file("stop.csv", "calm1.csv");
}

static void another_run_is_not_gone_on_with(void **state) {
  (void)state;
  program_limits full = {.file_bytes = 120000};
  program *p = RUN_LIMITED(&full, INFER("d.csv", "half.csv", "--batch", "8"));
  assert_refused(p, 3, "half.csv.*: cannot write: File too large");
  assert_true(is_there("half.csv.resume"));
  assert_false(is_there("half.csv"));
  assert_false(is_there("half.csv.partial"));
  assert_refused(RUN(INFER("d.csv", "half.csv", "--batch", "16", "--resume")), 2,
                 "half.csv.resume: was begun with batch: 8, this run has batch: 16");
  assert_refused(RUN(INFER("bad.csv", "half.csv", "--batch", "8", "--resume")), 2,
                 "half.csv.resume: was begun with data: ");
  /* The batch need not be said again; with room on the disk the rest is computed. */
  p = RUN(INFER("d.csv", "half.csv", "--resume", "--json"));
  assert_succeeded(p);
  assert_true(told(p, "batch") == 8);
  assert_true(told(p, "rows_from_before") > 1000 && told(p, "rows_from_before") < ROWS);
  assert_succeeded(RUN(INFER("d.csv", "calm8.csv", "--batch", "8")));
  assert_same_file("half.csv", "calm8.csv");
}

/* --- the cache --------------------------------------------------------------------------------- */

static void repeated_rows_are_answered(void **state) {
  (void)state;
  path file = in("cache");
  assert_succeeded(RUN(INFER("d.csv", "plain.csv", "--batch", "64")));
  program *p = RUN(INFER("d.csv", "first.csv", "--batch", "64", "--cache", file.text, "--json"));
  assert_succeeded(p);
  assert_same_file("first.csv", "plain.csv");
  p = RUN(INFER("d.csv", "second.csv", "--batch", "64", "--cache", file.text, "--json"));
  assert_succeeded(p);
  assert_true(told(p, "cache_hits") == ROWS && told(p, "cache_hit_rate") == 1);
  assert_same_file("second.csv", "plain.csv");
  /* Half of the rows are known: the others are gathered from several batches. */
  write_csv("more.csv", 2 * ROWS, -1, false);
  p = RUN(INFER("more.csv", "third.csv", "--batch", "64", "--cache", file.text, "--json"));
  assert_succeeded(p);
  assert_true(told(p, "cache_hits") >= ROWS);
  assert_succeeded(RUN(INFER("more.csv", "third_plain.csv", "--batch", "64")));
  assert_same_file("third.csv", "third_plain.csv");
  /* Neither another precision nor another model gets these answers. */
  p = RUN(INFER("d.csv", "bf16.csv", "--precision", "bf16", "--limit", "100", "--cache", file.text,
                "--json"));
  assert_succeeded(p);
  assert_true(told(p, "cache_hits") < 60);
  assert_succeeded(RUN("train", "--model", "mlp:48,24", "--data", in("train.csv").text, "--out",
                       in("model2").text, "--epochs", "1", "--quiet", "--threads", "1", "--seed",
                       "2"));
  p = RUN("infer", "--model", in("model2").text, "--data", in("d.csv").text, "--out",
          in("other.csv").text, "--quiet", "--limit", "100", "--cache", file.text, "--json");
  assert_succeeded(p);
  assert_true(told(p, "cache_hits") < 60);
  assert_refused(RUN(INFER("d.csv", "x.csv", "--cache", in("d.csv").text)), 2,
                 "d.csv: is no cache of results");
}

/* --- bad rows ---------------------------------------------------------------------------------- */

static void bad_rows_fail_by_number(void **state) {
  (void)state;
  for (int threads = 1; threads <= 2; threads++) {
    assert_refused(RUN(INFER("bad.csv", "x.csv", "--batch", "64", "--threads",
                             threads == 1 ? "1" : "2")),
                   2, "row 4321: .*bad.csv: line 4323, column .b.: expected a number, found 'oops'");
    assert_false(is_there("x.csv"));
    assert_true(is_there("x.csv.resume"));
    unlink(in("x.csv.resume").text);
  }
}

/* The run that failed goes on, now skipping; the list is whole all the same. */
static void bad_rows_are_skipped(void **state) {
  (void)state;
  RUN(INFER("bad.csv", "s.csv", "--batch", "64"));
  program *p = RUN(INFER("bad.csv", "s.csv", "--resume", "--on-error", "skip", "--json"));
  assert_succeeded(p);
  assert_true(told(p, "skipped") == 1);
  assert_true(told(p, "rows_from_before") >= BAD / 64 * 64 - 64);
  char *list = (char *)scratch_read(in("s.csv.skipped").text, NULL);
  assert_true(text_matches(list, "^row,reason$"));
  assert_true(text_matches(list, "^4321,\".*bad.csv: line 4323, column 'b': .*'oops'\"$"));
  free(list);
  assert_succeeded(RUN(INFER("d.csv", "good.csv", "--batch", "64")));
  FILE *a = fopen(in("s.csv").text, "r"), *b = fopen(in("good.csv").text, "r");
  char x[512], y[512];
  for (int line = 0; line <= ROWS; line++) {
    assert_non_null(fgets(x, sizeof x, a));
    assert_non_null(fgets(y, sizeof y, b));
    if (line == BAD + 1) assert_string_equal(x, "nan,nan,nan,nan,-1\n");
    else assert_string_equal(x, y);
  }
  assert_null(fgets(x, sizeof x, a));
  fclose(a);
  fclose(b);
  /* Without bad rows there is no list, not even an old one. */
  assert_succeeded(RUN(INFER("d.csv", "s.csv", "--on-error", "skip")));
  assert_false(is_there("s.csv.skipped"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(threads_change_nothing), cmocka_unit_test(places_in_a_batch_change_nothing),
      cmocka_unit_test(a_batch_is_found),       cmocka_unit_test(kills_lose_nothing),
      cmocka_unit_test(a_signal_stops_it),      cmocka_unit_test(another_run_is_not_gone_on_with),
      cmocka_unit_test(repeated_rows_are_answered), cmocka_unit_test(bad_rows_fail_by_number),
      cmocka_unit_test(bad_rows_are_skipped)};
  return cmocka_run_group_tests(tests, make_all, remove_all);
}
