/* What LRN and its gradient share. */
#ifndef IG_OPS_LRN_H
#define IG_OPS_LRN_H

#include "engine/ops/op.h"
#include "kernels/local_norm.h"

typedef struct ig_lrn_attrs {
  float alpha, beta, bias;
  int64_t size;
} ig_lrn_attrs;

extern const ig_attr_field ig_lrn_fields[];

/* Output 0 is like input 0, [N, C, ...]. */
ig_status ig_lrn_infer(ig_node *node);
ig_cost ig_lrn_cost(const ig_node *node);
ig_lrn ig_lrn_of(const ig_node *node, ig_rows *rows);

#endif
