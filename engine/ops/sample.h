/* What an ingot.Sample node says of its call. */
#ifndef IG_OPS_SAMPLE_H
#define IG_OPS_SAMPLE_H

#include "engine/ops/op.h"
#include "kernels/sample.h"

/* Pointers to what a call's scalars are, absent ones NULL; rows and n of the logits. */
static inline ig_sample_scalars ig_sample_scalars_of(const ig_call *call, int64_t *rows,
                                                     int64_t *n) {
  const ig_node *node = call->node;
  const ig_shape *x = &node->inputs[0]->shape;
  const void *given[4] = {NULL};
  for (int i = 1; i < node->n_inputs; i++) given[i] = node->inputs[i] ? call->in[i] : NULL;
  *n = x->dims[x->rank - 1];
  *rows = ig_shape_span(x, 0, x->rank - 1);
  return (ig_sample_scalars){.seed = &call->rng->seed,
                             .step = &call->rng->step,
                             .first_sample = &call->rng->first_sample,
                             .temperature = given[1],
                             .top_k = given[2],
                             .top_p = given[3]};
}

#endif
