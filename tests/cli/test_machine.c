/* Failures of the machine: a disk that fills up, folders that may not be written, memory that runs
 * out. Each ends in one line and exit code 3, leaves nothing half-written, and an earlier checkpoint
 * as it was. */
#include <errno.h>
#include <sys/mount.h>

#include "program.h"

static scratch folder;

static const char *in(const char *name) {
  return scratch_path(&folder, name);
}

/* A path that outlives the rotating buffers of scratch_path. */
typedef struct path {
  char text[2 * SCRATCH_PATH];
} path;

static path keep(const char *name) {
  path p;
  snprintf(p.text, sizeof p.text, "%s", in(name));
  return p;
}

static int make_all(void **state) {
  (void)state;
  folder = scratch_make();
  assert_int_equal(chmod(folder.folder, 0777), 0);
  FILE *file = fopen(in("d.csv"), "wb");
  assert_non_null(file);
  fputs("a,b,c,y\n", file);
  for (int i = 0; i < 200; i++) fprintf(file, "%d,%d,%d,c%d\n", i, i * i % 11, i % 5, i % 3);
  fclose(file);
  path data = keep("d.csv"), run = keep("model");
  assert_succeeded(RUN("train", "--model", "mlp:64", "--data", data.text, "--out", run.text,
                       "--epochs", "1", "--quiet", "--threads", "1"));
  return 0;
}

static int remove_all(void **state) {
  (void)state;
  scratch_remove(&folder);
  return 0;
}

static void assert_no_partial(const char *name) {
  DIR *dir = opendir(in(name));
  if (!dir) return;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    if (strstr(entry->d_name, ".partial")) fail_msg("%s was left in %s", entry->d_name, name);
  }
  closedir(dir);
}

/* --- a disk that fills up ---------------------------------------------------------------------- */

#define TRAIN(data, out, ...)                                                                      \
  "train", "--model", "mlp:64", "--data", (data), "--out", (out), "--quiet", "--threads", "1",     \
      __VA_ARGS__

static void first_checkpoint_does_not_fit(void **state) {
  (void)state;
  path data = keep("d.csv"), run = keep("full");
  const program *p = RUN_LIMITED(&(program_limits){.file_bytes = 4096},
                                 TRAIN(data.text, run.text, "--epochs", "1"));
  assert_refused(p, 3, "^ingot train: .*full/latest.h5.*: cannot write: File too large");
  assert_no_partial("full");
  assert_int_not_equal(access(in("full/latest.h5"), F_OK), 0);
}

/* For every size of disk, the run that was there before can still be gone on with. */
static void later_checkpoint_does_not_fit(void **state) {
  (void)state;
  path data = keep("d.csv"), run = keep("later");
  assert_succeeded(RUN(TRAIN(data.text, run.text, "--epochs", "1")));
  size_t size, after;
  unsigned char *before = scratch_read(in("later/latest.h5"), &size);
  for (size_t part = 1; part < 12; part++) {
    const program *p = RUN_LIMITED(&(program_limits){.file_bytes = size * part / 12},
                                   TRAIN(data.text, run.text, "--epochs", "3", "--resume"));
    assert_refused(p, 3, "^ingot train: .*cannot write: File too large");
    unsigned char *now = scratch_read(in("later/latest.h5"), &after);
    assert_int_equal(after, size);
    assert_memory_equal(now, before, size);
    free(now);
    assert_no_partial("later");
  }
  free(before);
  assert_succeeded(RUN(TRAIN(data.text, run.text, "--epochs", "3", "--resume")));
}

static void results_do_not_fit(void **state) {
  (void)state;
  static const char *const names[] = {"o.h5", "o.csv", "o.npy", "o.npz"};
  path data = keep("d.csv"), model = keep("model");
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    path out = keep(names[i]);
    const program *p = RUN_LIMITED(&(program_limits){.file_bytes = 1024}, "infer", "--model",
                                   model.text, "--data", data.text, "--out", out.text, "--quiet");
    assert_refused(p, 3, "^ingot infer: .*/o\\.[a-z0-9]+.*: cannot write: File too large");
    assert_int_not_equal(access(out.text, F_OK), 0);
  }
  path out = keep("export.h5");
  assert_refused(RUN_LIMITED(&(program_limits){.file_bytes = 1024}, "export", "--model", model.text,
                             "--out", out.text),
                 3, "^ingot export: .*export.h5.*: cannot write: File too large");
  assert_no_partial(".");
}

/* The same on a file system that is really full, where this user may make one. */
static void full_file_system(void **state) {
  (void)state;
  path disk = keep("disk"), data = keep("d.csv"), run = keep("disk/run");
  assert_int_equal(mkdir(disk.text, 0777), 0);
  if (mount("ingot-test", disk.text, "tmpfs", 0, "size=128k") != 0) {
    print_message("skipped: a tmpfs cannot be mounted here: %s\n", strerror(errno));
    skip();
  }
  const program *p =
      RUN(TRAIN(data.text, run.text, "--steps", "400", "--checkpoint-every", "1", "--keep", "100"));
  if (umount(disk.text) != 0) fail_msg("cannot unmount %s", disk.text);
  assert_refused(p, 3, "^ingot train: .*: cannot (write|create|link): No space left on device");
}

static void full_stdout(void **state) {
  (void)state;
  program_limits limits = {.out_path = "/dev/full"};
  const program *p = RUN_LIMITED(&limits, "--help");
  assert_int_equal(p->code, 3);
  assert_true(text_matches(p->err, "^ingot: stdout: cannot write: No space left on device$"));
  path data = keep("d.csv");
  p = RUN_LIMITED(&limits, "data", "stats", data.text, "--json");
  assert_int_equal(p->code, 3);
}

