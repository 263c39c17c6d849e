/* Products of 8-bit integers with what follows them, in one primitive: weights packed, the zero point of
 * the source compensated in it, requantization, residual and activation in its epilogue. Activations are
 * channels last, for which oneDNN has its fast code. */
#include "engine/base/memory.h"
#include "kernels/lib/onednn_parts.h"

typedef struct quantized_parts {
  ig_dnn_md src, dst, src_in, dst_in, weights, weights_in, bias;
  dnnl_primitive_attr_t attr;
  float *units; /* the bias in units of the sums */
} quantized_parts;

static void free_parts(quantized_parts *p) {
  ig_dnn_md_free(p->src);
  ig_dnn_md_free(p->dst);
  ig_dnn_md_free(p->src_in);
  ig_dnn_md_free(p->dst_in);
  ig_dnn_md_free(p->weights);
  ig_dnn_md_free(p->weights_in);
  ig_dnn_md_free(p->bias);
  if (p->attr) dnnl_primitive_attr_destroy(p->attr);
}

/* oneDNN adds the bias to the sums, before it scales them; the zero point of the residual goes with it.
 * NULL where there is neither. */
static ig_status bias_in_units(const ig_quantized_end *end, int64_t channels,
                               const float *weight_scale, const float *bias, float **out) {
  *out = NULL;
  double moved = end->z.dtype == IG_NONE ? 0 : -(double)end->z.scale * end->z.zero;
  if (!bias && moved == 0) return IG_OK;
  float *units = ig_alloc((size_t)channels * sizeof *units);
  IG_CHECK(units, IG_ERR_MEMORY, "oneDNN: out of memory");
  for (int64_t c = 0; c < channels; c++) {
    double unit = (double)end->x.scale * (double)weight_scale[end->by_channel ? c : 0];
    double value = (bias ? (double)bias[c] : 0) + moved;
    if (unit == 0 && value != 0) {
      ig_free(units);
      return ig_fail(IG_ERR_UNSUPPORTED, "oneDNN: a bias where the weights' scale is 0");
    }
    units[c] = value == 0 ? 0 : (float)(value / unit);
  }
  *out = units;
  return IG_OK;
}

static ig_status add_operands(const quantized_parts *p, bool residual, const int8_t *weights,
                              ig_dnn *dnn) {
  IG_TRY(ig_dnn_operand_add(dnn, DNNL_ARG_SRC, 0, IG_DNN_IN, p->src, NULL));
  IG_TRY(ig_dnn_operand_add(dnn, DNNL_ARG_WEIGHTS, 2, IG_DNN_IN, p->weights, weights));
  if (p->bias) IG_TRY(ig_dnn_operand_add(dnn, DNNL_ARG_BIAS, 3, IG_DNN_IN, p->bias, p->units));
  return ig_dnn_operand_add(dnn, DNNL_ARG_DST, 1, residual ? IG_DNN_INOUT : IG_DNN_OUT, p->dst,
                            NULL);
}

/* Takes over `desc`. */
static ig_status finish(dnnl_primitive_desc_t desc, quantized_parts *p, bool residual,
                        const int8_t *weights, ig_dnn **out) {
  IG_TRY(ig_dnn_open(desc, out));
  IG_CHECK(!ig_dnn_is_slow(desc), IG_ERR_UNSUPPORTED, "oneDNN has no fast product of bytes here");
  (*out)->kept = p->units; /* the primitive's from here on, and read by it */
  IG_TRY(add_operands(p, residual, weights, *out));
  return ig_dnn_close(*out);
}

