/* Group normalisation. A group of a sample is contiguous and belongs to one thread; per-channel sums
 * of the gradient are kept by sample and added in the order of samples. */
#include "kernels/group_norm.h"

#include <math.h>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/sums.h"

static bool worth_team(const ig_group_norm *norm, int64_t operands) {
  return ig_worth_team(norm->batch * norm->groups * norm->depth * norm->inner * operands * 4);
}

void ig_cpu_group_norm_f32(const ig_group_norm *norm, const ig_group_norm_forward *t) {
  int64_t inner = norm->inner, n = norm->depth * inner;
  const float *scale = t->scale, *bias = t->bias;
  IG_PARALLEL_FOR(worth_team(norm, 2))
  for (int64_t unit = 0; unit < norm->batch * norm->groups; unit++) {
    const float *x = (const float *)t->x + unit * n;
    float *y = (float *)t->y + unit * n;
    int64_t first = unit % norm->groups * norm->depth;
    float mean = (float)(ig_long_sum_f32(x, n) / (double)n);
    double variance = ig_long_squares_f32(x, mean, n) / (double)n;
    float invstd = (float)(1 / sqrt(variance + norm->epsilon));
    for (int64_t d = 0; d < norm->depth; d++) {
      float gain = invstd * scale[first + d], shift = bias[first + d];
#pragma omp simd
      for (int64_t i = d * inner; i < (d + 1) * inner; i++) y[i] = (x[i] - mean) * gain + shift;
    }
    if (t->mean) ((float *)t->mean)[unit] = mean;
    if (t->invstd) ((float *)t->invstd)[unit] = invstd;
  }
}

/* By sample and channel: sums of dy and of dy * (x - mean) * invstd. */
typedef struct channel_sums {
  double dy, product;
} channel_sums;

size_t ig_cpu_group_norm_grad_workspace(const ig_group_norm *norm) {
  return (size_t)(norm->batch * norm->groups * norm->depth) * sizeof(channel_sums);
}

static channel_sums sums_of(const float *dy, const float *x, float mean, float invstd, int64_t n) {
  channel_sums sums = {0, 0};
  for (int64_t i = 0; i < n; i += IG_STRETCH) {
    float a, b;
    ig_sum_products_f32(dy + i, x + i, mean, n - i < IG_STRETCH ? n - i : IG_STRETCH, &a, &b);
    sums.dy += (double)a;
    sums.product += (double)b;
  }
  sums.product *= (double)invstd;
  return sums;
}

/* dscale and dbias from the sums of all samples, in order. */
static void add_samples(const ig_group_norm *norm, const channel_sums *sums, float *dscale,
                        float *dbias) {
  int64_t channels = norm->groups * norm->depth;
  for (int64_t c = 0; c < channels; c++) {
    double scale = 0, bias = 0;
    for (int64_t n = 0; n < norm->batch; n++) {
      scale += sums[n * channels + c].product;
      bias += sums[n * channels + c].dy;
    }
    dscale[c] = (float)scale;
    dbias[c] = (float)bias;
  }
}

void ig_cpu_group_norm_grad_f32(const ig_group_norm *norm, const ig_group_norm_backward *t,
                                void *workspace) {
  int64_t inner = norm->inner, n = norm->depth * inner;
  const float *scale = t->scale;
  channel_sums *all = workspace;
  IG_PARALLEL_FOR(worth_team(norm, 3))
  for (int64_t unit = 0; unit < norm->batch * norm->groups; unit++) {
    const float *x = (const float *)t->x + unit * n, *dy = (const float *)t->dy + unit * n;
    float *dx = (float *)t->dx + unit * n;
    int64_t first = unit % norm->groups * norm->depth;
    float mean = ((const float *)t->mean)[unit], invstd = ((const float *)t->invstd)[unit];
    channel_sums *sums = all + unit * norm->depth;
    double mean_g = 0, mean_gh = 0;
    for (int64_t d = 0; d < norm->depth; d++) {
      sums[d] = sums_of(dy + d * inner, x + d * inner, mean, invstd, inner);
      mean_g += (double)scale[first + d] * sums[d].dy / (double)n;
      mean_gh += (double)scale[first + d] * sums[d].product / (double)n;
    }
    float shift = (float)mean_g, slope = (float)mean_gh * invstd;
    for (int64_t d = 0; d < norm->depth; d++) {
      float gain = scale[first + d];
#pragma omp simd
      for (int64_t i = d * inner; i < (d + 1) * inner; i++)
        dx[i] = invstd * (dy[i] * gain - shift - (x[i] - mean) * slope);
    }
  }
  add_samples(norm, all, t->dscale, t->dbias);
}

