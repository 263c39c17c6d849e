/* The program from end to end: the digits are trained to what the project promises, evaluated, and
 * predicted; a run that was stopped or killed goes on to the same bits. */
#include "run_folder.h"

static int make_all(void **state) {
  (void)state;
  folder = scratch_make();
  path p = in("d.csv");
  FILE *file = fopen(p.text, "wb");
  assert_non_null(file);
  fputs("a,b,c,y\n", file);
  for (int i = 0; i < 150; i++) {
    fprintf(file, "%d,%d,%d,c%d\n", i * 37 % 101, i * i % 11, i % 5, (i % 5 + i * i % 11) % 3);
  }
  fclose(file);
  return 0;
}

static int remove_all(void **state) {
  (void)state;
  scratch_remove(&folder);
  return 0;
}

/* --- the digits -------------------------------------------------------------------------------- */

static void train_digits(void **state) {
  (void)state;
  path run = in("digits");
  const program *p = RUN("train", "--model", "mlp:512,256,dropout=0.2", "--data", DIGITS ":train",
                         "--out", run.text, "--epochs", "80", "--lr", "2e-3", "--label-smoothing",
                         "0.1", "--holdout", "0.05", "--json");
  assert_succeeded(p);
  json_t *result = parse(p->out);
  assert_true(json_is_true(json_object_get(result, "finished")));
  assert_true(number(json_object_get(result, "validation"), "accuracy") > 0.9);
  json_decref(result);
}

static void digits_reach_their_accuracy(void **state) {
  (void)state;
  path run = in("digits");
  const program *p = RUN("eval", "--model", run.text, "--data", DIGITS ":test", "--json",
                         "--latency-seconds", "0.1", "--quiet");
  assert_succeeded(p);
  assert_int_equal(p->err[0], 0);
  json_t *result = parse(p->out);
  double accuracy = number(result, "accuracy");
  print_message("digits, held-out third: %.2f %%\n", 100 * accuracy);
  assert_true(accuracy >= 0.975);
  assert_int_equal(number(result, "samples"), 599);
  static const char *const keys[] = {"loss", "top5_accuracy", "precision", "recall",
                                     "f1",   "auc",           "ece",       "samples_per_second"};
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
    assert_true(number(result, keys[i]) > 0);
  const json_t *latency = json_object_get(result, "latency_ms");
  assert_true(number(latency, "p50") <= number(latency, "p95"));
  assert_true(number(latency, "p95") <= number(latency, "p99"));
  /* The diagonal of the confusion matrix is the accuracy once more. */
  const json_t *confusion = json_object_get(result, "confusion");
  double right = 0;
  for (size_t k = 0; k < 10; k++) {
    right += json_number_value(json_array_get(json_array_get(confusion, k), k));
  }
  assert_true(right / 599 > accuracy - 1e-6 && right / 599 < accuracy + 1e-6);
  json_decref(result);
}

/* Gates end in exit code 1: it ran, and was not good enough. */
static void gates(void **state) {
  (void)state;
  path run = in("digits");
  assert_int_equal(RUN("eval", "--model", run.text, "--data", DIGITS ":test", "--min-accuracy",
                       "0.5", "--latency-seconds", "0")
                       ->code,
                   0);
  const program *p = RUN("eval", "--model", run.text, "--data", DIGITS ":test", "--min-accuracy",
                         "0.9999", "--latency-seconds", "0");
  assert_int_equal(p->code, 1);
  assert_true(text_matches(p->err, "^ingot eval: warning: accuracy 0\\.9[0-9]* is below 0.9999$"));
}

/* Predictions in a CSV file, counted against the labels of another one made by `data convert`. */
static void predictions_agree_with_eval(void **state) {
  (void)state;
  path run = in("digits"), guesses = in("guesses.csv"), truth = in("truth.csv");
  assert_succeeded(RUN("infer", "--model", run.text, "--data", DIGITS ":test", "--out",
                       guesses.text, "--quiet"));
  assert_succeeded(RUN("data", "convert", DIGITS ":test", "--out", truth.text, "--quiet"));
  FILE *a = fopen(guesses.text, "r"), *b = fopen(truth.text, "r");
  assert_non_null(a);
  assert_non_null(b);
  char line_a[4096], line_b[4096];
  int rows = 0, right = 0;
  while (fgets(line_a, sizeof line_a, a) && fgets(line_b, sizeof line_b, b)) {
    rows++;
    right += rows > 1 && strcmp(strrchr(line_a, ','), strrchr(line_b, ',')) == 0;
  }
  assert_int_equal(rows, 600); /* with the header */
  assert_true(right >= 584);   /* 97.5 % of 599 */
  fclose(a);
  fclose(b);
}

