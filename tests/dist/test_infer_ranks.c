/* `ingot infer` by ranks: one file, in input order, equal byte for byte to one process's; also where the run was
 * begun by another number of ranks, and where a row cannot be read. */
#include "jobs.h"

#include <signal.h>

static jobs job;

static int make_all(void **state) {
  (void)state;
  job = jobs_open();
  ranks r;
  char line[4096];
  snprintf(line, sizeof line,
           "train --model lenet --data %s --out %s/run --epochs 1 --quiet --threads 1", job.data,
           job.folder.folder);
  job_run(&r, 0, line, 120);
  return 0;
}

static int remove_all(void **state) {
  (void)state;
  scratch_remove(&job.folder);
  return 0;
}

static void infer_line(char line[4096], const char *data, const char *out, const char *more) {
  snprintf(line, 4096, "infer --model %s/run --data %s --out %s/%s --quiet %s", job.folder.folder,
           data, job.folder.folder, out, more);
}

static void assert_same_file(const char *a, const char *b) {
  size_t n, m;
  unsigned char *x = scratch_read(scratch_path(&job.folder, a), &n);
  unsigned char *y = scratch_read(scratch_path(&job.folder, b), &m);
  assert_int_equal(n, m);
  assert_memory_equal(x, y, n);
  free(x);
  free(y);
}

/* Under mpirun where it is there, else at a rendezvous; n = 1 is one process. */
static void run(ranks *r, int n, const char *line, int code) {
  if (n == 1 || MPIRUN[0]) {
    job_run(r, n == 1 ? 0 : n, line, 120);
  } else {
    const char *lines[MOST_RANKS] = {line, line, line, line};
    job_start(r, n, lines, 60);
    ranks_wait(r, 120);
  }
  if (r->codes[0] != code) fail_msg("%d ranks: exit %d, expected %d: %s", n, r->codes[0], code, r->text[0]);
}

static void ranks_give_one_processs_file(void **state) {
  (void)state;
  static const char *const formats[] = {"csv", "h5", "npz"};
  char line[4096], one[32], other[32];
  ranks r;
  for (int f = 0; f < 3; f++) {
    snprintf(one, sizeof one, "one.%s", formats[f]);
    infer_line(line, job.data, one, "--batch 16 --threads 2");
    run(&r, 1, line, 0);
    for (int n = 2; n <= 3; n++) {
      snprintf(other, sizeof other, "ranks%d.%s", n, formats[f]);
      infer_line(line, job.data, other, "--batch 16");
      run(&r, n, line, 0);
      assert_same_file(one, other);
    }
  }
  assert_int_not_equal(access(scratch_path(&job.folder, "ranks2.csv.resume"), F_OK), 0);
}

/* At a rendezvous, and with more ranks than batches. */
static void ranks_without_work_are_no_harm(void **state) {
  (void)state;
  char line[4096];
  ranks r;
  infer_line(line, job.data, "few.csv", "--batch 200 --threads 1");
  const char *lines[4] = {line, line, line, line};
  job_start(&r, 4, lines, 60);
  ranks_wait(&r, 120);
  for (int k = 0; k < 4; k++) {
    if (r.codes[k] != 0) fail_msg("rank %d: exit %d: %s", k, r.codes[k], r.text[k]);
  }
  infer_line(line, job.data, "few_one.csv", "--batch 200");
  run(&r, 1, line, 0);
  assert_same_file("few.csv", "few_one.csv");
}

/* Picture 77 holds a NaN: two ranks fail on it, three go on and skip it, as one process does. */
static void a_run_goes_on_with_other_ranks(void **state) {
  (void)state;
  char line[4096];
  ranks r;
  infer_line(line, job.poisoned, "p.csv", "--batch 8");
  run(&r, 2, line, 2);
  if (!strstr(r.text[0], "row 77: ") || !strstr(r.text[0], "found NaN")) fail_msg("%s", r.text[0]);
  assert_int_not_equal(access(scratch_path(&job.folder, "p.csv"), F_OK), 0);
  assert_int_equal(access(scratch_path(&job.folder, "p.csv.resume"), F_OK), 0);
  infer_line(line, job.poisoned, "p.csv", "--resume --on-error skip --json");
  run(&r, 3, line, 0);
  const char *before = strstr(r.text[0], "\"rows_from_before\": ");
  assert_non_null(before);
  assert_in_range(atoi(before + strlen("\"rows_from_before\": ")), 72, 299);
  infer_line(line, job.poisoned, "p_one.csv", "--batch 8 --on-error skip");
  run(&r, 1, line, 0);
  assert_same_file("p.csv", "p_one.csv");
  assert_same_file("p.csv.skipped", "p_one.csv.skipped");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(ranks_give_one_processs_file),
                                     cmocka_unit_test(ranks_without_work_are_no_harm),
                                     cmocka_unit_test(a_run_goes_on_with_other_ranks)};
  return cmocka_run_group_tests(tests, make_all, remove_all);
}
