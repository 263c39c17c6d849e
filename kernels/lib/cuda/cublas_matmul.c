/* A product as cuBLASLt has it. The library's matrices lie by columns, so that our row-major c = a
 * b is its c' = b' a': its first operand is our b, its m our n. A batch of one dimension is one
 * call; of several that do not merge, one call for each index of the outer ones. */
#include <stdio.h>

#include "engine/base/memory.h"
#include "kernels/lib/cuda/cublas_parts.h"

/* Calls that one product may be made of. */
#define MOST_CALLS 1024

struct ig_cublas_matmul {
  const ig_cublas_library *library;
  ig_matmul spec;
  ig_cublas_form form;
  cublasLtMatmulAlgo_t algo;
  size_t workspace;
  int64_t calls;
  bool addend_is_c; /* read in place; otherwise spread over the result first, unless a bias */
  bool activate_after;
};

/* One of the three operands: rows x cols by columns, transposed in memory when `op` is T. */
typedef struct operand {
  cublasOperation_t op;
  int64_t rows, cols, ld; /* as in memory */
  int64_t batch_stride;
} operand;

static cudaDataType type_of(ig_dtype dtype) {
  switch (dtype) {
  case IG_BF16: return CUDA_R_16BF;
  case IG_F16: return CUDA_R_16F;
  case IG_F8E4M3: return CUDA_R_8F_E4M3;
  case IG_F8E5M2: return CUDA_R_8F_E5M2;
  default: return CUDA_R_32F;
  }
}

/* --- operands --------------------------------------------------------------------------------- */

/* Whether rows x cols elements at these strides lie by columns, and at which distance. */
static bool by_columns(int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride,
                       int64_t *ld) {
  if (rows > 1 && row_stride != 1) return false;
  *ld = cols > 1 ? col_stride : rows;
  return *ld >= rows;
}

/* An operand [..., dims r x c] of `spec`, seen by columns: c x r. */
static ig_status find_operand(const ig_matmul *spec, const int64_t *dims, const int64_t *strides,
                              operand *out) {
  int row = spec->rank - 2, col = spec->rank - 1;
  int64_t r = dims[row], c = dims[col];
  *out = (operand){.op = CUBLAS_OP_N, .rows = c, .cols = r};
  if (!by_columns(c, r, strides[col], strides[row], &out->ld)) {
    *out = (operand){.op = CUBLAS_OP_T, .rows = r, .cols = c};
    IG_CHECK(by_columns(r, c, strides[row], strides[col], &out->ld), IG_ERR_UNSUPPORTED,
             "cuBLASLt has no operands with strides %lld and %lld", (long long)strides[row],
             (long long)strides[col]);
  }
  if (spec->rank > 2 && dims[row - 1] != 1) out->batch_stride = strides[row - 1];
  return IG_OK;
}

static int64_t batch_of(const ig_matmul *spec) {
  return spec->rank > 2 ? spec->c_dims[spec->rank - 3] : 1;
}

static int64_t calls_of(const ig_matmul *spec) {
  int64_t calls = 1;
  for (int d = 0; d < spec->rank - 3; d++) calls *= spec->c_dims[d];
  return calls;
}

/* Element at which call number `index` finds an operand. */
static int64_t call_offset(const ig_matmul *spec, int64_t index, const int64_t *dims,
                           const int64_t *strides) {
  int64_t offset = 0;
  for (int d = spec->rank - 4; d >= 0; d--) {
    if (dims[d] != 1) offset += index % spec->c_dims[d] * strides[d];
    index /= spec->c_dims[d];
  }
  return offset;
}

static size_t operand_bytes(const ig_matmul *spec, const operand *o, ig_dtype dtype) {
  int64_t count = (o->cols - 1) * o->ld + o->rows + (batch_of(spec) - 1) * o->batch_stride;
  return (size_t)count * ig_dtype_size(dtype);
}

/* What all addresses of an operand are multiples of, given that the first is of IG_ALIGNMENT. */
static void lower_alignment(const ig_matmul *spec, const int64_t *dims, const int64_t *strides,
                            uint32_t *alignment) {
  for (int d = 0; d < spec->rank - 3; d++) {
    uint64_t bytes = (uint64_t)strides[d] * ig_dtype_size(spec->dtype);
    while (dims[d] != 1 && bytes % *alignment != 0) *alignment /= 2;
  }
}

/* --- the addend and the activation ------------------------------------------------------------ */

/* With operands of 8 bits the library wants a bias of 16. */
static bool is_bias(const ig_matmul *spec, float beta) {
  if (!spec->addend || beta != 1) return false;
  if (ig_dtype_is_f8(spec->dtype) && spec->c_dtype == IG_F32) return false;
  for (int d = 0; d < spec->rank - 1; d++) {
    if (spec->addend_dims[d] != 1) return false;
  }
  return spec->addend_dims[spec->rank - 1] == spec->c_dims[spec->rank - 1];
}

static bool is_like_c(const ig_matmul *spec) {
  if (!spec->addend) return false;
  for (int d = 0; d < spec->rank; d++) {
    if (spec->addend_dims[d] != spec->c_dims[d]) return false;
  }
  return true;
}

