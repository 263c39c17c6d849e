/* What all primitives share: oneDNN's engine, its errors as ours, descriptors, and the running of a
 * primitive with operands in the caller's layouts. Every difference between oneDNN 2 and 3 is in
 * this file, in the functions that make descriptors. */
#include "kernels/lib/onednn_parts.h"

#include <pthread.h>
#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"

/* More than the code generators of a primitive and of its helpers take together. */
#define HEADROOM_BYTES ((size_t)32 << 20)

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

/* --- the engine ------------------------------------------------------------------------------- */

static pthread_mutex_t engine_lock = PTHREAD_MUTEX_INITIALIZER;
static dnnl_engine_t engine; /* both live as long as the program */
static dnnl_stream_t stream;

/* A failure (memory) is not remembered: the next caller tries again. */
static ig_status open_engine(void) {
  pthread_mutex_lock(&engine_lock);
  dnnl_status_t status = dnnl_success;
  if (!engine) status = dnnl_engine_create(&engine, dnnl_cpu, 0);
  if (status == dnnl_success && !stream) {
    status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
  }
  pthread_mutex_unlock(&engine_lock);
  return ig_dnn_status(status, "engine");
}

bool ig_dnn_supports(ig_dtype dtype) {
  if (dtype == IG_F32) return true;
  return dtype == IG_BF16 && (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_bf16) ==
                                 dnnl_cpu_isa_avx512_core_bf16;
}

/* --- descriptors ------------------------------------------------------------------------------ */
/* oneDNN declares dims and strides as arrays of its own greatest rank: they are copied into such. */

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
  case IG_UNARY_HARD_SWISH:
    if (DNN_V3) { /* version 2 has these built in */
      *alpha = 1.0f / 6;
      *beta = 0.5f;
    }
    return dnnl_eltwise_hardswish;
  default: return dnnl_alg_kind_undef;
  }
}

bool ig_dnn_fuses(ig_unary kind) {
  float alpha, beta;
  return eltwise(&(ig_activation){.kind = kind}, &alpha, &beta) != dnnl_alg_kind_undef;
}

static dnnl_status_t append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha,
                                    float beta) {
#if DNN_V3
  return dnnl_post_ops_append_eltwise(ops, kind, alpha, beta);
#else
  return dnnl_post_ops_append_eltwise(ops, 1.0f, kind, alpha, beta);
#endif
}

int ig_dnn_addend_arg(float alpha) {
  int before = alpha != 1;
  return DNNL_ARG_ATTR_MULTIPLE_POST_OP(before) | DNNL_ARG_SRC_1;
}

