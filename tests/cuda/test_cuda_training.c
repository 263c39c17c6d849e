/* Training on the CUDA backend against training on the CPU: the same model, data, order, seed. Every step
 * but the first two is a replayed recording, and the host stays a step ahead. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "training.h"

static ig_backend *cpu, *cuda;

static const subject mlp = {"mlp:32,24", IG_TASK_CLASSIFICATION,
                            {.input = {1, {20}}, .n_outputs = TRAINING_CLASSES}, 16};
static const subject lenet = {"lenet:dropout=0.2", IG_TASK_CLASSIFICATION,
                              {.input = {3, {1, 28, 28}}, .n_outputs = TRAINING_CLASSES}, 4};
/* Large enough that the last statistics are over 32 numbers: over two, gradients are of the size of 1e5
 * and rounding decides them. */
static const subject resnet = {"resnet18:cifar", IG_TASK_CLASSIFICATION,
                               {.input = {3, {3, 16, 16}}, .n_outputs = TRAINING_CLASSES}, 8};
static const subject gpt = {"gpt:layers=2,heads=2,embd=32,ctx=16", IG_TASK_LANGUAGE,
                            {.input = {1, {16}}, .n_outputs = TRAINING_TOKENS}, 4};

static training train(const subject *s, ig_backend *backend, ig_optimizer_kind kind, int64_t steps,
                      ig_train_options options) {
  options.optimizer = ig_optimizer_default(kind);
  options.optimizer.clip_norm = 1;
  options.lr = kind == IG_OPT_SGD ? 0.05 : 1e-3;
  options.steps = steps;
  options.seed = 3;
  options.workers = 1;
  return train_subject(s, backend, &options);
}

/* Rounding differs, and training amplifies it from step to step. */
static void same_losses(const subject *s, ig_optimizer_kind kind, int64_t steps, double tolerance,
                        ig_train_options options) {
  training want = train(s, cpu, kind, steps, options), got = train(s, cuda, kind, steps, options);
  assert_int_equal(got.n, want.n);
  double worst = 0;
  for (int i = 0; i < want.n; i++) {
    double off = fabs(got.loss[i] - want.loss[i]) / fmax(1, fabs(want.loss[i]));
    off = fmax(off, fabs(got.norm[i] - want.norm[i]) / fmax(1, fabs(want.norm[i])));
    worst = fmax(worst, off);
  }
  print_message("%s: worst difference %.2g over %d steps\n", s->model, worst, want.n);
  assert_true(worst <= tolerance);
  training_free(&want);
  training_free(&got);
}

static void perceptron(void **state) {
  IG_UNUSED(state);
  same_losses(&mlp, IG_OPT_SGD, 30, 1e-4, (ig_train_options){0});
  same_losses(&mlp, IG_OPT_ADAMW, 30, 1e-4, (ig_train_options){0});
  same_losses(&mlp, IG_OPT_LAMB, 8, 1e-4, (ig_train_options){.accumulate = 3});
}

static void convolutions(void **state) {
  IG_UNUSED(state);
  same_losses(&lenet, IG_OPT_ADAM, 4, 1e-3, (ig_train_options){0});
}

static void residual_network(void **state) {
  IG_UNUSED(state);
  same_losses(&resnet, IG_OPT_SGD, 3, 1e-3, (ig_train_options){0});
}

static void transformer(void **state) {
  IG_UNUSED(state);
  same_losses(&gpt, IG_OPT_ADAMW, 6, 1e-3, (ig_train_options){0});
  same_losses(&gpt, IG_OPT_LION, 4, 1e-3, (ig_train_options){.recompute = IG_RECOMPUTE_FULL});
  same_losses(&gpt, IG_OPT_ADAMW, 4, 3e-2, (ig_train_options){.precision = IG_PRECISION_BF16});
}

/* Replayed and one by one, the same bits; and again the same bits. */
static void recordings_change_nothing(void **state) {
  IG_UNUSED(state);
  training one = train(&mlp, cuda, IG_OPT_ADAMW, 12, (ig_train_options){0});
  assert_int_equal(setenv("IG_SYNC", "1", 1), 0);
  training two = train(&mlp, cuda, IG_OPT_ADAMW, 12, (ig_train_options){0});
  assert_int_equal(unsetenv("IG_SYNC"), 0);
  assert_memory_equal(one.parameters, two.parameters, (size_t)one.n_parameters * sizeof(float));
  assert_memory_equal(one.loss, two.loss, sizeof one.loss);
  training_free(&one);
  training_free(&two);
}

int main(void) {
  if (ig_backend_cpu_create(1, &cpu) != IG_OK || ig_backend_open("cuda", 1, &cuda) != IG_OK) {
    print_error("%s\n", ig_last_error());
    return 1;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(perceptron),
      cmocka_unit_test(convolutions),
      cmocka_unit_test(residual_network),
      cmocka_unit_test(transformer),
      cmocka_unit_test(recordings_change_nothing),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  ig_backend_destroy(cuda);
  ig_backend_destroy(cpu);
  return failed;
}
