/* What MatMul, Gemm and ingot.FusedMatMul share: shapes, gradients, and execution through oneDNN,
 * through the kernel for one row, or by reference. */
#ifndef IG_OPS_PRODUCT_H
#define IG_OPS_PRODUCT_H

#include "engine/ops/op.h"
#include "kernels/matmul.h"

/* activation(alpha * a' b' + beta * c), where a' and b' are inputs 0 and 1, transposed in their
 * last two dimensions where the flags say so, and c is input 2, absent or broadcast to the
 * result. */
typedef struct ig_product {
  bool trans_a, trans_b;
  float alpha, beta;
  const char *activation;
  float activation_alpha, activation_beta;
} ig_product;

/* What each operator's attributes say. */
ig_product ig_product_of_mat_mul(const ig_node *node);
ig_product ig_product_of_gemm(const ig_node *node);
ig_product ig_product_of_fused_mat_mul(const ig_node *node);

/* Sets output 0: NumPy's rules for matrices and batches of them, and for vectors where nothing is
 * transposed. */
ig_status ig_product_infer(ig_node *node, const ig_product *p);
ig_cost ig_product_cost(const ig_node *node, const ig_product *p);
/* The kernels' description of a node whose outputs were inferred. Where beta is 0, without
 * addend. */
void ig_product_describe(const ig_node *node, const ig_product *p, ig_matmul *out);
/* Gradients of all three inputs. */
void ig_product_grad(const ig_grad *grad, const ig_product *p);

size_t ig_product_workspace(const ig_node *node, const ig_product *p);
const char *ig_product_reject_one_row(const ig_node *node, const ig_product *p);
const char *ig_product_reject_onednn(const ig_node *node, const ig_product *p);
ig_status ig_product_prepare_onednn(ig_call *call, const ig_product *p);
void ig_product_release_onednn(ig_call *call);
ig_status ig_product_run_onednn(const ig_call *call, const ig_product *p);
ig_status ig_product_run_one_row(const ig_call *call, const ig_product *p);
ig_status ig_product_run_reference(const ig_call *call, const ig_product *p);

/* The descriptor's functions and implementations, given one of ig_product_of_*. */
#define IG_PRODUCT_FUNCTIONS(product_of)                                                           \
  static ig_cost cost(const ig_node *node) {                                                       \
    ig_product p = product_of(node);                                                               \
    return ig_product_cost(node, &p);                                                              \
  }                                                                                                \
  static void grad(const ig_grad *g) {                                                             \
    ig_product p = product_of(g->node);                                                            \
    ig_product_grad(g, &p);                                                                        \
  }                                                                                                \
  static size_t workspace(const ig_node *node) {                                                   \
    ig_product p = product_of(node);                                                               \
    return ig_product_workspace(node, &p);                                                         \
  }                                                                                                \
  static const char *reject_one_row(const ig_node *node) {                                         \
    ig_product p = product_of(node);                                                               \
    return ig_product_reject_one_row(node, &p);                                                    \
  }                                                                                                \
  static const char *reject_onednn(const ig_node *node) {                                          \
    ig_product p = product_of(node);                                                               \
    return ig_product_reject_onednn(node, &p);                                                     \
  }                                                                                                \
  static ig_status prepare_onednn(ig_call *call) {                                                 \
    ig_product p = product_of(call->node);                                                         \
    return ig_product_prepare_onednn(call, &p);                                                    \
  }                                                                                                \
  static ig_status run_onednn(const ig_call *call) {                                               \
    ig_product p = product_of(call->node);                                                         \
    return ig_product_run_onednn(call, &p);                                                        \
  }                                                                                                \
  static ig_status run_one_row(const ig_call *call) {                                              \
    ig_product p = product_of(call->node);                                                         \
    return ig_product_run_one_row(call, &p);                                                       \
  }                                                                                                \
  static ig_status run_reference(const ig_call *call) {                                            \
    ig_product p = product_of(call->node);                                                         \
    return ig_product_run_reference(call, &p);                                                     \
  }                                                                                                \
  static const ig_impl impls[] = {                                                                 \
      {.name = "one_row", .reject = reject_one_row, .workspace = workspace, .run = run_one_row},   \
      {.name = "onednn",                                                                           \
       .library_sums = true,                                                                       \
       .reject = reject_onednn,                                                                    \
       .workspace = workspace,                                                                     \
       .prepare = prepare_onednn,                                                                  \
       .release = ig_product_release_onednn,                                                       \
       .run = run_onednn},                                                                         \
      {.name = "reference", .workspace = workspace, .run = run_reference},                         \
      {0}};

#endif
