/* Crashes and failing disks while a checkpoint is written: an earlier checkpoint is untouched, the
 * error is one clear line, and nothing half-written stays. The system calls of the writer are
 * replaced here by ones that can be told to fail. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sample_snapshot.h"

#include "engine/base/rng.h"
#include "formats/checkpoint_h5.h"
#include "formats/checkpoint_writer.h"

/* --- failing system calls -------------------------------------------------------------------- */

/* The call that fails, counting down from when it is set; negative for none. */
static int fail_in = -1, fail_errno;
static bool fail_short; /* pwrite gives half the bytes instead of failing */
static bool failed;

/* What was synced (s: the file `watched`, S: another) and renamed (r), in order. */
static const char *watched;
static char trace[256];

static void note(char call) {
  size_t n = strlen(trace);
  if (watched && n + 1 < sizeof trace) trace[n] = call;
}

static bool is_watched(int fd) {
  struct stat a, b;
  return watched && fstat(fd, &a) == 0 && stat(watched, &b) == 0 && a.st_ino == b.st_ino;
}

static bool fails_now(void) {
  if (fail_in < 0 || fail_in-- > 0) return false;
  failed = true;
  errno = fail_errno;
  return true;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
  if (fails_now()) {
    if (!fail_short) return -1;
    if (size > 1) size /= 2;
  }
  return (ssize_t)syscall(SYS_pwrite64, fd, bytes, size, offset);
}

int fsync(int fd) {
  note(is_watched(fd) ? 's' : 'S');
  return !fail_short && fails_now() ? -1 : (int)syscall(SYS_fsync, fd);
}

