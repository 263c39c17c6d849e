/* `ingot train` and `ingot eval` on several ranks give the numbers of one process: losses within f32
 * rounding, the same bits with --elastic on any number of ranks and on another one after a stop, the
 * metrics of one process to the last digit, and the same whatever travels together. */
#include "jobs.h"

#define TRAIN "train --quiet --threads 1 --workers 1 --seed 5 --batch 40"
#define MODEL "--model mlp:16,dropout=0.2"

static jobs j;

static const char *run_folder(const char *name) {
  return scratch_path(&j.folder, name);
}

/* Trains into the folder `name`; fails the test unless it goes well. */
static const char *train(int n, const char *name, const char *format, ...) {
  char more[1024], line[2048];
  const char *out = run_folder(name);
  ranks job;
  va_list args;
  va_start(args, format);
  vsnprintf(more, sizeof more, format, args);
  va_end(args);
  bool own = strstr(more, "--model") != NULL; /* and own data with it */
  if (own) snprintf(line, sizeof line, TRAIN " --out %s %s", out, more);
  else snprintf(line, sizeof line, TRAIN " " MODEL " --data %s --out %s %s", j.data, out, more);
  job_run(&job, n, line, 60);
  ranks_check(&job, job.codes[0] == 0 && job.text[0][0] == '\0');
  return out;
}

static void assert_close(const char *a, const char *b, const char *key, double tolerance) {
  double x[JOB_LINES], y[JOB_LINES];
  int n = job_losses(a, key, x);
  assert_true(n > 0);
  assert_int_equal(job_losses(b, key, y), n);
  for (int i = 0; i < n; i++) {
    if (fabs(x[i] - y[i]) > tolerance * fabs(x[i])) {
      fail_msg("%s, line %d: %.9g in %s, %.9g in %s", key, i + 1, x[i], a, y[i], b);
    }
  }
}

/* 270 samples in batches of 40: the last of an epoch has 30. */
static void losses_are_those_of_one_process(void **state) {
  IG_UNUSED(state);
  static const int sizes[] = {1, 2, 3, 4, 8};
  const char *one = train(0, "one", "--epochs 4 --flip --crop 1 --clip 1");
  for (int i = 0; i < IG_COUNT(sizes); i++) {
    char name[16];
    snprintf(name, sizeof name, "ranks%d", sizes[i]);
    const char *many = train(sizes[i], name, "--epochs 4 --flip --crop 1 --clip 1");
    assert_close(one, many, "loss", 1e-4);
    assert_close(one, many, "val_loss", 1e-4);
    assert_close(one, many, "grad_norm", 1e-3);
    one = run_folder("one");
  }
}

static void elastic_runs_have_the_same_bits(void **state) {
  IG_UNUSED(state);
  static const int sizes[] = {2, 4, 8};
  const char *options = "--steps 30 --schedule constant --elastic 8 --flip --crop 1 --clip 1";
  char one[2 * SCRATCH_PATH];
  snprintf(one, sizeof one, "%s", train(0, "elastic1", "%s --threads 2", options));
  for (int i = 0; i < IG_COUNT(sizes); i++) {
    char name[16];
    snprintf(name, sizeof name, "elastic%d", sizes[i]);
    assert_same_checkpoints(one, train(sizes[i], name, "%s", options), true);
  }
  train(4, "moved", "--steps 11 --schedule constant --elastic 8 --flip --crop 1 --clip 1");
  assert_same_checkpoints(one, train(2, "moved", "%s --resume", options), false);
}

/* A sharded optimizer updates the same sums; without clipping, whose norms it would sum by rank. */
static void elastic_runs_may_be_sharded(void **state) {
  IG_UNUSED(state);
  char one[2 * SCRATCH_PATH];
  const char *options = "--steps 15 --elastic 4";
  snprintf(one, sizeof one, "%s", train(0, "apart1", "%s", options));
  assert_same_checkpoints(one, train(2, "apart2", "%s --shard optimizer", options), true);
  assert_same_checkpoints(one, train(4, "apart4", "%s --shard gradients", options), true);
}

/* Data that one rank reads for all, and data of which each reads its own. */
static void any_data_are_those_of_one_process(void **state) {
  IG_UNUSED(state);
  static const char *const models[] = {"--model mlp:8", "--model gpt:layers=1,heads=2,embd=16,ctx=16",
                                       "--model gpt:layers=1,heads=2,embd=16,ctx=16 --tokenizer bpe "
                                       "--vocabulary 280",
                                       "--model gpt:layers=1,heads=2,embd=16,ctx=16 --tokenizer bytes"};
  char csv[SCRATCH_PATH], text[SCRATCH_PATH], one[2 * SCRATCH_PATH];
  snprintf(csv, sizeof csv, "%s", scratch_path(&j.folder, "people.csv"));
  snprintf(text, sizeof text, "%s", scratch_path(&j.folder, "words.txt"));
  FILE *rows = fopen(csv, "w"), *lines = fopen(text, "w");
  assert_true(rows && lines);
  fprintf(rows, "size,town,class\n");
  for (int i = 0; i < 211; i++) {
    fprintf(rows, "%d.5,%s,%s\n", i * 37 % 101, i % 3 ? "Ulm" : "Bonn", i % 2 ? "yes" : "no");
    fprintf(lines, "%d caf\xc3\xa9 and %d, the %dth;\n", i, i * 31 % 17, i * i % 97);
  }
  fclose(rows);
  fclose(lines);
  for (int m = 0; m < IG_COUNT(models); m++) {
    char options[1024];
    snprintf(options, sizeof options, "%s --data %s --steps 12", models[m], m ? text : csv);
    snprintf(one, sizeof one, "%s", train(0, "alone", "%s --overwrite", options));
    const char *many = train(4, "together", "%s --overwrite", options);
    assert_close(one, many, "loss", 1e-4);
    assert_close(one, many, "val_loss", 1e-4);
  }
}