/* oneDNN 2.6 confuses two eltwise post-ops of one kind: there is at most one linear. */
ig_status ig_dnn_attr_create(float alpha, ig_dnn_md addend, const ig_activation *activation,
                             dnnl_primitive_attr_t *out) {
  dnnl_primitive_attr_t attr = NULL;
  dnnl_post_ops_t ops = NULL;
  dnnl_status_t s = dnnl_primitive_attr_create(&attr);
  if (!s) s = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
  if (!s) s = dnnl_post_ops_create(&ops);
  if (!s && alpha != 1) s = append_eltwise(ops, dnnl_eltwise_linear, alpha, 0);
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

ig_status ig_dnn_matmul_desc(ig_dnn_md a, ig_dnn_md b, ig_dnn_md bias, ig_dnn_md c,
                             dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *out) {
  IG_TRY(open_engine());
#if DNN_V3
  dnnl_status_t s = dnnl_matmul_primitive_desc_create(out, engine, a, b, bias, c, attr);
#else
  dnnl_matmul_desc_t op;
  dnnl_status_t s = dnnl_matmul_desc_init(&op, a, b, bias, c);
  if (!s) s = dnnl_primitive_desc_create(out, &op, attr, engine, NULL);
#endif
  return ig_dnn_status(s, "matrix product");
}

/* oneDNN counts dilation from 0. */
typedef struct conv_steps {
  dnnl_dims_t stride, dilation, begin, end;
} conv_steps;

static conv_steps steps_of(const ig_conv *spec) {
  conv_steps g = {0};
  for (int i = 0; i < 2; i++) {
    g.stride[i] = spec->stride[i];
    g.dilation[i] = spec->dilation[i] - 1;
    g.begin[i] = spec->pad_begin[i];
    g.end[i] = spec->pad_end[i];
  }
  return g;
}

/* Backward descriptors want the forward one as a hint. */
#if DNN_V3
static dnnl_status_t conv_desc(ig_dnn_direction direction, dnnl_alg_kind_t algorithm,
                               const conv_steps *g, ig_dnn_md src, ig_dnn_md weights,
                               ig_dnn_md bias, ig_dnn_md dst, dnnl_primitive_attr_t attr,
                               dnnl_primitive_desc_t hint, dnnl_primitive_desc_t *out) {
  switch (direction) {
  case IG_DNN_FORWARD:
    return dnnl_convolution_forward_primitive_desc_create(
        out, engine, dnnl_forward_training, algorithm, src, weights, bias, dst, g->stride,
        g->dilation, g->begin, g->end, attr);
  case IG_DNN_BACKWARD_SRC:
    return dnnl_convolution_backward_data_primitive_desc_create(
        out, engine, algorithm, src, weights, dst, g->stride, g->dilation, g->begin, g->end, hint,
        attr);
  default:
    return dnnl_convolution_backward_weights_primitive_desc_create(
        out, engine, algorithm, src, weights, bias, dst, g->stride, g->dilation, g->begin, g->end,
        hint, attr);
  }
}
#else
static dnnl_status_t conv_desc(ig_dnn_direction direction, dnnl_alg_kind_t algorithm,
                               const conv_steps *g, ig_dnn_md src, ig_dnn_md weights,
                               ig_dnn_md bias, ig_dnn_md dst, dnnl_primitive_attr_t attr,
                               dnnl_primitive_desc_t hint, dnnl_primitive_desc_t *out) {
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
  return s ? s : dnnl_primitive_desc_create(out, &op, attr, engine, hint);
}
#endif

ig_status ig_dnn_conv_desc(ig_dnn_direction direction, dnnl_alg_kind_t algorithm,
                           const ig_conv *spec, ig_dnn_md src, ig_dnn_md weights, ig_dnn_md bias,
                           ig_dnn_md dst, dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *out) {
  IG_TRY(open_engine());
  const conv_steps steps = steps_of(spec);
  dnnl_primitive_desc_t hint = NULL;
  dnnl_status_t s = dnnl_success;
  if (direction != IG_DNN_FORWARD) {
    ig_dnn_md forward_bias = direction == IG_DNN_BACKWARD_WEIGHTS ? bias : NULL;
    s = conv_desc(IG_DNN_FORWARD, algorithm, &steps, src, weights, forward_bias, dst, NULL, NULL,
                  &hint);
  }
  if (!s) s = conv_desc(direction, algorithm, &steps, src, weights, bias, dst, attr, hint, out);
  if (hint) dnnl_primitive_desc_destroy(hint);
  return ig_dnn_status(s, "convolution");
}

static const char *code_of(const_dnnl_primitive_desc_t desc) {
  const char *text = NULL;
  dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &text);
  return text ? text : "";
}

bool ig_dnn_is_slow(dnnl_primitive_desc_t desc) {
  return strncmp(code_of(desc), "ref", 3) == 0;
}

/* --- putting together ------------------------------------------------------------------------- */

/* Adds `bytes` to the workspace, 64-byte aligned. */
static ig_status reserve(ig_dnn *dnn, size_t bytes, size_t *offset) {
  size_t end;
  *offset = dnn->workspace;
  IG_CHECK(ig_add_size(dnn->workspace, bytes, &end) && ig_align_size(end, IG_ALIGNMENT, &end),
           IG_ERR_MEMORY, "oneDNN: the workspace exceeds the address space");
  dnn->workspace = end;
  return IG_OK;
}

static ig_status memory_of(ig_dnn_md md, dnnl_memory_t *out) {
  dnnl_status_t s = dnnl_memory_create(out, md, engine, DNNL_MEMORY_NONE);
  return ig_dnn_status(s, "tensor");
}

ig_status ig_dnn_open(dnnl_primitive_desc_t desc, ig_dnn **out) {
  ig_dnn *dnn = ig_alloc_zero(1, sizeof *dnn);
  if (!dnn) {
    dnnl_primitive_desc_destroy(desc);
    return ig_fail(IG_ERR_MEMORY, "oneDNN: out of memory");
  }
  dnn->desc = desc;
  *out = dnn;
  return IG_OK;
}

/* The code generators do not check their allocations. */
static dnnl_status_t primitive_create(dnnl_primitive_t *out, const_dnnl_primitive_desc_t desc) {
  if (!ig_memory_headroom(HEADROOM_BYTES)) return dnnl_out_of_memory;
  return dnnl_primitive_create(out, desc);
}