/* --- any float type, in f64 --------------------------------------------------------------------- */

static void store(ig_dtype dtype, void *data, int64_t i, double value) {
  if (data) ig_store_f64(dtype, data, i, value);
}

void ig_cpu_group_norm_reference(ig_dtype dtype, ig_dtype stats, const ig_group_norm *norm,
                                 const ig_group_norm_forward *t) {
  int64_t n = norm->depth * norm->inner;
  for (int64_t unit = 0; unit < norm->batch * norm->groups; unit++) {
    double mean = 0, variance = 0;
    for (int64_t i = unit * n; i < (unit + 1) * n; i++)
      mean += ig_load_f64(dtype, t->x, i) / (double)n;
    for (int64_t i = unit * n; i < (unit + 1) * n; i++)
      variance += pow(ig_load_f64(dtype, t->x, i) - mean, 2) / (double)n;
    double invstd = 1 / sqrt(variance + norm->epsilon);
    for (int64_t i = 0; i < n; i++) {
      int64_t c = unit % norm->groups * norm->depth + i / norm->inner;
      double h = (ig_load_f64(dtype, t->x, unit * n + i) - mean) * invstd;
      double y = h * ig_load_f64(dtype, t->scale, c) + ig_load_f64(dtype, t->bias, c);
      store(dtype, t->y, unit * n + i, y);
    }
    store(stats, t->mean, unit, mean);
    store(stats, t->invstd, unit, invstd);
  }
}

void ig_cpu_group_norm_grad_reference(ig_dtype dtype, ig_dtype stats, const ig_group_norm *norm,
                                      const ig_group_norm_backward *t, void *workspace) {
  int64_t n = norm->depth * norm->inner, channels = norm->groups * norm->depth;
  channel_sums *sums = workspace;
  for (int64_t c = 0; c < channels; c++) sums[c] = (channel_sums){0, 0};
  for (int64_t unit = 0; unit < norm->batch * norm->groups; unit++) {
    double mean = ig_load_f64(stats, t->mean, unit), invstd = ig_load_f64(stats, t->invstd, unit);
    double mean_g = 0, mean_gh = 0;
    int64_t first = unit % norm->groups * norm->depth;
    for (int64_t i = 0; i < n; i++) {
      int64_t c = first + i / norm->inner;
      double dy = ig_load_f64(dtype, t->dy, unit * n + i);
      double h = (ig_load_f64(dtype, t->x, unit * n + i) - mean) * invstd;
      double g = dy * ig_load_f64(dtype, t->scale, c);
      sums[c].dy += dy;
      sums[c].product += dy * h;
      mean_g += g / (double)n;
      mean_gh += g * h / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
      double h = (ig_load_f64(dtype, t->x, unit * n + i) - mean) * invstd;
      double g = ig_load_f64(dtype, t->dy, unit * n + i) *
                 ig_load_f64(dtype, t->scale, first + i / norm->inner);
      store(dtype, t->dx, unit * n + i, invstd * (g - mean_g - h * mean_gh));
    }
  }
  for (int64_t c = 0; c < channels; c++) {
    store(dtype, t->dscale, c, sums[c].product);
    store(dtype, t->dbias, c, sums[c].dy);
  }
}