static void inspect_and_export(void **state) {
  (void)state;
  path run = in("digits"), out = in("digits.h5");
  const program *p = RUN("inspect", run.text, "--json");
  assert_succeeded(p);
  json_t *result = parse(p->out);
  assert_int_equal(number(result, "parameter_count"), 64 * 512 + 512 + 512 * 256 + 256 + 2570);
  const json_t *memory = json_object_get(result, "memory");
  assert_true(number(memory, "slab") >= number(memory, "lower_bound"));
  json_decref(result);
  p = RUN("inspect", run.text, "--show", "dot", "--training");
  assert_succeeded(p);
  assert_int_equal(strncmp(p->out, "digraph", 7), 0);
  assert_succeeded(RUN("export", "--model", run.text, "--out", out.text));
  p = RUN("eval", "--model", out.text, "--data", DIGITS ":test", "--min-accuracy", "0.975",
          "--latency-seconds", "0");
  assert_succeeded(p);
}

static void metrics_are_logged(void **state) {
  (void)state;
  path log = in("digits/metrics.jsonl");
  FILE *file = fopen(log.text, "r");
  assert_non_null(file);
  char line[4096];
  double last_step = 0;
  int validations = 0;
  while (fgets(line, sizeof line, file)) {
    json_t *row = parse(line);
    static const char *const keys[] = {"epoch", "time", "loss", "lr", "samples_per_second"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) number(row, keys[i]);
    assert_true(number(row, "step") > last_step);
    last_step = number(row, "step");
    if (json_object_get(row, "val_loss")) {
      number(row, "val_accuracy");
      validations++;
    }
    json_decref(row);
  }
  fclose(file);
  assert_int_equal(validations, 80);
}

/* --- stopping and going on --------------------------------------------------------------------- */

#define LONG_RUN(data, out)                                                                        \
  "train", "--model", "mlp:48,24,dropout=0.1", "--data", (data), "--out", (out), "--steps",        \
      "20000", "--batch", "8", "--checkpoint-every", "250", "--eval-every", "5000", "--optimizer", \
      "lamb", "--ema", "0.99", "--keep", "3", "--quiet", "--threads", "1"

