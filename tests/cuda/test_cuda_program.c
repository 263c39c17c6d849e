/* The program with --device cuda on the emulated GPU: from training to predictions, and everything that
 * a machine's GPU can lack. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../cli/program.h"

static scratch folder;

#define DIGITS IG_SOURCE_DIR "/examples/digits/digits.h5"
#define TRAIN(out, ...)                                                                            \
  "train", "--model", "mlp:32", "--data", DIGITS ":train", "--val", DIGITS ":test", "--out", (out), \
      "--quiet", "--workers", "1", "--batch", "64", "--optimizer", "adamw", "--lr", "0.003", __VA_ARGS__

typedef struct path {
  char text[512];
} path;

static path in(const char *name) {
  path p;
  snprintf(p.text, sizeof p.text, "%s", scratch_path(&folder, name));
  return p;
}

static double number_after(const char *text, const char *key) {
  const char *at = strstr(text, key);
  if (!at) fail_msg("no %s in: %s", key, text);
  return strtod(at + strlen(key), NULL);
}

static void trains_and_predicts(void **state) {
  (void)state;
  path run = in("run"), best = in("run/best.h5"), gpu_out = in("gpu.csv");
  assert_succeeded(RUN(TRAIN(run.text, "--epochs", "6", "--device", "cuda")));
  const program *p = RUN("eval", "--model", best.text, "--data", DIGITS ":test", "--device", "cuda",
                         "--json", "--latency-seconds", "0");
  assert_succeeded(p);
  double accuracy = number_after(p->out, "\"accuracy\": "), loss = number_after(p->out, "\"loss\": ");
  assert_true(accuracy > 0.9);
  p = RUN("eval", "--model", best.text, "--data", DIGITS ":test", "--device", "cpu", "--json",
          "--latency-seconds", "0");
  assert_succeeded(p);
  assert_true(accuracy == number_after(p->out, "\"accuracy\": "));
  double cpu_loss = number_after(p->out, "\"loss\": ");
  assert_true(loss - cpu_loss < 1e-5 && cpu_loss - loss < 1e-5);
  assert_succeeded(RUN("infer", "--model", best.text, "--data", DIGITS ":test", "--device", "cuda",
                       "--out", gpu_out.text, "--quiet"));
  assert_int_equal(access(gpu_out.text, F_OK), 0);
}

/* Evaluation and inference in every precision, on both devices: a loss off by no more than
 * one rounding, the same classes but for a few, and a word where nothing is gained. */
static void precisions(void **state) {
  (void)state;
  path run = in("precise"), best = in("precise/best.h5"), out = in("precise.npz");
  assert_succeeded(RUN(TRAIN(run.text, "--epochs", "4", "--device", "cuda", "--precision", "tf32")));
  static const struct {
    const char *name;
    double rounding;
  } kinds[] = {{"f32", 0x1p-24}, {"tf32", 0x1p-11}, {"f16", 0x1p-11}, {"bf16", 0x1p-8}};
  static const char *const devices[] = {"cuda", "cpu"};
  double loss = 0, accuracy = 0;
  for (int i = 0; i < 8; i++) {
    const char *kind = kinds[i / 2].name, *device = devices[i % 2];
    const program *p = RUN("eval", "--model", best.text, "--data", DIGITS ":test", "--device", device,
                           "--precision", kind, "--json", "--latency-seconds", "0");
    assert_succeeded(p);
    bool warned = strstr(p->err, "warning: --precision tf32: products on the CPU are in f32") != NULL;
    assert_true(warned == (i == 3));
    double got = number_after(p->out, "\"loss\": "), right = number_after(p->out, "\"accuracy\": ");
    if (i == 0) loss = got, accuracy = right;
    print_message("eval --precision %-4s on %-4s: loss %.6f, accuracy %.4f\n", kind, device, got, right);
    assert_true(fabs(got - loss) <= kinds[i / 2].rounding + 1e-6);
    assert_true(fabs(right - accuracy) < 0.01);
    assert_succeeded(RUN("infer", "--model", best.text, "--data", DIGITS ":test", "--device", device,
                         "--precision", kind, "--out", out.text, "--quiet"));
  }
}

/* Stopped half-way and resumed, the same bits as in one piece: with a constant rate, since other
 * schedules depend on the number of steps. */
#define STEPS(n) "--steps", n, "--schedule", "constant", "--device", "cuda", "--precision", precision
static void resumes_in(const char *precision, const char *one, const char *two) {
  path whole = in(one), parts = in(two), a = in(one), b = in(two);
  strcat(a.text, "/latest.h5");
  strcat(b.text, "/latest.h5");
  assert_succeeded(RUN(TRAIN(whole.text, STEPS("30"))));
  assert_succeeded(RUN(TRAIN(parts.text, STEPS("13"))));
  assert_succeeded(RUN(TRAIN(parts.text, STEPS("30"), "--resume")));
  char command[4096];
  snprintf(command, sizeof command, "h5diff -q %s %s /parameters && h5diff -q %s %s /optimizer",
           a.text, b.text, a.text, b.text);
  assert_int_equal(system(command), 0);
}

