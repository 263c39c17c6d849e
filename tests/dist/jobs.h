/* The program as the ranks of a job, under mpirun or each started here to meet at a rendezvous, on small
 * pictures of four classes. */
#ifndef IG_TESTS_JOBS_H
#define IG_TESTS_JOBS_H

#include <math.h>

#include "engine/base/memory.h"
#include "engine/base/rng.h"
#include "formats/array_writer.h"
#include "formats/checkpoint_h5.h"
#include "ranks.h"

enum { JOB_SAMPLES = 300, JOB_SIDE = 8, JOB_WORDS = 48, JOB_LINES = 512 };

typedef struct jobs {
  scratch folder;
  char data[SCRATCH_PATH + 64], poisoned[SCRATCH_PATH + 64];
} jobs;

/* x [300, 1, 8, 8], y [300]; with `poison` a NaN in the picture of that number. */
static inline void jobs_write(const char *path, int poison) {
  enum { PIXELS = JOB_SIDE * JOB_SIDE };
  static float x[JOB_SAMPLES][PIXELS];
  static int64_t y[JOB_SAMPLES];
  ig_rng rng = ig_rng_stream(3, IG_RNG_TEST, 0, 0);
  for (int i = 0; i < JOB_SAMPLES; i++) {
    y[i] = i % 4;
    ig_rng_normals(&rng, (uint64_t)i * 2 * PIXELS, PIXELS, x[i]);
    for (int p = 0; p < PIXELS / 4; p++) x[i][y[i] * PIXELS / 4 + p] += 0.6f;
  }
  if (poison >= 0) x[poison][7] = NAN;
  ig_array arrays[2] = {
      {.name = "x", .dtype = IG_F32, .shape = IG_SHAPE(1, JOB_SIDE, JOB_SIDE), .kind = "image"},
      {.name = "y", .dtype = IG_I64, .kind = "class"}};
  ig_array_writer *writer;
  assert_int_equal(ig_array_writer_open(path, JOB_SAMPLES, 2, arrays, &writer), IG_OK);
  ig_status status = ig_array_writer_append(writer, (const void *[]){x, y}, JOB_SAMPLES);
  assert_int_equal(ig_array_writer_close(writer, status), IG_OK);
}

static inline jobs jobs_open(void) {
  jobs j = {.folder = scratch_make()};
  snprintf(j.data, sizeof j.data, "%s", scratch_path(&j.folder, "data.h5"));
  snprintf(j.poisoned, sizeof j.poisoned, "%s", scratch_path(&j.folder, "poisoned.h5"));
  jobs_write(j.data, -1);
  jobs_write(j.poisoned, 77);
  setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
  setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
  setenv("OMP_WAIT_POLICY", "passive", 1); /* more threads than cores */
  return j;
}

/* A command line in pieces: words are separated by blanks, of which paths here have none. */
typedef struct words {
  int n;
  char *word[JOB_WORDS + 1];
  char text[8][2048];
  int n_texts;
} words;

static inline void words_add(words *w, const char *format, ...) {
  va_list args;
  char *text = w->text[w->n_texts++], *rest = NULL;
  assert_true(w->n_texts <= 8);
  va_start(args, format);
  vsnprintf(text, sizeof w->text[0], format, args);
  va_end(args);
  for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
    assert_true(w->n < JOB_WORDS);
    w->word[w->n++] = word;
  }
}

/* `line` follows the program's name; n = 0 is one process without a launcher. One process is started
 * here, whose end is that of the job. */
static inline void job_run(ranks *j, int n, const char *line, double limit) {
  words w = {0};
  if (n > 0) words_add(&w, "%s --oversubscribe --bind-to none -n %d", MPIRUN, n);
  words_add(&w, "%s", INGOT);
  words_add(&w, "%s", line);
  *j = (ranks){0};
  if (n > 0) {
    ranks_add_leaky(j, w.word);
  } else {
    ranks_add(j, w.word);
  }
  ranks_wait(j, limit);
}

/* Starts `n` ranks that meet at a rendezvous, each with its line, and in its folder unless NULL. */
static inline void job_start_in(ranks *j, int n, const char *const *lines,
                                char (*folders)[2 * SCRATCH_PATH], double timeout) {
  int port = free_port();
  char before[1024];
  assert_non_null(getcwd(before, sizeof before));
  *j = (ranks){0};
  for (int r = 0; r < n; r++) {
    words w = {0};
    words_add(&w, "%s %s", INGOT, lines[r]);
    words_add(&w, "--rendezvous 127.0.0.1:%d --rank %d --ranks %d --comm-timeout %g", port, r, n,
              timeout);
    if (folders) assert_int_equal(chdir(folders[r]), 0);
    ranks_add(j, w.word);
  }
  assert_int_equal(chdir(before), 0);
}

static inline void job_start(ranks *j, int n, const char *const *lines, double timeout) {
  job_start_in(j, n, lines, NULL, timeout);
}

/* Losses by line of RUN/metrics.jsonl; returns their number. */
static inline int job_losses(const char *run, const char *key, double losses[JOB_LINES]) {
  char path[SCRATCH_PATH * 3], line[2048], pattern[64];
  int n = 0;
  snprintf(path, sizeof path, "%s/metrics.jsonl", run);
  snprintf(pattern, sizeof pattern, "\"%s\":", key);
  FILE *file = fopen(path, "r");
  if (!file) fail_msg("%s is not there", path);
  while (fgets(line, sizeof line, file) && n < JOB_LINES) {
    const char *at = strstr(line, pattern);
    if (at) losses[n++] = atof(at + strlen(pattern));
  }
  fclose(file);
  return n;
}

static inline ig_snapshot *job_checkpoint(const char *run) {
  char path[SCRATCH_PATH * 3];
  ig_snapshot *snapshot;
  snprintf(path, sizeof path, "%s/latest.h5", run);
  ig_status status = ig_checkpoint_load(path, IG_CHECKPOINT_ALL, &snapshot);
  if (status != IG_OK) fail_msg("%s", ig_last_error());
  return snapshot;
}

/* Tensors of all roles, and where training stands; with `best` also the best validation, which a run
 * that ended on its way has one more of. */
static inline void assert_same_checkpoints(const char *a, const char *b, bool best) {
  ig_snapshot *x = job_checkpoint(a), *y = job_checkpoint(b);
  assert_int_equal(x->n_tensors, y->n_tensors);
  for (int64_t i = 0; i < x->n_tensors; i++) {
    const ig_tensor *u = &x->tensors[i], *v = ig_snapshot_find(y, u->role, u->name);
    if (!v || memcmp(u->data, v->data, ig_shape_bytes(&u->shape, u->dtype)) != 0) {
      fail_msg("'%s' differs between %s and %s", u->name, a, b);
    }
  }
  assert_int_equal(x->progress.step, y->progress.step);
  assert_int_equal(x->progress.epoch_samples, y->progress.epoch_samples);
  if (best) assert_int_equal(x->progress.best_step, y->progress.best_step);
  if (best) assert_true(x->progress.best_metric == y->progress.best_metric);
  ig_snapshot_destroy(x);
  ig_snapshot_destroy(y);
}

/* Lines of the program's own among what a job said. */
static inline int count_lines(const char *text, const char *start) {
  int n = 0;
  for (const char *at = text; at; at = strchr(at, '\n'), at = at ? at + 1 : NULL) {
    n += strncmp(at, start, strlen(start)) == 0;
  }
  return n;
}

#endif
