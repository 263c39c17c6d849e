/* Convolutions and their gradients through oneDNN. The layouts that oneDNN computes in are tried in
 * order of measured speed, starting from those the caller has, since a reorder costs less than slow
 * code. */
#include "engine/base/memory.h"
#include "kernels/lib/onednn_parts.h"

/* Below this many channels oneDNN's blocked code pads more than it computes; for the source of a
 * first layer it has code that reads rows. */
#define FEW_CHANNELS 8

typedef struct conv_parts {
  ig_dnn_md src, dst;       /* the caller's */
  ig_dnn_md src_in, dst_in; /* the primitive's */
  ig_dnn_md weights, weights_in, bias;
  dnnl_primitive_attr_t attr;
} conv_parts;

typedef struct layouts {
  ig_layout src, dst;
} layouts;

static void free_parts(conv_parts *p) {
  ig_dnn_md_free(p->src);
  ig_dnn_md_free(p->dst);
  ig_dnn_md_free(p->src_in);
  ig_dnn_md_free(p->dst_in);
  ig_dnn_md_free(p->weights);
  ig_dnn_md_free(p->weights_in);
  ig_dnn_md_free(p->bias);
  if (p->attr) dnnl_primitive_attr_destroy(p->attr);
}

/* Volumes are row-major with the caller and as oneDNN likes them inside. */
static ig_status activation_volumes(const ig_conv *s, conv_parts *p) {
  const int64_t src[] = {s->src[0], s->src[1], s->depth.src, s->src[2], s->src[3]};
  const int64_t dst[] = {s->dst[0], s->dst[1], s->depth.dst, s->dst[2], s->dst[3]};
  IG_TRY(ig_dnn_md_rows(s->dtype, 5, src, &p->src));
  IG_TRY(ig_dnn_md_rows(s->dtype, 5, dst, &p->dst));
  IG_TRY(ig_dnn_md_any(s->dtype, 5, src, &p->src_in));
  return ig_dnn_md_any(s->dtype, 5, dst, &p->dst_in);
}

static ig_status make_parts(ig_dnn_direction direction, const ig_conv *spec, layouts inner,
                            conv_parts *p) {
  int64_t groups = spec->groups;
  int64_t filters[6] = {groups, spec->dst[1] / groups, spec->src[1] / groups};
  int last = 3;
  if (spec->depth.kernel) filters[last++] = spec->depth.kernel;
  filters[last++] = spec->kernel[0];
  filters[last++] = spec->kernel[1];
  int64_t *weights = groups > 1 ? filters : filters + 1;
  int rank = groups > 1 ? last : last - 1;
  if (spec->depth.kernel) {
    IG_TRY(activation_volumes(spec, p));
  } else {
    IG_TRY(ig_dnn_md_layout(spec->dtype, spec->src, spec->src_layout, &p->src));
    IG_TRY(ig_dnn_md_layout(spec->dtype, spec->dst, spec->dst_layout, &p->dst));
    IG_TRY(ig_dnn_md_layout(spec->dtype, spec->src, inner.src, &p->src_in));
    IG_TRY(ig_dnn_md_layout(spec->dtype, spec->dst, inner.dst, &p->dst_in));
  }
  IG_TRY(ig_dnn_md_rows(spec->dtype, rank, weights, &p->weights));
  IG_TRY(ig_dnn_md_any(spec->dtype, rank, weights, &p->weights_in));
  if (spec->bias && direction != IG_DNN_BACKWARD_SRC) {
    IG_TRY(ig_dnn_md_rows(spec->dtype, 1, &spec->dst[1], &p->bias));
  }
  bool forward = direction == IG_DNN_FORWARD;
  return ig_dnn_attr_create(1, forward && spec->sum, NULL, forward ? &spec->activation : NULL,
                            &p->attr);
}

static ig_status add_operands(ig_dnn_direction direction, bool sum, const conv_parts *p,
                              const void *fixed_weights, ig_dnn *dnn) {
  switch (direction) {
  case IG_DNN_FORWARD:
    IG_TRY(ig_dnn_operand_add(dnn, DNNL_ARG_SRC, 0, IG_DNN_IN, p->src, NULL));
    IG_TRY(ig_dnn_operand_add(dnn, DNNL_ARG_WEIGHTS, 1, IG_DNN_IN, p->weights, fixed_weights));
    if (p->bias) IG_TRY(ig_dnn_operand_add(dnn, DNNL_ARG_BIAS, 2, IG_DNN_IN, p->bias, NULL));
    return ig_dnn_operand_add(dnn, DNNL_ARG_DST, 3, sum ? IG_DNN_INOUT : IG_DNN_OUT, p->dst, NULL);
  case IG_DNN_BACKWARD_SRC:
    IG_TRY(ig_dnn_operand_add(dnn, DNNL_ARG_DIFF_DST, 0, IG_DNN_IN, p->dst, NULL));
    IG_TRY(ig_dnn_operand_add(dnn, DNNL_ARG_WEIGHTS, 1, IG_DNN_IN, p->weights, fixed_weights));
    return ig_dnn_operand_add(dnn, DNNL_ARG_DIFF_SRC, 2, IG_DNN_OUT, p->src, NULL);
  default:
    IG_TRY(ig_dnn_operand_add(dnn, DNNL_ARG_SRC, 0, IG_DNN_IN, p->src, NULL));
    IG_TRY(ig_dnn_operand_add(dnn, DNNL_ARG_DIFF_DST, 1, IG_DNN_IN, p->dst, NULL));
    IG_TRY(ig_dnn_operand_add(dnn, DNNL_ARG_DIFF_WEIGHTS, 2, IG_DNN_OUT, p->weights, NULL));
    return p->bias ? ig_dnn_operand_add(dnn, DNNL_ARG_DIFF_BIAS, 3, IG_DNN_OUT, p->bias, NULL)
                   : IG_OK;
  }
}

