/* Sliding windows: the attributes that convolutions and poolings share, resolved against shapes.
 * Everything is in three spatial dimensions, depth, height and width; those that a node lacks are 1. */
#ifndef IG_OPS_WINDOW_H
#define IG_OPS_WINDOW_H

#include "engine/ops/op.h"
#include "kernels/depth.h"

/* First member of the attribute structs. */
typedef struct ig_window_attrs {
  const char *auto_pad;
  ig_ints dilations, kernel_shape, pads, strides;
} ig_window_attrs;

/* The attributes' rows for a table of `type_`, whose first member `window` they are in. */
#define IG_WINDOW_INTS(type_, member)                                                              \
  { .name = #member, .type = IG_ATTR_INTS, .offset = offsetof(type_, window.member) }
#define IG_WINDOW_FIELDS(type_)                                                                    \
  {.name = "auto_pad",                                                                             \
   .type = IG_ATTR_STRING,                                                                         \
   .offset = offsetof(type_, window.auto_pad),                                                     \
   .default_s = "NOTSET"},                                                                         \
      IG_WINDOW_INTS(type_, dilations), IG_WINDOW_INTS(type_, kernel_shape),                       \
      IG_WINDOW_INTS(type_, pads), IG_WINDOW_INTS(type_, strides)

#define IG_WINDOW_AXES 3

typedef struct ig_window {
  int spatial; /* 1 to IG_WINDOW_AXES */
  int64_t kernel[IG_WINDOW_AXES], stride[IG_WINDOW_AXES], dilation[IG_WINDOW_AXES],
      begin[IG_WINDOW_AXES], end[IG_WINDOW_AXES];
} ig_window;

/* Kernel, strides, dilations and explicit pads in `spatial` dimensions. The kernel is `kernel`
 * where it is not NULL (the dims of a filter; kernel_shape must agree) and kernel_shape
 * otherwise. */
ig_status ig_window_read(const ig_window_attrs *attrs, int spatial, const int64_t *kernel,
                         ig_window *out);
/* Applies auto_pad and gives the output's spatial dims; `ceil_mode` as poolings have it. */
ig_status ig_window_slide(const ig_window_attrs *attrs, ig_window *window, const int64_t *in,
                          bool ceil_mode, int64_t *out);
/* Extent of the dilated kernel. */
static inline int64_t ig_window_extent(const ig_window *w, int axis) {
  return (w->kernel[axis] - 1) * w->dilation[axis] + 1;
}

/* [N, C, spatial...] as N, C, H, W, without the depth. */
void ig_window_dims(const ig_shape *shape, int64_t dims[4]);

/* Their depth, and the window's; all 0 with fewer spatial dimensions. */
ig_depth ig_window_depth(const ig_window *w, const ig_shape *src, const ig_shape *dst);

/* The window as attributes for builders, with explicit pads; they point into `w` and `pads`. */
#define IG_WINDOW_ATTRS 4
void ig_window_attr_list(const ig_window *w, int64_t pads[2 * IG_WINDOW_AXES],
                         ig_attr list[IG_WINDOW_ATTRS]);

#endif