/* The reorder between caller and primitive, and its scratch in the part that all reorders share. */
static ig_status add_reorder(ig_dnn *dnn, ig_dnn_operand *o, ig_dnn_md from, ig_dnn_md to) {
  dnnl_primitive_attr_t attr;
  dnnl_primitive_desc_t desc = NULL;
  IG_TRY(ig_dnn_attr_create(1, NULL, NULL, &attr));
  dnnl_status_t s = dnnl_reorder_primitive_desc_create(&desc, from, engine, to, engine, attr);
  dnnl_primitive_attr_destroy(attr);
  IG_DNN_TRY(s, "reorder");
  s = primitive_create(&o->reorder, desc);
  ig_dnn_md scratch = dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
  if (!s) s = dnnl_memory_create(&o->reorder_scratch, scratch, engine, DNNL_MEMORY_NONE);
  if (!s) dnn->reorder_bytes = IG_MAX(dnn->reorder_bytes, dnnl_memory_desc_get_size(scratch));
  dnnl_primitive_desc_destroy(desc);
  return ig_dnn_status(s, "reorder");
}

static dnnl_status_t run_reorder(const ig_dnn_operand *o, void *scratch) {
  dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, o->output ? o->own : o->user},
                            {DNNL_ARG_TO, o->output ? o->user : o->own},
                            {DNNL_ARG_SCRATCHPAD, o->reorder_scratch}};
  dnnl_status_t s = dnnl_memory_set_data_handle(o->reorder_scratch, scratch);
  return s ? s : dnnl_primitive_execute(o->reorder, stream, 3, args);
}

/* Packs bytes that never change, now. */
static ig_status pack(ig_dnn *dnn, ig_dnn_operand *o, size_t bytes) {
  o->packed = ig_alloc(bytes);
  void *scratch = ig_alloc(dnn->reorder_bytes);
  ig_status status = IG_OK;
  if (!o->packed || !scratch) {
    status = ig_fail(IG_ERR_MEMORY, "oneDNN: out of memory");
  } else {
    dnnl_status_t s = dnnl_memory_set_data_handle(o->user, (void *)o->fixed);
    if (!s) s = dnnl_memory_set_data_handle(o->own, o->packed);
    if (!s) s = run_reorder(o, scratch);
    status = ig_dnn_status(s, "reorder");
  }
  ig_free(scratch);
  return status;
}

ig_status ig_dnn_operand_add(ig_dnn *dnn, int arg, int index, bool output, ig_dnn_md user,
                             const void *fixed) {
  ig_dnn_operand *o = &dnn->operands[dnn->n_operands++];
  *o = (ig_dnn_operand){.index = index, .output = output, .fixed = fixed};
  ig_dnn_md own = dnnl_primitive_desc_query_md(dnn->desc, dnnl_query_exec_arg_md, arg);
  IG_TRY(memory_of(user, &o->user));
  if (dnnl_memory_desc_equal(user, own)) {
    o->own = o->user;
    if (fixed) IG_DNN_TRY(dnnl_memory_set_data_handle(o->own, (void *)fixed), "tensor");
  } else {
    size_t bytes = dnnl_memory_desc_get_size(own);
    IG_TRY(memory_of(own, &o->own));
    IG_TRY(add_reorder(dnn, o, output ? own : user, output ? user : own));
    IG_TRY(fixed ? pack(dnn, o, bytes) : reserve(dnn, bytes, &o->offset));
  }
  dnn->args[dnn->n_args++] = (dnnl_exec_arg_t){arg, o->own};
  return IG_OK;
}

ig_status ig_dnn_close(ig_dnn *dnn) {
  ig_dnn_md scratch = dnnl_primitive_desc_query_md(dnn->desc, dnnl_query_scratchpad_md, 0);
  IG_TRY(memory_of(scratch, &dnn->scratch));
  /* Nothing of a reorder's scratch is needed once it has run: the primitive's covers it. */
  size_t bytes = IG_MAX(dnnl_memory_desc_get_size(scratch), dnn->reorder_bytes);
  IG_TRY(reserve(dnn, bytes, &dnn->scratch_offset));
  dnn->args[dnn->n_args++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, dnn->scratch};
  IG_DNN_TRY(primitive_create(&dnn->primitive, dnn->desc), "primitive");
  return IG_OK;
}