/* The maxima that scales of fp8 come from are part of a checkpoint. */
static void resumes(void **state) {
  (void)state;
  resumes_in("f32", "whole", "parts");
  resumes_in("fp8", "whole8", "parts8");
  path file = in("whole8/latest.h5");
  char command[2048];
  snprintf(command, sizeof command, "h5dump -d /optimizer/fp8.fc1.weight.gradient %s >/dev/null",
           file.text);
  assert_int_equal(system(command), 0);
}

static void refused_with(const char *variable, const char *value, const char *device,
                         const char *pattern) {
  path run = in("refused");
  assert_int_equal(setenv(variable, value, 1), 0);
  const program *p = RUN(TRAIN(run.text, "--steps", "1", "--device", device));
  assert_int_equal(unsetenv(variable), 0);
  assert_refused(p, 3, pattern);
  assert_int_not_equal(access(run.text, F_OK), 0);
}

static void what_a_machine_lacks(void **state) {
  (void)state;
  refused_with("IG_EMU_DRIVER", "0", "cuda", "^ingot train: device 'cuda': no NVIDIA driver is loaded$");
  refused_with("IG_EMU_DRIVER", "11080", "cuda",
               "^ingot train: device 'cuda': the NVIDIA driver supports CUDA 11.8, this build needs");
  refused_with("IG_EMU_DEVICES", "0", "cuda", "^ingot train: device 'cuda': there is no NVIDIA GPU");
  refused_with("IG_EMU_DEVICES", "2", "cuda:2", "^ingot train: device 'cuda:2': GPU 2: this machine has 2$");
  refused_with("IG_EMU_CAPABILITY", "75", "cuda",
               "^ingot train: device 'cuda': GPU 0 .* has compute capability 7.5, expected 8.0 or newer$");
  path run = in("refused");
  assert_int_equal(setenv("IG_EMU_CAPABILITY", "80", 1), 0);
  const program *p = RUN(TRAIN(run.text, "--steps", "1", "--device", "cuda", "--precision", "fp8"));
  assert_int_equal(unsetenv("IG_EMU_CAPABILITY"), 0);
  assert_refused(p, 3, "^ingot train: fp8 needs a GPU of compute capability 8.9 or newer, this one has 8.0$");
  assert_int_not_equal(access(run.text, F_OK), 0);
}

/* The advice is followed, and works. */
static void too_large_a_batch(void **state) {
  (void)state;
  path run = in("large");
  assert_int_equal(setenv("IG_EMU_MEMORY", "450000", 1), 0);
  const program *p = RUN(TRAIN(run.text, "--steps", "2", "--device", "cuda", "--batch", "1024"));
  assert_refused(p, 3, "^ingot train: .*out of memory on cuda:0: .* --batch [0-9]+ needs");
  unsetenv("IG_EMU_MEMORY");
}

/* After a fault nothing that was the device's can be given back: no leak of this program's. */
static void expect_leaks(bool expected) {
  const char *usual = getenv("ASAN_OPTIONS");
  static char kept[512];
  if (expected) {
    snprintf(kept, sizeof kept, "%s", usual ? usual : "");
    char options[600];
    snprintf(options, sizeof options, "%s:detect_leaks=0", kept);
    assert_int_equal(setenv("ASAN_OPTIONS", options, 1), 0);
  } else {
    assert_int_equal(setenv("ASAN_OPTIONS", kept, 1), 0);
  }
}

/* A kernel faults in the middle: the run ends, its last checkpoint is whole, and IG_SYNC names the
 * node. */
static void a_kernel_faults(void **state) {
  (void)state;
  path run = in("fault"), latest = in("fault/latest.h5");
  assert_succeeded(RUN(TRAIN(run.text, "--steps", "8", "--device", "cuda")));
  expect_leaks(true);
  assert_int_equal(setenv("IG_EMU_FAULT", "600", 1), 0);
  assert_int_equal(setenv("IG_EMU_SEED", "1", 1), 0); /* kernels run when they are waited for */
  const program *p = RUN(TRAIN(run.text, "--steps", "100", "--device", "cuda", "--resume"));
  assert_int_equal(p->code, 3);
  assert_true(text_matches(p->err, "^ingot train: .*IG_SYNC=1 names its node.*fault"));
  assert_int_equal(setenv("IG_SYNC", "1", 1), 0);
  p = RUN(TRAIN(run.text, "--steps", "100", "--device", "cuda", "--resume"));
  unsetenv("IG_SYNC");
  unsetenv("IG_EMU_FAULT");
  unsetenv("IG_EMU_SEED");
  expect_leaks(false);
  assert_int_equal(p->code, 3);
  assert_true(text_matches(p->err, "^ingot train: .*node '[^']+' \\(.*fault"));
  assert_succeeded(RUN("inspect", latest.text, "--quiet"));
  assert_succeeded(RUN(TRAIN(run.text, "--steps", "20", "--device", "cuda", "--resume")));
}

static int make_folder(void **state) {
  (void)state;
  folder = scratch_make();
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  scratch_remove(&folder);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(trains_and_predicts),
      cmocka_unit_test(precisions),
      cmocka_unit_test(resumes),
      cmocka_unit_test(what_a_machine_lacks),
      cmocka_unit_test(too_large_a_batch),
      cmocka_unit_test(a_kernel_faults),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
