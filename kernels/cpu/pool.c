/* Pooling over lanes. Every layout is seen as planes of pixels with up to sixteen channels (lanes)
 * side by side: one in rows, sixteen in blocks, runs of sixteen in channels last. A lane's
 * arithmetic does not depend on the others, so that vectors hold what one layout has next to each
 * other. */
#include "kernels/pool.h"

#include <math.h>
#include <string.h>

#include "kernels/cpu/parallel.h"

#define LANES IG_LAYOUT_BLOCK

/* One plane: where its first pixel is in src and dst, and how far apart pixels are. */
typedef struct plane {
  int64_t src, dst, step;
  int lanes;
} plane;

static int64_t plane_count(const ig_pool *p) {
  int64_t c = p->src[1];
  return p->src[0] * (p->layout == IG_LAYOUT_ROWS ? c : (c + LANES - 1) / LANES);
}

static plane plane_at(const ig_pool *p, int64_t index) {
  int64_t c = p->src[1], src_area = p->src[2] * p->src[3], dst_area = p->dst[2] * p->dst[3];
  if (p->layout == IG_LAYOUT_ROWS) return (plane){index * src_area, index * dst_area, 1, 1};
  if (p->layout == IG_LAYOUT_BLOCK16) {
    return (plane){index * src_area * LANES, index * dst_area * LANES, LANES, LANES};
  }
  int64_t runs = (c + LANES - 1) / LANES, n = index / runs, first = index % runs * LANES;
  return (plane){n * src_area * c + first, n * dst_area * c + first, c,
                 (int)IG_MIN(LANES, c - first)};
}

/* Taps [from, to) of a window that are inside src, along one axis at dst index `at`. */
typedef struct range {
  int64_t from, to, origin; /* src index of tap 0, may be negative */
} range;

static int64_t divide_up(int64_t count, int64_t by) {
  return by == 1 ? count : (count + by - 1) / by; /* a division takes as long as a window */
}

static range taps_inside(const ig_pool *p, int axis, int64_t at) {
  int64_t d = p->dilation[axis], extent = p->src[2 + axis];
  int64_t origin = at * p->stride[axis] - p->begin[axis];
  int64_t from = origin < 0 ? divide_up(-origin, d) : 0;
  int64_t to = origin < extent ? divide_up(extent - origin, d) : 0;
  return (range){from, IG_MIN(to, p->kernel[axis]), origin};
}

/* --- elements --------------------------------------------------------------------------------- */

/* `dtype` is a constant where these are inlined. Lanes beyond `lanes` are left alone. */
static inline void load(ig_dtype dtype, const void *x, int64_t at, int lanes, float v[LANES]) {
  const uint16_t *half = (const uint16_t *)x + at;
  if (dtype == IG_F32) {
    memcpy(v, (const float *)x + at, (size_t)lanes * sizeof *v);
  } else if (dtype == IG_BF16) {
    for (int l = 0; l < lanes; l++) v[l] = ig_bf16_to_f32(half[l]);
  } else {
    for (int l = 0; l < lanes; l++) v[l] = ig_f16_to_f32(half[l]);
  }
}

static inline void store(ig_dtype dtype, void *x, int64_t at, int lanes, const float v[LANES]) {
  uint16_t *half = (uint16_t *)x + at;
  if (dtype == IG_F32) {
    memcpy((float *)x + at, v, (size_t)lanes * sizeof *v);
  } else if (dtype == IG_BF16) {
    for (int l = 0; l < lanes; l++) half[l] = ig_f32_to_bf16(v[l]);
  } else {
    for (int l = 0; l < lanes; l++) half[l] = ig_f32_to_f16(v[l]);
  }
}

/* Calls an inlined function with dtype and number of lanes as constants where they are usual. */
#define WITH_CONSTANTS(function, p, lanes, ...)                                                    \
  do {                                                                                             \
    if ((p)->dtype == IG_F32 && (lanes) == LANES) {                                                \
      function(IG_F32, LANES, p, __VA_ARGS__);                                                     \
    } else if ((p)->dtype == IG_F32 && (lanes) == 1) {                                             \
      function(IG_F32, 1, p, __VA_ARGS__);                                                         \
    } else if ((p)->dtype == IG_BF16 && (lanes) == LANES) {                                        \
      function(IG_BF16, LANES, p, __VA_ARGS__);                                                    \
    } else {                                                                                       \
      function((p)->dtype, lanes, p, __VA_ARGS__);                                                 \
    }                                                                                              \
  } while (0)

