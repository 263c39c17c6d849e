/* Pooling the readable way: one result at a time, in double, for every dtype and layout. */
#include <math.h>
#include <string.h>

#include "kernels/pool.h"

/* The src index that tap `i` of the window at dst index `at` meets along one axis, or -1. */
static int64_t source(const ig_pool *p, int axis, int64_t at, int64_t i) {
  int64_t s = at * p->stride[axis] + i * p->dilation[axis] - p->begin[axis];
  return s >= 0 && s < p->src[2 + axis] ? s : -1;
}

static int64_t src_offset(const ig_pool *p, int64_t n, int64_t c, int64_t h, int64_t w) {
  return ig_layout_offset(p->layout, p->src, n, c, h, w);
}

static int64_t dst_offset(const ig_pool *p, int64_t n, int64_t c, int64_t h, int64_t w) {
  return ig_layout_offset(p->layout, p->dst, n, c, h, w);
}

/* Lanes that a blocked layout adds stay zero. */
static void clear(const ig_pool *p, const int64_t dims[4], void *x, size_t size) {
  memset(x, 0, (size_t)ig_layout_count(p->layout, dims) * size);
}

/* The first maximum of a window: its value and its tap. */
static double window_max(const ig_pool *p, const void *x, int64_t n, int64_t c, int64_t row,
                         int64_t column, int64_t *tap) {
  double best = -INFINITY;
  bool first = true;
  *tap = 0;
  for (int64_t i = 0; i < p->kernel[0]; i++) {
    int64_t h = source(p, 0, row, i);
    for (int64_t j = 0; j < p->kernel[1] && h >= 0; j++) {
      int64_t w = source(p, 1, column, j);
      if (w < 0) continue;
      double v = ig_load_f64(p->dtype, x, src_offset(p, n, c, h, w));
      if (!first && !(v > best) && !isnan(v)) continue;
      best = v;
      *tap = i * p->kernel[1] + j;
      first = false;
    }
  }
  return best;
}

void ig_cpu_max_pool_reference(const ig_pool *pool, const void *x, void *y, uint8_t *taps) {
  const ig_pool *p = pool;
  clear(p, p->dst, y, ig_dtype_size(p->dtype));
  if (taps) clear(p, p->dst, taps, 1);
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t n = 0; n < p->dst[0]; n++) {
    for (int64_t c = 0; c < p->dst[1]; c++) {
      for (int64_t row = 0; row < p->dst[2]; row++) {
        for (int64_t column = 0; column < p->dst[3]; column++) {
          int64_t tap, at = dst_offset(p, n, c, row, column);
          ig_store_f64(p->dtype, y, at, window_max(p, x, n, c, row, column, &tap));
          if (taps) taps[at] = (uint8_t)tap;
        }
      }
    }
  }
}

void ig_cpu_max_pool_indices(const ig_pool *pool, const void *x, bool column_major,
                             int64_t *indices) {
  const ig_pool *p = pool;
  int64_t height = p->src[2], width = p->src[3];
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t n = 0; n < p->dst[0]; n++) {
    for (int64_t c = 0; c < p->dst[1]; c++) {
      for (int64_t row = 0; row < p->dst[2]; row++) {
        for (int64_t column = 0; column < p->dst[3]; column++) {
          int64_t tap;
          window_max(p, x, n, c, row, column, &tap);
          int64_t h = source(p, 0, row, tap / p->kernel[1]);
          int64_t w = source(p, 1, column, tap % p->kernel[1]);
          int64_t place = column_major ? w * height + h : h * width + w;
          indices[dst_offset(p, n, c, row, column)] = (n * p->src[1] + c) * height * width + place;
        }
      }
    }
  }
}

