/* cuBLASLt on the emulator: a product is one launch of one thread that computes it in plain loops,
 * so that it is queued, captured and replayed as a kernel is. Sums are f32, in the order of k. What
 * the library refuses is refused, and operands must lie in device memory whole. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cublasLt.h"
#include "internal.h"

enum { ALGORITHMS = 3, MOST_ALIGNMENT = 16 };
/* Scratch of each algorithm, which the product overwrites all of. */
static const size_t algorithm_workspace[ALGORITHMS] = {512, 0, 4096};

struct cublasLtContext {
  int device;
};
struct cublasLtMatmulDescOpaque {
  cublasComputeType_t compute;
  cudaDataType_t scale;
  cublasOperation_t trans_a, trans_b;
  cublasLtEpilogue_t epilogue;
  const void *bias;
  const float *a_scale, *b_scale; /* of operands of 8 bits; NULL is 1 */
  int8_t fast;                    /* of those too; sums here are exact enough for both */
};
struct cublasLtMatrixLayoutOpaque {
  cudaDataType type;
  uint64_t rows, cols;
  int64_t ld, batch_stride;
  int32_t batch;
};
struct cublasLtMatmulPreferenceOpaque {
  size_t workspace;
  uint32_t alignment[4];
};

/* --- objects ---------------------------------------------------------------------------------- */

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle) {
  if (!handle) return CUBLAS_STATUS_INVALID_VALUE;
  *handle = calloc(1, sizeof **handle);
  if (!*handle) return CUBLAS_STATUS_ALLOC_FAILED;
  return cudaGetDevice(&(*handle)->device) == cudaSuccess ? CUBLAS_STATUS_SUCCESS
                                                          : CUBLAS_STATUS_NOT_INITIALIZED;
}

size_t cublasLtGetVersion(void) {
  return 130000;
}

const char *cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
  case CUBLAS_STATUS_SUCCESS: return "success";
  case CUBLAS_STATUS_NOT_INITIALIZED: return "the library was not initialized";
  case CUBLAS_STATUS_ALLOC_FAILED: return "the resource allocation failed";
  case CUBLAS_STATUS_INVALID_VALUE: return "an unsupported value or parameter was passed";
  case CUBLAS_STATUS_EXECUTION_FAILED: return "the program failed to execute";
  default: return "the functionality is not supported";
  }
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *desc, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  if (!desc) return CUBLAS_STATUS_INVALID_VALUE;
  *desc = calloc(1, sizeof **desc);
  if (!*desc) return CUBLAS_STATUS_ALLOC_FAILED;
  (*desc)->compute = compute;
  (*desc)->scale = scale;
  (*desc)->epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
  free(desc);
  return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t set(void *member, size_t size, const void *value, size_t bytes) {
  if (!value || bytes != size) return CUBLAS_STATUS_INVALID_VALUE;
  memcpy(member, value, size);
  return CUBLAS_STATUS_SUCCESS;
}
#define SET(member) set(&(member), sizeof(member), value, bytes)

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void *value, size_t bytes) {
  if (!desc) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
  case CUBLASLT_MATMUL_DESC_TRANSA: return SET(desc->trans_a);
  case CUBLASLT_MATMUL_DESC_TRANSB: return SET(desc->trans_b);
  case CUBLASLT_MATMUL_DESC_EPILOGUE: return SET(desc->epilogue);
  case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return SET(desc->bias);
  case CUBLASLT_MATMUL_DESC_A_SCALE_POINTER: return SET(desc->a_scale);
  case CUBLASLT_MATMUL_DESC_B_SCALE_POINTER: return SET(desc->b_scale);
  case CUBLASLT_MATMUL_DESC_FAST_ACCUM: return SET(desc->fast);
  default: return CUBLAS_STATUS_INVALID_VALUE;
  }
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType type,
                                          uint64_t rows, uint64_t cols, int64_t ld) {
  if (!layout) return CUBLAS_STATUS_INVALID_VALUE;
  *layout = calloc(1, sizeof **layout);
  if (!*layout) return CUBLAS_STATUS_ALLOC_FAILED;
  **layout = (struct cublasLtMatrixLayoutOpaque){type, rows, cols, ld, 0, 1};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  free(layout);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute,
                                                const void *value, size_t bytes) {
  if (!layout) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
  case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: return SET(layout->batch);
  case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: return SET(layout->batch_stride);
  default: return CUBLAS_STATUS_INVALID_VALUE;
  }
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference) {
  if (!preference) return CUBLAS_STATUS_INVALID_VALUE;
  *preference = calloc(1, sizeof **preference);
  if (!*preference) return CUBLAS_STATUS_ALLOC_FAILED;
  for (int i = 0; i < 4; i++) (*preference)->alignment[i] = 256;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  free(preference);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void *value, size_t bytes) {
  if (!preference) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
  case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return SET(preference->workspace);
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: return SET(preference->alignment[0]);
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: return SET(preference->alignment[1]);
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES: return SET(preference->alignment[2]);
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: return SET(preference->alignment[3]);
  default: return CUBLAS_STATUS_INVALID_VALUE;
  }
}

