/* RoiAlign (He et al., "Mask R-CNN", 2017): regions of a feature map [N, C, H, W], cut into bins, each the
 * mean of bilinear samples, or, as ONNX has it, the largest product of a neighbour and its weight. */
#include "engine/ops/roi_align.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Samples of a bin along one axis; a region that asks for more is no region of an image. */
#define MOST_SAMPLES 4096

const ig_attr_field ig_roi_align_fields[] = {
    IG_FIELD_STRING(ig_roi_align_attrs, coordinate_transformation_mode, "half_pixel"),
    IG_FIELD_STRING(ig_roi_align_attrs, mode, "avg"),
    IG_FIELD_INT(ig_roi_align_attrs, output_height, 1),
    IG_FIELD_INT(ig_roi_align_attrs, output_width, 1),
    IG_FIELD_INT(ig_roi_align_attrs, sampling_ratio, 0),
    IG_FIELD_FLOAT(ig_roi_align_attrs, spatial_scale, 1),
    {0},
};

const ig_twin ig_roi_align_twin = {.op = "ingot.RoiAlignGrad", .n_in = 3, .n_out = 1, .wrt = 1};

ig_status ig_roi_align_shape(const ig_node *node, ig_shape *out) {
  const ig_roi_align_attrs *a = IG_ATTRS_OF(ig_roi_align_attrs, node);
  const ig_value *x = node->inputs[0], *rois = node->inputs[1], *batch = node->inputs[2];
  const char *where = a->coordinate_transformation_mode;
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(strcmp(a->mode, "avg") == 0 || strcmp(a->mode, "max") == 0, IG_ERR_USAGE,
           "attribute mode is '%s', expected avg or max", a->mode);
  IG_CHECK(strcmp(where, "half_pixel") == 0 || strcmp(where, "output_half_pixel") == 0, IG_ERR_USAGE,
           "attribute coordinate_transformation_mode is '%s', expected half_pixel or "
           "output_half_pixel",
           where);
  IG_CHECK(a->output_height >= 1 && a->output_width >= 1 && a->sampling_ratio >= 0 &&
               a->sampling_ratio <= MOST_SAMPLES,
           IG_ERR_USAGE, "bins %" PRId64 " by %" PRId64 " of %" PRId64 " samples", a->output_height,
           a->output_width, a->sampling_ratio);
  IG_CHECK(x->shape.rank == 4 && x->shape.dims[2] >= 1 && x->shape.dims[3] >= 1 &&
               rois->shape.rank == 2 && rois->shape.dims[1] == 4 && rois->dtype == x->dtype &&
               batch->dtype == IG_I64 && batch->shape.rank == 1 &&
               batch->shape.dims[0] == rois->shape.dims[0],
           IG_ERR_SHAPE, "an input of %s, regions %s%s and batch indices %s do not fit",
           IG_SHAPE_STR(&x->shape), ig_dtype_name(rois->dtype), IG_SHAPE_STR(&rois->shape),
           IG_SHAPE_STR(&batch->shape));
  *out = IG_SHAPE(rois->shape.dims[0], x->shape.dims[1], a->output_height, a->output_width);
  return IG_OK;
}

ig_status ig_roi_bin_of(const ig_node *node, const ig_doubles *d, int64_t roi, int64_t h, int64_t w,
                        ig_roi_bin *out) {
  const ig_roi_align_attrs *a = IG_ATTRS_OF(ig_roi_align_attrs, node);
  bool half = strcmp(a->coordinate_transformation_mode, "half_pixel") == 0;
  const double *r = d->in[1] + roi * 4; /* x1 y1 x2 y2 */
  const int64_t bins[2] = {a->output_height, a->output_width}, at[2] = {h, w};
  double index = d->in[2][roi];
  IG_CHECK(index >= 0 && index < (double)node->inputs[0]->shape.dims[0], IG_ERR_INPUT,
           "batch index %g of region %" PRId64 " is out of range", index, roi);
  out->batch = (int64_t)index;
  for (int i = 0; i < 2; i++) {
    double scale = (double)a->spatial_scale, shift = half ? 0.5 : 0;
    double from = r[1 - i] * scale - shift, extent = r[3 - i] * scale - shift - from;
    if (!half) extent = fmax(extent, 1);
    double bin = extent / (double)bins[i], samples = (double)a->sampling_ratio;
    if (a->sampling_ratio == 0) samples = ceil(bin);
    IG_CHECK(samples <= MOST_SAMPLES && isfinite(from) && isfinite(bin), IG_ERR_INPUT,
             "region %" PRId64 " is too large", roi);
    out->samples[i] = (int64_t)fmax(samples, 0);
    out->step[i] = bin / samples;
    out->start[i] = from + (double)at[i] * bin + 0.5 * out->step[i];
  }
  return IG_OK;
}

