/* What the optimizers of ai.onnx.preview.training share: `n` tensors of a parameter (itself and its
 * states), with a gradient beside them. */
#ifndef IG_OPS_TRAINING_STEP_H
#define IG_OPS_TRAINING_STEP_H

#include "engine/ops/op.h"

typedef struct ig_training_attrs {
  float alpha, beta, decay_factor, epsilon, norm_coefficient, norm_coefficient_post;
  const char *mode;
} ig_training_attrs;

/* One element: `in` holds parameter, gradient and states, `out` gets parameter and states. */
typedef void ig_training_step(const ig_training_attrs *attrs, double rate, double count,
                              const double *in, double *out);

ig_status ig_training_infer(ig_node *node, int n);
ig_status ig_training_run(const ig_call *call, int n, ig_training_step *step);
ig_cost ig_training_cost(const ig_node *node);

#endif
