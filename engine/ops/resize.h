/* A resize as one sparse map for each dimension that changes, shared by Resize and its gradient. */
#ifndef IG_OPS_RESIZE_H
#define IG_OPS_RESIZE_H

#include "engine/ops/op.h"
#include "kernels/resize.h"

/* The attributes of Resize; `shape`, the input's, is the gradient's alone. */
typedef struct ig_resize_attrs {
  int64_t antialias;
  ig_ints axes;
  const char *coordinate_transformation_mode;
  float cubic_coeff_a;
  int64_t exclude_outside;
  float extrapolation_value;
  const char *keep_aspect_ratio_policy, *mode, *nearest_mode;
  ig_ints shape;
} ig_resize_attrs;

/* What a node says, checked: by dimension, the sizes, the scale, the length that coordinates refer to
 * (scale * size, before it is cut to an integer), and the region of interest. */
typedef struct ig_resize {
  const ig_resize_attrs *attrs;
  ig_shape in, out;
  double scale[IG_MAX_RANK], length[IG_MAX_RANK], from[IG_MAX_RANK], to[IG_MAX_RANK];
} ig_resize;

/* `in` is the shape that is resized; inputs 1 to 3 of the node are roi, scales and sizes. */
ig_status ig_resize_of(const ig_node *node, const ig_shape *in, ig_resize *out);
/* The same for a Resize, or for an ingot.ResizeGrad. */
ig_status ig_resize_of_node(const ig_node *node, bool grad, ig_resize *out);
/* Of one dimension: whether anything happens to it, taps of a result, and the map (out * taps each). */
bool ig_resize_changes(const ig_resize *resize, int d);
int64_t ig_resize_taps(const ig_resize *resize, int d);
void ig_resize_fill(const ig_resize *resize, int d, int64_t *index, double *weight);
/* Scratch bytes for elements of `size` bytes: tables, and two intermediate tensors. */
size_t ig_resize_workspace(const ig_resize *resize, size_t size);
/* Runs the map (forward from in to out, or its transpose from out to in) on f32 data, or on any
 * dtype through f64. */
void ig_resize_run(const ig_resize *resize, ig_dtype dtype, bool transposed, const void *x, void *y,
                   void *workspace);

#endif