int ftruncate(int fd, off_t size) {
  return !fail_short && fails_now() ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int rename(const char *from, const char *to) {
  note('r');
  return !fail_short && fails_now() ? -1 : (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}

static void same_as_file(const ig_snapshot *want, const char *path) {
  ig_snapshot *found;
  if (ig_checkpoint_load(path, IG_CHECKPOINT_ALL, &found) != IG_OK) fail_msg("%s", ig_last_error());
  assert_true(same_snapshot(want, found));
  ig_snapshot_destroy(found);
}

/* Makes each call of a save fail in turn, until a save passes without one failing. */
static int fail_each(const char *path, const scratch *dir, const ig_snapshot *old,
                     const ig_snapshot *next, int code) {
  for (int call = 0;; call++) {
    assert_int_equal(ig_checkpoint_save(path, old), IG_OK);
    failed = false;
    fail_errno = code;
    fail_in = call;
    ig_status status = ig_checkpoint_save(path, next);
    fail_in = -1;
    if (!failed) {
      assert_int_equal(status, IG_OK);
      return call;
    }
    assert_int_equal(status, IG_ERR_IO);
    assert_non_null(strstr(ig_last_error(), strerror(code)));
    /* Only the last call, the folder's fsync, comes after the new file is in place. */
    ig_snapshot *found;
    assert_int_equal(ig_checkpoint_load(path, IG_CHECKPOINT_ALL, &found), IG_OK);
    assert_true(same_snapshot(old, found) || same_snapshot(next, found));
    ig_snapshot_destroy(found);
    assert_int_equal(scratch_count(dir), 1);
  }
}

static void every_call_fails_in_turn(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  const char *path = scratch_path(&dir, "latest.h5");
  ig_snapshot *old = sample_snapshot(1), *next = sample_snapshot(2);
  int calls = fail_each(path, &dir, old, next, ENOSPC);
  print_message("%d calls\n", calls);
  assert_true(calls > 10);
  assert_int_equal(fail_each(path, &dir, old, next, EIO), calls);
  ig_snapshot_destroy(old);
  ig_snapshot_destroy(next);
  scratch_remove(&dir);
}

static void short_writes_are_finished(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  const char *path = scratch_path(&dir, "latest.h5");
  ig_snapshot *a = sample_snapshot(1);
  fail_short = true;
  for (int call = 0;; call++) {
    failed = false;
    fail_in = call;
    ig_status status = ig_checkpoint_save(path, a);
    fail_in = -1;
    assert_int_equal(status, IG_OK);
    same_as_file(a, path);
    if (!failed) break;
  }
  fail_short = false;
  ig_snapshot_destroy(a);
  scratch_remove(&dir);
}

/* --- a real limit, another writer, a missing folder ------------------------------------------ */

static void a_full_disk(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  const char *path = scratch_path(&dir, "latest.h5");
  ig_snapshot *old = sample_snapshot(1), *next = sample_snapshot(2);
  sample_add(next, IG_ROLE_PARAMETER, "large", IG_F32, IG_SHAPE(1 << 20), 3);
  assert_int_equal(ig_checkpoint_save(path, old), IG_OK);
  struct rlimit before, limit;
  getrlimit(RLIMIT_FSIZE, &before);
  limit = before;
  limit.rlim_cur = 1 << 20;
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &limit);
  ig_status status = ig_checkpoint_save(path, next);
  setrlimit(RLIMIT_FSIZE, &before);
  assert_int_equal(status, IG_ERR_IO);
  assert_non_null(strstr(ig_last_error(), strerror(EFBIG)));
  same_as_file(old, path);
  assert_int_equal(scratch_count(&dir), 1);
  /* The library is as it was before: the next save works. */
  assert_int_equal(ig_checkpoint_save(path, next), IG_OK);
  same_as_file(next, path);
  ig_snapshot_destroy(old);
  ig_snapshot_destroy(next);
  scratch_remove(&dir);
}

static void another_writer(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  ig_snapshot *a = sample_snapshot(1);
  int fd = open(scratch_path(&dir, "latest.h5.partial"), O_RDWR | O_CREAT, 0666);
  assert_int_equal(flock(fd, LOCK_EX), 0);
  assert_int_equal(ig_checkpoint_save(scratch_path(&dir, "latest.h5"), a), IG_ERR_USAGE);
  assert_non_null(strstr(ig_last_error(), "another process"));
  close(fd);
  assert_int_equal(ig_checkpoint_save(scratch_path(&dir, "latest.h5"), a), IG_OK);
  assert_int_equal(scratch_count(&dir), 1);
  assert_int_equal(ig_checkpoint_save(scratch_path(&dir, "no/latest.h5"), a), IG_ERR_INPUT);
  assert_int_equal(ig_checkpoint_save("/proc/latest.h5", a), IG_ERR_INPUT);
  ig_snapshot_destroy(a);
  scratch_remove(&dir);
}

/* --- kill ------------------------------------------------------------------------------------ */

/* Saves steps from `from` on until killed, and reports each when it is done. */
static void save_forever(const char *folder, int64_t from, int report) {
  ig_checkpoint_writer *writer;
  if (ig_checkpoint_writer_create(folder, 2, NULL, &writer) != IG_OK) _exit(1);
  for (int64_t step = from;; step++) {
    ig_snapshot *s = sample_snapshot(step);
    sample_add(s, IG_ROLE_PARAMETER, "large", IG_F32, IG_SHAPE(100000), (unsigned)step);
    if (ig_checkpoint_writer_submit(writer, s, step % 3 == 0) != IG_OK) _exit(2);
    if (ig_checkpoint_writer_flush(writer) != IG_OK) _exit(3);
    if (write(report, &step, sizeof step) != sizeof step) _exit(4);
  }
}

static int64_t check_whole(const char *path) {
  ig_snapshot *s;
  if (ig_checkpoint_load(path, IG_CHECKPOINT_ALL, &s) != IG_OK) fail_msg("%s", ig_last_error());
  int64_t step = s->progress.step;
  ig_snapshot *want = sample_snapshot(step);
  sample_add(want, IG_ROLE_PARAMETER, "large", IG_F32, IG_SHAPE(100000), (unsigned)step);
  assert_true(same_snapshot(want, s));
  ig_snapshot_destroy(want);
  ig_snapshot_destroy(s);
  return step;
}

static void kill_at_any_instant(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  char latest[SCRATCH_PATH * 2];
  snprintf(latest, sizeof latest, "%s", scratch_path(&dir, "latest.h5"));
  ig_rng rng = ig_rng_stream(1, IG_RNG_TEST, 0, 0);
  int64_t last = 0;
  for (uint64_t round = 0; round < 60; round++) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
      close(ends[0]);
      save_forever(dir.folder, last + 1, ends[1]);
      _exit(9);
    }
    close(ends[1]);
    /* The first report shows that it runs; then at once or up to 20 ms later. */
    int64_t reported = 0, step;
    assert_int_equal(read(ends[0], &reported, sizeof reported), sizeof reported);
    usleep((useconds_t)ig_rng_below(&rng, round, 20000));
    kill(child, SIGKILL);
    int code;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFSIGNALED(code) && WTERMSIG(code) == SIGKILL);
    while (read(ends[0], &step, sizeof step) == sizeof step) reported = step;
    close(ends[0]);
    last = check_whole(latest);
    assert_true(last == reported || last == reported + 1);
  }
  print_message("killed 60 times in %lld checkpoints\n", (long long)last);
  /* At most latest, best, two steps (a third before pruning), and a torn partial file or two. */
  assert_true(scratch_count(&dir) <= 7);
  check_whole(scratch_path(&dir, "best.h5"));
  scratch_remove(&dir);
}