/* --- maxima ----------------------------------------------------------------------------------- */

static inline void max_row(ig_dtype dtype, int lanes, const ig_pool *p, const plane *at,
                           int64_t row, const void *x, void *y, uint8_t *taps) {
  range h = taps_inside(p, 0, row);
  for (int64_t column = 0; column < p->dst[3]; column++) {
    range w = taps_inside(p, 1, column);
    float best[LANES], v[LANES];
    int32_t tap[LANES], first = (int32_t)(h.from * p->kernel[1] + w.from);
    for (int l = 0; l < LANES; l++) best[l] = -INFINITY;
    for (int l = 0; l < LANES; l++) tap[l] = first;
    for (int64_t i = h.from; i < h.to; i++) {
      int64_t line = at->src + (h.origin + i * p->dilation[0]) * p->src[3] * at->step;
      for (int64_t j = w.from; j < w.to; j++) {
        int32_t index = (int32_t)(i * p->kernel[1] + j);
        load(dtype, x, line + (w.origin + j * p->dilation[1]) * at->step, lanes, v);
        for (int l = 0; l < lanes; l++) {
          int32_t wins = (v[l] > best[l]) | (v[l] != v[l]); /* NaN stays */
          best[l] = wins ? v[l] : best[l];
          tap[l] = wins ? index : tap[l];
        }
      }
    }
    int64_t to = at->dst + (row * p->dst[3] + column) * at->step;
    store(dtype, y, to, lanes, best);
    for (int l = 0; l < lanes && taps; l++) taps[to + l] = (uint8_t)tap[l];
  }
}

/* The same for a whole block of lanes in f32 or bf16, as one vector of the compiler's each: it does
 * not find this form by itself, and maxima are read and written at the speed of memory with it. */
typedef float lane_floats __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t lane_ints __attribute__((vector_size(4 * LANES)));
typedef uint32_t lane_words __attribute__((vector_size(4 * LANES)));
typedef uint16_t lane_halves __attribute__((vector_size(2 * LANES), aligned(2), may_alias));
typedef uint8_t lane_bytes __attribute__((vector_size(LANES), aligned(1), may_alias));

static inline lane_floats load_block(ig_dtype dtype, const void *x, int64_t at) {
  if (dtype == IG_F32) return *(const lane_floats *)((const float *)x + at);
  lane_halves half = *(const lane_halves *)((const uint16_t *)x + at);
  return (lane_floats)(__builtin_convertvector(half, lane_words) << 16);
}

/* Rounds as ig_f32_to_bf16 does. */
static inline void store_block(ig_dtype dtype, void *x, int64_t at, lane_floats v) {
  if (dtype == IG_F32) {
    *(lane_floats *)((float *)x + at) = v;
    return;
  }
  lane_words bits = (lane_words)v, nan = (lane_words)(v != v);
  lane_words rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  bits = (rounded & ~nan) | (((bits >> 16) | 0x40u) & nan);
  *(lane_halves *)((uint16_t *)x + at) = __builtin_convertvector(bits, lane_halves);
}

static inline lane_floats choose(lane_ints mask, lane_floats a, lane_floats b) {
  return (lane_floats)(((lane_ints)a & mask) | ((lane_ints)b & ~mask));
}

static inline void max_row_block(ig_dtype dtype, const ig_pool *p, const plane *at, int64_t row,
                                 const void *x, void *y, uint8_t *taps) {
  range h = taps_inside(p, 0, row);
  for (int64_t column = 0; column < p->dst[3]; column++) {
    range w = taps_inside(p, 1, column);
    lane_floats best = (lane_floats){0} - INFINITY;
    lane_ints tap = (lane_ints){0} + (int32_t)(h.from * p->kernel[1] + w.from);
    for (int64_t i = h.from; i < h.to; i++) {
      int64_t line = at->src + (h.origin + i * p->dilation[0]) * p->src[3] * at->step;
      for (int64_t j = w.from; j < w.to; j++) {
        int32_t index = (int32_t)(i * p->kernel[1] + j);
        lane_floats v = load_block(dtype, x, line + (w.origin + j * p->dilation[1]) * at->step);
        lane_ints wins = (v > best) | (v != v);
        best = choose(wins, v, best);
        tap = (index & wins) | (tap & ~wins);
      }
    }
    int64_t to = at->dst + (row * p->dst[3] + column) * at->step;
    store_block(dtype, y, to, best);
    if (taps) *(lane_bytes *)(taps + to) = __builtin_convertvector(tap, lane_bytes);
  }
}

