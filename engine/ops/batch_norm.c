/* Shared parts of the batch normalisation operators. */
#include "engine/ops/batch_norm.h"

ig_channels ig_channels_of(const ig_value *x) {
  int64_t n = x->shape.dims[0], c = x->shape.dims[1];
  int64_t area = ig_shape_span(&x->shape, 2, x->shape.rank), blocks = (c + 15) / 16;
  if (x->layout == IG_LAYOUT_BLOCK16) {
    return (ig_channels){.outer = n,
                         .channels = c,
                         .inner = area,
                         .block = 16,
                         .outer_stride = blocks * area * 16,
                         .block_stride = area * 16,
                         .row_stride = 16,
                         .padded = true};
  }
  if (x->layout == IG_LAYOUT_NHWC || area == 1) { /* rows of channels */
    return (ig_channels){.outer = 1,
                         .channels = c,
                         .inner = n * area,
                         .block = 16,
                         .block_stride = 16,
                         .row_stride = c};
  }
  return (ig_channels){.outer = n,
                       .channels = c,
                       .inner = area,
                       .block = 1,
                       .outer_stride = c * area,
                       .block_stride = area,
                       .row_stride = 1};
}

ig_batch_norm_types ig_batch_norm_types_of(const ig_value *x, const ig_value *scale,
                                           const ig_value *mean) {
  return (ig_batch_norm_types){.x = x->dtype, .scale = scale->dtype, .stats = mean->dtype};
}

ig_status ig_batch_norm_check(const ig_node *node, const ig_value *x, int from, int to) {
  IG_CHECK(x->shape.rank >= 2 && ig_dtype_is_float(x->dtype), IG_ERR_SHAPE,
           "the input must be floats of rank 2 or more, found %s %s", ig_dtype_name(x->dtype),
           IG_SHAPE_STR(&x->shape));
  ig_shape channels = IG_SHAPE(x->shape.dims[1]);
  for (int i = from; i < to; i++) {
    const ig_value *v = node->inputs[i];
    IG_CHECK(ig_dtype_is_float(v->dtype) && ig_shape_equal(&v->shape, &channels), IG_ERR_SHAPE,
             "input %d must be floats %s, found %s %s", i, IG_SHAPE_STR(&channels),
             ig_dtype_name(v->dtype), IG_SHAPE_STR(&v->shape));
  }
  return IG_OK;
}

const char *ig_batch_norm_reject_layouts(const ig_node *node) {
  const ig_value *first = NULL;
  for (int i = 0; i < node->n_inputs + node->n_outputs; i++) {
    const ig_value *v = i < node->n_inputs ? node->inputs[i] : node->outputs[i - node->n_inputs];
    if (!v || v->shape.rank < 2) continue;
    if (!first) first = v;
    if (v->layout != first->layout) return "operands have different layouts";
  }
  return NULL;
}

const char *ig_batch_norm_reject(const ig_node *node) {
  const char *reason = ig_reject_not_f32(node);
  return reason ? reason : ig_batch_norm_reject_layouts(node);
}

void ig_batch_norm_run(ig_dtype dtype, const void *running, ig_dtype batch_dtype, const void *batch,
                       double momentum, int64_t channels, void *out) {
  for (int64_t c = 0; c < channels; c++) {
    double old = ig_load_f64(dtype, running, c), fresh = ig_load_f64(batch_dtype, batch, c);
    ig_store_f64(dtype, out, c, momentum * old + (1 - momentum) * fresh);
  }
}