/* Buckets of every size, and every sharding, sum the same numbers; what travels in 16 bits is near. */
static void how_gradients_travel_changes_nothing(void **state) {
  IG_UNUSED(state);
  char plain[2 * SCRATCH_PATH];
  snprintf(plain, sizeof plain, "%s", train(4, "plain", "--steps 20"));
  assert_same_checkpoints(plain, train(4, "tiny", "--steps 20 --bucket-mb 0.001"), true);
  assert_same_checkpoints(plain, train(4, "large", "--steps 20 --bucket-mb 64"), true);
  assert_same_checkpoints(plain, train(4, "tcp", "--steps 20 --comm tcp"), true);
  assert_same_checkpoints(plain, train(4, "zero1", "--steps 20 --shard optimizer"), true);
  assert_same_checkpoints(plain, train(4, "zero2", "--steps 20 --shard gradients"), true);
  assert_close(plain, train(4, "short", "--steps 20 --grad-dtype bf16"), "loss", 0.02);
}

/* The text of `eval --json` without its times. */
static void evaluate(int n, char text[SAID_BYTES]) {
  char line[2048];
  ranks job;
  snprintf(line, sizeof line,
           "eval --quiet --threads 1 --json --model %s --data %s --batch 7 --latency-seconds 0",
           run_folder("one"), j.data);
  job_run(&job, n, line, 60);
  ranks_check(&job, job.codes[0] == 0);
  const char *from = job.text[0];
  text[0] = '\0';
  for (const char *end; (end = strchr(from, '\n')); from = end + 1) {
    bool timed = strstr(from, "samples_per_second") && strstr(from, "samples_per_second") < end;
    if (!timed) strncat(text, from, (size_t)(end + 1 - from));
  }
}

static void metrics_are_those_of_one_process(void **state) {
  IG_UNUSED(state);
  static char one[SAID_BYTES], many[SAID_BYTES];
  evaluate(0, one);
  assert_non_null(strstr(one, "\"auc\""));
  for (int n = 2; n <= 3; n++) {
    evaluate(n, many);
    assert_string_equal(many, one);
  }
}

/* Rank 0 alone prints, the result has every rank's rate, and the checkpoint how many there were. */
static void output_is_that_of_one_process(void **state) {
  IG_UNUSED(state);
  ranks job;
  char line[2048];
  const char *out = run_folder("output");
  snprintf(line, sizeof line, TRAIN " " MODEL " --json --data %s --out %s --steps 100", j.data, out);
  job_run(&job, 3, line, 60);
  ranks_check(&job, job.codes[0] == 0);
  int braces = count_lines(job.text[0], "{"), rates = 0;
  for (const char *at = job.text[0]; (at = strstr(at, "\"compute_seconds\"")); at++) rates++;
  ranks_check(&job, braces == 1 && rates == 3);
  ig_snapshot *snapshot = job_checkpoint(out);
  assert_non_null(strstr(snapshot->provenance_json, "\"world_size\":3"));
  ig_snapshot_destroy(snapshot);
}

/* Handwritten digits: 4 ranks are as good as one process. */
static void digits_are_learned_alike(void **state) {
  IG_UNUSED(state);
  char mnist[SCRATCH_PATH], line[2048];
  double accuracy[2][JOB_LINES];
  const char *data = getenv("INGOT_DATA");
  snprintf(mnist, sizeof mnist, "%s/mnist", data ? data : IG_SOURCE_DIR "/../shared/data");
  if (access(mnist, R_OK) != 0) {
    print_message("skipped: no %s (set INGOT_DATA)\n", mnist);
    skip();
  }
  for (int i = 0; i < 2; i++) {
    ranks job;
    const char *out = run_folder(i ? "digits4" : "digits1");
    snprintf(
        line, sizeof line,
        "train --quiet --threads 1 --model mlp:64 --data %s:train --out %s --steps 420 --batch 128",
        mnist, out);
    job_run(&job, i ? 4 : 0, line, 120);
    ranks_check(&job, job.codes[0] == 0);
    assert_int_equal(job_losses(out, "val_accuracy", accuracy[i]), 1);
  }
  assert_true(accuracy[0][0] > 0.9);
  assert_true(fabs(accuracy[1][0] - accuracy[0][0]) < 0.003);
}

int main(void) {
  if (MPIRUN[0] == '\0') {
    printf("this build has no MPI, and no mpirun was found: skipped\n");
    return 0;
  }
  j = jobs_open();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(losses_are_those_of_one_process),
      cmocka_unit_test(any_data_are_those_of_one_process),
      cmocka_unit_test(metrics_are_those_of_one_process),
      cmocka_unit_test(elastic_runs_have_the_same_bits),
      cmocka_unit_test(elastic_runs_may_be_sharded),
      cmocka_unit_test(how_gradients_travel_changes_nothing),
      cmocka_unit_test(output_is_that_of_one_process),
      cmocka_unit_test(digits_are_learned_alike),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  if (failed == 0) scratch_remove(&j.folder);
  return failed;
}