static ig_status conv_parts(const ig_conv *s, const ig_quantized_end *end, const float *scales,
                            quantized_parts *p) {
  int64_t filters[] = {s->groups, s->dst[1] / s->groups, s->src[1] / s->groups, s->kernel[0],
                       s->kernel[1]};
  int64_t *weights = s->groups > 1 ? filters : filters + 1;
  int rank = s->groups > 1 ? 5 : 4;
  IG_TRY(ig_dnn_md_layout(s->dtype, s->src, s->src_layout, &p->src));
  IG_TRY(ig_dnn_md_layout(end->y.dtype, s->dst, s->dst_layout, &p->dst));
  IG_TRY(ig_dnn_md_layout(s->dtype, s->src, IG_LAYOUT_NHWC, &p->src_in));
  IG_TRY(ig_dnn_md_layout(end->y.dtype, s->dst, IG_LAYOUT_NHWC, &p->dst_in));
  IG_TRY(ig_dnn_md_rows(IG_I8, rank, weights, &p->weights));
  IG_TRY(ig_dnn_md_any(IG_I8, rank, weights, &p->weights_in));
  if (p->units) IG_TRY(ig_dnn_md_rows(IG_F32, 1, &s->dst[1], &p->bias));
  return ig_dnn_attr_quantized(end, s->dst[1], 1, scales, &p->attr);
}

static ig_status conv_finish(const ig_conv *spec, const ig_quantized_end *end,
                             const int8_t *weights, quantized_parts *p, ig_dnn **out) {
  dnnl_primitive_desc_t desc = NULL;
  IG_TRY(ig_dnn_conv_desc(IG_DNN_FORWARD, dnnl_convolution_direct, spec, p->src_in, p->weights_in,
                          p->bias, p->dst_in, p->attr, &desc));
  return finish(desc, p, end->z.dtype != IG_NONE, weights, out);
}

/* Frees the parts, and on failure the primitive. */
static ig_status leave(ig_status status, quantized_parts *p, ig_dnn *dnn, ig_dnn **out) {
  if (!dnn || dnn->kept != p->units) ig_free(p->units);
  free_parts(p);
  if (status != IG_OK) ig_dnn_destroy(dnn);
  else *out = dnn;
  return status;
}

ig_status ig_dnn_quantized_conv_create(const ig_conv *spec, const ig_quantized_end *end,
                                       const int8_t *weights, const float *weight_scale,
                                       const float *bias, ig_dnn **out) {
  quantized_parts p = {0};
  ig_dnn *dnn = NULL;
  ig_status status = bias_in_units(end, spec->dst[1], weight_scale, bias, &p.units);
  if (status == IG_OK) status = conv_parts(spec, end, weight_scale, &p);
  if (status == IG_OK) status = conv_finish(spec, end, weights, &p, &dnn);
  return leave(status, &p, dnn, out);
}

static ig_status matmul_parts(int64_t m, int64_t n, int64_t k, const ig_quantized_end *end,
                              const float *scales, quantized_parts *p) {
  const int64_t a[] = {m, k}, b[] = {k, n}, c[] = {m, n}, row[] = {1, n};
  IG_TRY(ig_dnn_md_rows(end->x.dtype, 2, a, &p->src));
  IG_TRY(ig_dnn_md_rows(IG_I8, 2, b, &p->weights));
  IG_TRY(ig_dnn_md_any(IG_I8, 2, b, &p->weights_in));
  IG_TRY(ig_dnn_md_rows(end->y.dtype, 2, c, &p->dst));
  if (p->units) IG_TRY(ig_dnn_md_rows(IG_F32, 2, row, &p->bias));
  return ig_dnn_attr_quantized(end, n, 1, scales, &p->attr);
}

static ig_status matmul_finish(const ig_quantized_end *end, const int8_t *weights,
                               quantized_parts *p, ig_dnn **out) {
  dnnl_primitive_desc_t desc = NULL;
  IG_TRY(ig_dnn_matmul_desc(p->src, p->weights_in, p->bias, p->dst, p->attr, &desc));
  return finish(desc, p, end->z.dtype != IG_NONE, weights, out);
}

ig_status ig_dnn_quantized_matmul_create(int64_t m, int64_t n, int64_t k,
                                         const ig_quantized_end *end, const int8_t *weights,
                                         const float *weight_scale, const float *bias,
                                         ig_dnn **out) {
  quantized_parts p = {0};
  ig_dnn *dnn = NULL;
  ig_status status = bias_in_units(end, n, weight_scale, bias, &p.units);
  if (status == IG_OK) status = matmul_parts(m, n, k, end, weight_scale, &p);
  if (status == IG_OK) status = matmul_finish(end, weights, &p, &dnn);
  return leave(status, &p, dnn, out);
}
