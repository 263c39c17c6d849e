/* `ingot train` on several ranks when something goes wrong: whatever happens to one rank ends all of
 * them in time, with one line that says which rank it was and where, and leaves the last checkpoint
 * whole; and what cannot work is refused before anything is trained. */
#include "jobs.h"
#include "snapshot_drop.h"

#define TIMEOUT 2.0
#define TRAIN "train --quiet --threads 1 --workers 1 --model mlp:16"
#define ENDLESS "--steps 100000000 --batch 40 --checkpoint-every 20 --eval-every 1000000000"

static jobs j;

static double now(void) {
  return ranks_now();
}

/* Waits until the run has written a checkpoint. */
static void await_checkpoint(const char *run) {
  char path[3 * SCRATCH_PATH];
  snprintf(path, sizeof path, "%s/latest.h5", run);
  for (double start = now(); access(path, F_OK) != 0; ranks_pause(0.005)) {
    if (now() - start > 30) fail_msg("no checkpoint in %s", run);
  }
}

static void start(ranks *job, int n, const char *run, const char *more) {
  char line[2048];
  const char *lines[MOST_RANKS];
  snprintf(line, sizeof line, TRAIN " --data %s --out %s --overwrite %s", j.data, run, more);
  for (int r = 0; r < n; r++) lines[r] = line;
  job_start(job, n, lines, TIMEOUT);
}

/* Lines that the ranks printed, all together. */
static int lines_of_all(const ranks *job) {
  int n = 0;
  for (int r = 0; r < job->n; r++) n += count_lines(job->text[r], "ingot train:");
  return n;
}

static const char *speaker_text(const ranks *job, int victim) {
  return job->text[victim == 0 ? 1 : 0];
}

static void check_ends(const ranks *job, int victim, double faulted, const char *line) {
  char whom[32];
  snprintf(whom, sizeof whom, "rank %d on ", victim);
  for (int r = 0; r < job->n; r++) {
    if (r == victim) continue;
    ranks_check(job, job->codes[r] == 3);
    ranks_check(job, job->start + job->ended[r] - faulted < TIMEOUT + 2);
  }
  const char *said = speaker_text(job, victim);
  ranks_check(job, lines_of_all(job) == 1 && strstr(said, whom) && strstr(said, line) &&
                       strstr(said, "at step "));
}

/* --- ranks that go ------------------------------------------------------------------------------ */

static void killed_ranks_end_the_job(void **state) {
  IG_UNUSED(state);
  const char *run = scratch_path(&j.folder, "killed");
  char out[2 * SCRATCH_PATH];
  ig_rng rng = ig_rng_stream((uint64_t)getpid(), IG_RNG_TEST, 0, 0);
  snprintf(out, sizeof out, "%s", run);
  for (int i = 0; i < 20; i++) {
    ranks job;
    int victim = i % 3;
    char path[3 * SCRATCH_PATH];
    snprintf(path, sizeof path, "%s/latest.h5", out);
    unlink(path);
    start(&job, 3, out, ENDLESS);
    await_checkpoint(out);
    ranks_pause(0.1 * (double)ig_rng_uniform(&rng, (uint64_t)i));
    double faulted = now();
    kill(job.pids[victim], SIGKILL);
    ranks_wait(&job, 60);
    ranks_check(&job, job.codes[victim] == 128 + SIGKILL);
    check_ends(&job, victim, faulted, "ended (killed?)");
    ig_snapshot *left = job_checkpoint(out); /* whole: its sums are checked on loading */
    assert_true(left->progress.step % 20 == 0 && left->progress.step > 0);
    ig_snapshot_destroy(left);
  }
}

static void stopped_ranks_end_the_job(void **state) {
  IG_UNUSED(state);
  for (int victim = 0; victim < 2; victim++) {
    ranks job;
    char out[2 * SCRATCH_PATH];
    snprintf(out, sizeof out, "%s", scratch_path(&j.folder, victim ? "stopped1" : "stopped0"));
    start(&job, 3, out, ENDLESS);
    await_checkpoint(out);
    double faulted = now();
    job.endless = 1;
    kill(job.pids[victim], SIGSTOP);
    ranks_wait(&job, 30);
    check_ends(&job, victim, faulted, "");
  }
}

