/* Dropout by runs of a sample: a run's numbers are drawn side by side, compared, and applied while
 * they are in the first cache level. */
#include "kernels/dropout.h"

#include "engine/base/rng.h"
#include "kernels/cpu/parallel.h"

/* Elements of a run: 4 KiB of random numbers. A multiple of a Philox block. */
#define RUN 1024

/* Kept are the numbers not below this: ratio * 2^32, rounded. */
static uint32_t threshold_of(double ratio) {
  double bound = ratio * 0x1p32 + 0.5;
  return bound >= 0x1p32 ? UINT32_MAX : (uint32_t)bound;
}

static void draw_run(const ig_rng *rng, int64_t first, int64_t n, uint32_t threshold,
                     uint8_t *mask) {
  uint32_t bits[RUN];
  ig_rng_blocks(rng, (uint64_t)first / 4, (n + 3) / 4, bits);
#pragma omp simd
  for (int64_t i = 0; i < n; i++) mask[i] = bits[i] >= threshold;
}

static void apply_f32(const float *x, const uint8_t *mask, float scale, int64_t n, float *y) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) y[i] = mask[i] ? x[i] * scale : 0;
}

/* At most RUN elements: 16-bit types go through f32. */
static void apply_run(ig_dtype dtype, const void *x, const uint8_t *mask, double scale,
                      int64_t begin, int64_t n, void *y) {
  if (dtype == IG_F32) {
    apply_f32((const float *)x + begin, mask, (float)scale, n, (float *)y + begin);
  } else if (dtype == IG_F64) {
    for (int64_t i = 0; i < n; i++)
      ((double *)y)[begin + i] = mask[i] ? ((const double *)x)[begin + i] * scale : 0;
  } else {
    float wide[RUN];
    ig_convert(dtype, (const uint16_t *)x + begin, IG_F32, wide, n);
    apply_f32(wide, mask, (float)scale, n, wide);
    ig_convert(IG_F32, wide, dtype, (uint16_t *)y + begin, n);
  }
}

void ig_cpu_dropout(ig_dtype dtype, const ig_dropout_draw *draw, double ratio, const void *x,
                    void *y, uint8_t *mask) {
  uint32_t threshold = threshold_of(ratio);
  int64_t runs = (draw->sample_elements + RUN - 1) / RUN;
  /* Drawing a number takes about as long as moving 16 bytes. */
  bool team = ig_worth_team(draw->samples * draw->sample_elements * 16);
  IG_PARALLEL_FOR(team)
  for (int64_t unit = 0; unit < draw->samples * runs; unit++) {
    int64_t sample = unit / runs, first = unit % runs * RUN;
    int64_t left = draw->sample_elements - first, n = left < RUN ? left : RUN;
    int64_t begin = sample * draw->sample_elements + first;
    ig_rng rng = ig_rng_stream(draw->seed, IG_RNG_DROPOUT, draw->step,
                               draw->first_sample + (uint64_t)sample);
    uint8_t unkept[RUN], *kept = mask ? mask + begin : unkept;
    draw_run(&rng, first, n, threshold, kept);
    apply_run(dtype, x, kept, 1 / (1 - ratio), begin, n, y);
  }
}

void ig_cpu_masked_scale(ig_dtype dtype, const void *x, const uint8_t *mask, double scale,
                         int64_t count, void *y) {
  int64_t runs = (count + RUN - 1) / RUN;
  IG_PARALLEL_FOR(ig_worth_team(count * 2 * (int64_t)ig_dtype_size(dtype)))
  for (int64_t run = 0; run < runs; run++) {
    int64_t begin = run * RUN, n = count - begin < RUN ? count - begin : RUN;
    apply_run(dtype, x, mask + begin, scale, begin, n, y);
  }
}
