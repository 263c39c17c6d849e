/* Stochastic rounding: a number becomes one of its two neighbours, on average itself; what 16 bits hold
 * stays; other steps, seeds and parameters draw otherwise. And as updates do it: copies are the parameters
 * rounded by the numbers of that step. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "training.h"
#include "kernels/rounding.h"

#define DRAWS 40000

static const float numbers[] = {1.0f,      1.001f,   -1.001f, 3.14159265f, -0.7071068f, 1e-3f,
                                1.17e-5f,  -6.1e-5f, 3e-6f,   5.1e-8f,     -2e-8f,      65000.0f,
                                65503.99f, 0.1f,     -0.1f,   12345.678f,  0.0f,        1e-9f};

/* The distance of the 16-bit numbers around x, from the formats' definitions. */
static double unit_at(ig_dtype dtype, double x) {
  int exponent, digits = dtype == IG_BF16 ? 8 : 11, least = dtype == IG_BF16 ? -133 : -24;
  (void)frexp(x, &exponent);
  return ldexp(1, IG_MAX(exponent - digits, least));
}

/* The mean of n draws of a variable that is `low` or `low + unit` has the standard deviation
 * unit * sqrt(f (1 - f) / n), f being the probability of the latter; six of them are exceeded once in 5e8
 * times. One more draw is allowed for, as probabilities are multiples of 2^-31. */
static void mean_is_the_number(ig_dtype dtype, float x) {
  float *same = malloc(DRAWS * sizeof *same);
  uint16_t *narrow = malloc(DRAWS * sizeof *narrow);
  for (int i = 0; i < DRAWS; i++) same[i] = x;
  const ig_rounding rounding = {true, 7, 3, ig_hash_name("w")};
  ig_cpu_narrow(&rounding, same, 0, DRAWS, dtype, narrow);
  double unit = unit_at(dtype, (double)x), low = floor((double)x / unit) * unit, sum = 0;
  for (int i = 0; i < DRAWS; i++) {
    double value = ig_load_f64(dtype, narrow, i);
    assert_true(value == low || value == low + unit);
    if ((double)x == low) assert_true(value == low);
    sum += value - low;
  }
  double f = ((double)x - low) / unit, mean = sum / DRAWS;
  double bound = 6 * unit * sqrt(f * (1 - f) / DRAWS) + (f > 0 ? unit / DRAWS : 0);
  if (fabs(mean - f * unit) > bound) {
    fail_msg("%s %g: the mean is off by %g, at most %g", ig_dtype_name(dtype), (double)x,
             mean - f * unit, bound);
  }
  free(same);
  free(narrow);
}

static void right_on_average(void **state) {
  (void)state;
  for (int i = 0; i < IG_COUNT(numbers); i++) {
    mean_is_the_number(IG_BF16, numbers[i]);
    mean_is_the_number(IG_F16, numbers[i]);
  }
}

/* All 65536 numbers of a type, infinities included, whatever is drawn; NaN stays NaN. */
static void what_fits_stays(void **state) {
  (void)state;
  static const uint32_t draws[] = {0, 1, 0x1fff, 0xffff, 0x7fffffff, 0xffffffff};
  for (int type = 0; type < 2; type++) {
    ig_dtype dtype = type ? IG_F16 : IG_BF16;
    for (uint32_t bits = 0; bits < 65536; bits++) {
      uint16_t given = (uint16_t)bits;
      float x = (float)ig_load_f64(dtype, &given, 0);
      for (int d = 0; d < IG_COUNT(draws); d++) {
        uint16_t got = ig_round_by(dtype, x, draws[d]);
        assert_true(isnan(x) ? isnan(ig_load_f64(dtype, &got, 0)) : got == given);
      }
    }
  }
}

/* Beyond the largest finite number as to nearest. */
static void large_numbers(void **state) {
  (void)state;
  const float large[] = {65510.0f, 65519.99f, 65520.0f, -65536.0f,
                         1e30f,    3.39e38f,  -3.4e38f, 3.4028e38f};
  for (int i = 0; i < IG_COUNT(large); i++) {
    uint16_t want;
    ig_convert(IG_F32, &large[i], IG_F16, &want, 1);
    assert_int_equal(ig_round_by(IG_F16, large[i], 0xffffffff), want);
    if (fabsf(large[i]) < 3.39e38f) continue;
    ig_convert(IG_F32, &large[i], IG_BF16, &want, 1);
    assert_int_equal(ig_round_by(IG_BF16, large[i], 0xffffffff), want);
  }
}

/* Halfway between two, two streams agree in half of the draws: 6 deviations of a binomial. And a part of a
 * tensor is rounded as in the whole. */