/* The library's GELU is the approximation by tanh. Other functions are applied afterwards. */
static cublasLtEpilogue_t epilogue_of(const ig_activation *f, bool bias, bool plain, bool *after) {
  *after = plain && f->on;
  if (plain) return CUBLASLT_EPILOGUE_DEFAULT;
  if (f->on && f->kind == IG_UNARY_RELU) {
    return bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU;
  }
  if (f->on && f->kind == IG_UNARY_GELU_TANH) {
    return bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU;
  }
  *after = f->on;
  return bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
}

/* --- making ----------------------------------------------------------------------------------- */

static ig_status make_layout(const ig_cublas_library *lib, cudaDataType type, const operand *o,
                             int64_t batch, cublasLtMatrixLayout_t *out) {
  int32_t count = (int32_t)batch;
  IG_CHECK(batch <= INT32_MAX, IG_ERR_UNSUPPORTED, "cuBLASLt takes no batch of %lld",
           (long long)batch);
  IG_TRY_CUBLAS(lib,
                cublasLtMatrixLayoutCreate(out, type, (uint64_t)o->rows, (uint64_t)o->cols, o->ld));
  IG_TRY_CUBLAS(lib, cublasLtMatrixLayoutSetAttribute(*out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT,
                                                      &count, sizeof count));
  IG_TRY_CUBLAS(lib,
                cublasLtMatrixLayoutSetAttribute(*out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                                 &o->batch_stride, sizeof o->batch_stride));
  return IG_OK;
}

static ig_status set_bias(const ig_cublas_library *lib, cublasLtMatmulDesc_t desc,
                          const void *bias) {
  IG_TRY_CUBLAS(lib, cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias,
                                                    sizeof bias));
  return IG_OK;
}

static ig_status set_scales(const ig_cublas_library *lib, cublasLtMatmulDesc_t desc,
                            const float *first, const float *second) {
  IG_TRY_CUBLAS(lib, cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER,
                                                    &first, sizeof first));
  IG_TRY_CUBLAS(lib, cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_B_SCALE_POINTER,
                                                    &second, sizeof second));
  return IG_OK;
}

static ig_status make_desc(ig_cublas_matmul *p, cublasOperation_t first, cublasOperation_t second,
                           cublasLtEpilogue_t epilogue) {
  const ig_cublas_library *lib = p->library;
  bool tf32 = p->spec.dtype == IG_F32 && p->spec.tf32;
  IG_TRY_CUBLAS(lib, cublasLtMatmulDescCreate(
                         &p->form.desc, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F,
                         CUDA_R_32F));
  cublasLtMatmulDesc_t desc = p->form.desc;
  IG_TRY_CUBLAS(
      lib, cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first));
  IG_TRY_CUBLAS(lib, cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_TRANSB, &second,
                                                    sizeof second));
  IG_TRY_CUBLAS(lib, cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue,
                                                    sizeof epilogue));
  int8_t fast = p->spec.fast;
  if (fast) {
    IG_TRY_CUBLAS(lib, cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_FAST_ACCUM, &fast,
                                                      sizeof fast));
  }
  /* The library wants an address to choose an algorithm by; the true one follows with each call. */
  return p->form.bias ? set_bias(lib, desc, (const void *)(uintptr_t)IG_CUBLAS_WORKSPACE) : IG_OK;
}

/* `plain`: without an epilogue. */
static ig_status make_form(ig_cublas_matmul *p, float beta, bool plain) {
  const ig_matmul *s = &p->spec;
  ig_cublas_form *form = &p->form;
  operand a, b, c;
  IG_TRY(find_operand(s, s->b_dims, s->b_strides, &a));
  IG_TRY(find_operand(s, s->a_dims, s->a_strides, &b));
  IG_TRY(find_operand(s, s->c_dims, s->c_strides, &c));
  IG_CHECK(c.op == CUBLAS_OP_N, IG_ERR_UNSUPPORTED, "a transposed result");
  form->bias = !plain && is_bias(s, beta);
  form->alpha = s->alpha;
  form->beta = s->addend && !form->bias ? beta : 0;
  p->addend_is_c = !form->bias && is_like_c(s);
  form->alignment = IG_ALIGNMENT;
  lower_alignment(s, s->a_dims, s->a_strides, &form->alignment);
  lower_alignment(s, s->b_dims, s->b_strides, &form->alignment);
  lower_alignment(s, s->c_dims, s->c_strides, &form->alignment);
  cublasLtEpilogue_t epilogue = epilogue_of(&s->activation, form->bias, plain, &p->activate_after);
  IG_TRY(make_desc(p, a.op, b.op, epilogue));
  int64_t batch = batch_of(s);
  IG_TRY(make_layout(p->library, type_of(s->b_dtype), &a, batch, &form->a));
  IG_TRY(make_layout(p->library, type_of(s->dtype), &b, batch, &form->b));
  IG_TRY(make_layout(p->library, type_of(s->c_dtype), &c, batch, &form->c));
  form->a_bytes = operand_bytes(s, &a, s->b_dtype);
  form->b_bytes = operand_bytes(s, &b, s->dtype);
  form->c_bytes = operand_bytes(s, &c, s->c_dtype);
  bool mixed = ig_dtype_is_f8(s->dtype);
  snprintf(form->key, sizeof form->key,
           "%s%s%s%s%s,%c%c,%lldx%lldx%lld,batch=%lld,ld=%lld:%lld:%lld,stride=%lld:%lld:%lld,"
           "epilogue=%d,beta=%d,align=%u",
           ig_dtype_name(s->dtype), s->dtype == IG_F32 && s->tf32 ? "(tf32)" : "",
           mixed ? ig_dtype_name(s->b_dtype) : "", mixed ? ig_dtype_name(s->c_dtype) : "",
           mixed && s->fast ? "(fast)" : "",
           a.op == CUBLAS_OP_T ? 't' : 'n', b.op == CUBLAS_OP_T ? 't' : 'n', (long long)c.rows,
           (long long)c.cols, (long long)s->a_dims[s->rank - 1], (long long)batch, (long long)a.ld,
           (long long)b.ld, (long long)c.ld, (long long)a.batch_stride, (long long)b.batch_stride,
           (long long)c.batch_stride, (int)epilogue, form->beta != 0, form->alignment);
  return ig_cublas_choose(p->library, form, &p->algo, &p->workspace);
}