/* Row-major f32 without taps: a tap at a time over the columns whose windows are inside, which lie in
 * vectors; the few others one by one. */
static void max_row_columns(const ig_pool *p, const plane *at, int64_t row, const float *x, float *y) {
  range h = taps_inside(p, 0, row);
  int64_t stride = p->stride[1], span = (p->kernel[1] - 1) * p->dilation[1];
  int64_t first = IG_MIN(divide_up(p->begin[1], stride), p->dst[3]);
  int64_t last = p->src[3] - span + p->begin[1]; /* where windows no longer fit */
  last = last > 0 ? IG_MIN(divide_up(last, stride), p->dst[3]) : first;
  float *out = y + at->dst + row * p->dst[3];
  for (int64_t column = 0; column < p->dst[3]; column++) out[column] = -INFINITY;
  for (int64_t i = h.from; i < h.to; i++) {
    const float *line = x + at->src + (h.origin + i * p->dilation[0]) * p->src[3];
    for (int64_t column = 0; column < p->dst[3]; column++) {
      if (column == first) column = IG_MAX(first, last);
      if (column >= p->dst[3]) break;
      range w = taps_inside(p, 1, column);
      for (int64_t j = w.from; j < w.to; j++) {
        float v = line[w.origin + j * p->dilation[1]];
        out[column] = v > out[column] || v != v ? v : out[column];
      }
    }
    for (int64_t j = 0; j < p->kernel[1] && first < last; j++) {
      const float *from = line + j * p->dilation[1] - p->begin[1];
      if (stride == 1) {
        for (int64_t c = first; c < last; c++) {
          float v = from[c], best = out[c];
          out[c] = (v > best) | (v != v) ? v : best;
        }
      } else {
        for (int64_t c = first; c < last; c++) {
          float v = from[c * stride], best = out[c];
          out[c] = (v > best) | (v != v) ? v : best;
        }
      }
    }
  }
}

void ig_cpu_max_pool_lanes(const ig_pool *pool, const void *x, void *y, uint8_t *taps) {
  const ig_pool *p = pool;
  int64_t rows = p->dst[2], tasks = plane_count(p) * rows;
  bool team = ig_layout_count(p->layout, p->src) >= IG_PARALLEL_FROM;
  IG_PARALLEL_FOR(team)
  for (int64_t task = 0; task < tasks; task++) {
    plane at = plane_at(p, task / rows);
    if (p->dtype == IG_F32 && at.lanes == LANES) {
      max_row_block(IG_F32, p, &at, task % rows, x, y, taps);
    } else if (p->dtype == IG_BF16 && at.lanes == LANES) {
      max_row_block(IG_BF16, p, &at, task % rows, x, y, taps);
    } else if (p->dtype == IG_F32 && p->layout == IG_LAYOUT_ROWS && !taps) {
      max_row_columns(p, &at, task % rows, x, y);
    } else {
      WITH_CONSTANTS(max_row, p, at.lanes, &at, task % rows, x, y, taps);
    }
  }
}

/* One lane: each gradient goes to one place. */
static void scatter_one(const ig_pool *p, const plane *at, const float *dy, const uint8_t *taps,
                        float *dx) {
  for (int64_t row = 0; row < p->dst[2]; row++) {
    for (int64_t column = 0; column < p->dst[3]; column++) {
      int64_t from = at->dst + (row * p->dst[3] + column) * at->step;
      int64_t i = taps[from] / p->kernel[1], j = taps[from] % p->kernel[1];
      int64_t h = row * p->stride[0] - p->begin[0] + i * p->dilation[0];
      int64_t w = column * p->stride[1] - p->begin[1] + j * p->dilation[1];
      bool inside = h >= 0 && h < p->src[2] && w >= 0 && w < p->src[3];
      if (inside) dx[at->src + (h * p->src[3] + w) * at->step] += dy[from];
    }
  }
}