static ig_status assemble(ig_dnn_direction direction, dnnl_alg_kind_t algorithm,
                          const ig_conv *spec, const conv_parts *p, const void *fixed_weights,
                          ig_dnn **out) {
  dnnl_primitive_desc_t desc = NULL;
  IG_TRY(ig_dnn_conv_desc(direction, algorithm, spec, p->src_in, p->weights_in, p->bias, p->dst_in,
                          p->attr, &desc));
  IG_TRY(ig_dnn_open(desc, out));
  IG_CHECK(!ig_dnn_is_slow(desc), IG_ERR_UNSUPPORTED, "oneDNN has no fast convolution here");
  IG_TRY(add_operands(direction, spec->sum, p, fixed_weights, *out));
  return ig_dnn_close(*out);
}

static ig_status try_one(ig_dnn_direction direction, dnnl_alg_kind_t algorithm, const ig_conv *spec,
                         layouts inner, const void *fixed_weights, ig_dnn **out) {
  conv_parts parts = {0};
  ig_dnn *dnn = NULL;
  ig_status status = make_parts(direction, spec, inner, &parts);
  if (status == IG_OK) {
    status = assemble(direction, algorithm, spec, &parts, fixed_weights, &dnn);
  }
  free_parts(&parts);
  if (status != IG_OK) {
    ig_dnn_destroy(dnn);
    return status;
  }
  *out = dnn;
  return IG_OK;
}

/* Winograd's F(4x4, 3x3) (Lavin and Gray 2016) needs a quarter of the multiplications; oneDNN
 * has it for blocked activations. It pays where there are enough tiles to share the transforms
 * of a filter. Measured on one core against the direct code at 250 GFLOP/s, in GFLOP/s of direct
 * arithmetic: with 64 tiles and more 380 to 700, with 32 about equal, with 16 half; gradients of
 * filters, whose direct code is slower, gain from 16 tiles on. */
static bool winograd_pays(ig_dnn_direction direction, const ig_conv *s) {
  bool shape = s->dtype == IG_F32 && s->groups == 1 && s->kernel[0] == 3 && s->kernel[1] == 3 &&
               s->stride[0] == 1 && s->stride[1] == 1 && s->dilation[0] == 1 &&
               s->dilation[1] == 1 && s->src[1] >= 32 && s->dst[1] >= 32;
  int64_t tiles = s->dst[0] * ((s->dst[2] + 3) / 4) * ((s->dst[3] + 3) / 4);
  return shape && tiles >= (direction == IG_DNN_BACKWARD_WEIGHTS ? 16 : 40);
}

static ig_status create(ig_dnn_direction direction, const ig_conv *spec, const void *fixed_weights,
                        ig_dnn **out) {
  const layouts blocked = {IG_LAYOUT_BLOCK16, IG_LAYOUT_BLOCK16};
  const layouts first = {IG_LAYOUT_ROWS, IG_LAYOUT_BLOCK16};
  const layouts last = {IG_LAYOUT_NHWC, IG_LAYOUT_NHWC}, rows = {IG_LAYOUT_ROWS, IG_LAYOUT_ROWS};
  bool few = spec->src[1] < FEW_CHANNELS && spec->groups == 1;
  bool nhwc = spec->src_layout == IG_LAYOUT_NHWC || spec->dst_layout == IG_LAYOUT_NHWC;
  layouts order[4];
  int n = 0;
  if (spec->depth.kernel) {
    return try_one(direction, dnnl_convolution_direct, spec, rows, fixed_weights, out);
  }
  if (few && direction != IG_DNN_BACKWARD_SRC) order[n++] = first;
  if (few && direction == IG_DNN_BACKWARD_SRC) order[n++] = rows;
  if (nhwc) order[n++] = last;
  order[n++] = blocked;
  if (n < 4) order[n++] = rows;
  ig_status status = IG_ERR_UNSUPPORTED;
  for (int i = 0; i < n && status == IG_ERR_UNSUPPORTED; i++) {
    if (order[i].src == IG_LAYOUT_BLOCK16 && winograd_pays(direction, spec)) {
      status = try_one(direction, dnnl_convolution_winograd, spec, order[i], fixed_weights, out);
      if (status != IG_ERR_UNSUPPORTED) break;
    }
    status = try_one(direction, dnnl_convolution_direct, spec, order[i], fixed_weights, out);
  }
  return status;
}

ig_status ig_dnn_conv_create(const ig_conv *spec, const void *fixed_weights, ig_dnn **out) {
  return create(IG_DNN_FORWARD, spec, fixed_weights, out);
}

ig_status ig_dnn_conv_src_create(const ig_conv *spec, const void *fixed_weights, ig_dnn **out) {
  return create(IG_DNN_BACKWARD_SRC, spec, fixed_weights, out);
}

ig_status ig_dnn_conv_weights_create(const ig_conv *spec, ig_dnn **out) {
  return create(IG_DNN_BACKWARD_WEIGHTS, spec, NULL, out);
}