/* The run that nobody disturbs. */
static double train_whole(void) {
  path data = in("d.csv"), whole = in("whole");
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  const program *p = RUN(LONG_RUN(data.text, whole.text));
  clock_gettime(CLOCK_MONOTONIC, &end);
  assert_succeeded(p);
  assert_int_equal(p->err[0], 0);
  assert_int_equal(p->out[0], 0);
  return (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
}

static double whole_seconds;

static void stops_on_a_signal(void **state) {
  (void)state;
  whole_seconds = train_whole();
  path data = in("d.csv"), run = in("stopped"), whole = in("whole/latest.h5");
  path latest = in("stopped/latest.h5");
  const int signals[] = {SIGTERM, SIGINT, SIGTERM};
  for (int i = 0; i < 3; i++) {
    program_limits limits = {.kill_after = 0.05 + whole_seconds / 6, .kill_signal = signals[i]};
    const program *p = RUN_LIMITED(&limits, LONG_RUN(data.text, run.text), "--resume");
    if (p->code == 0 && !p->killed) continue; /* it was done before the signal came */
    if (p->killed || p->code != 128 + signals[i]) {
      fail_msg("signal %d: exit %d%s\n%s", signals[i], p->code, p->killed ? " (killed)" : "",
               p->err);
    }
    assert_int_equal(access(latest.text, F_OK), 0);
  }
  assert_succeeded(RUN("train", "--resume", "--out", run.text, "--quiet"));
  assert_same_state(whole.text, latest.text);
}

/* Kills at instants all over the run, each going on from what the last one left. INGOT_KILLS asks for
 * another number of them (benchmarks/soak). */
static void survives_kill_9(void **state) {
  (void)state;
  const char *asked = getenv("INGOT_KILLS");
  int kills = asked ? atoi(asked) : 25;
  path data = in("d.csv"), run = in("killed"), whole = in("whole/latest.h5");
  path latest = in("killed/latest.h5");
  unsigned seed = (unsigned)time(NULL);
  int killed = 0, finished = 0;
  print_message("seed %u, an undisturbed run takes %.2f s\n", seed, whole_seconds);
  while (killed < kills && finished < 8 * kills) {
    double at = 0.01 + whole_seconds / 4 * rand_r(&seed) / RAND_MAX;
    program_limits limits = {.kill_after = at, .kill_signal = SIGKILL};
    const program *p = RUN_LIMITED(&limits, LONG_RUN(data.text, run.text), "--resume");
    if (p->killed) {
      killed++;
      continue;
    }
    if (p->code != 0) fail_msg("after %d kills: exit %d\n%s", killed, p->code, p->err);
    finished++;
    assert_same_state(whole.text, latest.text);
    scratch old;
    snprintf(old.folder, sizeof old.folder, "%s", scratch_path(&folder, "killed"));
    scratch_remove(&old); /* and again from the beginning */
  }
  assert_int_equal(killed, kills);
  assert_succeeded(RUN(LONG_RUN(data.text, run.text), "--resume"));
  assert_same_state(whole.text, latest.text);
  print_message("%d kills, %d runs finished between them\n", killed, finished);
}

static void refuses_to_overwrite(void **state) {
  (void)state;
  path data = in("d.csv"), run = in("whole");
  assert_refused(RUN("train", "--model", "mlp:4", "--data", data.text, "--out", run.text), 2,
                 "whole holds a run already: --resume goes on with it, --overwrite starts anew$");
  assert_refused(RUN("train", "--model", "mlp:4", "--out", run.text, "--resume"), 2,
                 "--model: .*whole is a run of the model 'mlp:48,24,dropout=0.1', not 'mlp:4'$");
  const program *p = RUN("train", "--out", run.text, "--resume");
  assert_succeeded(p);
  assert_true(text_matches(p->out, "nothing left to do"));
}

/* --- from a checkpoint ------------------------------------------------------------------------- */

/* Parameters and state of two checkpoints, bit for bit; and what the data are scaled by. */
static void assert_same_model(const char *a, const char *b) {
  ig_snapshot *x, *y;
  const unsigned parts = IG_CHECKPOINT_MODEL | IG_CHECKPOINT_PARAMETERS | IG_CHECKPOINT_DATA;
  assert_int_equal(ig_checkpoint_load(a, parts, &x), IG_OK);
  assert_int_equal(ig_checkpoint_load(b, parts, &y), IG_OK);
  assert_true(x->n_tensors >= 4);
  assert_int_equal(x->n_tensors, y->n_tensors);
  for (int64_t i = 0; i < x->n_tensors; i++) {
    const ig_tensor *t = &x->tensors[i], *u = ig_snapshot_find(y, t->role, t->name);
    assert_non_null(u);
    assert_memory_equal(t->data, u->data, ig_shape_bytes(&t->shape, t->dtype));
  }
  ig_snapshot_destroy(x);
  ig_snapshot_destroy(y);
}

static void assert_same_scale(const char *a, const char *b, bool same) {
  ig_snapshot *x, *y;
  assert_int_equal(ig_checkpoint_load(a, IG_CHECKPOINT_DATA, &x), IG_OK);
  assert_int_equal(ig_checkpoint_load(b, IG_CHECKPOINT_DATA, &y), IG_OK);
  assert_int_equal(x->n_normalizations, 1);
  assert_int_equal(y->n_normalizations, 1);
  assert_int_equal(x->normalizations[0].count, 3);
  bool equal = memcmp(x->normalizations[0].mean, y->normalizations[0].mean, 3 * 8) == 0;
  assert_int_equal(equal, same);
  ig_snapshot_destroy(x);
  ig_snapshot_destroy(y);
}

/* Other rows than d.csv's, of its columns and two of its three classes. */
static void write_other_data(const char *name, const char *last_class) {
  path p = in(name);
  FILE *file = fopen(p.text, "wb");
  assert_non_null(file);
  fputs("a,b,c,y\n", file);
  for (int i = 0; i < 40; i++) {
    fprintf(file, "%d,%d,%d,%s\n", 3 * i, i % 7, i % 3, i % 2 ? "c1" : last_class);
  }
  fclose(file);
}

/* With a learning rate of 0, what is trained on from comes out as it went in: the averages of a run
 * with --ema, as eval and export see them, on the scale of the first run's data. */
static void starts_from_a_checkpoint(void **state) {
  (void)state;
  path data = in("d.csv"), other = in("other.csv"), base = in("base"), tuned = in("tuned");
  path whole = in("base.h5"), kept = in("base/best.h5"), latest = in("tuned/latest.h5");
  write_other_data("other.csv", "c2");
  assert_succeeded(RUN("train", "--model", "mlp:12,dropout=0.1", "--data", data.text, "--out",
                       base.text, "--steps", "60", "--ema", "0.9", "--quiet"));
  assert_succeeded(RUN("export", "--model", kept.text, "--out", whole.text));
  assert_succeeded(RUN("train", "--model", base.text, "--data", other.text, "--out", tuned.text,
                       "--steps", "3", "--lr", "0", "--batch", "16", "--quiet"));
  assert_same_model(whole.text, latest.text);
  assert_same_scale(whole.text, latest.text, true);
  /* The same by way of a preset of equal shapes, which measures its own data. */
  path preset = in("preset"), preset_latest = in("preset/latest.h5");
  assert_succeeded(RUN("train", "--model", "mlp:12", "--init", kept.text, "--data", data.text,
                       "--out", preset.text, "--steps", "3", "--lr", "0", "--holdout", "0.4",
                       "--quiet"));
  assert_same_model(whole.text, preset_latest.text);
  assert_same_scale(whole.text, preset_latest.text, false);
}

static double loss_of(const char *model, const char *data) {
  const program *p =
      RUN("eval", "--model", model, "--data", data, "--json", "--quiet", "--latency-seconds", "0");
  assert_succeeded(p);
  json_t *result = parse(p->out);
  double loss = number(result, "loss");
  json_decref(result);
  return loss;
}

/* It learns from there, and the run then stands by itself: it goes on without the first one. */
static void trains_on_from_a_checkpoint(void **state) {
  (void)state;
  path data = in("d.csv"), base = in("moved/best.h5"), run = in("further"), moved = in("moved");
  path from = in("base"), gone = in("gone"), latest = in("further/latest.h5");
  assert_int_equal(rename(from.text, moved.text), 0);
  assert_succeeded(RUN("train", "--model", base.text, "--data", data.text, "--out", run.text,
                       "--steps", "3000", "--lr", "1e-2", "--quiet"));
  double before = loss_of(base.text, data.text), after = loss_of(latest.text, data.text);
  if (after > 0.8 * before) fail_msg("loss %g before, %g after", before, after);
  assert_int_equal(rename(moved.text, gone.text), 0);
  const program *p = RUN("train", "--out", run.text, "--resume");
  assert_succeeded(p);
  assert_true(text_matches(p->out, "nothing left to do"));
  assert_refused(RUN("train", "--model", "mlp:12,dropout=0.1", "--out", run.text, "--resume"), 2,
                 "further is a run of the model '.*/moved/best.h5', not 'mlp:12,dropout=0.1'$");
}

static void refuses_what_does_not_fit_a_checkpoint(void **state) {
  (void)state;
  path data = in("d.csv"), base = in("gone/best.h5"), run = in("never"),
       strange = in("strange.csv");
  path text = in("letters.txt");
  write_other_data("strange.csv", "unheard-of");
#define FROM(data_, ...)                                                                           \
  RUN("train", "--model", base.text, "--data", (data_), "--out", run.text, __VA_ARGS__)
  assert_refused(FROM(strange.text, "--quiet"), 2, "strange.csv: .*unheard-of");
  assert_refused(FROM(data.text, "--task", "regression"), 2,
                 "--task: .*best.h5 is for classification, not regression$");
  assert_refused(FROM(data.text, "--init", base.text), 2,
                 "--init: --model .*best.h5 has parameters");
  assert_refused(FROM(data.text, "--tokenizer", "bytes"), 2, "--tokenizer: text is read as");
  FILE *file = fopen(text.text, "wb");
  assert_non_null(file);
  for (int i = 0; i < 200; i++) fputs("letters and letters\n", file);
  fclose(file);
  assert_refused(FROM(text.text, "--quiet"), 2, "^ingot train: .*letters.txt");
  assert_refused(RUN("train", "--model", "none/best.h5", "--data", data.text, "--out", run.text), 2,
                 "^ingot train: none/best.h5: cannot open: No such file");
  assert_refused(RUN("train", "--model", "mlp:13", "--init", base.text, "--data", data.text,
                     "--out", run.text),
                 2, "best.h5: checkpoint: .*\\[");
  assert_int_equal(access(run.text, F_OK), -1);
}

static void divergence_is_named(void **state) {
  (void)state;
  path data = in("d.csv"), run = in("diverged");
  const program *p = RUN("train", "--model", "mlp:8", "--data", data.text, "--out", run.text,
                         "--optimizer", "sgd", "--lr", "1e6", "--steps", "50", "--quiet");
  assert_refused(p, 1, "^ingot train: step [0-9]+: .*not finite.*last good step is [0-9]+");
}

/* A text that repeats can be learned by heart: the likeliest continuation is then the text itself,
 * far past the context, and the perplexity is near 1. */
static void text_is_learned_and_continued(void **state) {
  (void)state;
  path text = in("abc.txt"), run = in("text");
  FILE *file = fopen(text.text, "wb");
  assert_non_null(file);
  for (int i = 0; i < 600; i++) fputs("abcd, efg\n", file);
  fclose(file);
  const program *p =
      RUN("train", "--model", "gpt:layers=1,heads=2,embd=32,ctx=16", "--data", text.text, "--out",
          run.text, "--steps", "150", "--batch", "16", "--lr", "1e-2", "--quiet", "--threads", "1");
  assert_succeeded(p);
  p = RUN("infer", "--model", run.text, "--prompt", "abcd, ", "--max-tokens", "44", "--temperature",
          "0", "--json", "--quiet", "--threads", "1");
  assert_succeeded(p);
  json_t *result = parse(p->out);
  assert_string_equal(json_string_value(json_object_get(result, "text")),
                      "efg\nabcd, efg\nabcd, efg\nabcd, efg\nabcd, efg\n");
  assert_int_equal(json_array_size(json_object_get(result, "tokens")), 44);
  assert_int_equal(number(result, "prompt_tokens"), 6);
  assert_true(number(result, "seconds_to_first_token") > 0);
  json_decref(result);
  p = RUN("eval", "--model", run.text, "--data", text.text, "--json", "--quiet",
          "--latency-seconds", "0", "--threads", "1");
  assert_succeeded(p);
  result = parse(p->out);
  assert_true(number(result, "perplexity") < 1.3);
  json_decref(result);
  /* Trained on from, the model keeps its tokens, whatever the text at hand lacks. */
  path less = in("ab.txt"), more = in("text-more");
  file = fopen(less.text, "wb");
  assert_non_null(file);
  for (int i = 0; i < 300; i++) fputs("abcd, \n", file);
  fclose(file);
  assert_succeeded(RUN("train", "--model", run.text, "--data", less.text, "--out", more.text,
                       "--steps", "2", "--lr", "0", "--batch", "8", "--quiet"));
  path from = in("text/best.h5"), to = in("text-more/latest.h5");
  assert_same_model(from.text, to.text);
  /* One seed, one text; characters that the training text lacks are refused. */
  const char *const call[] = {"infer", "--model",      run.text, "--prompt",  "abcd", "--seed",
                              "5",     "--max-tokens", "30",     "--threads", "1",    NULL};
  char first[PROGRAM_TEXT];
  memcpy(first, program_run_limited(&(program_limits){0}, call)->out, sizeof first);
  assert_string_equal(program_run_limited(&(program_limits){0}, call)->out, first);
  assert_refused(RUN("infer", "--model", run.text, "--prompt", "xyz"), 2,
                 "^ingot infer: --prompt: ");
}

static void splits_and_converts(void **state) {
  (void)state;
  path data = in("d.csv"), a = in("a.npz"), b = in("b.npz");
  const program *p = RUN("data", "split", data.text, "--train", a.text, "--test", b.text,
                         "--fraction", "0.2", "--json", "--quiet");
  assert_succeeded(p);
  json_t *result = parse(p->out);
  assert_int_equal(number(json_object_get(result, "train"), "samples"), 120);
  assert_int_equal(number(json_object_get(result, "test"), "samples"), 30);
  json_decref(result);
  /* The parts have the distribution of the whole, and together no sample twice. */
  assert_succeeded(RUN("data", "validate", a.text, "--max-drift", "1", "--allow-duplicates"));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(train_digits),
                                     cmocka_unit_test(digits_reach_their_accuracy),
                                     cmocka_unit_test(gates),
                                     cmocka_unit_test(predictions_agree_with_eval),
                                     cmocka_unit_test(inspect_and_export),
                                     cmocka_unit_test(metrics_are_logged),
                                     cmocka_unit_test(stops_on_a_signal),
                                     cmocka_unit_test(survives_kill_9),
                                     cmocka_unit_test(refuses_to_overwrite),
                                     cmocka_unit_test(starts_from_a_checkpoint),
                                     cmocka_unit_test(trains_on_from_a_checkpoint),
                                     cmocka_unit_test(refuses_what_does_not_fit_a_checkpoint),
                                     cmocka_unit_test(divergence_is_named),
                                     cmocka_unit_test(text_is_learned_and_continued),
                                     cmocka_unit_test(splits_and_converts)};
  return cmocka_run_group_tests(tests, make_all, remove_all);
}
