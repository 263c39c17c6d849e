/* What all primitives are made from: oneDNN's engine, its errors as ours, and descriptors. Every
 * difference between oneDNN 2 and 3 is in this file, in the functions that make descriptors. */
#include "kernels/lib/onednn_parts.h"

#include <pthread.h>
#include <string.h>

#include "engine/base/memory.h"

#define DNN_V3 (DNNL_VERSION_MAJOR >= 3)

ig_status ig_dnn_status(dnnl_status_t status, const char *what) {
  switch (status) {
  case dnnl_success: return IG_OK;
  case dnnl_out_of_memory: return ig_fail(IG_ERR_MEMORY, "oneDNN: out of memory: %s", what);
  case dnnl_unimplemented:
  case dnnl_invalid_arguments:
    return ig_fail(IG_ERR_UNSUPPORTED, "oneDNN %d.%d has no %s for this case", DNNL_VERSION_MAJOR,
                   DNNL_VERSION_MINOR, what);
  default: return ig_fail(IG_ERR_INTERNAL, "oneDNN: %s failed with code %d", what, (int)status);
  }
}

/* --- the cache of primitives ------------------------------------------------------------------ */

static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;

void ig_dnn_lock(void) {
  pthread_mutex_lock(&cache_lock);
}

void ig_dnn_unlock(void) {
  pthread_mutex_unlock(&cache_lock);
}

/* --- the engine ------------------------------------------------------------------------------- */

static pthread_mutex_t engine_lock = PTHREAD_MUTEX_INITIALIZER;
static dnnl_engine_t engine; /* both live as long as the program */
static dnnl_stream_t stream;

/* A failure (memory) is not remembered: the next caller tries again. */
ig_status ig_dnn_engine(dnnl_engine_t *engine_out, dnnl_stream_t *stream_out) {
  pthread_mutex_lock(&engine_lock);
  dnnl_status_t status = dnnl_success;
  if (!engine) status = dnnl_engine_create(&engine, dnnl_cpu, 0);
  if (status == dnnl_success && !stream) {
    status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
  }
  *engine_out = engine;
  *stream_out = stream;
  pthread_mutex_unlock(&engine_lock);
  return ig_dnn_status(status, "engine");
}

/* Without instructions for four products of bytes at once, oneDNN adds pairs of them in 16 bits, which
 * saturate. */
bool ig_dnn_supports(ig_dtype dtype) {
  if (dtype == IG_F32) return true;
  if (dtype == IG_I8 || dtype == IG_U8) {
    return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_vnni) ==
           dnnl_cpu_isa_avx512_core_vnni;
  }
  return dtype == IG_BF16 && (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_bf16) ==
                                 dnnl_cpu_isa_avx512_core_bf16;
}

/* --- descriptors ------------------------------------------------------------------------------ */
/* oneDNN declares dims and strides as arrays of its own greatest rank: they are copied into
 * such. */

static dnnl_data_type_t data_type(ig_dtype dtype) {
  switch (dtype) {
  case IG_F32: return dnnl_f32;
  case IG_BF16: return dnnl_bf16;
  case IG_F16: return dnnl_f16;
  case IG_I32: return dnnl_s32;
  case IG_I8: return dnnl_s8;
  case IG_U8: return dnnl_u8;
  default: return dnnl_data_type_undef;
  }
}

ig_status ig_dnn_md_strided(ig_dtype dtype, int rank, const int64_t *dims, const int64_t *strides,
                            ig_dnn_md *out) {
  dnnl_dims_t d = {0}, s = {0};
  memcpy(d, dims, (size_t)rank * sizeof *dims);
  memcpy(s, strides, (size_t)rank * sizeof *strides);
#if DNN_V3
  dnnl_memory_desc_t md;
  IG_DNN_TRY(dnnl_memory_desc_create_with_strides(&md, rank, d, data_type(dtype), s), "tensor");
#else
  dnnl_memory_desc_t *md = ig_alloc(sizeof *md);
  IG_CHECK(md, IG_ERR_MEMORY, "oneDNN: out of memory");
  dnnl_status_t status = dnnl_memory_desc_init_by_strides(md, rank, d, data_type(dtype), s);
  if (status != dnnl_success) {
    ig_free(md);
    return ig_dnn_status(status, "tensor");
  }
#endif
  *out = md;
  return IG_OK;
}

