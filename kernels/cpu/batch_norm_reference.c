/* Batch normalisation for any float types: one element at a time, in f64. */
#include <math.h>

#include "kernels/batch_norm.h"

static int64_t position(const ig_channels *at, int64_t n, int64_t c, int64_t s) {
  return n * at->outer_stride + c / at->block * at->block_stride + s * at->row_stride +
         c % at->block;
}

static double load(ig_dtype dtype, const void *data, int64_t i) {
  return data ? ig_load_f64(dtype, data, i) : 0;
}

static void store(ig_dtype dtype, void *data, int64_t i, double value) {
  if (data) ig_store_f64(dtype, data, i, value);
}

/* The loop over all elements of channel `c`, with their position as `i`. */
#define FOR_CHANNEL(at, c, i)                                                                      \
  for (int64_t n_ = 0; n_ < (at)->outer; n_++)                                                     \
    for (int64_t s_ = 0, i = 0; s_ < (at)->inner && (i = position(at, n_, c, s_), true); s_++)

static void measure(const ig_channels *at, ig_batch_norm_types types, const ig_batch_norm_any *t,
                    int64_t c) {
  double count = (double)(at->outer * at->inner), mean = 0, variance = 0;
  FOR_CHANNEL(at, c, i) mean += load(types.x, t->x, i) / count;
  FOR_CHANNEL(at, c, i) variance += pow(load(types.x, t->x, i) - mean, 2) / count;
  store(types.stats, t->mean, c, mean);
  store(types.stats, t->variance, c, variance);
}

/* Zeros for the lanes beyond the last channel. */
static void clear_padding(const ig_channels *at, ig_dtype dtype, void *data) {
  if (!at->padded) return;
  int64_t end = (at->channels + at->block - 1) / at->block * at->block;
  for (int64_t c = at->channels; c < end; c++) {
    FOR_CHANNEL(at, c, i) store(dtype, data, i, 0);
  }
}

void ig_cpu_batch_norm_reference(const ig_batch_norm *norm, ig_batch_norm_types types,
                                 const ig_batch_norm_any *t) {
  const ig_channels *at = &norm->at;
  for (int64_t c = 0; c < at->channels; c++) {
    if (t->batch_stats) measure(at, types, t, c);
    if (!t->out) continue;
    double mean = load(types.stats, t->mean, c);
    double invstd = 1 / sqrt(load(types.stats, t->variance, c) + norm->epsilon);
    double scale = load(types.scale, t->scale, c), bias = load(types.scale, t->bias, c);
    FOR_CHANNEL(at, c, i) {
      double y =
          (load(types.x, t->x, i) - mean) * invstd * scale + bias + load(types.x, t->residual, i);
      store(types.x, t->out, i, norm->relu && y < 0 ? 0 : y);
    }
  }
  if (t->out) clear_padding(at, types.x, t->out);
}

/* dy of an element, zero where ReLU was. */
static double masked_dy(const ig_batch_norm *norm, ig_batch_norm_types types,
                        const ig_batch_norm_any *t, int64_t i, double normal) {
  double dy = load(types.x, t->dy, i);
  if (!norm->relu) return dy;
  return (t->y ? load(types.x, t->y, i) : normal) > 0 ? dy : 0;
}

void ig_cpu_batch_norm_grad_reference(const ig_batch_norm *norm, ig_batch_norm_types types,
                                      const ig_batch_norm_any *t) {
  const ig_channels *at = &norm->at;
  double count = (double)(at->outer * at->inner);
  for (int64_t c = 0; c < at->channels; c++) {
    double mean = load(types.stats, t->mean, c);
    double invstd = 1 / sqrt(load(types.stats, t->variance, c) + norm->epsilon);
    double scale = load(types.scale, t->scale, c), bias = load(types.scale, t->bias, c);
    double dscale = 0, dbias = 0;
    FOR_CHANNEL(at, c, i) {
      double h = (load(types.x, t->x, i) - mean) * invstd;
      double dy = masked_dy(norm, types, t, i, h * scale + bias);
      dscale += dy * h;
      dbias += dy;
    }
    FOR_CHANNEL(at, c, i) {
      double h = (load(types.x, t->x, i) - mean) * invstd;
      double dy = masked_dy(norm, types, t, i, h * scale + bias);
      double rest = t->batch_stats ? (dbias + h * dscale) / count : 0;
      store(types.x, t->dx, i, scale * invstd * (dy - rest));
      store(types.x, t->dresidual, i, dy);
    }
    store(types.scale, t->dscale, c, dscale);
    store(types.scale, t->dbias, c, dbias);
  }
  clear_padding(at, types.x, t->dx);
  clear_padding(at, types.x, t->dresidual);
}
