/* Parameters' copies in 16 bits, which updates write: after any steps they are what a cast would give, no
 * step casts a parameter, and in f32 there are none. Whole steps, sums of batches, a last batch that is
 * smaller, and steps that f16 withholds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "training.h"

static const subject network = {
    "mlp:24,16", IG_TASK_CLASSIFICATION, {.input = {1, {40}}, .n_outputs = 10}, 24, 0};
static const subject overflowing = {
    "mlp:24,16", IG_TASK_CLASSIFICATION, {.input = {1, {40}}, .n_outputs = 10}, 24, 1e9};

static int copies_after(const subject *s, ig_optimizer_kind kind, ig_precision precision,
                        int accumulate) {
  ig_backend *backend;
  assert_int_equal(ig_backend_cpu_create(1, &backend), IG_OK);
  ig_train_options options = {.optimizer = ig_optimizer_default(kind),
                              .lr = 0.01,
                              .steps = 20,
                              .accumulate = accumulate,
                              .seed = 1,
                              .precision = precision,
                              .workers = 1};
  training t = train_subject(s, backend, &options);
  int copies = t.n_copies;
  training_free(&t);
  ig_backend_destroy(backend);
  return copies;
}

/* Where the processor has products of that type; elsewhere they stay in f32. */
static void expect_copies(const subject *s, ig_optimizer_kind kind, ig_precision precision,
                          int accumulate) {
  bool narrow = ig_mixed_precision_pays(IG_CPU, ig_precision_dtype(precision));
  int copies = copies_after(s, kind, precision, accumulate);
  if (!narrow) print_message("%d: no products of 16 bits here\n", (int)precision);
  assert_in_range(copies, narrow ? 3 : 0, 6);
}

static void updates_write_copies(void **state) {
  (void)state;
  for (int kind = IG_OPT_SGD; kind <= IG_OPT_LION; kind++) {
    assert_int_equal(copies_after(&network, (ig_optimizer_kind)kind, IG_PRECISION_F32, 1), 0);
    expect_copies(&network, (ig_optimizer_kind)kind, IG_PRECISION_BF16, 1);
  }
  expect_copies(&network, IG_OPT_SGD, IG_PRECISION_BF16, 3);
  expect_copies(&network, IG_OPT_ADAMW, IG_PRECISION_F16, 1);
  expect_copies(&overflowing, IG_OPT_ADAMW, IG_PRECISION_F16, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(updates_write_copies),
  };
  return cmocka_run_group_tests_name("copies", tests, NULL, NULL);
}
