/* Tensors of random numbers. Element i of sample n is number i of the stream (seed, IG_RNG_NOISE, step,
 * first_sample + n): the same on any thread and any number of ranks. Types are the floats to compute in
 * unless said otherwise; uniform numbers have 24 bits. */
#ifndef IG_KERNELS_RANDOM_H
#define IG_KERNELS_RANDOM_H

#include "engine/base/dtype.h"

typedef struct ig_noise {
  uint64_t seed, step, first_sample;
  int64_t samples, sample_elements;
} ig_noise;

/* y = mean + scale times a standard normal number. */
void ig_cpu_random_normal(const ig_noise *noise, ig_dtype dtype, double mean, double scale, void *y);
/* y in [low, high), where rounding to few bits may reach `high`. */
void ig_cpu_random_uniform(const ig_noise *noise, ig_dtype dtype, double low, double high, void *y);
/* y, of any number type or bool, is 1 with probability p, otherwise 0. */
void ig_cpu_bernoulli(const ig_noise *noise, ig_dtype dtype, const void *p, ig_dtype y_dtype,
                      void *y);
/* y [samples, sample_elements], i32 or i64: classes drawn with the probabilities that softmax makes of
 * logits [samples, classes]. `sums` has `classes` doubles. False when a row of logits has no such
 * probabilities (NaN, infinity, nothing but minus infinity). */
bool ig_cpu_multinomial(const ig_noise *noise, ig_dtype dtype, const void *logits, int64_t classes,
                        ig_dtype y_dtype, void *y, double *sums);

#endif