/* The number of elements that a mean divides by. */
static double window_size(const ig_pool *p, int64_t row, int64_t column) {
  int64_t count = 0;
  for (int64_t i = 0; i < p->kernel[0]; i++) {
    for (int64_t j = 0; j < p->kernel[1]; j++) {
      int64_t h = row * p->stride[0] + i * p->dilation[0] - p->begin[0];
      int64_t w = column * p->stride[1] + j * p->dilation[1] - p->begin[1];
      bool inside = source(p, 0, row, i) >= 0 && source(p, 1, column, j) >= 0;
      bool padded = h < p->src[2] + p->end[0] && w < p->src[3] + p->end[1];
      count += p->count_pads ? padded : inside;
    }
  }
  return (double)count;
}

/* What every window that holds src element [h, w] gives it: its dy where its tap is this element
 * (`taps`), or dy over the number that was averaged. */
static double taken(const ig_pool *p, const void *dy, const uint8_t *taps, int64_t n, int64_t c,
                    int64_t h, int64_t w) {
  double sum = 0;
  for (int64_t i = 0; i < p->kernel[0]; i++) {
    int64_t scaled_h = h + p->begin[0] - i * p->dilation[0];
    int64_t row = scaled_h / p->stride[0];
    if (scaled_h < 0 || scaled_h % p->stride[0] || row >= p->dst[2]) continue;
    for (int64_t j = 0; j < p->kernel[1]; j++) {
      int64_t scaled_w = w + p->begin[1] - j * p->dilation[1];
      int64_t column = scaled_w / p->stride[1];
      if (scaled_w < 0 || scaled_w % p->stride[1] || column >= p->dst[3]) continue;
      int64_t from = dst_offset(p, n, c, row, column);
      double g = ig_load_f64(p->dtype, dy, from);
      if (!taps) sum += g / window_size(p, row, column);
      if (taps && taps[from] == i * p->kernel[1] + j) sum += g;
    }
  }
  return sum;
}

static void gather_gradient(const ig_pool *p, const void *dy, const uint8_t *taps, void *dx) {
  clear(p, p->src, dx, ig_dtype_size(p->dtype));
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t n = 0; n < p->src[0]; n++) {
    for (int64_t c = 0; c < p->src[1]; c++) {
      for (int64_t h = 0; h < p->src[2]; h++) {
        for (int64_t w = 0; w < p->src[3]; w++) {
          ig_store_f64(p->dtype, dx, src_offset(p, n, c, h, w), taken(p, dy, taps, n, c, h, w));
        }
      }
    }
  }
}

void ig_cpu_max_pool_grad_reference(const ig_pool *pool, const void *dy, const uint8_t *taps,
                                    void *dx) {
  gather_gradient(pool, dy, taps, dx);
}

static double window_mean(const ig_pool *p, const void *x, int64_t n, int64_t c, int64_t row,
                          int64_t column) {
  double sum = 0, size = window_size(p, row, column);
  for (int64_t i = 0; i < p->kernel[0]; i++) {
    int64_t h = source(p, 0, row, i);
    for (int64_t j = 0; j < p->kernel[1] && h >= 0; j++) {
      int64_t w = source(p, 1, column, j);
      if (w >= 0) sum += ig_load_f64(p->dtype, x, src_offset(p, n, c, h, w));
    }
  }
  return size > 0 ? sum / size : 0;
}

void ig_cpu_mean_pool_reference(const ig_pool *pool, const void *x, void *y) {
  const ig_pool *p = pool;
  clear(p, p->dst, y, ig_dtype_size(p->dtype));
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t n = 0; n < p->dst[0]; n++) {
    for (int64_t c = 0; c < p->dst[1]; c++) {
      for (int64_t row = 0; row < p->dst[2]; row++) {
        for (int64_t column = 0; column < p->dst[3]; column++) {
          int64_t at = dst_offset(p, n, c, row, column);
          ig_store_f64(p->dtype, y, at, window_mean(p, x, n, c, row, column));
        }
      }
    }
  }
}

void ig_cpu_mean_pool_grad_reference(const ig_pool *pool, const void *dy, void *dx) {
  gather_gradient(pool, dy, NULL, dx);
}
