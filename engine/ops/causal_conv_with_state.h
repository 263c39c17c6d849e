/* What CausalConvWithState and its gradient share. */
#ifndef IG_OPS_CAUSAL_CONV_WITH_STATE_H
#define IG_OPS_CAUSAL_CONV_WITH_STATE_H

#include "engine/ops/doubles.h"

typedef struct ig_causal_conv_attrs {
  const char *activation;
} ig_causal_conv_attrs;

extern const ig_attr_field ig_causal_conv_fields[];
extern const ig_twin ig_causal_conv_twin;

/* Checks a node and gives the shapes of the results; kernel and SiLU or not. */
ig_status ig_causal_conv_describe(const ig_node *node, ig_shape shapes[2], int64_t *kernel,
                                  bool *silu);
/* Element `i` of the padded line of channel `row` (of all batch entries), where i = 0 is the first of
 * kernel - 1 elements before the input; NULL past the end, or where padding is 0. */
double *ig_causal_conv_at(double *past, double *x, int64_t row, int64_t length, int64_t kernel,
                          int64_t i);

#endif
