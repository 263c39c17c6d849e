/* Slab placement on random lifetimes: blocks alive together never overlap, and the size stays near
 * the bound that no placement can beat. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/base/rng.h"
#include "engine/plan/slab.h"

#define MAX_BLOCKS 200

static void check(const ig_block *blocks, int n, size_t slab, size_t bound) {
  int last_step = 0;
  for (int i = 0; i < n; i++) {
    last_step = IG_MAX(last_step, blocks[i].last);
    assert_true(blocks[i].offset % 64 == 0 && blocks[i].offset + blocks[i].size <= slab);
    for (int j = 0; j < i; j++) {
      bool in_time = blocks[i].first <= blocks[j].last && blocks[j].first <= blocks[i].last;
      bool in_space = blocks[i].offset < blocks[j].offset + blocks[j].size &&
                      blocks[j].offset < blocks[i].offset + blocks[i].size;
      assert_false(in_time && in_space);
    }
  }
  size_t peak = 0; /* by the definition, step by step */
  for (int t = 0; t <= last_step; t++) {
    size_t live = 0;
    for (int i = 0; i < n; i++) {
      if (blocks[i].first <= t && t <= blocks[i].last) live += blocks[i].size;
    }
    peak = IG_MAX(peak, live);
  }
  assert_int_equal(bound, peak);
  assert_true(slab >= bound);
}

static void random_lifetimes(void **state) {
  IG_UNUSED(state);
  double worst = 1;
  for (int trial = 0; trial < 200; trial++) {
    ig_rng rng = ig_rng_stream(11, IG_RNG_TEST, (uint64_t)trial, 0);
    int n = 1 + (int)ig_rng_below(&rng, 0, MAX_BLOCKS);
    ig_block blocks[MAX_BLOCKS];
    for (int i = 0; i < n; i++) {
      uint64_t k = (uint64_t)(4 * i + 1);
      int first = (int)ig_rng_below(&rng, k, 100);
      blocks[i] = (ig_block){.size = 1 + ig_rng_below(&rng, k + 1, 10000),
                             .first = first,
                             .last = first + (int)ig_rng_below(&rng, k + 2, 30)};
    }
    size_t slab, bound;
    assert_int_equal(ig_slab_layout(blocks, n, &slab, &bound), IG_OK);
    check(blocks, n, slab, bound);
    worst = IG_MAX(worst, (double)slab / (double)bound);
  }
  assert_true(worst < 1.30); /* random intervals are harder than real graphs */
}

/* A chain's activations, kept for the way back: the shape of training, where the bound is met. */
static void forward_backward_meets_the_bound(void **state) {
  IG_UNUSED(state);
  ig_block blocks[MAX_BLOCKS];
  int layers = 50, n = 0;
  for (int i = 0; i < layers; i++) {
    size_t size = (size_t)(1 + i % 7) * 4096;
    blocks[n++] = (ig_block){.size = size, .first = i, .last = 2 * layers - i};
    blocks[n++] = (ig_block){.size = size, .first = 2 * layers - i, .last = 2 * layers - i + 1};
  }
  size_t slab, bound;
  assert_int_equal(ig_slab_layout(blocks, n, &slab, &bound), IG_OK);
  check(blocks, n, slab, bound);
  assert_true((double)slab <= 1.02 * (double)bound);
}

static void empty_and_huge(void **state) {
  IG_UNUSED(state);
  size_t slab, bound;
  assert_int_equal(ig_slab_layout(NULL, 0, &slab, &bound), IG_OK);
  assert_int_equal(slab, 0);
  ig_block two[2] = {{.size = SIZE_MAX / 2}, {.size = SIZE_MAX / 2 + 2}};
  assert_int_equal(ig_slab_layout(two, 2, &slab, &bound), IG_ERR_MEMORY);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_lifetimes),
      cmocka_unit_test(forward_backward_meets_the_bound),
      cmocka_unit_test(empty_and_huge),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
