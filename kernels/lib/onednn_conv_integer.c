/* Convolutions of 8-bit integers through oneDNN, in channels last, for which it has its fast code. */
#include "kernels/lib/onednn_parts.h"

typedef struct integer_parts {
  ig_dnn_md src, dst, src_in, dst_in, weights, weights_in, bias;
  dnnl_primitive_attr_t attr;
} integer_parts;

static void free_parts(integer_parts *p) {
  ig_dnn_md_free(p->src);
  ig_dnn_md_free(p->dst);
  ig_dnn_md_free(p->src_in);
  ig_dnn_md_free(p->dst_in);
  ig_dnn_md_free(p->weights);
  ig_dnn_md_free(p->weights_in);
  ig_dnn_md_free(p->bias);
  if (p->attr) dnnl_primitive_attr_destroy(p->attr);
}

static ig_status make_parts(const ig_conv_integer *spec, bool bias, integer_parts *p) {
  const ig_conv *s = &spec->conv;
  int64_t filters[] = {s->groups, s->dst[1] / s->groups, s->src[1] / s->groups, s->kernel[0],
                       s->kernel[1]};
  int64_t *weights = s->groups > 1 ? filters : filters + 1;
  int rank = s->groups > 1 ? 5 : 4;
  IG_TRY(ig_dnn_md_layout(s->dtype, s->src, s->src_layout, &p->src));
  IG_TRY(ig_dnn_md_layout(IG_I32, s->dst, s->dst_layout, &p->dst));
  IG_TRY(ig_dnn_md_layout(s->dtype, s->src, IG_LAYOUT_NHWC, &p->src_in));
  IG_TRY(ig_dnn_md_layout(IG_I32, s->dst, IG_LAYOUT_NHWC, &p->dst_in));
  IG_TRY(ig_dnn_md_rows(spec->weights, rank, weights, &p->weights));
  IG_TRY(ig_dnn_md_any(spec->weights, rank, weights, &p->weights_in));
  if (bias) IG_TRY(ig_dnn_md_rows(IG_I32, 1, &s->dst[1], &p->bias));
  IG_TRY(ig_dnn_attr_create(1, false, NULL, NULL, &p->attr));
  return ig_dnn_attr_src_zero(p->attr);
}

static ig_status assemble(const ig_conv_integer *spec, const integer_parts *p,
                          const void *fixed_weights, ig_dnn **out) {
  dnnl_primitive_desc_t desc = NULL;
  IG_TRY(ig_dnn_conv_desc(IG_DNN_FORWARD, dnnl_convolution_direct, &spec->conv, p->src_in,
                          p->weights_in, p->bias, p->dst_in, p->attr, &desc));
  IG_TRY(ig_dnn_open(desc, out));
  IG_CHECK(!ig_dnn_is_slow(desc), IG_ERR_UNSUPPORTED, "oneDNN has no fast convolution here");
  IG_TRY(ig_dnn_operand_add(*out, DNNL_ARG_SRC, 0, IG_DNN_IN, p->src, NULL));
  IG_TRY(ig_dnn_operand_add(*out, DNNL_ARG_WEIGHTS, 1, IG_DNN_IN, p->weights, fixed_weights));
  if (p->bias) IG_TRY(ig_dnn_operand_add(*out, DNNL_ARG_BIAS, 2, IG_DNN_IN, p->bias, NULL));
  IG_TRY(ig_dnn_operand_add(*out, DNNL_ARG_DST, 3, IG_DNN_OUT, p->dst, NULL));
  IG_TRY(ig_dnn_number_add(*out, DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_SRC, 4));
  return ig_dnn_close(*out);
}

ig_status ig_dnn_conv_integer_create(const ig_conv_integer *spec, bool bias,
                                     const void *fixed_weights, ig_dnn **out) {
  integer_parts parts = {0};
  ig_dnn *dnn = NULL;
  ig_status status = make_parts(spec, bias, &parts);
  if (status == IG_OK) status = assemble(spec, &parts, fixed_weights, &dnn);
  free_parts(&parts);
  if (status != IG_OK) {
    ig_dnn_destroy(dnn);
    return status;
  }
  *out = dnn;
  return IG_OK;
}
