/* Random tensors, by runs of a sample that fit the first cache level. */
#include "kernels/random.h"

#include <math.h>

#include "engine/base/rng.h"
#include "kernels/cpu/parallel.h"

#define RUN 1024 /* a multiple of a Philox block */

/* Draws `n` numbers from `first` on of sample `sample`; stores them at element `begin`. */
typedef void fill_run(const void *context, const ig_rng *rng, int64_t first, int64_t n,
                      int64_t begin);

static void each_run(const ig_noise *noise, fill_run *fill, const void *context) {
  int64_t runs = (noise->sample_elements + RUN - 1) / RUN;
  IG_PARALLEL_FOR(ig_worth_team(noise->samples * noise->sample_elements * 16))
  for (int64_t unit = 0; unit < noise->samples * runs; unit++) {
    int64_t sample = unit / runs, first = unit % runs * RUN;
    int64_t left = noise->sample_elements - first, n = left < RUN ? left : RUN;
    ig_rng rng = ig_rng_stream(noise->seed, IG_RNG_NOISE, noise->step,
                               noise->first_sample + (uint64_t)sample);
    fill(context, &rng, first, n, sample * noise->sample_elements + first);
  }
}

typedef struct noise_job {
  ig_dtype dtype, y_dtype;
  double a, b;
  const void *p;
  void *y;
} noise_job;

static void normal_run(const void *context, const ig_rng *rng, int64_t first, int64_t n,
                       int64_t begin) {
  const noise_job *j = context;
  float numbers[RUN];
  ig_rng_normals(rng, (uint64_t)first, n, numbers);
  for (int64_t i = 0; i < n; i++)
    ig_store_f64(j->y_dtype, j->y, begin + i, j->a + j->b * (double)numbers[i]);
}

static void uniform_run(const void *context, const ig_rng *rng, int64_t first, int64_t n,
                        int64_t begin) {
  const noise_job *j = context;
  for (int64_t i = 0; i < n; i++) {
    double u = (double)ig_rng_uniform(rng, (uint64_t)(first + i));
    ig_store_f64(j->y_dtype, j->y, begin + i, j->a * (1 - u) + j->b * u);
  }
}

static void bernoulli_run(const void *context, const ig_rng *rng, int64_t first, int64_t n,
                          int64_t begin) {
  const noise_job *j = context;
  for (int64_t i = 0; i < n; i++) {
    double u = (double)ig_rng_uniform(rng, (uint64_t)(first + i));
    ig_store_f64(j->y_dtype, j->y, begin + i, u < ig_load_f64(j->dtype, j->p, begin + i));
  }
}

void ig_cpu_random_normal(const ig_noise *noise, ig_dtype dtype, double mean, double scale,
                          void *y) {
  noise_job job = {.y_dtype = dtype, .a = mean, .b = scale, .y = y};
  each_run(noise, normal_run, &job);
}

void ig_cpu_random_uniform(const ig_noise *noise, ig_dtype dtype, double low, double high,
                           void *y) {
  noise_job job = {.y_dtype = dtype, .a = low, .b = high, .y = y};
  each_run(noise, uniform_run, &job);
}

void ig_cpu_bernoulli(const ig_noise *noise, ig_dtype dtype, const void *p, ig_dtype y_dtype,
                      void *y) {
  noise_job job = {.dtype = dtype, .y_dtype = y_dtype, .p = p, .y = y};
  each_run(noise, bernoulli_run, &job);
}

/* --- classes ---------------------------------------------------------------------------------- */

/* Running sums of e^(logit - most); the last one is positive and finite unless there is a fault. */
static bool sum_weights(ig_dtype dtype, const void *logits, int64_t first, int64_t classes,
                        double *sums) {
  double most = -INFINITY, sum = 0;
  for (int64_t c = 0; c < classes; c++) {
    double logit = ig_load_f64(dtype, logits, first + c);
    if (isnan(logit)) return false;
    most = fmax(most, logit);
  }
  if (isinf(most)) return false;
  for (int64_t c = 0; c < classes; c++) {
    sum += exp(ig_load_f64(dtype, logits, first + c) - most);
    sums[c] = sum;
  }
  return true;
}

/* The first class whose sum is beyond `place`, which the last one's is. */
static int64_t find_class(const double *sums, int64_t classes, double place) {
  int64_t low = 0, high = classes - 1;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (sums[middle] > place) high = middle;
    else low = middle + 1;
  }
  return low;
}

bool ig_cpu_multinomial(const ig_noise *noise, ig_dtype dtype, const void *logits, int64_t classes,
                        ig_dtype y_dtype, void *y, double *sums) {
  for (int64_t row = 0; row < noise->samples; row++) {
    if (!sum_weights(dtype, logits, row * classes, classes, sums)) return false;
    ig_rng rng = ig_rng_stream(noise->seed, IG_RNG_NOISE, noise->step,
                               noise->first_sample + (uint64_t)row);
    for (int64_t i = 0; i < noise->sample_elements; i++) {
      double place = (double)ig_rng_uniform(&rng, (uint64_t)i) * sums[classes - 1];
      int64_t found = find_class(sums, classes, place);
      ig_store_i64(y_dtype, y, row * noise->sample_elements + i, found);
    }
  }
  return true;
}