/* --- what is accepted ------------------------------------------------------------------------- */

typedef struct problem {
  struct cublasLtMatmulDescOpaque desc;
  struct cublasLtMatrixLayoutOpaque a, b, c, d;
  int64_t m, n, k;
} problem;

static bool has_bias(cublasLtEpilogue_t epilogue) {
  return epilogue & CUBLASLT_EPILOGUE_BIAS;
}

static bool is_f8(cudaDataType type) {
  return type == CUDA_R_8F_E4M3 || type == CUDA_R_8F_E5M2;
}

/* Products of 8-bit floats: on capability 8.9 and up, the first operand transposed and the second not,
 * one at least e4m3, sizes multiples of 16, a bias of 16 bits. */
static bool f8_fits(const problem *p) {
  bool types = is_f8(p->b.type) && (p->a.type == CUDA_R_8F_E4M3 || p->b.type == CUDA_R_8F_E4M3) &&
               p->d.type == p->c.type && !is_f8(p->c.type) &&
               (!has_bias(p->desc.epilogue) || p->d.type != CUDA_R_32F);
  bool sizes = p->m % 16 == 0 && p->n % 16 == 0 && p->k % 16 == 0 && p->a.ld % 16 == 0 &&
               p->b.ld % 16 == 0;
  return ig_emu_settings.capability >= 89 && types && sizes && p->desc.trans_a == CUBLAS_OP_T &&
         p->desc.trans_b == CUBLAS_OP_N && p->desc.compute == CUBLAS_COMPUTE_32F &&
         p->desc.scale == CUDA_R_32F;
}

static bool types_fit(const problem *p) {
  if (is_f8(p->a.type)) return f8_fits(p);
  if (p->desc.a_scale || p->desc.b_scale || p->desc.fast) return false;
  bool f32 = p->a.type == CUDA_R_32F;
  bool compute = p->desc.compute == CUBLAS_COMPUTE_32F ||
                 (p->desc.compute == CUBLAS_COMPUTE_32F_FAST_TF32 && f32);
  return compute && p->desc.scale == CUDA_R_32F && p->b.type == p->a.type &&
         p->d.type == p->c.type && (p->c.type == p->a.type || p->c.type == CUDA_R_32F);
}

static bool layout_fits(const struct cublasLtMatrixLayoutOpaque *l, int32_t batch) {
  return l->rows > 0 && l->cols > 0 && l->ld >= (int64_t)l->rows && l->batch == batch && batch > 0;
}

