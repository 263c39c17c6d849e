/* Sampling against probabilities worked out by hand: logits are logs of 0.5, 0.25, 0.125, 0.125. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <math.h>

#include "engine/eval/sampling.h"

/* Tokens in a mixed order: 1 has 0.5, 3 has 0.25, 0 and 2 have 0.125 each. */
static const float logits[4] = {-2.0794415f, -0.6931472f, -2.0794415f, -1.3862944f};

static int64_t draw(ig_sampling sampling, double uniform) {
  ig_candidate scratch[4];
  int64_t token = -1;
  assert_int_equal(ig_sample_token(&sampling, logits, 4, uniform, scratch, &token), IG_OK);
  return token;
}

static void follows_the_distribution(void **state) {
  (void)state;
  ig_sampling all = {.temperature = 1, .top_p = 1};
  assert_int_equal(draw(all, 0), 1);
  assert_int_equal(draw(all, 0.499), 1);
  assert_int_equal(draw(all, 0.501), 3);
  assert_int_equal(draw(all, 0.749), 3);
  assert_int_equal(draw(all, 0.751), 0);
  assert_int_equal(draw(all, 0.874), 0);
  assert_int_equal(draw(all, 0.876), 2);
  assert_int_equal(draw(all, 0.9999999999), 2);
}

static void temperature_sharpens(void **state) {
  (void)state;
  /* At 1/2 probabilities are squared: 16, 4, 1, 1 parts of 22. */
  ig_sampling half = {.temperature = 0.5, .top_p = 1};
  assert_int_equal(draw(half, 15.9 / 22), 1);
  assert_int_equal(draw(half, 16.1 / 22), 3);
  assert_int_equal(draw(half, 20.1 / 22), 0);
  ig_sampling greedy = {.temperature = 0, .top_p = 1};
  assert_int_equal(draw(greedy, 0.999), 1);
}

static void top_k_cuts(void **state) {
  (void)state;
  ig_sampling two = {.temperature = 1, .top_k = 2, .top_p = 1}; /* 2/3 and 1/3 */
  assert_int_equal(draw(two, 0.66), 1);
  assert_int_equal(draw(two, 0.67), 3);
  assert_int_equal(draw(two, 0.9999), 3);
  ig_sampling one = {.temperature = 1, .top_k = 1, .top_p = 1};
  assert_int_equal(draw(one, 0.9999), 1);
  ig_sampling many = {.temperature = 1, .top_k = 99, .top_p = 1};
  assert_int_equal(draw(many, 0.876), 2);
}

static void top_p_cuts(void **state) {
  (void)state;
  ig_sampling nucleus = {.temperature = 1, .top_p = 0.6}; /* 0.5 is not enough: two tokens */
  assert_int_equal(draw(nucleus, 0.66), 1);
  assert_int_equal(draw(nucleus, 0.67), 3);
  ig_sampling least = {.temperature = 1, .top_p = 0}; /* the most likely stays */
  assert_int_equal(draw(least, 0.9999), 1);
}

static void refuses(void **state) {
  (void)state;
  ig_sampling all = {.temperature = 1, .top_p = 1};
  ig_candidate scratch[2];
  int64_t token;
  assert_int_equal(ig_sample_token(&all, (float[]){0, NAN}, 2, 0, scratch, &token), IG_ERR_NUMERIC);
  assert_int_equal(ig_sample_token(&all, (float[]){0, INFINITY}, 2, 0, scratch, &token),
                   IG_ERR_NUMERIC);
  assert_int_equal(ig_sample_token(&all, (float[]){-INFINITY, -INFINITY}, 2, 0, scratch, &token),
                   IG_ERR_NUMERIC);
  assert_int_equal(ig_sample_token(&all, (float[]){-INFINITY, 1}, 2, 0.5, scratch, &token), IG_OK);
  assert_int_equal(token, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(follows_the_distribution), cmocka_unit_test(temperature_sharpens),
      cmocka_unit_test(top_k_cuts), cmocka_unit_test(top_p_cuts), cmocka_unit_test(refuses)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