static ig_status tagged(ig_dtype dtype, int rank, const int64_t *dims, dnnl_format_tag_t tag,
                        ig_dnn_md *out) {
  dnnl_dims_t d = {0};
  memcpy(d, dims, (size_t)rank * sizeof *dims);
#if DNN_V3
  dnnl_memory_desc_t md;
  IG_DNN_TRY(dnnl_memory_desc_create_with_tag(&md, rank, d, data_type(dtype), tag), "tensor");
#else
  dnnl_memory_desc_t *md = ig_alloc(sizeof *md);
  IG_CHECK(md, IG_ERR_MEMORY, "oneDNN: out of memory");
  dnnl_status_t status = dnnl_memory_desc_init_by_tag(md, rank, d, data_type(dtype), tag);
  if (status != dnnl_success) {
    ig_free(md);
    return ig_dnn_status(status, "tensor");
  }
#endif
  *out = md;
  return IG_OK;
}

void ig_dnn_md_free(ig_dnn_md md) {
#if DNN_V3
  if (md) dnnl_memory_desc_destroy((dnnl_memory_desc_t)md);
#else
  ig_free((void *)md);
#endif
}

ig_status ig_dnn_md_any(ig_dtype dtype, int rank, const int64_t *dims, ig_dnn_md *out) {
  return tagged(dtype, rank, dims, dnnl_format_tag_any, out);
}

ig_status ig_dnn_md_rows(ig_dtype dtype, int rank, const int64_t *dims, ig_dnn_md *out) {
  ig_shape shape = ig_shape_of(rank, dims);
  int64_t strides[IG_MAX_RANK];
  ig_shape_strides(&shape, strides);
  return ig_dnn_md_strided(dtype, rank, dims, strides, out);
}

ig_status ig_dnn_md_layout(ig_dtype dtype, const int64_t dims[4], ig_layout layout,
                           ig_dnn_md *out) {
  static const dnnl_format_tag_t tags[] = {
      [IG_LAYOUT_ROWS] = dnnl_nchw,
      [IG_LAYOUT_NHWC] = dnnl_nhwc,
      [IG_LAYOUT_BLOCK16] = dnnl_nChw16c,
  };
  return tagged(dtype, 4, dims, tags[layout], out);
}

static dnnl_alg_kind_t eltwise(const ig_activation *f, float *alpha, float *beta) {
  *alpha = *beta = 0;
  switch (f->kind) {
  case IG_UNARY_RELU: return dnnl_eltwise_relu;
  case IG_UNARY_LEAKY_RELU: *alpha = f->a; return dnnl_eltwise_relu;
  case IG_UNARY_CLIP:
    *alpha = f->a;
    *beta = f->b;
    return dnnl_eltwise_clip_v2;
  case IG_UNARY_GELU: return dnnl_eltwise_gelu_erf;
  case IG_UNARY_GELU_TANH: return dnnl_eltwise_gelu_tanh;
  case IG_UNARY_TANH: return dnnl_eltwise_tanh;
  case IG_UNARY_SIGMOID: return dnnl_eltwise_logistic;
  case IG_UNARY_SWISH: *alpha = f->a; return dnnl_eltwise_swish;
  case IG_UNARY_HARD_SWISH:
    if (DNN_V3) { /* version 2 has these built in */
      *alpha = 1.0f / 6;
      *beta = 0.5f;
    }
    return dnnl_eltwise_hardswish;
  default: return dnnl_alg_kind_undef;
  }
}

static dnnl_status_t append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha,
                                    float beta) {
#if DNN_V3
  return dnnl_post_ops_append_eltwise(ops, kind, alpha, beta);
#else
  return dnnl_post_ops_append_eltwise(ops, 1.0f, kind, alpha, beta);
#endif
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops) {
#if DNN_V3
  return dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
#else
  return dnnl_post_ops_append_sum(ops, 1.0f);
#endif
}