static void free_form(ig_cublas_matmul *p) {
  const ig_cublas_form *form = &p->form;
  if (form->desc) p->library->cublasLtMatmulDescDestroy(form->desc);
  if (form->a) p->library->cublasLtMatrixLayoutDestroy(form->a);
  if (form->b) p->library->cublasLtMatrixLayoutDestroy(form->b);
  if (form->c) p->library->cublasLtMatrixLayoutDestroy(form->c);
  p->form = (ig_cublas_form){0};
}

ig_status ig_cublas_matmul_create(const ig_matmul *spec, float beta, ig_cublas_matmul **out) {
  const ig_cublas_library *library;
  IG_CHECK(calls_of(spec) <= MOST_CALLS, IG_ERR_UNSUPPORTED, "a product of %lld calls of cuBLASLt",
           (long long)calls_of(spec));
  IG_TRY(ig_cublas_open(&library));
  ig_cublas_matmul *p = ig_alloc_zero(1, sizeof *p);
  IG_CHECK_ALLOC(p);
  p->library = library;
  p->spec = *spec;
  p->calls = calls_of(spec);
  ig_status status = make_form(p, beta, false);
  if (status == IG_ERR_UNSUPPORTED && (p->form.bias || (spec->activation.on && !p->activate_after))) {
    free_form(p); /* without an epilogue there may be an algorithm */
    status = make_form(p, beta, true);
  }
  if (status != IG_OK) {
    ig_cublas_matmul_destroy(p);
    return status;
  }
  *out = p;
  return IG_OK;
}

void ig_cublas_matmul_destroy(ig_cublas_matmul *p) {
  if (!p) return;
  free_form(p);
  ig_free(p);
}

size_t ig_cublas_matmul_workspace(const ig_cublas_matmul *p) {
  return p->workspace;
}

/* --- running ---------------------------------------------------------------------------------- */

ig_status ig_cublas_matmul_run(const ig_cublas_matmul *p, const void *a, const void *b,
                               const float *a_scale, const float *b_scale, const void *addend,
                               void *c, void *workspace, void *stream) {
  const ig_matmul *s = &p->spec;
  const ig_cublas_library *lib = p->library;
  const ig_cublas_form *form = &p->form;
  size_t a_size = ig_dtype_size(s->dtype), b_size = ig_dtype_size(s->b_dtype);
  const char *start = p->addend_is_c ? addend : c;
  if (a_scale && b_scale) IG_TRY(set_scales(lib, form->desc, b_scale, a_scale));
  if (form->bias)
    IG_TRY(set_bias(lib, form->desc, addend));
  else if (s->addend && !p->addend_is_c)
    IG_TRY(ig_cuda_matmul_spread(s, addend, c, stream));
  for (int64_t i = 0; i < p->calls; i++) {
    size_t of_a = (size_t)call_offset(s, i, s->a_dims, s->a_strides) * a_size;
    size_t of_b = (size_t)call_offset(s, i, s->b_dims, s->b_strides) * b_size;
    size_t of_c = (size_t)call_offset(s, i, s->c_dims, s->c_strides) * ig_dtype_size(s->c_dtype);
    cublasStatus_t status = lib->cublasLtMatmul(
        lib->handle, form->desc, &form->alpha, (const char *)b + of_b, form->a,
        (const char *)a + of_a, form->b, &form->beta, start + of_c, form->c, (char *)c + of_c,
        form->c, &p->algo, workspace, p->workspace, (cudaStream_t)stream);
    IG_TRY(ig_cublas_status(lib, status, "cublasLtMatmul"));
  }
  if (!p->activate_after) return IG_OK;
  ig_shape shape = ig_shape_of(s->rank, s->c_dims);
  return ig_cuda_unary(s->activation.kind, s->c_dtype, c, c, ig_shape_count(&shape),
                       s->activation.a, s->activation.b, stream);
}
