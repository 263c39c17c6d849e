/* Cumulative sums and products along an axis that is known when running: what CumSum, CumProd and the
 * latter's gradient share. */
#ifndef IG_OPS_CUMULATIVE_H
#define IG_OPS_CUMULATIVE_H

#include "engine/ops/op.h"
#include "kernels/indexing.h"

typedef struct ig_cumulative_attrs {
  int64_t exclusive, reverse;
} ig_cumulative_attrs;

extern const ig_attr_field ig_cumulative_fields[];

/* Input 0 of numbers, the axis in input `axis`; output 0 is like input 0. */
ig_status ig_cumulative_infer(ig_node *node, int axis);
ig_status ig_cumulative_scan(const ig_call *call, int axis, bool product, ig_scan *out);
ig_status ig_cumulative_run(const ig_call *call, bool product);

#endif