void ig_dnn_destroy(ig_dnn *dnn) {
  if (!dnn) return;
  for (int i = 0; i < dnn->n_operands; i++) {
    ig_dnn_operand *o = &dnn->operands[i];
    if (o->own && o->own != o->user) dnnl_memory_destroy(o->own);
    if (o->user) dnnl_memory_destroy(o->user);
    if (o->reorder_scratch) dnnl_memory_destroy(o->reorder_scratch);
    if (o->reorder) dnnl_primitive_destroy(o->reorder);
    ig_free(o->packed);
  }
  if (dnn->scratch) dnnl_memory_destroy(dnn->scratch);
  if (dnn->primitive) dnnl_primitive_destroy(dnn->primitive);
  if (dnn->desc) dnnl_primitive_desc_destroy(dnn->desc);
  ig_free(dnn);
}

size_t ig_dnn_workspace(const ig_dnn *dnn) {
  return dnn->workspace;
}

const char *ig_dnn_code(const ig_dnn *dnn) {
  return code_of(dnn->desc);
}

/* --- running ---------------------------------------------------------------------------------- */

static void *at(void *workspace, size_t offset) {
  return workspace ? (char *)workspace + offset : NULL;
}

static dnnl_status_t bind(const ig_dnn *dnn, const void *const *operands, void *workspace) {
  dnnl_status_t s = dnnl_success;
  for (int i = 0; i < dnn->n_operands && !s; i++) {
    const ig_dnn_operand *o = &dnn->operands[i];
    if (o->fixed) continue;
    s = dnnl_memory_set_data_handle(o->user, (void *)operands[o->index]);
    if (!s && o->reorder) s = dnnl_memory_set_data_handle(o->own, at(workspace, o->offset));
  }
  return s;
}

ig_status ig_dnn_run(ig_dnn *dnn, const void *const *operands, void *workspace) {
  void *scratch = at(workspace, dnn->scratch_offset);
  dnnl_status_t s = bind(dnn, operands, workspace);
  for (int i = 0; i < dnn->n_operands && !s; i++) {
    const ig_dnn_operand *o = &dnn->operands[i];
    if (o->reorder && !o->output && !o->fixed) s = run_reorder(o, scratch);
  }
  if (!s) s = dnnl_memory_set_data_handle(dnn->scratch, scratch);
  if (!s) s = dnnl_primitive_execute(dnn->primitive, stream, dnn->n_args, dnn->args);
  for (int i = 0; i < dnn->n_operands && !s; i++) {
    const ig_dnn_operand *o = &dnn->operands[i];
    if (o->reorder && o->output) s = run_reorder(o, scratch);
  }
  return s ? ig_dnn_status(s, "primitive") : IG_OK;
}

/* --- reorders --------------------------------------------------------------------------------- */

static ig_status reorder_create(ig_dnn_md from, ig_dnn_md to, ig_dnn **out) {
  dnnl_primitive_attr_t attr;
  dnnl_primitive_desc_t desc = NULL;
  IG_TRY(open_engine());
  IG_TRY(ig_dnn_attr_create(1, NULL, NULL, &attr));
  dnnl_status_t s = dnnl_reorder_primitive_desc_create(&desc, from, engine, to, engine, attr);
  dnnl_primitive_attr_destroy(attr);
  IG_DNN_TRY(s, "reorder");
  IG_TRY(ig_dnn_open(desc, out));
  IG_TRY(ig_dnn_operand_add(*out, DNNL_ARG_FROM, 0, false, from, NULL));
  IG_TRY(ig_dnn_operand_add(*out, DNNL_ARG_TO, 1, true, to, NULL));
  return ig_dnn_close(*out);
}

ig_status ig_dnn_reorder_create(ig_dtype dtype, const int64_t dims[4], ig_layout from, ig_layout to,
                                ig_dnn **out) {
  ig_dnn_md from_md = NULL, to_md = NULL;
  ig_dnn *dnn = NULL;
  ig_status status = ig_dnn_md_layout(dtype, dims, from, &from_md);
  if (status == IG_OK) status = ig_dnn_md_layout(dtype, dims, to, &to_md);
  if (status == IG_OK) status = reorder_create(from_md, to_md, &dnn);
  ig_dnn_md_free(from_md);
  ig_dnn_md_free(to_md);
  if (status != IG_OK) {
    ig_dnn_destroy(dnn);
    return status;
  }
  *out = dnn;
  return IG_OK;
}
