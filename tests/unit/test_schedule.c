/* Learning-rate schedules against PyTorch's and nanoGPT's (tests/golden/schedules.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "engine/train/schedule.h"

#define TOTAL 20

static const struct {
  const char *name;
  double rates[TOTAL];
} figures[] = {
    {"one-cycle",
     {0.04,
      0.1316718427,
      0.3716718427,
      0.6683281573,
      0.9083281573,
      1,
      0.987464006235,
      0.950484632013,
      0.890916177571,
      0.81174565395,
      0.716943001791,
      0.611262021936,
      0.500002,
      0.388741978064,
      0.283060998209,
      0.18825834605,
      0.109087822429,
      0.0495193679865,
      0.0125399937649,
      4e-06}},
    {"cosine",
     {1,
      0.993862586531,
      0.975617758765,
      0.945763188043,
      0.905113229228,
      0.854776707232,
      0.796126671155,
      0.730762941094,
      0.660468469213,
      0.587160705463,
      0.512839294537,
      0.439531530787,
      0.369237058906,
      0.303873328845,
      0.245223292768,
      0.194886770772,
      0.154236811957,
      0.124382241235,
      0.106137413469,
      0.1}},
    {"linear",
     {1,
      0.960526315789,
      0.921052631579,
      0.881578947368,
      0.842105263158,
      0.802631578947,
      0.763157894737,
      0.723684210526,
      0.684210526316,
      0.644736842105,
      0.605263157895,
      0.565789473684,
      0.526315789474,
      0.486842105263,
      0.447368421053,
      0.407894736842,
      0.368421052632,
      0.328947368421,
      0.289473684211,
      0.25}},
    {"step", {1,   1,   1,    1,    1,    1,    0.3,  0.3,  0.3,   0.3,
              0.3, 0.3, 0.09, 0.09, 0.09, 0.09, 0.09, 0.09, 0.027, 0.027}},
    {"warm-up",
     {0.2,
      0.4,
      0.6,
      0.8,
      1,
      0.99016642033,
      0.961095455939,
      0.914057647469,
      0.851108772861,
      0.775,
      0.689057647469,
      0.59703780847,
      0.50296219153,
      0.410942352531,
      0.325,
      0.248891227139,
      0.185942352531,
      0.138904544061,
      0.10983357967,
      0.1}},
};

static void check(int row, const ig_schedule *schedule) {
  for (int step = 0; step < TOTAL; step++) {
    double got = ig_schedule_factor(schedule, step), want = figures[row].rates[step];
    if (fabs(got - want) > 1e-10) {
      print_error("%s, step %d: got %.12g, want %.12g\n", figures[row].name, step, got, want);
      fail();
    }
  }
}

static void test_figures(void **state) {
  IG_UNUSED(state);
  check(0, &(ig_schedule){.kind = IG_SCHEDULE_ONE_CYCLE, .total = TOTAL, .floor = 4e-6});
  check(1, &(ig_schedule){.kind = IG_SCHEDULE_COSINE, .total = TOTAL, .floor = 0.1});
  check(2, &(ig_schedule){.kind = IG_SCHEDULE_LINEAR, .total = TOTAL, .floor = 0.25});
  check(3, &(ig_schedule){.kind = IG_SCHEDULE_STEP, .total = TOTAL, .gamma = 0.3, .every = 6});
  check(4, &(ig_schedule){.kind = IG_SCHEDULE_COSINE, .total = TOTAL, .warmup = 4, .floor = 0.1});
}

/* Every kind stays within its bounds, whatever its settings and however short it is. */
static void test_bounds(void **state) {
  IG_UNUSED(state);
  for (int kind = IG_SCHEDULE_CONSTANT; kind <= IG_SCHEDULE_LINEAR; kind++) {
    for (int64_t total = 1; total < 12; total++) {
      for (int64_t warmup = 0; warmup < 14; warmup++) {
        ig_schedule s = {.kind = (ig_schedule_kind)kind,
                         .total = total,
                         .warmup = warmup,
                         .floor = 0.01,
                         .gamma = 0.9,
                         .every = 3};
        for (int64_t step = 0; step < total + 2; step++) {
          double factor = ig_schedule_factor(&s, step);
          assert_true(factor >= 0.01 && factor <= 1);
        }
      }
    }
  }
}

static void test_names(void **state) {
  IG_UNUSED(state);
  ig_schedule_kind kind;
  assert_int_equal(ig_schedule_parse("one-cycle", &kind), IG_OK);
  assert_int_equal(kind, IG_SCHEDULE_ONE_CYCLE);
  assert_int_equal(ig_schedule_parse("sine", &kind), IG_ERR_USAGE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_figures),
      cmocka_unit_test(test_bounds),
      cmocka_unit_test(test_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
