/* The program on several ranks that share the emulated GPU, with gradients staged through the host:
 * losses of one process, the same bits with --elastic, and with a sharded optimizer. */
#define DIST_WORKER ""
#define MPIRUN ""
#include "../dist/jobs.h"

#define TRAIN                                                                                      \
  "train --quiet --device cuda --threads 1 --workers 1 --seed 5 --model mlp:16,dropout=0.2 "       \
  "--batch 40 --steps 8"

static jobs j;

/* Trains on `n` ranks into the folder `name`. */
static void train(int n, const char *name, const char *more) {
  ranks job;
  char line[2048];
  const char *lines[MOST_RANKS];
  snprintf(line, sizeof line, TRAIN " --data %s --out %s/%s %s", j.data, j.folder.folder, name,
           more);
  for (int r = 0; r < n; r++) lines[r] = line;
  if (n == 1) {
    job_run(&job, 0, line, 120);
  } else {
    job_start(&job, n, lines, 60);
    ranks_wait(&job, 120);
  }
  for (int r = 0; r < job.n; r++) ranks_check(&job, job.codes[r] == 0);
}

static const char *in(const char *name) {
  return scratch_path(&j.folder, name);
}

static void losses_are_those_of_one_process(void **state) {
  IG_UNUSED(state);
  double one[JOB_LINES], many[JOB_LINES];
  train(1, "one", "");
  int n = job_losses(in("one"), "loss", one);
  for (int size = 2; size <= 3; size++) {
    const char *name = size == 2 ? "two" : "three";
    train(size, name, "");
    assert_int_equal(job_losses(in(name), "loss", many), n);
    for (int i = 0; i < n; i++) assert_true(fabs(many[i] - one[i]) < 1e-4 * fabs(one[i]));
  }
  train(2, "shared", "--shard optimizer");
  assert_same_checkpoints(in("two"), in("shared"), true);
}

static void elastic_runs_have_the_same_bits(void **state) {
  IG_UNUSED(state);
  train(1, "elastic1", "--elastic 4 --clip 1");
  train(2, "elastic2", "--elastic 4 --clip 1");
  train(4, "elastic4", "--elastic 4 --clip 1");
  assert_same_checkpoints(in("elastic1"), in("elastic2"), true);
  assert_same_checkpoints(in("elastic1"), in("elastic4"), true);
}

int main(void) {
  j = jobs_open();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(losses_are_those_of_one_process),
      cmocka_unit_test(elastic_runs_have_the_same_bits),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  if (failed == 0) scratch_remove(&j.folder);
  return failed;
}