/* --- the writer's thread --------------------------------------------------------------------- */

static void the_writer_keeps_and_reports(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  ig_checkpoint_writer *writer;
  assert_int_equal(ig_checkpoint_writer_create(dir.folder, 2, NULL, &writer), IG_OK);
  assert_int_equal(ig_checkpoint_writer_stats(writer).last_step, -1);
  for (int64_t step = 1; step <= 5; step++) {
    assert_int_equal(ig_checkpoint_writer_submit(writer, sample_snapshot(step), step == 3), IG_OK);
  }
  assert_int_equal(ig_checkpoint_writer_flush(writer), IG_OK);
  assert_int_equal(ig_checkpoint_writer_stats(writer).written, 5);
  assert_int_equal(ig_checkpoint_writer_stats(writer).last_step, 5);
  assert_int_equal(scratch_count(&dir), 4);
  ig_snapshot *want = sample_snapshot(3);
  same_as_file(want, scratch_path(&dir, "best.h5"));
  ig_snapshot_destroy(want);
  want = sample_snapshot(4);
  same_as_file(want, scratch_path(&dir, "step-0000000004.h5"));
  ig_snapshot_destroy(want);

  /* A failure in the background comes out at the next call, once. */
  fail_errno = ENOSPC;
  fail_in = 3;
  assert_int_equal(ig_checkpoint_writer_submit(writer, sample_snapshot(6), false), IG_OK);
  assert_int_equal(ig_checkpoint_writer_submit(writer, sample_snapshot(7), false), IG_ERR_IO);
  fail_in = -1;
  assert_non_null(strstr(ig_last_error(), strerror(ENOSPC)));
  assert_int_equal(ig_checkpoint_writer_stats(writer).last_step, 5);
  assert_int_equal(ig_checkpoint_writer_submit(writer, sample_snapshot(8), false), IG_OK);
  assert_int_equal(ig_checkpoint_writer_close(writer), IG_OK);
  want = sample_snapshot(8);
  same_as_file(want, scratch_path(&dir, "latest.h5"));
  ig_snapshot_destroy(want);
  scratch_remove(&dir);
}

/* The log is on the disk before the checkpoint that comes after it; without it, neither is. */
static void a_log_is_synced_first(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  char log[2 * SCRATCH_PATH];
  snprintf(log, sizeof log, "%s", scratch_path(&dir, "metrics.jsonl"));
  scratch_write(log, "{}", 2);
  ig_checkpoint_writer *writer;
  assert_int_equal(ig_checkpoint_writer_create(dir.folder, 0, log, &writer), IG_OK);
  for (int64_t step = 1; step <= 2; step++) {
    memset(trace, 0, sizeof trace);
    watched = log;
    assert_int_equal(ig_checkpoint_writer_submit(writer, sample_snapshot(step), false), IG_OK);
    assert_int_equal(ig_checkpoint_writer_flush(writer), IG_OK);
    watched = NULL;
    assert_string_equal(trace, "sSrS"); /* the log, the new file, its name, the folder */
  }
  fail_errno = EIO;
  fail_in = 0;
  assert_int_equal(ig_checkpoint_writer_submit(writer, sample_snapshot(3), false), IG_OK);
  assert_int_equal(ig_checkpoint_writer_flush(writer), IG_ERR_IO);
  fail_in = -1;
  assert_non_null(strstr(ig_last_error(), "metrics.jsonl"));
  assert_int_equal(unlink(log), 0);
  assert_int_equal(ig_checkpoint_writer_submit(writer, sample_snapshot(4), false), IG_OK);
  assert_int_equal(ig_checkpoint_writer_flush(writer), IG_ERR_INPUT);
  ig_snapshot *want = sample_snapshot(2);
  same_as_file(want, scratch_path(&dir, "latest.h5"));
  ig_snapshot_destroy(want);
  assert_int_equal(ig_checkpoint_writer_close(writer), IG_OK);
  scratch_remove(&dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_call_fails_in_turn),
      cmocka_unit_test(short_writes_are_finished),
      cmocka_unit_test(a_full_disk),
      cmocka_unit_test(another_writer),
      cmocka_unit_test(kill_at_any_instant),
      cmocka_unit_test(the_writer_keeps_and_reports),
      cmocka_unit_test(a_log_is_synced_first),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