/* A signal to one rank is a signal to all: the same step, a checkpoint, and 128 + 15. */
static void a_signal_ends_all_in_good_order(void **state) {
  IG_UNUSED(state);
  ranks job;
  char out[2 * SCRATCH_PATH];
  snprintf(out, sizeof out, "%s", scratch_path(&j.folder, "signal"));
  start(&job, 3, out, ENDLESS);
  await_checkpoint(out);
  kill(job.pids[1], SIGTERM);
  ranks_wait(&job, 30);
  for (int r = 0; r < 3; r++) ranks_check(&job, job.codes[r] == 128 + SIGTERM);
  for (int r = 0; r < 3; r++) ranks_check(&job, job.text[r][0] == '\0'); /* quiet */
  ig_snapshot_destroy(job_checkpoint(out));
}

/* --- numbers ------------------------------------------------------------------------------------ */

/* One picture holds a NaN: whose batch it is in, is found and named, by rank 0 alone. */
static void a_nan_on_one_rank_is_named(void **state) {
  IG_UNUSED(state);
  ranks job;
  char line[2048];
  const char *lines[3] = {line, line, line};
  snprintf(line, sizeof line,
           TRAIN " --no-normalize --holdout 0 --data %s --out %s --epochs 3 --batch 40", j.poisoned,
           scratch_path(&j.folder, "nan"));
  job_start(&job, 3, lines, TIMEOUT);
  ranks_wait(&job, 30);
  for (int r = 0; r < 3; r++) ranks_check(&job, job.codes[r] == 3);
  ranks_check(&job, lines_of_all(&job) == 1 && strstr(job.text[0], "is not finite") &&
                        strstr(job.text[0], "of node '") && strstr(job.text[0], " on rank ") &&
                        strstr(job.text[0], "step "));
}

/* --- what is refused ---------------------------------------------------------------------------- */

/* Rank 1 is started with `other`; all end with `code`, and one line that matches. */
static void check_refused(const char *usual, const char *other, int code, const char *line) {
  ranks job;
  char first[2048], second[2048];
  const char *out = scratch_path(&j.folder, "refused");
  snprintf(first, sizeof first, TRAIN " --out %s %s", out, usual);
  snprintf(second, sizeof second, TRAIN " --out %s %s", out, other);
  const char *lines[3] = {first, second, first};
  job_start(&job, 3, lines, TIMEOUT);
  ranks_wait(&job, 30);
  for (int r = 0; r < 3; r++) ranks_check(&job, job.codes[r] == code);
  ranks_check(&job, lines_of_all(&job) == 1 && strstr(job.text[0], line));
  struct stat info;
  assert_true(stat(out, &info) != 0); /* nothing was begun */
}

static void ranks_that_differ_are_refused(void **state) {
  IG_UNUSED(state);
  char usual[1024], other[1024];
  snprintf(usual, sizeof usual, "--data %s --batch 40", j.data);
  snprintf(other, sizeof other, "--data %s --batch 41", j.data);
  check_refused(usual, other, 2, "rank 1 on ");
  check_refused(usual, other, 2, "batch: expected 40, as on rank 0, found 41");
  snprintf(other, sizeof other, "--data %s --batch 40 --lr 0.5", j.data);
  check_refused(usual, other, 2, "lr: expected none given, as on rank 0, found 0.5");
}

/* The same path on every rank, and another file behind it; a folder a rank stands for a disk a machine. */
static void data_that_differ_are_refused(void **state) {
  IG_UNUSED(state);
  ranks job;
  char lines_text[3][2048], folder[3][2 * SCRATCH_PATH], link_path[2 * SCRATCH_PATH];
  const char *lines[3];
  for (int r = 0; r < 3; r++) {
    snprintf(folder[r], sizeof folder[r], "%s/machine%d", j.folder.folder, r);
    snprintf(link_path, sizeof link_path, "%s/machine%d/d.h5", j.folder.folder, r);
    mkdir(folder[r], 0777);
    assert_int_equal(symlink(r == 1 ? j.poisoned : j.data, link_path), 0);
    snprintf(lines_text[r], sizeof lines_text[r],
             TRAIN " --no-normalize --data d.h5 --out %s/differ --batch 40", j.folder.folder);
    lines[r] = lines_text[r];
  }
  job_start_in(&job, 3, lines, folder, TIMEOUT);
  ranks_wait(&job, 30);
  for (int r = 0; r < 3; r++) ranks_check(&job, job.codes[r] == 2);
  ranks_check(&job, lines_of_all(&job) == 1 && strstr(job.text[0], "rank 1 on ") &&
                        strstr(job.text[0], "size and time) of the data"));
}