/* --- folders that may not be written ----------------------------------------------------------- */

static void read_only_folders(void **state) {
  (void)state;
  path locked = keep("locked"), data = keep("d.csv"), model = keep("model");
  path below = keep("locked/run"), file = keep("locked/o.csv"), h5 = keep("locked/o.h5");
  assert_int_equal(mkdir(locked.text, 0755), 0);
  assert_int_equal(chmod(locked.text, 0555), 0);
  program_limits nobody = {.nobody = true};
  assert_refused(RUN_LIMITED(&nobody, TRAIN(data.text, below.text, "--epochs", "1")), 3,
                 "^ingot train: .*locked: cannot .*: Permission denied$");
  assert_refused(RUN_LIMITED(&nobody, TRAIN(data.text, locked.text, "--epochs", "1")), 3,
                 "^ingot train: .*locked: cannot .*: Permission denied$");
  assert_refused(RUN_LIMITED(&nobody, "infer", "--model", model.text, "--data", data.text, "--out",
                             file.text, "--quiet"),
                 3, "^ingot infer: .*locked/o.csv.*: Permission denied$");
  assert_refused(RUN_LIMITED(&nobody, "export", "--model", model.text, "--out", h5.text), 3,
                 "^ingot export: .*locked/o.h5.*: Permission denied$");
  DIR *dir = opendir(locked.text);
  assert_non_null(dir);
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) assert_true(entry->d_name[0] == '.');
  closedir(dir);
}

static void unreadable_files(void **state) {
  (void)state;
  path secret = keep("secret.csv"), run = keep("unread");
  scratch_write(secret.text, "a,y\n1,u\n2,v\n", 12);
  assert_int_equal(chmod(secret.text, 0), 0);
  assert_refused(
      RUN_LIMITED(&(program_limits){.nobody = true}, TRAIN(secret.text, run.text, "--epochs", "1")),
      3, "^ingot train: .*secret.csv: cannot open: Permission denied$");
}

static void missing_parent(void **state) {
  (void)state;
  path data = keep("d.csv"), run = keep("no/such/run"), file = keep("d.csv/run");
  assert_refused(RUN(TRAIN(data.text, run.text, "--epochs", "1")), 2,
                 "^ingot train: .*no/such: cannot .*: No such file or directory$");
  assert_refused(RUN(TRAIN(data.text, data.text, "--epochs", "1")), 2,
                 "^ingot train: --out: .*d.csv is a file, expected a folder$");
  assert_refused(RUN(TRAIN(data.text, file.text, "--epochs", "1")), 2,
                 "^ingot train: .*d.csv.*: Not a directory$");
}

/* --- memory that runs out ---------------------------------------------------------------------- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* From hardly enough to start to enough for all: each either works or says so. */
static void little_memory(void **state) {
  (void)state;
  if (SANITIZED) {
    print_message("skipped: sanitizers reserve more address space than the limit\n");
    skip();
  }
  path data = keep("d.csv"), run = keep("small");
  int failed = 0, worked = 0;
  for (size_t mebibytes = 64; mebibytes <= 1024; mebibytes += mebibytes < 256 ? 6 : 64) {
    program_limits limits = {.memory_bytes = mebibytes << 20};
    if (RUN_LIMITED(&limits, "--version")->code != 0) continue; /* not enough for the libraries */
    const program *p =
        RUN_LIMITED(&limits, TRAIN(data.text, run.text, "--epochs", "1", "--overwrite"));
    if (p->code == 0) {
      worked++;
    } else {
      assert_refused(p, 3, "^ingot train: .*(memory|start .*: Resource temporarily unavailable)");
      failed++;
    }
    assert_no_partial("small");
  }
  print_message("%d runs without enough memory, %d with\n", failed, worked);
  assert_true(failed > 0 && worked > 0);
}

static void memory_limit_option(void **state) {
  (void)state;
  path data = keep("d.csv"), run = keep("limited");
  assert_refused(RUN(TRAIN(data.text, run.text, "--epochs", "1", "--memory-limit", "1K")), 3,
                 "^ingot train: .*; no batch fits$");
  /* The batch that is advised is one that works. */
  const program *p = RUN("train", "--model", "mlp:16", "--data", IG_SOURCE_DIR "/examples/digits/digits.h5:train",
                         "--batch", "512", "--epochs",
                         "1", "--memory-limit", "60K", "--out", run.text);
  assert_refused(p, 3, "^ingot train: .*needs 0.1 MiB.*; --batch [0-9]+ needs 0.0$");
  char batch[16] = "";
  assert_int_equal(sscanf(strstr(p->err, "--batch"), "--batch %15[0-9]", batch), 1);
  assert_succeeded(RUN("train", "--model", "mlp:16", "--data", IG_SOURCE_DIR "/examples/digits/digits.h5:train",
                         "--batch", batch, "--epochs",
                       "1", "--memory-limit", "60K", "--out", run.text));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(first_checkpoint_does_not_fit),
                                     cmocka_unit_test(later_checkpoint_does_not_fit),
                                     cmocka_unit_test(results_do_not_fit),
                                     cmocka_unit_test(full_file_system),
                                     cmocka_unit_test(full_stdout),
                                     cmocka_unit_test(read_only_folders),
                                     cmocka_unit_test(unreadable_files),
                                     cmocka_unit_test(missing_parent),
                                     cmocka_unit_test(little_memory),
                                     cmocka_unit_test(memory_limit_option)};
  return cmocka_run_group_tests(tests, make_all, remove_all);
}
