/* Matrix products on a GPU: through cuBLASLt, or by hand where it is absent or takes no operands of
 * this form. */
#include "engine/ops/product.h"

#include "engine/base/checked.h"
#include "kernels/lib/cuda/cublas.h"

static const char *reject(const ig_node *node) {
  ig_dtype dtype = node->inputs[0]->dtype;
  return dtype == IG_F32 || dtype == IG_BF16 || dtype == IG_F16 ? NULL : "not f32, bf16 or f16: an element type of the CPU's";
}

static const char *reject_cublas(const ig_node *node) {
  const char *reason = reject(node);
  if (reason) return reason;
  if (ig_value_count(node->inputs[0]) == 0 || ig_value_count(node->inputs[1]) == 0) {
    return "an operand is empty";
  }
  return NULL;
}

static const void *addend_of(const ig_call *call) {
  return call->node->n_inputs > 2 && call->node->inputs[2] ? call->in[2] : NULL;
}

static ig_status prepare_cublas(ig_call *call, const ig_product *p) {
  ig_matmul spec;
  ig_cublas_matmul *product;
  ig_product_describe(call->node, p, &spec);
  spec.tf32 = call->tf32;
  IG_TRY(ig_cublas_matmul_create(&spec, p->beta, &product));
  call->state = product;
  IG_CHECK(
      ig_add_size(call->workspace_size, ig_cublas_matmul_workspace(product), &call->workspace_size),
      IG_ERR_MEMORY, "the workspace exceeds the address space");
  return IG_OK;
}

static void release_cublas(ig_call *call) {
  ig_cublas_matmul_destroy(call->state);
  call->state = NULL;
}

static ig_status run_cublas(const ig_call *call) {
  return ig_cublas_matmul_run(call->state, call->in[0], call->in[1], NULL, NULL, addend_of(call),
                              call->out[0], call->workspace, call->stream);
}

static ig_status run_tiles(const ig_call *call, const ig_product *p) {
  ig_matmul spec;
  ig_product_describe(call->node, p, &spec);
  return ig_cuda_matmul(&spec, call->in[0], call->in[1], addend_of(call), p->beta, call->out[0],
                        call->stream);
}

#define PRODUCT(stem)                                                                              \
  static ig_status prepare_##stem(ig_call *call) {                                                 \
    ig_product p = ig_product_of_##stem(call->node);                                               \
    return prepare_cublas(call, &p);                                                               \
  }                                                                                                \
  static ig_status run_##stem(const ig_call *call) {                                               \
    ig_product p = ig_product_of_##stem(call->node);                                               \
    return run_tiles(call, &p);                                                                    \
  }                                                                                                \
  static const ig_impl stem##_impls[] = {                                                          \
      {.name = "cublaslt",                                                                         \
       .device = IG_CUDA,                                                                          \
       .contender = true,                                                                          \
       .reject = reject_cublas,                                                                    \
       .prepare = prepare_##stem,                                                                  \
       .release = release_cublas,                                                                  \
       .run = run_cublas},                                                                         \
      {.name = "tiles",                                                                            \
       .device = IG_CUDA,                                                                          \
       .contender = true,                                                                          \
       .reject = reject,                                                                           \
       .run = run_##stem},                                                                         \
      {0}};

PRODUCT(mat_mul)
PRODUCT(gemm)
PRODUCT(fused_mat_mul)

static const struct ig_op_impls ops[] = {{"MatMul", mat_mul_impls},
                                         {"Gemm", gemm_impls},
                                         {"ingot.FusedMatMul", fused_mat_mul_impls},
                                         {0}};

const ig_device_ops ig_cuda_ops_product = {.ops = ops};
