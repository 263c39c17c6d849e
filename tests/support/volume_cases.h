/* Convolutions and poolings of volumes in float64, written over coordinates of any number of dimensions:
 * each element of the result asks, for every tap of its window, which element of the source lies there. */
#ifndef IG_TESTS_VOLUME_CASES_H
#define IG_TESTS_VOLUME_CASES_H

#include <math.h>

#include "engine/graph/attrs.h"
#include "op_case.h"

static inline void volume_index(const ig_shape *shape, int64_t i, int64_t index[IG_MAX_RANK]) {
  for (int d = shape->rank - 1; d >= 0; d--) {
    index[d] = i % shape->dims[d];
    i /= shape->dims[d];
  }
}

typedef struct volume {
  int spatial;
  ig_shape kernel; /* of the spatial dimensions alone */
  int64_t stride[3], dilation[3], begin[3], end[3], group;
} volume;

static inline int64_t volume_int(const ig_node *node, const char *name, int i, int64_t fallback) {
  const ig_attr_field *field = ig_attrs_field(node->op, name);
  if (!field) return fallback;
  ig_attr attr = ig_attrs_get(field, node->attrs);
  return i < attr.ints.n ? attr.ints.v[i] : fallback;
}

/* The attributes, with explicit pads; the kernel from `filter` where given. */
static inline volume volume_of(const ig_node *node, int spatial, const ig_shape *filter) {
  volume v = {.spatial = spatial, .kernel = {.rank = spatial}, .group = 1};
  for (int i = 0; i < spatial; i++) {
    v.kernel.dims[i] = filter ? filter->dims[2 + i] : volume_int(node, "kernel_shape", i, 1);
    v.stride[i] = volume_int(node, "strides", i, 1);
    v.dilation[i] = volume_int(node, "dilations", i, 1);
    v.begin[i] = volume_int(node, "pads", i, 0);
    v.end[i] = volume_int(node, "pads", spatial + i, 0);
  }
  if (ig_attrs_field(node->op, "group")) v.group = ig_attrs_of(node, "group").i;
  return v;
}

/* Offset in a channel of `src` of tap `tap` of the window at spatial position `at`, or -1. */
static inline int64_t volume_place(const volume *v, const ig_shape *src, const int64_t *at,
                                   const int64_t *tap, bool *counts) {
  int64_t place = 0;
  bool inside = true;
  *counts = true;
  for (int i = 0; i < v->spatial; i++) {
    int64_t s = at[i] * v->stride[i] + tap[i] * v->dilation[i] - v->begin[i];
    inside = inside && s >= 0 && s < src->dims[2 + i];
    *counts = *counts && s < src->dims[2 + i] + v->end[i];
    place = place * src->dims[2 + i] + s;
  }
  return inside ? place : -1;
}

typedef void volume_visit(void *context, int64_t src, int64_t filter, int64_t dst);

/* Every product of a convolution, with element offsets. */
static inline void volume_products(const volume *v, const ig_shape *src, const ig_shape *dst,
                                   volume_visit *visit, void *context) {
  int64_t in_group = src->dims[1] / v->group, out_group = dst->dims[1] / v->group;
  int64_t area = ig_shape_span(src, 2, src->rank), taps = ig_shape_count(&v->kernel);
  for (int64_t o = 0; o < ig_shape_count(dst); o++) {
    int64_t at[IG_MAX_RANK], tap[IG_MAX_RANK];
    bool counts;
    volume_index(dst, o, at);
    for (int64_t k = 0; k < taps; k++) {
      volume_index(&v->kernel, k, tap);
      int64_t place = volume_place(v, src, at + 2, tap, &counts);
      for (int64_t c = 0; c < in_group && place >= 0; c++) {
        int64_t channel = at[1] / out_group * in_group + c;
        visit(context, (at[0] * src->dims[1] + channel) * area + place,
              (at[1] * in_group + c) * taps + k, o);
      }
    }
  }
}

typedef struct volume_arrays {
  double *src, *filter, *dst;
} volume_arrays;
static inline void volume_to_dst(void *context, int64_t s, int64_t f, int64_t d) {
  volume_arrays *a = context;
  a->dst[d] += a->src[s] * a->filter[f];
}
static inline void volume_to_src(void *context, int64_t s, int64_t f, int64_t d) {
  volume_arrays *a = context;
  a->src[s] += a->dst[d] * a->filter[f];
}
static inline void volume_to_filter(void *context, int64_t s, int64_t f, int64_t d) {
  volume_arrays *a = context;
  a->filter[f] += a->src[s] * a->dst[d];
}

static inline void volume_bias(const ig_case_array *bias, ig_case_array *y) {
  int64_t area = ig_shape_span(&y->shape, 2, y->shape.rank);
  for (int64_t i = 0; bias->data && i < ig_shape_count(&y->shape); i++) {
    y->data[i] += bias->data[i / area % y->shape.dims[1]];
  }
}

/* One window of a pooling: its maximum and where it is, or its mean, or its norm. */
typedef struct volume_window {
  double max, sum, norm, count;
  int64_t place, tap;
} volume_window;

static inline volume_window volume_window_of(const volume *v, const ig_shape *src,
                                             const double *channel, const int64_t *at,
                                             bool count_pads, double p) {
  volume_window w = {.max = -INFINITY};
  for (int64_t k = 0; k < ig_shape_count(&v->kernel); k++) {
    int64_t tap[IG_MAX_RANK];
    bool counts;
    volume_index(&v->kernel, k, tap);
    int64_t place = volume_place(v, src, at, tap, &counts);
    w.count += count_pads ? counts : place >= 0;
    if (place < 0 || !channel) continue;
    w.sum += channel[place];
    w.norm += pow(fabs(channel[place]), p);
    if (!(channel[place] > w.max)) continue;
    w.max = channel[place];
    w.place = place;
    w.tap = k;
  }
  return w;
}

#define VOLUME_TENSOR(...)                                                                         \
  {.dtype = IG_F32, .shape = {sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), {__VA_ARGS__}}}
#define VOLUME_DISTINCT(...)                                                                       \
  {.dtype = IG_F32,                                                                                \
   .shape = {sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), {__VA_ARGS__}},                   \
   .fill = IG_FILL_DISTINCT}

#endif