static cublasStatus_t describe(cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                               cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                               cublasLtMatrixLayout_t d, problem *p) {
  if (!desc || !a || !b || !c || !d) return CUBLAS_STATUS_INVALID_VALUE;
  *p = (problem){.desc = *desc, .a = *a, .b = *b, .c = *c, .d = *d};
  bool ta = desc->trans_a != CUBLAS_OP_N, tb = desc->trans_b != CUBLAS_OP_N;
  p->m = (int64_t)(ta ? a->cols : a->rows);
  p->k = (int64_t)(ta ? a->rows : a->cols);
  p->n = (int64_t)(tb ? b->rows : b->cols);
  if (!types_fit(p)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (!layout_fits(a, d->batch) || !layout_fits(b, d->batch) || !layout_fits(c, d->batch) ||
      !layout_fits(d, d->batch) || (int64_t)(tb ? b->cols : b->rows) != p->k ||
      (int64_t)d->rows != p->m || (int64_t)d->cols != p->n || c->rows != d->rows ||
      c->cols != d->cols) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  return has_bias(desc->epilogue) && !desc->bias ? CUBLAS_STATUS_INVALID_VALUE
                                                 : CUBLAS_STATUS_SUCCESS;
}

/* data[0]: the algorithm's number and a mark; data[1]: what its operands' addresses must be
 * multiples of. */
#define MARK 0x1e0700u

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int most,
                                              cublasLtMatmulHeuristicResult_t results[],
                                              int *count) {
  problem p;
  if (!handle || !preference || most < 1 || !results || !count) return CUBLAS_STATUS_INVALID_VALUE;
  cublasStatus_t status = describe(desc, a, b, c, d, &p);
  if (status) return status;
  uint32_t alignment = MOST_ALIGNMENT;
  for (int i = 0; i < 4; i++) {
    uint32_t asked = preference->alignment[i];
    if (asked == 0 || (asked & (asked - 1))) return CUBLAS_STATUS_INVALID_VALUE;
    if (asked < alignment) alignment = asked;
  }
  if (is_f8(a->type) && alignment < 16) return CUBLAS_STATUS_NOT_SUPPORTED;
  *count = 0;
  for (int i = 0; i < ALGORITHMS && *count < most; i++) {
    if (algorithm_workspace[i] > preference->workspace) continue;
    results[(*count)++] =
        (cublasLtMatmulHeuristicResult_t){.algo = {{MARK | (uint64_t)i, alignment}},
                                          .workspaceSize = algorithm_workspace[i],
                                          .state = CUBLAS_STATUS_SUCCESS,
                                          .wavesCount = 1};
  }
  return *count ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

static bool is_algorithm(const cublasLtMatmulAlgo_t *algo) {
  uint64_t number = algo->data[0] ^ MARK;
  return number < ALGORITHMS && algo->data[1] >= 1 && algo->data[1] <= MOST_ALIGNMENT;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                       cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                       cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                       const cublasLtMatmulAlgo_t *algo,
                                       cublasLtMatmulHeuristicResult_t *result) {
  problem p;
  if (!handle || !algo || !result) return CUBLAS_STATUS_INVALID_VALUE;
  cublasStatus_t status = describe(desc, a, b, c, d, &p);
  if (status) return status;
  if (!is_algorithm(algo)) return CUBLAS_STATUS_NOT_SUPPORTED;
  *result =
      (cublasLtMatmulHeuristicResult_t){.algo = *algo,
                                        .workspaceSize = algorithm_workspace[algo->data[0] ^ MARK],
                                        .state = CUBLAS_STATUS_SUCCESS,
                                        .wavesCount = 1};
  return CUBLAS_STATUS_SUCCESS;
}

/* --- the product ------------------------------------------------------------------------------ */

typedef struct product {
  problem p;
  float alpha, beta;
  const void *a, *b, *c;
  void *d, *workspace;
  size_t workspace_bytes;
} product;

static size_t size_of(cudaDataType type) {
  if (is_f8(type)) return 1;
  return type == CUDA_R_32F ? 4 : 2;
}

/* Sign, exponent and fraction, by the formats' tables. */
static float load_f8(cudaDataType type, uint8_t bits) {
  int fraction_bits = type == CUDA_R_8F_E4M3 ? 3 : 2, bias = type == CUDA_R_8F_E4M3 ? 7 : 15;
  int exponent = (bits & 127) >> fraction_bits, one = 1 << fraction_bits;
  int fraction = bits & (one - 1);
  float x = ldexpf((float)(exponent ? one + fraction : fraction),
                   (exponent ? exponent : 1) - bias - fraction_bits);
  if (type == CUDA_R_8F_E4M3 && (bits & 127) == 127) x = NAN;
  if (type == CUDA_R_8F_E5M2 && exponent == 31) x = fraction ? NAN : INFINITY;
  return bits & 128 ? -x : x;
}

static float load(cudaDataType type, const void *data, int64_t i) {
  if (is_f8(type)) return load_f8(type, ((const uint8_t *)data)[i]);
  if (type == CUDA_R_32F) return ((const float *)data)[i];
  if (type == CUDA_R_16F) return (float)((const _Float16 *)data)[i];
  uint32_t bits = (uint32_t)((const uint16_t *)data)[i] << 16;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static void store(cudaDataType type, void *data, int64_t i, float x) {
  if (type == CUDA_R_32F) {
    ((float *)data)[i] = x;
  } else if (type == CUDA_R_16F) {
    ((_Float16 *)data)[i] = (_Float16)x;
  } else {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = x != x ? 0x7fff0000u : bits + 0x7fffu + (bits >> 16 & 1);
    ((uint16_t *)data)[i] = (uint16_t)(bits >> 16);
  }
}

static float tf32(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if ((bits & 0x7fffffffu) < 0x7f800000u) bits += 0x1000u;
  bits &= 0xffffe000u;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Element (i, j) of one batch becomes out[i * out_row + j * out_col], read as transposed if need
 * be. */
static void gather(const struct cublasLtMatrixLayoutOpaque *l, const void *data, int64_t batch,
                   bool transposed, bool rounded, float *out, int64_t out_row, int64_t out_col) {
  for (int64_t j = 0; j < (int64_t)l->cols; j++) {
    for (int64_t i = 0; i < (int64_t)l->rows; i++) {
      float x = load(l->type, data, batch * l->batch_stride + j * l->ld + i);
      int64_t to = transposed ? j * out_row + i * out_col : i * out_row + j * out_col;
      out[to] = rounded ? tf32(x) : x;
    }
  }
}

static float finish(const product *t, float sum, int64_t at, int64_t row) {
  const problem *p = &t->p;
  float x = t->alpha * sum;
  if (p->desc.a_scale) x *= *p->desc.a_scale;
  if (p->desc.b_scale) x *= *p->desc.b_scale;
  if (t->beta != 0) x += t->beta * load(p->c.type, t->c, at);
  if (has_bias(p->desc.epilogue)) x += load(p->d.type, p->desc.bias, row);
  if (p->desc.epilogue & CUBLASLT_EPILOGUE_RELU) return x < 0 ? 0 : x;
  if (p->desc.epilogue & CUBLASLT_EPILOGUE_GELU) {
    return 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
  }
  return x;
}

/* left: m values for each k; right: k values for each column. */
static void multiply(const product *t, int64_t batch, float *left, float *right, float *sums) {
  const problem *p = &t->p;
  bool rounded = p->desc.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  gather(&p->a, t->a, batch, p->desc.trans_a != CUBLAS_OP_N, rounded, left, 1, p->m);
  gather(&p->b, t->b, batch, p->desc.trans_b != CUBLAS_OP_N, rounded, right, 1, p->k);
  for (int64_t j = 0; j < p->n; j++) {
    memset(sums, 0, (size_t)p->m * sizeof *sums);
    for (int64_t l = 0; l < p->k; l++) {
      float y = right[j * p->k + l];
      for (int64_t i = 0; i < p->m; i++) sums[i] += left[l * p->m + i] * y;
    }
    for (int64_t i = 0; i < p->m; i++) {
      int64_t from = batch * p->c.batch_stride + j * p->c.ld + i;
      int64_t to = batch * p->d.batch_stride + j * p->d.ld + i;
      store(p->d.type, t->d, to, finish(t, sums[i], from, i));
    }
  }
}

static bool lies_in_device(const void *at, const struct cublasLtMatrixLayoutOpaque *l) {
  bool whole = false;
  int64_t last = (l->batch - 1) * l->batch_stride + ((int64_t)l->cols - 1) * l->ld;
  size_t bytes = (size_t)(last + (int64_t)l->rows) * size_of(l->type);
  return ig_emu_memory_of(at, bytes, &whole) == DEVICE_MEMORY && whole;
}

static const char *run_product(const void *arguments) {
  const product *t = arguments;
  const problem *p = &t->p;
  bool whole = true;
  if (!lies_in_device(t->a, &p->a) || !lies_in_device(t->b, &p->b) ||
      !lies_in_device(t->d, &p->d) || (t->beta != 0 && !lies_in_device(t->c, &p->c))) {
    return "an operand of cublasLtMatmul does not lie in device memory";
  }
  if (has_bias(p->desc.epilogue) &&
      (ig_emu_memory_of(p->desc.bias, (size_t)p->m * size_of(p->d.type), &whole) != DEVICE_MEMORY ||
       !whole)) {
    return "the bias of cublasLtMatmul does not lie in device memory";
  }
  if ((p->desc.a_scale && ig_emu_memory_of(p->desc.a_scale, 4, &whole) != DEVICE_MEMORY) ||
      (p->desc.b_scale && ig_emu_memory_of(p->desc.b_scale, 4, &whole) != DEVICE_MEMORY)) {
    return "a scale of cublasLtMatmul does not lie in device memory";
  }
  if (t->workspace_bytes) memset(t->workspace, POISON, t->workspace_bytes);
  float *left = malloc((size_t)(p->m * p->k) * sizeof *left);
  float *right = malloc((size_t)(p->n * p->k) * sizeof *right);
  float *sums = malloc((size_t)p->m * sizeof *sums);
  for (int64_t b = 0; left && right && sums && b < p->d.batch; b++) {
    multiply(t, b, left, right, sums);
  }
  const char *fault = left && right && sums ? NULL : "no memory for cublasLtMatmul";
  free(left);
  free(right);
  free(sums);
  return fault;
}

static bool aligned(const void *pointer, uint64_t alignment) {
  return (uintptr_t)pointer % alignment == 0;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha,
                              const void *a, cublasLtMatrixLayout_t a_layout, const void *b,
                              cublasLtMatrixLayout_t b_layout, const void *beta, const void *c,
                              cublasLtMatrixLayout_t c_layout, void *d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algo,
                              void *workspace, size_t workspace_bytes, cudaStream_t stream) {
  product t = {.a = a, .b = b, .c = c, .d = d, .workspace = workspace};
  if (!handle || !alpha || !beta || !a || !b || !c || !d || !algo || !is_algorithm(algo)) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  cublasStatus_t status = describe(desc, a_layout, b_layout, c_layout, d_layout, &t.p);
  if (status) return status;
  t.alpha = *(const float *)alpha;
  t.beta = *(const float *)beta;
  t.workspace_bytes = algorithm_workspace[algo->data[0] ^ MARK];
  if (workspace_bytes < t.workspace_bytes ||
      (t.workspace_bytes && (!workspace || !aligned(workspace, 16)))) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  uint64_t alignment = algo->data[1];
  if (!aligned(a, alignment) || !aligned(b, alignment) || !aligned(c, alignment) ||
      !aligned(d, alignment)) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  ig_emu_kernel kernel = {"cublasLtMatmul", (const void *)(uintptr_t)run_product, run_product, &t,
                          sizeof t};
  struct dim3 one = {1, 1, 1};
  return ig_emu_launch(&kernel, one, one, 0, stream) == cudaSuccess
             ? CUBLAS_STATUS_SUCCESS
             : CUBLAS_STATUS_EXECUTION_FAILED;
}
