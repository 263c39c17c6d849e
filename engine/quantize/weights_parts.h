/* What the files of weight methods share: which numbers of a weight have one scale. */
#ifndef IG_QUANTIZE_WEIGHTS_PARTS_H
#define IG_QUANTIZE_WEIGHTS_PARTS_H

#include "engine/quantize/weights.h"

/* A weight [outer, length, inner] about the dimension that has scales of its own: one for each of `length`
 * channels, or (group > 0) one for each of `groups` groups of it, in all outer and inner places. */
typedef struct ig_weight_slices {
  int64_t outer, length, inner, group, groups;
  int64_t count; /* of scales */
  int bits;      /* 8: -127 to 127; 4: -8 to 7 */
} ig_weight_slices;

/* Elements base + a * stride[0] + b of the weight, a < n[0], b < n[1]. */
typedef struct ig_weight_slice {
  int64_t base, n[2], stride[2];
} ig_weight_slice;

ig_status ig_weight_slices_of(const ig_quant_layer *layer, const ig_quant_settings *settings,
                              const ig_shape *shape, ig_weight_slices *out);
ig_weight_slice ig_weight_slice_at(const ig_weight_slices *slices, int64_t index);

/* Room for scales and codes. */
ig_status ig_quant_weight_create(const ig_weight_slices *slices, const ig_shape *shape,
                                 ig_quant_weight *out);
ig_status ig_quantize_nearest(const ig_quant_layer *layer, const ig_weight_slices *slices,
                              const ig_shape *shape, const float *weight, ig_quant_weight *out);

#endif
