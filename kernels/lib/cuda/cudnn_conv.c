/* Convolutions as cuDNN has them. Its engines want the weights to lie as the images do: for channels
 * last ours, [K, C, R, S], go through the workspace into [K, R, S, C], and their gradient back. */
#include "engine/base/memory.h"
#include "kernels/lib/cuda/cudnn_parts.h"

enum { SRC = 1, WEIGHTS = 2, DST = 3 }; /* the tensors' numbers */

struct ig_cudnn_conv {
  ig_cudnn_plan plan;
  ig_cudnn_way way;
  size_t element;
  int64_t weights[4];
  size_t
      moved; /* bytes of the workspace's start where the weights lie channels last; 0: in place */
};

/* By operation: its descriptor and the names of its attributes. */
typedef struct operation {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t conv, src, weights, dst, alpha, beta;
} operation;

static const operation operations[] = {
    [IG_CUDNN_DST] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    [IG_CUDNN_SRC] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    [IG_CUDNN_WEIGHTS] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
};

/* --- making ----------------------------------------------------------------------------------- */

static ig_status check_taken(const ig_conv *spec) {
  IG_CHECK(spec->dtype == IG_F32 || spec->dtype == IG_BF16 || spec->dtype == IG_F16,
           IG_ERR_UNSUPPORTED, "cuDNN: not f32, bf16 or f16");
  IG_CHECK(!spec->bias && !spec->sum && !spec->activation.on, IG_ERR_UNSUPPORTED,
           "cuDNN: more than a convolution");
  IG_CHECK(spec->src_layout == spec->dst_layout && spec->src_layout != IG_LAYOUT_BLOCK16,
           IG_ERR_UNSUPPORTED, "cuDNN: the layouts differ");
  for (int d = 0; d < 4; d++) {
    IG_CHECK(spec->src[d] > 0 && spec->dst[d] > 0, IG_ERR_UNSUPPORTED, "cuDNN: an empty tensor");
  }
  for (int i = 0; i < 2; i++) {
    IG_CHECK(spec->pad_begin[i] == spec->pad_end[i] && spec->pad_begin[i] >= 0, IG_ERR_UNSUPPORTED,
             "cuDNN: uneven or negative pads");
  }
  return IG_OK;
}

/* `dims` N, C, H, W. */
static ig_status make_image(ig_cudnn_plan *p, int64_t number, ig_layout layout,
                            const int64_t dims[4], cudnnBackendDescriptor_t *out) {
  int64_t area = dims[2] * dims[3];
  int64_t rows[4] = {dims[1] * area, area, dims[3], 1};
  int64_t last[4] = {dims[1] * area, 1, dims[3] * dims[1], dims[1]};
  return ig_cudnn_tensor(p, number, ig_cudnn_type(p->dtype), IG_CUDNN_MEMORY, dims,
                         layout == IG_LAYOUT_NHWC ? last : rows, out);
}

static ig_status make_window(ig_cudnn_plan *p, const ig_conv *spec, cudnnBackendDescriptor_t *out) {
  const cudnnDataType_t type = CUDNN_DATA_FLOAT;
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  const int64_t spatial = 2;
  const struct {
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t count;
    const void *values;
  } rows[] = {{CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type},
              {CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode},
              {CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &spatial},
              {CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, spatial, spec->pad_begin},
              {CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, spatial, spec->pad_end},
              {CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, spatial, spec->dilation},
              {CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, spatial, spec->stride}};
  IG_TRY(ig_cudnn_make(p, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, out));
  for (int i = 0; i < IG_COUNT(rows); i++) {
    IG_TRY(ig_cudnn_set(p, *out, rows[i].name, rows[i].type, rows[i].count, rows[i].values));
  }
  return ig_cudnn_finish(p, *out);
}

