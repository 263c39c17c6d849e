/* What the products of real rows with narrow weights share: ingot.WeightOnlyMatMul and
 * ingot.DynamicQuantizedMatMul. Inputs are x [.., K], the codes of the weights, their scales, and a bias [N]
 * of f32 or none. */
#ifndef IG_OPS_NARROW_PRODUCT_H
#define IG_OPS_NARROW_PRODUCT_H

#include "engine/ops/op.h"
#include "kernels/activation.h"
#include "kernels/narrow_matmul.h"

typedef struct ig_narrow_product {
  ig_narrow_matmul matmul;
  ig_activation activation;
} ig_narrow_product;

/* Fills in the shapes, and sets output 0; `p` has what attributes say. Fails unless the operands fit. */
ig_status ig_narrow_infer(ig_node *node, ig_narrow_product *p);
/* The same of a node whose outputs were inferred. */
void ig_narrow_describe(const ig_node *node, ig_narrow_product *p);
ig_cost ig_narrow_cost(const ig_node *node);

/* Implementations, given the description. The packed one keeps fixed weights in its own form, and packs
 * others at every run. */
const char *ig_narrow_reject_packed(const ig_node *node, const ig_narrow_product *p);
ig_status ig_narrow_prepare_packed(ig_call *call, const ig_narrow_product *p);
void ig_narrow_release_packed(ig_call *call);
ig_status ig_narrow_run_packed(const ig_call *call, const ig_narrow_product *p);
size_t ig_narrow_workspace_reference(const ig_node *node, const ig_narrow_product *p);
ig_status ig_narrow_run_reference(const ig_call *call, const ig_narrow_product *p);

/* The descriptor's functions and implementations, given the function that reads a node's attributes. */
#define IG_NARROW_FUNCTIONS(read_attrs)                                                            \
  static ig_narrow_product described(const ig_node *node) {                                        \
    ig_narrow_product p = read_attrs(node);                                                        \
    ig_narrow_describe(node, &p);                                                                  \
    return p;                                                                                      \
  }                                                                                                \
  static const char *reject_packed(const ig_node *node) {                                          \
    ig_narrow_product p = described(node);                                                         \
    return ig_narrow_reject_packed(node, &p);                                                      \
  }                                                                                                \
  static ig_status prepare_packed(ig_call *call) {                                                 \
    ig_narrow_product p = described(call->node);                                                   \
    return ig_narrow_prepare_packed(call, &p);                                                     \
  }                                                                                                \
  static ig_status run_packed(const ig_call *call) {                                               \
    ig_narrow_product p = described(call->node);                                                   \
    return ig_narrow_run_packed(call, &p);                                                         \
  }                                                                                                \
  static size_t workspace_reference(const ig_node *node) {                                         \
    ig_narrow_product p = described(node);                                                         \
    return ig_narrow_workspace_reference(node, &p);                                                \
  }                                                                                                \
  static ig_status run_reference(const ig_call *call) {                                            \
    ig_narrow_product p = described(call->node);                                                   \
    return ig_narrow_run_reference(call, &p);                                                      \
  }                                                                                                \
  static const ig_impl impls[] = {                                                                 \
      {.name = "packed",                                                                           \
       .reject = reject_packed,                                                                    \
       .prepare = prepare_packed,                                                                  \
       .release = ig_narrow_release_packed,                                                        \
       .run = run_packed},                                                                         \
      {.name = "reference", .workspace = workspace_reference, .run = run_reference},               \
      {0}};

#endif
