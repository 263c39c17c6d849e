/* Every fault in turn, over every verb: the program must end in one clear line and an exit code of
 * its table, leave nothing half-written, lose no checkpoint that was there, and (under ASan) leak
 * nothing. With IG_FAULT_ALL=1 each call fails once; otherwise an even sample of each kind does, so
 * that the suite stays short. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/status.h"

#define SAMPLE 24

static char root[256]; /* of this test's files */
static int failures, runs;

static int shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int shell(const char *format, ...) {
  char command[4096];
  va_list args;
  va_start(args, format);
  vsnprintf(command, sizeof command, format, args);
  va_end(args);
  int status = system(command);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Lines of a file; the first is copied. */
static int read_lines(const char *path, char *first, size_t size) {
  FILE *file = fopen(path, "r");
  char line[4096];
  int n = 0;
  first[0] = '\0';
  while (file && fgets(line, sizeof line, file)) {
    if (n++ == 0) snprintf(first, size, "%.*s", (int)strcspn(line, "\n"), line);
  }
  if (file) fclose(file);
  return n;
}

static int leftovers(const char *folder) {
  DIR *dir = opendir(folder);
  int found = 0;
  for (struct dirent *entry; dir && (entry = readdir(dir));) {
    found += strstr(entry->d_name, "partial") != NULL || strstr(entry->d_name, ".tmp") != NULL;
  }
  if (dir) closedir(dir);
  return found;
}

typedef struct verb {
  const char *name;
  const char *arguments; /* in the folder `work`, beside data.csv and the finished run `done` */
  bool run_before;       /* `work/run` starts as a copy of `done` */
} verb;

static const verb verbs[] = {
    {"train", "train --model mlp:4 --data data.csv --out run --epochs 2 --batch 16", false},
    {"resume", "train --model mlp:4 --data data.csv --out run --epochs 4 --batch 16 --resume", true},
    {"eval", "eval --model done --data data.csv --json", false},
    {"infer", "infer --model done --data data.csv --out out.h5", false},
    {"infer csv", "infer --model done --data data.csv --out out.csv", false},
    {"export", "export --model done --out out.h5", false},
    {"inspect", "inspect done", false},
    {"validate", "data validate data.csv", false},
    {"convert", "data convert data.csv --out out.npz", false},
};

static void report(const verb *v, const char *kind, const char *as, long at, const char *what) {
  if (failures++ < 40) print_error("%s, %s %ld (%s): %s\n", v->name, kind, at, as, what);
}

static void reset(const verb *v) {
  assert_int_equal(shell("cd %s && rm -rf work && mkdir work && cp data.csv work && "
                         "cp -r done work/done%s",
                         root, v->run_before ? " && cp -r done work/run" : ""),
                   0);
}

static int run_verb(const verb *v, const char *settings) {
  return shell("cd %s/work && env OMP_NUM_THREADS=1 %s %s %s >../out 2>../err </dev/null", root,
               settings, INGOT_FAULTS, v->arguments);
}

static void check(const verb *v, const char *kind, const char *as, long at, int code) {
  char first[512], path[600], what[1200];
  snprintf(path, sizeof path, "%s/err", root);
  int lines = read_lines(path, first, sizeof first);
  runs++;
  if (code > 3) {
    snprintf(what, sizeof what, "exit code %d: %s", code, first);
    report(v, kind, as, at, what);
    return;
  }
  int told = 0;
  FILE *err = fopen(path, "r");
  for (char line[4096]; err && fgets(line, sizeof line, err);) {
    told += strncmp(line, "ingot ", 6) == 0 && !strstr(line, ": warning: ");
  }
  if (err) fclose(err);
  if (code != 0 && told != 1) {
    snprintf(what, sizeof what, "exit code %d with %d error lines of %d: %s", code, told, lines, first);
    report(v, kind, as, at, what);
  }
  snprintf(path, sizeof path, "%s/work", root);
  int left = leftovers(path);
  snprintf(path, sizeof path, "%s/work/run", root);
  left += leftovers(path);
  if (left) report(v, kind, as, at, "a half-written file is left");
  if (v->run_before &&
      shell("cd %s/work && %s inspect run --json >/dev/null 2>../err", root, INGOT) != 0) {
    report(v, kind, as, at, "no checkpoint can be loaded any more");
  }
}

static long count_calls(const verb *v, const char *kind) {
  char settings[600], path[300], first[64];
  reset(v);
  snprintf(path, sizeof path, "%s/count", root);
  snprintf(settings, sizeof settings, "IG_FAULT=%s IG_FAULT_COUNT=%s", kind, path);
  assert_int_equal(run_verb(v, settings), 0);
  read_lines(path, first, sizeof first);
  return atol(first);
}

static void try_all(const verb *v, const char *kind, const char *as, bool all_later) {
  long calls = count_calls(v, kind);
  long step = getenv("IG_FAULT_ALL") ? 1 : calls / SAMPLE + 1;
  for (long at = 1; at <= calls; at += step) {
    char settings[256];
    reset(v);
    snprintf(settings, sizeof settings, "IG_FAULT=%s IG_FAULT_AS=%s IG_FAULT_AT=%ld%s", kind, as, at,
             all_later ? " IG_FAULT_ON=1" : "");
    check(v, kind, as, at, run_verb(v, settings));
  }
}

static void over_all_verbs(const char *kind, const char *as, bool all_later) {
  failures = runs = 0;
  for (int i = 0; i < IG_COUNT(verbs); i++) try_all(&verbs[i], kind, as, all_later);
  print_message("%d runs, %d failures\n", runs, failures);
  assert_int_equal(failures, 0);
  assert_true(runs > 0);
}

static void every_allocation(void **state) {
  IG_UNUSED(state);
  over_all_verbs("alloc", "ENOMEM", false);
}

static void every_write(void **state) {
  IG_UNUSED(state);
  over_all_verbs("write", "EIO", false);
  over_all_verbs("write", "ENOSPC", true);
  over_all_verbs("write", "short", false);
}

static void every_sync_rename_open_and_stream(void **state) {
  IG_UNUSED(state);
  over_all_verbs("sync", "EIO", false);
  over_all_verbs("rename", "EIO", false);
  over_all_verbs("open", "ENOSPC", false);
  over_all_verbs("stream", "ENOSPC", false);
}

static int prepare(void **state) {
  IG_UNUSED(state);
  snprintf(root, sizeof root, "/tmp/ingot-faults-XXXXXX");
  if (!mkdtemp(root)) return -1;
  char path[300];
  snprintf(path, sizeof path, "%s/data.csv", root);
  FILE *file = fopen(path, "w");
  if (!file) return -1;
  fprintf(file, "a,b,c,label\n");
  for (int i = 0; i < 60; i++) {
    fprintf(file, "%g,%g,%g,%s\n", i * 0.1, (i * 7 % 13) - 6.0, (i * 11 % 5) * 0.5,
            i % 3 == 0 ? "red" : i % 3 == 1 ? "green" : "blue");
  }
  fclose(file);
  return shell("cd %s && %s train --model mlp:4 --data data.csv --out done --epochs 2 --batch 16 "
               "--quiet",
               root, INGOT);
}

static int clean(void **state) {
  IG_UNUSED(state);
  return shell("rm -rf %s", root);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_allocation),
      cmocka_unit_test(every_write),
      cmocka_unit_test(every_sync_rename_open_and_stream),
  };
  return cmocka_run_group_tests(tests, prepare, clean);
}