int ig_dnn_addend_arg(float alpha) {
  int before = alpha != 1;
  return DNNL_ARG_ATTR_MULTIPLE_POST_OP(before) | DNNL_ARG_SRC_1;
}

bool ig_dnn_headroom(void) {
  return ig_memory_headroom((size_t)32 << 20);
}

/* oneDNN 2.6 confuses two eltwise post-ops of one kind: there is at most one linear. */
ig_status ig_dnn_attr_create(float alpha, bool sum, ig_dnn_md addend,
                             const ig_activation *activation, dnnl_primitive_attr_t *out) {
  dnnl_primitive_attr_t attr = NULL;
  dnnl_post_ops_t ops = NULL;
  IG_CHECK(ig_dnn_headroom(), IG_ERR_MEMORY, "oneDNN: no memory for a primitive");
  dnnl_status_t s = dnnl_primitive_attr_create(&attr);
  if (!s) s = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
  if (!s) s = dnnl_post_ops_create(&ops);
  if (!s && alpha != 1) s = append_eltwise(ops, dnnl_eltwise_linear, alpha, 0);
  if (!s && sum) s = append_sum(ops);
  if (!s && addend) s = dnnl_post_ops_append_binary(ops, dnnl_binary_add, addend);
  if (!s && activation && activation->on) {
    float a, b;
    dnnl_alg_kind_t kind = eltwise(activation, &a, &b);
    s = append_eltwise(ops, kind, a, b);
  }
  if (!s) s = dnnl_primitive_attr_set_post_ops(attr, ops);
  if (ops) dnnl_post_ops_destroy(ops);
  if (s && attr) dnnl_primitive_attr_destroy(attr);
  *out = s ? NULL : attr;
  return ig_dnn_status(s, "attributes");
}

ig_status ig_dnn_attr_src_zero(dnnl_primitive_attr_t attr) {
#if DNN_V3
  return ig_dnn_status(dnnl_primitive_attr_set_zero_points_mask(attr, DNNL_ARG_SRC, 0),
                       "zero points");
#else
  const int32_t later = DNNL_RUNTIME_S32_VAL;
  return ig_dnn_status(dnnl_primitive_attr_set_zero_points(attr, DNNL_ARG_SRC, 1, 0, &later),
                       "zero points");
#endif
}

#if DNN_V3
bool ig_dnn_quantizes(void) {
  return false; /* its scales are other ones: not written yet */
}

ig_status ig_dnn_attr_quantized(const ig_quantized_end *end, int64_t channels, int axis,
                                const float *scales, dnnl_primitive_attr_t *out) {
  IG_UNUSED(end);
  IG_UNUSED(channels);
  IG_UNUSED(axis);
  IG_UNUSED(scales);
  *out = NULL;
  return ig_dnn_status(dnnl_unimplemented, "quantized product");
}
#else
bool ig_dnn_quantizes(void) {
  return ig_dnn_supports(IG_I8);
}

/* What the saturation of codes does anyhow need not be done before it. */
static bool saturation_does(const ig_quantized_end *end) {
  const ig_activation *f = &end->activation;
  if (end->y.dtype == IG_F32) return false;
  double least = end->y.dtype == IG_I8 ? -128 : 0;
  double low = (least - end->y.zero) * (double)end->y.scale, high = low + 255 * (double)end->y.scale;
  if (f->kind == IG_UNARY_RELU) return low >= 0;
  return f->kind == IG_UNARY_CLIP && low >= (double)f->a && high <= (double)f->b;
}

/* A function that scales with its argument is computed in units of the result's codes; others in the
 * numbers' own, and scaled behind. */