static void streams_differ(void **state) {
  (void)state;
  enum { N = 10000 };
  static const ig_rounding streams[] = {
      {true, 7, 3, 11}, {true, 8, 3, 11}, {true, 7, 4, 11}, {true, 7, 3, 12}};
  float x[N];
  uint16_t first[N], other[N];
  for (int i = 0; i < N; i++) x[i] = 1 + 1.0f / 256;
  ig_cpu_narrow(&streams[0], x, 0, N, IG_BF16, first);
  for (int s = 1; s < IG_COUNT(streams); s++) {
    int same = 0;
    ig_cpu_narrow(&streams[s], x, 0, N, IG_BF16, other);
    for (int i = 0; i < N; i++) same += first[i] == other[i];
    assert_true(abs(same - N / 2) < 6 * 50);
  }
  ig_cpu_narrow(&streams[0], x + 516, 516, 1003, IG_BF16, other);
  assert_memory_equal(other, first + 516, 1003 * sizeof *other);
}

/* --- updates -------------------------------------------------------------------------------------- */

static const subject network = {
    "mlp:24,16", IG_TASK_CLASSIFICATION, {.input = {1, {40}}, .n_outputs = 10}, 24, 0};

/* After `steps` steps every copy is its parameter rounded by the last step's numbers. Counts those that
 * are not what a cast would give. */
static int64_t rounded_up_or_down(ig_trainer *trainer, uint64_t seed, int64_t steps) {
  const ig_store *store = ig_trainer_store(trainer);
  int64_t differ = 0;
  for (int64_t i = 0; i < ig_store_count(store); i++) {
    const ig_store_entry *copy = ig_store_entry_at(store, i);
    if (copy->role != IG_ROLE_COPY) continue;
    const ig_store_entry *param = ig_store_find(store, copy->name + strlen("copy."));
    int64_t n = ig_shape_count(&param->shape);
    uint16_t *want = malloc((size_t)n * 2), *cast = malloc((size_t)n * 2);
    const ig_rounding rounding = {true, seed, (uint64_t)steps - 1, ig_hash_name(param->name)};
    ig_cpu_narrow(&rounding, param->data, 0, n, copy->dtype, want);
    ig_convert(IG_F32, param->data, copy->dtype, cast, n);
    assert_memory_equal(copy->data, want, (size_t)n * 2);
    for (int64_t k = 0; k < n; k++) differ += want[k] != cast[k];
    free(want);
    free(cast);
  }
  return differ;
}

static ig_status train(ig_backend *backend, ig_optimizer_kind kind, ig_precision precision,
                       int64_t *differ) {
  ig_train_options options = {.optimizer = ig_optimizer_default(kind),
                              .task = network.task,
                              .batch = network.batch,
                              .lr = 0.01,
                              .steps = 12,
                              .accumulate = 2,
                              .seed = 5,
                              .precision = precision,
                              .workers = 1};
  options.optimizer.stochastic_rounding = true;
  training_data data = training_data_create(&network);
  ig_train_observer observer = {.on_step = NULL};
  ig_graph *model;
  ig_trainer *trainer = NULL;
  assert_int_equal(ig_model_build(network.model, &network.spec, &model), IG_OK);
  ig_status status = ig_trainer_create(model, backend, NULL, data.dataset, NULL, 0, NULL, &options,
                                       &observer, &trainer);
  if (status == IG_OK) status = ig_trainer_run(trainer);
  if (status == IG_OK) *differ = rounded_up_or_down(trainer, options.seed, options.steps);
  if (trainer) ig_trainer_destroy(trainer);
  ig_graph_destroy(model);
  training_data_destroy(&data);
  return status;
}

static void updates_round_copies(void **state) {
  (void)state;
  ig_backend *backend;
  int64_t differ = 0;
  assert_int_equal(ig_backend_cpu_create(1, &backend), IG_OK);
  assert_int_equal(train(backend, IG_OPT_SGD, IG_PRECISION_F32, &differ), IG_ERR_USAGE);
  assert_non_null(strstr(ig_last_error(), "needs precision bf16 or f16"));
  static const ig_precision precisions[] = {IG_PRECISION_BF16, IG_PRECISION_F16};
  for (int p = 0; p < 2; p++) {
    bool narrow = ig_mixed_precision_pays(IG_CPU, ig_precision_dtype(precisions[p]));
    if (!narrow) print_message("%d: no products of 16 bits here\n", (int)precisions[p]);
    for (int kind = IG_OPT_SGD; kind <= IG_OPT_LION; kind++) {
      ig_status status = train(backend, (ig_optimizer_kind)kind, precisions[p], &differ);
      if (status != IG_OK) {
        assert_false(narrow);
        assert_non_null(strstr(ig_last_error(), "on this device (cpu)"));
        continue;
      }
      /* A quarter of 1504 weights are expected, with a deviation of 17. */
      assert_true(differ > 376 - 6 * 17);
    }
  }
  ig_backend_destroy(backend);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(right_on_average),     cmocka_unit_test(what_fits_stays),
      cmocka_unit_test(large_numbers),        cmocka_unit_test(streams_differ),
      cmocka_unit_test(updates_round_copies),
  };
  return cmocka_run_group_tests_name("rounding", tests, NULL, NULL);
}
