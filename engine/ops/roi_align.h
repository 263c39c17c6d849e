/* RoiAlign's map from a feature map to the bins of regions, shared with its gradient. */
#ifndef IG_OPS_ROI_ALIGN_H
#define IG_OPS_ROI_ALIGN_H

#include "engine/ops/doubles.h"

typedef struct ig_roi_align_attrs {
  const char *coordinate_transformation_mode, *mode;
  int64_t output_height, output_width, sampling_ratio;
  float spatial_scale;
} ig_roi_align_attrs;

extern const ig_attr_field ig_roi_align_fields[];
extern const ig_twin ig_roi_align_twin;

ig_status ig_roi_align_shape(const ig_node *node, ig_shape *out);

/* A bin: where its samples lie along height (0) and width (1). */
typedef struct ig_roi_bin {
  int64_t batch, samples[2];
  double start[2], step[2]; /* of the first sample, and between samples */
} ig_roi_bin;

/* Bin [h, w] of region `roi`; fails for a batch index out of range and for regions beyond measure. */
ig_status ig_roi_bin_of(const ig_node *node, const ig_doubles *doubles, int64_t roi, int64_t h,
                        int64_t w, ig_roi_bin *out);
/* The four neighbours of sample `i` of a bin in a plane height by width; false when it lies outside. */
bool ig_roi_taps(const ig_roi_bin *bin, const int64_t extent[2], int64_t i, int64_t offset[4],
                 double weight[4]);

#endif