/* Many lanes: every place of the window takes the gradients of the lanes whose tap it is. */
static inline void max_grad_plane(ig_dtype dtype, int lanes, const ig_pool *p, const plane *at,
                                  const void *dy, const uint8_t *taps, void *dx) {
  const float zero[LANES] = {0};
  float g[LANES], d[LANES];
  for (int64_t i = 0; i < p->src[2] * p->src[3]; i++) {
    store(dtype, dx, at->src + i * at->step, lanes, zero);
  }
  if (dtype == IG_F32 && lanes == 1) {
    scatter_one(p, at, dy, taps, dx);
    return;
  }
  for (int64_t row = 0; row < p->dst[2]; row++) {
    range h = taps_inside(p, 0, row);
    for (int64_t column = 0; column < p->dst[3]; column++) {
      range w = taps_inside(p, 1, column);
      int64_t from = at->dst + (row * p->dst[3] + column) * at->step;
      load(dtype, dy, from, lanes, g);
      for (int64_t i = h.from; i < h.to; i++) {
        int64_t line = at->src + (h.origin + i * p->dilation[0]) * p->src[3] * at->step;
        for (int64_t j = w.from; j < w.to; j++) {
          int64_t to = line + (w.origin + j * p->dilation[1]) * at->step;
          int32_t index = (int32_t)(i * p->kernel[1] + j);
          load(dtype, dx, to, lanes, d);
          for (int l = 0; l < lanes; l++) d[l] += taps[from + l] == index ? g[l] : 0;
          store(dtype, dx, to, lanes, d);
        }
      }
    }
  }
}

/* The same for a whole block of lanes, in vectors. */
static inline void max_grad_block(ig_dtype dtype, const ig_pool *p, const plane *at,
                                  const void *dy, const uint8_t *taps, void *dx) {
  for (int64_t i = 0; i < p->src[2] * p->src[3]; i++) {
    store_block(dtype, dx, at->src + i * at->step, (lane_floats){0});
  }
  for (int64_t row = 0; row < p->dst[2]; row++) {
    range h = taps_inside(p, 0, row);
    for (int64_t column = 0; column < p->dst[3]; column++) {
      range w = taps_inside(p, 1, column);
      int64_t from = at->dst + (row * p->dst[3] + column) * at->step;
      lane_floats g = load_block(dtype, dy, from);
      lane_ints tap = __builtin_convertvector(*(const lane_bytes *)(taps + from), lane_ints);
      for (int64_t i = h.from; i < h.to; i++) {
        int64_t line = at->src + (h.origin + i * p->dilation[0]) * p->src[3] * at->step;
        for (int64_t j = w.from; j < w.to; j++) {
          int64_t to = line + (w.origin + j * p->dilation[1]) * at->step;
          lane_ints hit = tap == (int32_t)(i * p->kernel[1] + j);
          store_block(dtype, dx, to, load_block(dtype, dx, to) + choose(hit, g, (lane_floats){0}));
        }
      }
    }
  }
}

void ig_cpu_max_pool_grad_lanes(const ig_pool *pool, const void *dy, const uint8_t *taps,
                                void *dx) {
  const ig_pool *p = pool;
  int64_t planes = plane_count(p);
  bool team = ig_layout_count(p->layout, p->src) >= IG_PARALLEL_FROM;
  IG_PARALLEL_FOR(team)
  for (int64_t i = 0; i < planes; i++) {
    plane at = plane_at(p, i);
    if (p->dtype == IG_F32 && at.lanes == LANES) {
      max_grad_block(IG_F32, p, &at, dy, taps, dx);
    } else if (p->dtype == IG_BF16 && at.lanes == LANES) {
      max_grad_block(IG_BF16, p, &at, dy, taps, dx);
    } else {
      WITH_CONSTANTS(max_grad_plane, p, at.lanes, &at, dy, taps, dx);
    }
  }
}

/* --- means ------------------------------------------------------------------------------------ */

/* Elements of a window that count along one axis. */
static int64_t counted(const ig_pool *p, int axis, const range *inside) {
  if (!p->count_pads) return inside->to - inside->from;
  int64_t room = p->src[2 + axis] + p->end[axis] - inside->origin, d = p->dilation[axis];
  return IG_MIN(p->kernel[axis], (room + d - 1) / d);
}

static float weight_of(const ig_pool *p, const range *h, const range *w) {
  int64_t count = counted(p, 0, h) * counted(p, 1, w);
  return count > 0 ? 1.0f / (float)count : 0;
}

