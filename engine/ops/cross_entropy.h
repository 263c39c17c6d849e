/* What the class losses share: SoftmaxCrossEntropyLoss (ONNX), ingot.SoftmaxCrossEntropy and
 * ingot.SoftmaxCrossEntropyGrad. */
#ifndef IG_OPS_CROSS_ENTROPY_H
#define IG_OPS_CROSS_ENTROPY_H

#include "engine/ops/op.h"
#include "kernels/loss.h"

typedef struct ig_cross_entropy_attrs {
  const char *reduction; /* "none", "sum", "mean" (by the weights of the labels that count) */
  int64_t ignore_index;
  float label_smoothing;
} ig_cross_entropy_attrs;

#define IG_NO_IGNORE INT64_MIN /* the default of ONNX's optional ignore_index */

/* Checks scores [N, C, ...] at input `at`, labels [N, ...] after them and weights [C] after those;
 * `loss` gets the shape of the loss. */
ig_status ig_cross_entropy_check(const ig_node *node, int at, ig_shape *loss);
/* The kernel's parameters, with the scores at input `at`. */
ig_class_loss ig_cross_entropy_of(const ig_call *call, int at);
/* Fails when a label is not a class. */
ig_status ig_cross_entropy_labels(const ig_class_loss *loss);

/* The scratch of a call, cut from call->workspace. */
typedef struct ig_cross_entropy_scratch {
  double *losses, *factors;
  ig_normalizer *normalizer;
  float *sums;
} ig_cross_entropy_scratch;
size_t ig_cross_entropy_workspace(const ig_node *node);
ig_cross_entropy_scratch ig_cross_entropy_scratch_of(const ig_call *call, int64_t rows);

/* Writes output 0; `normalizer` is where the rows' normalizers go. */
ig_status ig_cross_entropy_vector(const ig_call *call, ig_normalizer *normalizer);
ig_status ig_cross_entropy_reference(const ig_call *call);
ig_cost ig_cross_entropy_cost(const ig_node *node);
const char *ig_reject_cross_entropy_vector(const ig_node *node);
/* dx of the scores, from dy[0]; `normalizer` may be NULL. */
ig_value *ig_cross_entropy_grad(const ig_grad *grad, ig_value *normalizer);

#endif