static void what_cannot_work_is_refused(void **state) {
  IG_UNUSED(state);
  char line[1024];
  snprintf(line, sizeof line, "--data %s --batch 2", j.data);
  check_refused(line, line, 2, "batch: 2 samples for 3 ranks");
  snprintf(line, sizeof line, "--data %s --batch 64 --elastic 8", j.data);
  check_refused(line, line, 2, "3 ranks do not divide 8");
  snprintf(line, sizeof line, "--data %s.not", j.data);
  check_refused(line, line, 2, "data.h5.not");
  const char *few = scratch_path(&j.folder, "few.csv");
  FILE *file = fopen(few, "w");
  assert_non_null(file);
  fputs("a,b,y\n1,2,0\n2,1,1\n", file);
  fclose(file);
  snprintf(line, sizeof line, "--data %s --target y --holdout 0", few);
  check_refused(line, line, 2, "2 samples for 3 ranks");
}

/* Three ranks go on with a run; all refuse with exit 2, and rank 0 says why. */
static void check_not_resumed(const char *run, const char *more, const char *const *said) {
  ranks job;
  char line[2048];
  const char *lines[3] = {line, line, line};
  snprintf(line, sizeof line, TRAIN " --data %s --out %s --steps 40 --batch 40 --resume %s", j.data,
           run, more);
  job_start(&job, 3, lines, TIMEOUT);
  ranks_wait(&job, 30);
  for (int r = 0; r < 3; r++) ranks_check(&job, job.codes[r] == 2);
  ranks_check(&job, lines_of_all(&job) == 1);
  for (; *said; said++) ranks_check(&job, strstr(job.text[0], *said));
}

/* A checkpoint that lost a moment, and one of another optimizer. */
static void missing_moments_are_refused(void **state) {
  IG_UNUSED(state);
  static const char *const shards[] = {"none", "optimizer", "gradients"};
  char run[2 * SCRATCH_PATH], path[3 * SCRATCH_PATH], line[2048], more[64];
  ranks job;
  snprintf(run, sizeof run, "%s", scratch_path(&j.folder, "lost"));
  snprintf(path, sizeof path, "%s/latest.h5", run);
  snprintf(line, sizeof line, TRAIN " --data %s --out %s --steps 20 --batch 40", j.data, run);
  job_start(&job, 2, (const char *const[]){line, line}, TIMEOUT);
  ranks_wait(&job, 30);
  for (int r = 0; r < 2; r++) ranks_check(&job, job.codes[r] == 0);
  check_not_resumed(run, "--optimizer sgd",
                    (const char *const[]){"latest.h5: checkpoint: expected", "optimizer.momentum.",
                                          "found 8 of its kind such as 'optimizer.m.", NULL});
  ig_snapshot *snapshot = job_checkpoint(run);
  char *name = snapshot_drop(snapshot, "optimizer.v.");
  assert_int_equal(ig_checkpoint_save(path, snapshot), IG_OK);
  ig_snapshot_destroy(snapshot);
  for (int i = 0; i < IG_COUNT(shards); i++) {
    snprintf(more, sizeof more, "--shard %s", shards[i]);
    check_not_resumed(run, more,
                      (const char *const[]){"latest.h5: checkpoint: expected", name, "step 20", NULL});
  }
  ig_free(name);
}

static void a_rendezvous_that_is_not_there_is_refused(void **state) {
  IG_UNUSED(state);
  ranks job = {0};
  words w = {0};
  words_add(&w, "%s " TRAIN " --data %s --out %s/nowhere", INGOT, j.data, j.folder.folder);
  words_add(&w, "--rendezvous 127.0.0.1:%d --rank 1 --ranks 2 --comm-timeout 1", free_port());
  ranks_add(&job, w.word);
  ranks_wait(&job, 20);
  ranks_check(&job, job.codes[0] == 3 && job.ended[0] < 3.5);
  ranks_check(&job, lines_of_all(&job) == 1 && strstr(job.text[0], "was not reached"));
}

int main(void) {
  j = jobs_open();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(killed_ranks_end_the_job),
      cmocka_unit_test(stopped_ranks_end_the_job),
      cmocka_unit_test(a_signal_ends_all_in_good_order),
      cmocka_unit_test(a_nan_on_one_rank_is_named),
      cmocka_unit_test(ranks_that_differ_are_refused),
      cmocka_unit_test(data_that_differ_are_refused),
      cmocka_unit_test(what_cannot_work_is_refused),
      cmocka_unit_test(missing_moments_are_refused),
      cmocka_unit_test(a_rendezvous_that_is_not_there_is_refused),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  if (failed == 0) scratch_remove(&j.folder);
  return failed;
}