static inline void mean_row(ig_dtype dtype, int lanes, const ig_pool *p, const plane *at,
                            int64_t row, const void *x, void *y) {
  range h = taps_inside(p, 0, row);
  for (int64_t column = 0; column < p->dst[3]; column++) {
    range w = taps_inside(p, 1, column);
    float sum[LANES] = {0}, v[LANES];
    for (int64_t i = h.from; i < h.to; i++) {
      int64_t line = at->src + (h.origin + i * p->dilation[0]) * p->src[3] * at->step;
      for (int64_t j = w.from; j < w.to; j++) {
        load(dtype, x, line + (w.origin + j * p->dilation[1]) * at->step, lanes, v);
        for (int l = 0; l < lanes; l++) sum[l] += v[l];
      }
    }
    float weight = weight_of(p, &h, &w);
    for (int l = 0; l < lanes; l++) sum[l] *= weight;
    store(dtype, y, at->dst + (row * p->dst[3] + column) * at->step, lanes, sum);
  }
}

/* The one window of a row-major plane in f32, as that many sums side by side. */
static float mean_of_plane(const float *x, int64_t area) {
  float sums[LANES] = {0}, sum = 0;
  int64_t i = 0;
  for (; i + LANES <= area; i += LANES) {
    for (int l = 0; l < LANES; l++) sums[l] += x[i + l];
  }
  for (; i < area; i++) sum += x[i];
  for (int l = 0; l < LANES; l++) sum += sums[l];
  return sum / (float)area;
}

static bool is_one_plane(const ig_pool *p) {
  bool whole = p->kernel[0] == p->src[2] && p->kernel[1] == p->src[3] && p->dilation[0] == 1 &&
               p->dilation[1] == 1 && p->dst[2] == 1 && p->dst[3] == 1 && p->begin[0] == 0 && p->begin[1] == 0;
  return whole && p->dtype == IG_F32 && p->layout == IG_LAYOUT_ROWS && p->src[2] * p->src[3] > 0;
}

void ig_cpu_mean_pool_lanes(const ig_pool *pool, const void *x, void *y) {
  const ig_pool *p = pool;
  int64_t rows = p->dst[2], tasks = plane_count(p) * rows, area = p->src[2] * p->src[3];
  bool team = ig_layout_count(p->layout, p->src) >= IG_PARALLEL_FROM, whole = is_one_plane(p);
  IG_PARALLEL_FOR(team)
  for (int64_t task = 0; task < tasks; task++) {
    plane at = plane_at(p, task / rows);
    if (whole) {
      ((float *)y)[at.dst] = mean_of_plane((const float *)x + at.src, area);
      continue;
    }
    WITH_CONSTANTS(mean_row, p, at.lanes, &at, task % rows, x, y);
  }
}

static inline void mean_grad_plane(ig_dtype dtype, int lanes, const ig_pool *p, const plane *at,
                                   const void *dy, void *dx) {
  const float zero[LANES] = {0};
  float g[LANES], d[LANES];
  for (int64_t i = 0; i < p->src[2] * p->src[3]; i++) {
    store(dtype, dx, at->src + i * at->step, lanes, zero);
  }
  for (int64_t row = 0; row < p->dst[2]; row++) {
    range h = taps_inside(p, 0, row);
    for (int64_t column = 0; column < p->dst[3]; column++) {
      range w = taps_inside(p, 1, column);
      float weight = weight_of(p, &h, &w);
      load(dtype, dy, at->dst + (row * p->dst[3] + column) * at->step, lanes, g);
      for (int l = 0; l < lanes; l++) g[l] *= weight;
      for (int64_t i = h.from; i < h.to; i++) {
        int64_t line = at->src + (h.origin + i * p->dilation[0]) * p->src[3] * at->step;
        for (int64_t j = w.from; j < w.to; j++) {
          int64_t to = line + (w.origin + j * p->dilation[1]) * at->step;
          load(dtype, dx, to, lanes, d);
          for (int l = 0; l < lanes; l++) d[l] += g[l];
          store(dtype, dx, to, lanes, d);
        }
      }
    }
  }
}

void ig_cpu_mean_pool_grad_lanes(const ig_pool *pool, const void *dy, void *dx) {
  const ig_pool *p = pool;
  int64_t planes = plane_count(p);
  bool team = ig_layout_count(p->layout, p->src) >= IG_PARALLEL_FROM;
  IG_PARALLEL_FOR(team)
  for (int64_t i = 0; i < planes; i++) {
    plane at = plane_at(p, i);
    WITH_CONSTANTS(mean_grad_plane, p, at.lanes, &at, dy, dx);
  }
}