static ig_status make_plan(ig_cudnn_conv *c, const ig_conv *spec) {
  const operation *o = &operations[c->way];
  const float one = 1, zero = 0;
  ig_cudnn_plan *p = &c->plan;
  cudnnBackendDescriptor_t window, op, tensors[3];
  IG_TRY(make_image(p, SRC, spec->src_layout, spec->src, &tensors[0]));
  IG_TRY(make_image(p, WEIGHTS, spec->src_layout, c->weights, &tensors[1]));
  IG_TRY(make_image(p, DST, spec->dst_layout, spec->dst, &tensors[2]));
  IG_TRY(make_window(p, spec, &window));
  IG_TRY(ig_cudnn_make(p, o->type, &op));
  const cudnnBackendAttributeName_t names[] = {o->src, o->weights, o->dst};
  for (int i = 0; i < 3; i++) {
    IG_TRY(ig_cudnn_set(p, op, names[i], CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &tensors[i]));
  }
  IG_TRY(ig_cudnn_set(p, op, o->conv, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &window));
  IG_TRY(ig_cudnn_set(p, op, o->alpha, CUDNN_TYPE_FLOAT, 1, &one));
  IG_TRY(ig_cudnn_set(p, op, o->beta, CUDNN_TYPE_FLOAT, 1, &zero));
  IG_TRY(ig_cudnn_finish(p, op));
  return ig_cudnn_build(p, &op, 1);
}

ig_status ig_cudnn_conv_create(const ig_conv *spec, ig_cudnn_way way, ig_cudnn_conv **out) {
  const ig_cudnn_library *library;
  *out = NULL;
  IG_TRY(check_taken(spec));
  IG_TRY(ig_cudnn_open(&library));
  ig_cudnn_conv *c = ig_alloc_zero(1, sizeof *c);
  IG_CHECK_ALLOC(c);
  c->plan = (ig_cudnn_plan){.library = library, .dtype = spec->dtype, .tf32 = spec->tf32};
  c->way = way;
  c->element = ig_dtype_size(spec->dtype);
  c->weights[0] = spec->dst[1];
  c->weights[1] = spec->src[1] / spec->groups;
  c->weights[2] = spec->kernel[0];
  c->weights[3] = spec->kernel[1];
  int64_t taps = spec->kernel[0] * spec->kernel[1];
  if (spec->src_layout == IG_LAYOUT_NHWC && taps > 1 && c->weights[1] > 1) {
    size_t bytes = (size_t)(c->weights[0] * c->weights[1] * taps) * c->element;
    c->moved = (bytes + IG_ALIGNMENT - 1) / IG_ALIGNMENT * IG_ALIGNMENT;
  }
  ig_status status = make_plan(c, spec);
  if (status != IG_OK) {
    ig_cudnn_conv_destroy(c);
    return status;
  }
  *out = c;
  return IG_OK;
}

void ig_cudnn_conv_destroy(ig_cudnn_conv *c) {
  if (!c) return;
  ig_cudnn_clear(&c->plan);
  ig_free(c);
}

size_t ig_cudnn_conv_workspace(const ig_cudnn_conv *c) {
  return c->moved + c->plan.workspace;
}

/* --- running ---------------------------------------------------------------------------------- */

static ig_status move_weights(const ig_cudnn_conv *c, ig_layout from_layout, const void *from,
                              void *to, void *stream) {
  ig_layout to_layout = from_layout == IG_LAYOUT_ROWS ? IG_LAYOUT_NHWC : IG_LAYOUT_ROWS;
  return ig_cuda_reorder(c->element, c->weights, from_layout, to_layout, from, to, stream);
}

ig_status ig_cudnn_conv_run(const ig_cudnn_conv *c, const void *first, const void *second,
                            void *out, void *workspace, void *stream) {
  static const int64_t numbers[][3] = {[IG_CUDNN_DST] = {SRC, WEIGHTS, DST},
                                       [IG_CUDNN_SRC] = {DST, WEIGHTS, SRC},
                                       [IG_CUDNN_WEIGHTS] = {SRC, DST, WEIGHTS}};
  bool gradient = c->way == IG_CUDNN_WEIGHTS;
  void *addresses[] = {(void *)first, (void *)second, out};
  if (c->moved && !gradient) IG_TRY(move_weights(c, IG_LAYOUT_ROWS, second, workspace, stream));
  if (c->moved) addresses[gradient ? 2 : 1] = workspace;
  IG_TRY(ig_cudnn_execute(&c->plan, 3, numbers[c->way], addresses, (char *)workspace + c->moved,
                          stream));
  return c->moved && gradient ? move_weights(c, IG_LAYOUT_NHWC, workspace, out, stream) : IG_OK;
}
