/* Activations made again for the gradient: the same bits in less memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "training.h"

static ig_backend *backend;

static training train(const subject *s, ig_recompute level) {
  ig_train_options options = {.optimizer = ig_optimizer_default(IG_OPT_ADAMW),
                              .lr = 1e-3,
                              .steps = 4,
                              .recompute = level,
                              .seed = 3,
                              .workers = 1};
  return train_subject(s, backend, &options);
}

/* `most`: slab with full recomputation, as a share of the slab without. */
static void same_bits_in_less_memory(const subject *s, double most) {
  training none = train(s, IG_RECOMPUTE_NONE), light = train(s, IG_RECOMPUTE_LIGHT),
           full = train(s, IG_RECOMPUTE_FULL);
  size_t bytes = (size_t)none.n_parameters * sizeof(float);
  assert_int_equal(none.n_parameters, full.n_parameters);
  assert_memory_equal(none.parameters, light.parameters, bytes);
  assert_memory_equal(none.parameters, full.parameters, bytes);
  assert_memory_equal(none.loss, light.loss, sizeof none.loss);
  assert_memory_equal(none.loss, full.loss, sizeof none.loss);
  print_message("%s: slab of %zu, %zu, %zu bytes\n", s->model, none.slab, light.slab, full.slab);
  assert_true(light.slab < none.slab);
  assert_true((double)full.slab < most * (double)none.slab);
  training_free(&none);
  training_free(&light);
  training_free(&full);
}

static void transformer(void **state) {
  IG_UNUSED(state);
  const subject gpt = {"gpt:layers=6,heads=2,embd=32,ctx=32,dropout=0.1", IG_TASK_LANGUAGE,
                       {.input = {1, {32}}, .n_outputs = TRAINING_TOKENS}, 8};
  same_bits_in_less_memory(&gpt, 0.6);
}

static void residual_network(void **state) {
  IG_UNUSED(state);
  const subject resnet = {"resnet18:cifar", IG_TASK_CLASSIFICATION,
                          {.input = {3, {3, 16, 16}}, .n_outputs = TRAINING_CLASSES}, 8};
  same_bits_in_less_memory(&resnet, 0.8);
}

/* Every layer is a border: nothing is between them that could be let go, and nothing breaks. */
static void chain(void **state) {
  IG_UNUSED(state);
  const subject mlp = {"mlp:32,32", IG_TASK_CLASSIFICATION,
                       {.input = {1, {20}}, .n_outputs = TRAINING_CLASSES}, 16};
  training none = train(&mlp, IG_RECOMPUTE_NONE), full = train(&mlp, IG_RECOMPUTE_FULL);
  assert_memory_equal(none.parameters, full.parameters,
                      (size_t)none.n_parameters * sizeof(float));
  training_free(&none);
  training_free(&full);
}

int main(void) {
  if (ig_backend_cpu_create(1, &backend) != IG_OK) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(transformer),
      cmocka_unit_test(residual_network),
      cmocka_unit_test(chain),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  ig_backend_destroy(backend);
  return failed;
}