static dnnl_status_t append_end(dnnl_post_ops_t ops, const ig_quantized_end *end, float *unit) {
  ig_activation f = end->activation;
  float behind = 1;
  bool scales = !f.on || f.kind == IG_UNARY_RELU || f.kind == IG_UNARY_LEAKY_RELU ||
                f.kind == IG_UNARY_CLIP;
  if (!scales) behind = 1 / end->y.scale;
  *unit = scales ? 1 / end->y.scale : 1;
  dnnl_status_t s = dnnl_success;
  if (end->z.dtype != IG_NONE) {
    s = dnnl_post_ops_append_sum_v2(ops, end->z.scale * *unit, data_type(end->z.dtype));
  }
  if (f.kind == IG_UNARY_CLIP) {
    f.a *= *unit;
    f.b *= *unit;
  }
  if (!s && f.on && !saturation_does(end)) {
    float a, b;
    dnnl_alg_kind_t kind = eltwise(&f, &a, &b);
    s = dnnl_post_ops_append_eltwise(ops, behind, kind, a, b);
  }
  return s;
}

ig_status ig_dnn_attr_quantized(const ig_quantized_end *end, int64_t channels, int axis,
                                const float *scales, dnnl_primitive_attr_t *out) {
  dnnl_primitive_attr_t attr = NULL;
  dnnl_post_ops_t ops = NULL;
  int64_t count = end->by_channel ? channels : 1;
  float unit = 1, *all = ig_alloc((size_t)count * sizeof *all);
  IG_CHECK(all && ig_dnn_headroom(), IG_ERR_MEMORY, "oneDNN: no memory for a primitive");
  dnnl_status_t s = dnnl_primitive_attr_create(&attr);
  if (!s) s = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
  if (!s) s = dnnl_post_ops_create(&ops);
  if (!s) s = append_end(ops, end, &unit);
  for (int64_t c = 0; c < count; c++) all[c] = end->x.scale * scales[c] * unit;
  if (!s) {
    int mask = end->by_channel ? 1 << axis : 0;
    s = dnnl_primitive_attr_set_output_scales(attr, count, mask, all);
  }
  if (!s) s = dnnl_primitive_attr_set_post_ops(attr, ops);
  if (!s && end->x.zero) {
    s = dnnl_primitive_attr_set_zero_points(attr, DNNL_ARG_SRC, 1, 0, &end->x.zero);
  }
  if (!s && end->y.zero) {
    s = dnnl_primitive_attr_set_zero_points(attr, DNNL_ARG_DST, 1, 0, &end->y.zero);
  }
  ig_free(all);
  if (ops) dnnl_post_ops_destroy(ops);
  if (s && attr) dnnl_primitive_attr_destroy(attr);
  *out = s ? NULL : attr;
  return ig_dnn_status(s, "attributes");
}
#endif

ig_status ig_dnn_matmul_desc(ig_dnn_md a, ig_dnn_md b, ig_dnn_md bias, ig_dnn_md c,
                             dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *out) {
  dnnl_engine_t cpu;
  dnnl_stream_t unused;
  IG_TRY(ig_dnn_engine(&cpu, &unused));
#if DNN_V3
  ig_dnn_lock();
  dnnl_status_t s = dnnl_matmul_primitive_desc_create(out, cpu, a, b, bias, c, attr);
#else
  dnnl_matmul_desc_t op;
  dnnl_status_t s = dnnl_matmul_desc_init(&op, a, b, bias, c);
  ig_dnn_lock();
  if (!s) s = dnnl_primitive_desc_create(out, &op, attr, cpu, NULL);
#endif
  ig_dnn_unlock();
  return ig_dnn_status(s, "matrix product");
}

/* oneDNN counts dilation from 0. */
typedef struct conv_steps {
  dnnl_dims_t stride, dilation, begin, end;
} conv_steps;

static conv_steps steps_of(const ig_conv *spec) {
  const ig_depth *depth = &spec->depth;
  int first = depth->kernel ? 1 : 0;
  conv_steps g = {{depth->stride}, {depth->dilation - 1}, {depth->begin}, {depth->end}};
  for (int i = 0; i < 2; i++) {
    g.stride[first + i] = spec->stride[i];
    g.dilation[first + i] = spec->dilation[i] - 1;
    g.begin[first + i] = spec->pad_begin[i];
    g.end[first + i] = spec->pad_end[i];
  }
  return g;
}

