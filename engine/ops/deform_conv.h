/* What DeformConv and its gradient share. */
#ifndef IG_OPS_DEFORM_CONV_H
#define IG_OPS_DEFORM_CONV_H

#include "engine/ops/doubles.h"
#include "engine/ops/window.h"

typedef struct ig_deform_conv_attrs {
  ig_window_attrs window;
  int64_t group, offset_group;
} ig_deform_conv_attrs;

extern const ig_attr_field ig_deform_conv_fields[];
extern const ig_twin ig_deform_conv_twin;

/* A checked node: N, C, H, W of input and result, and one filter's taps. */
typedef struct ig_deform_conv {
  int64_t src[4], dst[4], group, offset_group, taps;
  ig_window window;
} ig_deform_conv;

ig_status ig_deform_conv_describe(const ig_node *node, ig_deform_conv *out);

/* A sample of one tap for one position and group of channels: neighbours (offset -1 for those outside),
 * weights, and their derivatives by the vertical and horizontal offset. */
typedef struct ig_deform_sample {
  int64_t offset[4], dy_index, mask_index;
  double weight[4], slope[4][2], mask;
} ig_deform_sample;

/* Tap `k` of batch entry n at position `p` for the channels of offset group `g`; dy_index is where the
 * vertical offset lies, that of the horizontal one is one plane of results further. */
ig_deform_sample ig_deform_sample_of(const ig_deform_conv *spec, const ig_doubles *doubles,
                                     int64_t n, int64_t g, int64_t k, int64_t p);

#endif