bool ig_roi_taps(const ig_roi_bin *bin, const int64_t extent[2], int64_t i, int64_t offset[4],
                 double weight[4]) {
  int64_t low[2], high[2];
  double part[2];
  const int64_t at[2] = {i / bin->samples[1], i % bin->samples[1]};
  for (int k = 0; k < 2; k++) {
    double x = bin->start[k] + (double)at[k] * bin->step[k], last = (double)(extent[k] - 1);
    if (!(x >= -1 && x <= (double)extent[k])) return false;
    x = fmax(0, fmin(x, last));
    low[k] = (int64_t)x;
    high[k] = IG_MIN(low[k] + 1, extent[k] - 1);
    part[k] = x - (double)low[k];
  }
  for (int k = 0; k < 4; k++) {
    offset[k] = (k & 2 ? high[0] : low[0]) * extent[1] + (k & 1 ? high[1] : low[1]);
    weight[k] = (k & 2 ? part[0] : 1 - part[0]) * (k & 1 ? part[1] : 1 - part[1]);
  }
  return true;
}

static ig_status infer(ig_node *node) {
  ig_shape y;
  IG_TRY(ig_roi_align_shape(node, &y));
  return ig_infer_set(node, 0, node->inputs[0]->dtype, &y);
}

static void grad(const ig_grad *g) {
  ig_twin_grad(&ig_roi_align_twin, g);
}

/* A bin of one channel's plane; a sample outside counts as 0. */
static double bin_value(const ig_roi_bin *bin, const int64_t extent[2], const double *plane,
                        bool max) {
  int64_t samples = bin->samples[0] * bin->samples[1], offset[4];
  double sum = 0, most = -INFINITY, weight[4];
  for (int64_t i = 0; i < samples; i++) {
    bool inside = ig_roi_taps(bin, extent, i, offset, weight);
    if (!inside) most = fmax(most, 0);
    for (int k = 0; k < 4 && inside; k++) {
      sum += weight[k] * plane[offset[k]];
      most = fmax(most, weight[k] * plane[offset[k]]);
    }
  }
  if (samples == 0) return 0;
  return max ? most : sum / (double)samples;
}

static ig_status work(const ig_node *node, const ig_doubles *d) {
  const ig_shape *x = &node->inputs[0]->shape, *y = &node->outputs[0]->shape;
  bool max = IG_ATTRS_OF(ig_roi_align_attrs, node)->mode[0] == 'm';
  int64_t bins = y->dims[2] * y->dims[3], area = x->dims[2] * x->dims[3], channels = x->dims[1];
  for (int64_t p = 0; p < y->dims[0] * bins; p++) {
    ig_roi_bin bin;
    int64_t roi = p / bins, at = p % bins;
    IG_TRY(ig_roi_bin_of(node, d, roi, at / y->dims[3], at % y->dims[3], &bin));
    for (int64_t c = 0; c < channels; c++) {
      d->out[0][(roi * channels + c) * bins + at] =
          bin_value(&bin, x->dims + 2, d->in[0] + (bin.batch * channels + c) * area, max);
    }
  }
  return IG_OK;
}

static ig_cost cost(const ig_node *node) {
  return (ig_cost){32.0 * (double)ig_value_count(node->outputs[0]), ig_cost_copy(node).bytes};
}

IG_DOUBLES_IMPLS(work)

const ig_op ig_op_roi_align = {
    .name = "RoiAlign",
    .since = 16,
    .n_in = {3, 3},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_roi_align_fields,
    .attrs_size = sizeof(ig_roi_align_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