/* Backward descriptors want the forward one as a hint. */
#if DNN_V3
static dnnl_status_t conv_desc(dnnl_engine_t cpu, ig_dnn_direction direction,
                               dnnl_alg_kind_t algorithm, const conv_steps *g, ig_dnn_md src,
                               ig_dnn_md weights, ig_dnn_md bias, ig_dnn_md dst,
                               dnnl_primitive_attr_t attr, dnnl_primitive_desc_t hint,
                               dnnl_primitive_desc_t *out) {
  switch (direction) {
  case IG_DNN_FORWARD:
    return dnnl_convolution_forward_primitive_desc_create(
        out, cpu, dnnl_forward_training, algorithm, src, weights, bias, dst, g->stride, g->dilation,
        g->begin, g->end, attr);
  case IG_DNN_BACKWARD_SRC:
    return dnnl_convolution_backward_data_primitive_desc_create(out, cpu, algorithm, src, weights,
                                                                dst, g->stride, g->dilation,
                                                                g->begin, g->end, hint, attr);
  default:
    return dnnl_convolution_backward_weights_primitive_desc_create(
        out, cpu, algorithm, src, weights, bias, dst, g->stride, g->dilation, g->begin, g->end,
        hint, attr);
  }
}
#else
static dnnl_status_t conv_desc(dnnl_engine_t cpu, ig_dnn_direction direction,
                               dnnl_alg_kind_t algorithm, const conv_steps *g, ig_dnn_md src,
                               ig_dnn_md weights, ig_dnn_md bias, ig_dnn_md dst,
                               dnnl_primitive_attr_t attr, dnnl_primitive_desc_t hint,
                               dnnl_primitive_desc_t *out) {
  dnnl_convolution_desc_t op;
  dnnl_status_t s;
  if (direction == IG_DNN_FORWARD) {
    s = dnnl_dilated_convolution_forward_desc_init(&op, dnnl_forward_training, algorithm, src,
                                                   weights, bias, dst, g->stride, g->dilation,
                                                   g->begin, g->end);
  } else if (direction == IG_DNN_BACKWARD_SRC) {
    s = dnnl_dilated_convolution_backward_data_desc_init(&op, algorithm, src, weights, dst,
                                                         g->stride, g->dilation, g->begin, g->end);
  } else {
    s = dnnl_dilated_convolution_backward_weights_desc_init(
        &op, algorithm, src, weights, bias, dst, g->stride, g->dilation, g->begin, g->end);
  }
  return s ? s : dnnl_primitive_desc_create(out, &op, attr, cpu, hint);
}
#endif

ig_status ig_dnn_conv_desc(ig_dnn_direction direction, dnnl_alg_kind_t algorithm,
                           const ig_conv *spec, ig_dnn_md src, ig_dnn_md weights, ig_dnn_md bias,
                           ig_dnn_md dst, dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *out) {
  dnnl_engine_t cpu;
  dnnl_stream_t unused;
  IG_TRY(ig_dnn_engine(&cpu, &unused));
  const conv_steps steps = steps_of(spec);
  dnnl_primitive_desc_t hint = NULL;
  dnnl_status_t s = dnnl_success;
  ig_dnn_lock();
  if (direction != IG_DNN_FORWARD) {
    ig_dnn_md forward_bias = direction == IG_DNN_BACKWARD_WEIGHTS ? bias : NULL;
    s = conv_desc(cpu, IG_DNN_FORWARD, algorithm, &steps, src, weights, forward_bias, dst, NULL,
                  NULL, &hint);
  }
  if (!s)
    s = conv_desc(cpu, direction, algorithm, &steps, src, weights, bias, dst, attr, hint, out);
  if (hint) dnnl_primitive_desc_destroy(hint);
  ig_dnn_unlock();
  return ig_dnn_status(s, "convolution");
}
