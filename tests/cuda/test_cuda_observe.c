/* Extremes and histograms on a GPU against plain loops, and against the CPU to the bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/backend/backend.h"
#include "observe_loops.h"

#define GOOD(call)                                                                                 \
  do {                                                                                             \
    if ((call) != IG_OK) fail_msg("%s", ig_last_error());                                          \
  } while (0)

#define LONGEST 30011

static const int64_t lengths[] = {0, 1, 7, 255, 4096, 9001, LONGEST};
static const ig_dtype types[] = {IG_F32, IG_BF16, IG_F16};

static ig_backend *gpu;
static void *x, *there, *results; /* on the host; on the device */
static int64_t counts[IG_MAX_BINS + 1], wanted[IG_MAX_BINS + 1];

static void carry(ig_dtype dtype, int64_t n) {
  GOOD(gpu->vtable->upload(gpu, there, x, (size_t)n * ig_dtype_size(dtype)));
}

static void finds_extremes(void **state) {
  (void)state;
  for (int t = 0; t < IG_COUNT(types); t++) {
    ig_extremes cpu = {0, 0}, seen;
    GOOD(gpu->vtable->zero(gpu, results, sizeof seen));
    for (int l = 0; l < IG_COUNT(lengths); l++) { /* each adds to what is there */
      double least, most;
      observe_fill(types[t], x, lengths[l]);
      if (l == 4) observe_spoil(types[t], x, lengths[l]);
      observe_ends(types[t], x, lengths[l], &least, &most);
      carry(types[t], lengths[l]);
      GOOD(ig_cuda_extremes(types[t], there, lengths[l], results, gpu->stream));
      GOOD(gpu->vtable->download(gpu, &seen, results, sizeof seen));
      ig_cpu_extremes(types[t], x, lengths[l], &cpu);
      assert_memory_equal(&seen, &cpu, sizeof seen);
      if (l < 4) assert_true((double)ig_most_seen(&seen) >= most);
      if (l == 4) assert_true(ig_least_seen(&seen) == -INFINITY && ig_most_seen(&seen) == INFINITY);
    }
  }
}

/* One number that stands out, wherever it is; the pointer not aligned for packs. */
static void finds_it_anywhere(void **state) {
  (void)state;
  float *numbers = x;
  for (int64_t at = 0; at < 9001; at += 1009) {
    ig_extremes seen;
    memset(x, 0, 9001 * sizeof(float));
    numbers[at] = at % 2 ? 3.5f : -3.5f;
    carry(IG_F32, 9001);
    for (int shift = 0; shift < 2; shift++) {
      GOOD(gpu->vtable->zero(gpu, results, sizeof seen));
      GOOD(ig_cuda_extremes(IG_F32, (const float *)there + shift, 9001 - shift, results,
                            gpu->stream));
      GOOD(gpu->vtable->download(gpu, &seen, results, sizeof seen));
      bool in = at >= shift;
      assert_true(ig_abs_most_seen(&seen) == (in ? 3.5f : 0.0f));
      assert_true(ig_least_seen(&seen) == (in && at % 2 == 0 ? -3.5f : 0.0f));
      assert_true(ig_most_seen(&seen) == (in && at % 2 ? 3.5f : 0.0f));
    }
  }
}

static void nothing_but_nan_is_nothing(void **state) {
  (void)state;
  ig_extremes seen;
  for (int i = 0; i < 300; i++) ((float *)x)[i] = NAN;
  carry(IG_F32, 300);
  GOOD(gpu->vtable->zero(gpu, results, sizeof seen));
  GOOD(ig_cuda_extremes(IG_F32, there, 300, results, gpu->stream));
  GOOD(gpu->vtable->download(gpu, &seen, results, sizeof seen));
  assert_true(ig_least_seen(&seen) == INFINITY && ig_most_seen(&seen) == -INFINITY);
  assert_true(ig_abs_most_seen(&seen) == 0.0f);
}

static void counts_like_a_loop(void **state) {
  (void)state;
  const ig_histogram shapes[] = {
      {.low = 0, .high = 16, .bins = 2048, .magnitude = true},
      {.low = -8, .high = 8, .bins = 64},
      {.low = -1, .high = 31, .bins = IG_MAX_BINS},
  };
  for (int s = 0; s < IG_COUNT(shapes); s++) {
    for (int t = 0; t < IG_COUNT(types); t++) {
      memset(wanted, 0, sizeof wanted);
      GOOD(gpu->vtable->zero(gpu, results, sizeof counts));
      for (int l = 0; l < IG_COUNT(lengths); l++) {
        observe_fill(types[t], x, lengths[l]);
        observe_spoil(types[t], x, lengths[l]);
        observe_count(&shapes[s], types[t], x, lengths[l], wanted);
        carry(types[t], lengths[l]);
        GOOD(ig_cuda_histogram(&shapes[s], types[t], there, lengths[l], results, gpu->stream));
      }
      GOOD(gpu->vtable->download(gpu, counts, results, sizeof counts));
      assert_memory_equal(counts, wanted, sizeof counts);
    }
  }
}

static void what_has_no_kernel_is_refused(void **state) {
  (void)state;
  const ig_histogram good = {.low = 0, .high = 1, .bins = 8},
                     bad = {.low = 1, .high = 0, .bins = 8};
  assert_int_equal(ig_cuda_histogram(&bad, IG_F32, there, 1, results, gpu->stream), IG_ERR_USAGE);
  assert_int_equal(ig_cuda_histogram(&good, IG_F64, there, 1, results, gpu->stream),
                   IG_ERR_UNSUPPORTED);
  assert_int_equal(ig_cuda_extremes(IG_I32, there, 1, results, gpu->stream), IG_ERR_UNSUPPORTED);
}

static int open_gpu(void **state) {
  (void)state;
  GOOD(ig_backend_open("cuda", 1, &gpu));
  GOOD(gpu->vtable->alloc(gpu, LONGEST * sizeof(float), &there));
  GOOD(gpu->vtable->alloc(gpu, sizeof counts, &results));
  x = malloc(LONGEST * sizeof(float));
  return x ? 0 : -1;
}

static int close_gpu(void **state) {
  (void)state;
  free(x);
  gpu->vtable->free(gpu, there);
  gpu->vtable->free(gpu, results);
  ig_backend_destroy(gpu);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_extremes),
      cmocka_unit_test(finds_it_anywhere),
      cmocka_unit_test(nothing_but_nan_is_nothing),
      cmocka_unit_test(counts_like_a_loop),
      cmocka_unit_test(what_has_no_kernel_is_refused),
  };
  return cmocka_run_group_tests(tests, open_gpu, close_gpu);
}
