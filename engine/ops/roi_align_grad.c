/* ingot.RoiAlignGrad: the gradient of the feature map, to the neighbours of each sample, or to the one that
 * a bin's maximum came from. Regions have none. */
#include "engine/ops/roi_align.h"

#include <math.h>

static ig_status infer(ig_node *node) {
  ig_shape y;
  IG_TRY(ig_roi_align_shape(node, &y));
  return ig_twin_infer(&ig_roi_align_twin, node, &y);
}

static void spread(const ig_roi_bin *bin, const int64_t extent[2], const double *plane, double dy,
                   bool max, double *dx) {
  int64_t samples = bin->samples[0] * bin->samples[1], offset[4], place = -1;
  double most = -INFINITY, weight[4], factor = 0;
  for (int64_t i = 0; i < samples; i++) {
    bool inside = ig_roi_taps(bin, extent, i, offset, weight);
    if (!inside && most < 0) {
      most = 0;
      place = -1;
    }
    for (int k = 0; k < 4 && inside; k++) {
      if (!max) dx[offset[k]] += weight[k] * dy / (double)samples;
      if (!(weight[k] * plane[offset[k]] > most)) continue;
      most = weight[k] * plane[offset[k]];
      place = offset[k];
      factor = weight[k];
    }
  }
  if (max && place >= 0) dx[place] += factor * dy;
}

static ig_status work(const ig_node *node, const ig_doubles *d) {
  const ig_shape *x = &node->inputs[0]->shape, *y = &node->inputs[3]->shape;
  bool max = IG_ATTRS_OF(ig_roi_align_attrs, node)->mode[0] == 'm';
  int64_t bins = y->dims[2] * y->dims[3], area = x->dims[2] * x->dims[3], channels = x->dims[1];
  for (int64_t p = 0; p < y->dims[0] * bins; p++) {
    ig_roi_bin bin;
    int64_t roi = p / bins, at = p % bins;
    IG_TRY(ig_roi_bin_of(node, d, roi, at / y->dims[3], at % y->dims[3], &bin));
    for (int64_t c = 0; c < channels; c++) {
      int64_t plane = (bin.batch * channels + c) * area;
      spread(&bin, x->dims + 2, d->in[0] + plane, d->in[3][(roi * channels + c) * bins + at], max,
             d->out[0] + plane);
    }
  }
  return IG_OK;
}

static ig_cost cost(const ig_node *node) {
  return (ig_cost){64.0 * (double)ig_value_count(node->inputs[3]), ig_cost_copy(node).bytes};
}

IG_DOUBLES_IMPLS(work)

const ig_op ig_op_roi_align_grad = {
    .name = "ingot.RoiAlignGrad",
    .n_in = {4, 4},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_roi_align_fields,
    .attrs_size = sizeof(ig_roi_align_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
