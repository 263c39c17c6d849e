/* Sliding windows from attributes. All numbers come from files: each is range-checked here, so that
 * sums and products of them fit. */
#include "engine/ops/window.h"

#include <inttypes.h>
#include <string.h>

#define MOST INT32_MAX

static ig_status read_ints(const ig_ints *ints, const char *name, int spatial, int64_t fallback,
                           int64_t least, int64_t out[IG_WINDOW_AXES]) {
  for (int i = 0; i < IG_WINDOW_AXES; i++) out[i] = fallback;
  if (ints->n == 0) return IG_OK;
  IG_CHECK(ints->n == spatial, IG_ERR_SHAPE, "attribute %s has %d numbers, expected %d", name,
           ints->n, spatial);
  for (int i = 0; i < spatial; i++) {
    IG_CHECK(ints->v[i] >= least && ints->v[i] <= MOST, IG_ERR_SHAPE,
             "attribute %s holds %" PRId64 ", expected %" PRId64 " to %d", name, ints->v[i], least,
             MOST);
    out[IG_WINDOW_AXES - spatial + i] = ints->v[i];
  }
  return IG_OK;
}

static ig_status read_kernel(const ig_window_attrs *attrs, int spatial, const int64_t *kernel,
                             ig_window *out) {
  IG_TRY(read_ints(&attrs->kernel_shape, "kernel_shape", spatial, 1, 1, out->kernel));
  if (!kernel) {
    IG_CHECK(attrs->kernel_shape.n > 0, IG_ERR_USAGE, "attribute kernel_shape is missing");
    return IG_OK;
  }
  for (int i = 0; i < spatial; i++) {
    int axis = IG_WINDOW_AXES - spatial + i;
    IG_CHECK(kernel[i] >= 1 && kernel[i] <= MOST, IG_ERR_SHAPE,
             "a kernel of extent %" PRId64 ", expected 1 to %d", kernel[i], MOST);
    IG_CHECK(attrs->kernel_shape.n == 0 || out->kernel[axis] == kernel[i], IG_ERR_SHAPE,
             "attribute kernel_shape says %" PRId64 " where the filter has %" PRId64,
             out->kernel[axis], kernel[i]);
    out->kernel[axis] = kernel[i];
  }
  return IG_OK;
}

ig_status ig_window_read(const ig_window_attrs *attrs, int spatial, const int64_t *kernel,
                         ig_window *out) {
  IG_CHECK(spatial >= 1 && spatial <= IG_WINDOW_AXES, IG_ERR_UNSUPPORTED,
           "%d spatial dimensions, expected 1 to %d", spatial, IG_WINDOW_AXES);
  memset(out, 0, sizeof *out);
  out->spatial = spatial;
  IG_TRY(read_kernel(attrs, spatial, kernel, out));
  IG_TRY(read_ints(&attrs->strides, "strides", spatial, 1, 1, out->stride));
  IG_TRY(read_ints(&attrs->dilations, "dilations", spatial, 1, 1, out->dilation));
  if (attrs->pads.n == 0) return IG_OK;
  IG_CHECK(attrs->pads.n == 2 * spatial, IG_ERR_SHAPE, "attribute pads has %d numbers, expected %d",
           attrs->pads.n, 2 * spatial);
  ig_ints begin = {spatial, attrs->pads.v}, end = {spatial, attrs->pads.v + spatial};
  IG_TRY(read_ints(&begin, "pads", spatial, 0, 0, out->begin));
  return read_ints(&end, "pads", spatial, 0, 0, out->end);
}

/* SAME: as many outputs as strides begin in the input; an odd pad goes to the named end. */
static void pad_same(ig_window *w, int axis, int64_t in, bool upper) {
  int64_t out = (in + w->stride[axis] - 1) / w->stride[axis];
  int64_t pad = (out - 1) * w->stride[axis] + ig_window_extent(w, axis) - in;
  pad = IG_MAX(pad, 0);
  w->begin[axis] = upper ? pad / 2 : pad - pad / 2;
  w->end[axis] = pad - w->begin[axis];
}

ig_status ig_window_slide(const ig_window_attrs *attrs, ig_window *w, const int64_t *in,
                          bool ceil_mode, int64_t *out) {
  const char *mode = attrs->auto_pad;
  bool upper = strcmp(mode, "SAME_UPPER") == 0, lower = strcmp(mode, "SAME_LOWER") == 0;
  bool valid = strcmp(mode, "VALID") == 0;
  IG_CHECK(upper || lower || valid || strcmp(mode, "NOTSET") == 0, IG_ERR_USAGE,
           "attribute auto_pad is '%s', expected NOTSET, VALID, SAME_UPPER or SAME_LOWER", mode);
  for (int i = 0; i < w->spatial; i++) {
    int axis = IG_WINDOW_AXES - w->spatial + i;
    IG_CHECK(in[i] <= MOST, IG_ERR_SHAPE, "an extent of %" PRId64 " is too large", in[i]);
    if (upper || lower) pad_same(w, axis, in[i], upper);
    if (valid) w->begin[axis] = w->end[axis] = 0;
    int64_t room = in[i] + w->begin[axis] + w->end[axis] - ig_window_extent(w, axis);
    IG_CHECK(room >= 0, IG_ERR_SHAPE,
             "a window of extent %" PRId64 " does not fit into %" PRId64 " with pads %" PRId64
             " and %" PRId64,
             ig_window_extent(w, axis), in[i], w->begin[axis], w->end[axis]);
    int64_t stride = w->stride[axis];
    out[i] = (ceil_mode ? room + stride - 1 : room) / stride + 1;
    /* No window starts in the pad at the end. */
    if (ceil_mode && (out[i] - 1) * stride >= in[i] + w->begin[axis]) out[i]--;
  }
  return IG_OK;
}

void ig_window_dims(const ig_shape *shape, int64_t dims[4]) {
  dims[0] = shape->dims[0];
  dims[1] = shape->dims[1];
  dims[2] = shape->rank >= 4 ? shape->dims[shape->rank - 2] : 1;
  dims[3] = shape->dims[shape->rank - 1];
}

ig_depth ig_window_depth(const ig_window *w, const ig_shape *src, const ig_shape *dst) {
  if (w->spatial < IG_WINDOW_AXES) return (ig_depth){0};
  return (ig_depth){.src = src->dims[2],
                    .dst = dst->dims[2],
                    .kernel = w->kernel[0],
                    .stride = w->stride[0],
                    .dilation = w->dilation[0],
                    .begin = w->begin[0],
                    .end = w->end[0]};
}

void ig_window_attr_list(const ig_window *w, int64_t pads[2 * IG_WINDOW_AXES],
                         ig_attr list[IG_WINDOW_ATTRS]) {
  int n = w->spatial, first = IG_WINDOW_AXES - n;
  for (int i = 0; i < n; i++) {
    pads[i] = w->begin[first + i];
    pads[n + i] = w->end[first + i];
  }
  list[0] = IG_INTS("kernel_shape", n, w->kernel + first);
  list[1] = IG_INTS("strides", n, w->stride + first);
  list[2] = IG_INTS("dilations", n, w->dilation + first);
  list[3] = IG_INTS("pads", 2 * n, pads);
}
