/* Quantizing to 8-bit floats on a GPU, and their products, which are cuBLASLt's alone: a GPU without such
 * tensor cores has no use for them. */
#include "engine/ops/fp8.h"

#include "engine/base/checked.h"
#include "kernels/lib/cuda/cublas.h"

/* --- quantizing ------------------------------------------------------------------------------- */

static size_t scratch(const ig_node *node) {
  ig_fp8_cast c = ig_fp8_cast_of(node);
  return ig_cuda_fp8_scratch(&c);
}

static ig_status run_quantize(const ig_call *call) {
  ig_fp8_cast c = ig_fp8_cast_of(call->node);
  ig_fp8_results out = ig_fp8_results_of(call);
  return ig_cuda_fp8_quantize(&c, call->in[IG_FP8_X], call->in[IG_FP8_PAST], &out, call->workspace,
                              call->stream);
}

static const ig_impl quantize_impls[] = {
    {.name = "tiles", .device = IG_CUDA, .workspace = scratch, .run = run_quantize}, {0}};

/* --- products --------------------------------------------------------------------------------- */

static ig_status prepare(ig_call *call) {
  ig_matmul spec;
  ig_cublas_matmul *product;
  ig_scaled_mat_mul_describe(call->node, &spec);
  IG_TRY(ig_cublas_matmul_create(&spec, 1, &product));
  call->state = product;
  IG_CHECK(
      ig_add_size(call->workspace_size, ig_cublas_matmul_workspace(product), &call->workspace_size),
      IG_ERR_MEMORY, "the workspace exceeds the address space");
  return IG_OK;
}

static void release(ig_call *call) {
  ig_cublas_matmul_destroy(call->state);
  call->state = NULL;
}

static ig_status run(const ig_call *call) {
  const void *addend = ig_scaled_addend(call->node) ? call->in[IG_SCALED_ADDEND] : NULL;
  return ig_cublas_matmul_run(call->state, call->in[IG_SCALED_A], call->in[IG_SCALED_B],
                              call->in[IG_SCALED_A_SCALE], call->in[IG_SCALED_B_SCALE], addend,
                              call->out[0], call->workspace, call->stream);
}

static const ig_impl product_impls[] = {
    {.name = "cublaslt", .device = IG_CUDA, .prepare = prepare, .release = release, .run = run},
    {0}};

static const struct ig_op_impls ops[] = {
    {"ingot.QuantizeFp8", quantize_impls},
    {"ingot.ScaledMatMul", product_impls},
    {0},
};

const ig_device_ops ig_cuda_ops_fp8 = {.ops = ops};
