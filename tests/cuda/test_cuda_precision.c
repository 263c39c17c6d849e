/* The precisions of training and inference on the CUDA backend against f32 on the CPU: the same model,
 * data, order and seed. Rounding is a perturbation that training amplifies, so that losses are
 * compared by their mean difference over the last steps, against what training took off the loss. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "training.h"

#define LAST 10

static ig_backend *cpu, *cuda;

/* A loss scale at which nothing overflows, so that all precisions take the same steps. */
static const subject lenet = {.model = "lenet:channels=8,width=32",
                              .task = IG_TASK_CLASSIFICATION,
                              .spec = {.input = {3, {1, 12, 12}}, .n_outputs = TRAINING_CLASSES},
                              .batch = 8,
                              .loss_scale = 1024};
static const subject gpt = {.model = "gpt:layers=2,heads=2,embd=32,ctx=16",
                            .task = IG_TASK_LANGUAGE,
                            .spec = {.input = {1, {16}}, .n_outputs = TRAINING_TOKENS},
                            .batch = 4,
                            .loss_scale = 1024};

/* Sizes of which all are multiples of 16, as fp8 wants them. */
static const subject mlp = {.model = "mlp:64,32",
                            .task = IG_TASK_CLASSIFICATION,
                            .spec = {.input = {1, {144}}, .n_outputs = TRAINING_CLASSES},
                            .batch = 16,
                            .loss_scale = 1024};

static const char *name_of(ig_precision precision) {
  static const char *const names[] = {"f32", "tf32", "bf16", "f16", "fp8"};
  return names[precision];
}

static training train(const subject *s, ig_backend *backend, ig_precision precision,
                      int64_t steps, double lr) {
  ig_train_options options = {.optimizer = ig_optimizer_default(IG_OPT_ADAMW),
                              .lr = lr,
                              .steps = steps,
                              .precision = precision,
                              .seed = 3,
                              .workers = 1};
  return train_subject(s, backend, &options);
}

static double mean_of_last(const training *t) {
  double sum = 0;
  for (int i = t->n - LAST; i < t->n; i++) sum += t->loss[i] / LAST;
  return sum;
}

static double mean_difference(const training *a, const training *b) {
  double sum = 0;
  for (int i = a->n - LAST; i < a->n; i++) sum += fabs(a->loss[i] - b->loss[i]) / LAST;
  return sum;
}

/* Half a unit in the last place, relative: 24, 11, 8, 11 and 4 bits of significand. */
static const double rounding[] = {0x1p-24, 0x1p-11, 0x1p-8, 0x1p-11, 0x1p-4};

/* Of a loss, whose products sum over 32 numbers at least: errors of fp8 average out. */
static double forward_rounding(ig_precision precision) {
  return precision == IG_PRECISION_FP8 ? rounding[precision] / sqrt(32) : 2 * rounding[precision];
}

/* The first loss shows the forward pass alone. At the end the difference may be `growth` roundings,
 * and a twentieth at most, of what training took off the loss: lost gradients cost more. Losses are f32
 * themselves, and may differ by a unit in their last place besides. */
static void losses_keep_together(const subject *s, int64_t steps, double lr, double growth,
                                 ig_precision last) {
  training want = train(s, cpu, IG_PRECISION_F32, steps, lr);
  double first = want.loss[0], gain = first - mean_of_last(&want), exact = 0, half = 0;
  print_message("%s: %d steps on the CPU in f32, %.3f to %.3f\n", s->model, want.n, first,
                first - gain);
  print_message("  %-9s  %-12s  mean difference of the last %d\n", "precision", "first step", LAST);
  assert_true(gain > 0.15 * first); /* it learns */
  for (ig_precision p = IG_PRECISION_F32; p <= last; p++) {
    training got = train(s, cuda, p, steps, lr);
    assert_int_equal(got.n, want.n);
    assert_int_equal(got.n_copies > 0, p >= IG_PRECISION_BF16); /* of biases and head in fp8 */
    double start = fabs(got.loss[0] - first), off = mean_difference(&got, &want);
    print_message("  %-9s  %-12.1e  %.1e\n", name_of(p), start, off);
    assert_true(start <= forward_rounding(p) * first);
    assert_true(off <= fmin(0.05, growth * rounding[p]) * gain + 0x1p-23 * first);
    if (p == IG_PRECISION_F32) exact = off;
    if (p == IG_PRECISION_BF16) half = start;
    assert_true(p != IG_PRECISION_FP8 || start > half);
    assert_true(p == IG_PRECISION_F32 || off > 10 * exact); /* the precision was another one */
    training_free(&got);
  }
  training_free(&want);
}

/* ReLU and maxima that decide otherwise amplify a rounding, and Adam makes a whole step of the sign of
 * a small gradient; the transformer's functions are smooth. */
static void convolutions(void **state) {
  IG_UNUSED(state);
  losses_keep_together(&lenet, 30, 2e-3, 100, IG_PRECISION_F16);
}

static void transformer(void **state) {
  IG_UNUSED(state);
  losses_keep_together(&gpt, 30, 3e-3, 1, IG_PRECISION_FP8);
}

static void perceptron(void **state) {
  IG_UNUSED(state);
  losses_keep_together(&mlp, 30, 2e-3, 100, IG_PRECISION_FP8);
}

/* From a scale that is too large for f16's gradients: those steps leave every parameter as it was and
 * halve the scale, and what follows learns as f32 does. */
static void overflow(void **state) {
  IG_UNUSED(state);
  subject large = gpt;
  large.loss_scale = 0x1p22;
  training before = train(&large, cuda, IG_PRECISION_F16, 1, 0);
  training after = train(&large, cuda, IG_PRECISION_F16, 1, 3e-3);
  assert_true(isfinite(after.loss[0]) && !isfinite(after.norm[0]));
  assert_memory_equal(after.parameters, before.parameters,
                      (size_t)before.n_parameters * sizeof(float));
  training got = train(&large, cuda, IG_PRECISION_F16, 30, 3e-3);
  training want = train(&gpt, cpu, IG_PRECISION_F32, 30, 3e-3);
  int skipped = 0, late = 0;
  for (int i = 0; i < got.n; i++) {
    assert_true(isfinite(got.loss[i]));
    skipped += !isfinite(got.norm[i]);
    late += !isfinite(got.norm[i]) && i >= 12;
  }
  double gain = want.loss[0] - mean_of_last(&want), got_gain = got.loss[0] - mean_of_last(&got);
  print_message("%s in f16 from a loss scale of 2^22: %d steps skipped, loss down by %.3f, f32 %.3f\n",
                gpt.model, skipped, got_gain, gain);
  assert_true(skipped >= 2 && late == 0);
  assert_true(got_gain > 0.7 * gain);
  training_free(&before);
  training_free(&after);
  training_free(&got);
  training_free(&want);
}

int main(void) {
  if (ig_backend_cpu_create(1, &cpu) != IG_OK || ig_backend_open("cuda", 1, &cuda) != IG_OK) {
    print_error("%s\n", ig_last_error());
    return 1;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(convolutions),
      cmocka_unit_test(transformer),
      cmocka_unit_test(perceptron),
      cmocka_unit_test(overflow),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  ig_backend_destroy(cuda);
  ig_backend_destroy(cpu);
  return failed;
}
