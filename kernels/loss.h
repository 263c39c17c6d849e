/* Losses: cross-entropy of class scores, row by row, and its gradient; means of elementwise losses.
 * The probabilities of a batch are never stored. */
#ifndef IG_KERNELS_LOSS_H
#define IG_KERNELS_LOSS_H

#include "kernels/softmax.h"

/* Scores [outer, n classes, inner], a label for each of the outer x inner rows. */
typedef struct ig_class_loss {
  ig_dtype dtype;
  ig_rows rows;
  const void *scores;
  ig_dtype label_dtype; /* IG_I64 or IG_I32 */
  const void *labels;
  int64_t ignore;      /* a row with this label has no loss and no gradient */
  const void *weights; /* [n] of `dtype`, or NULL for 1 */
  double smoothing;    /* share of the label spread evenly over all classes (Szegedy et al. 2016) */
} ig_class_loss;

/* The first row whose label is neither a class nor `ignore`, or -1. The others need it to be -1. */
int64_t ig_cpu_bad_label(const ig_class_loss *loss);

/* losses[row] = factors[row] ((1 - s) -log p[label] + s mean -log p), where factors[row] is the
 * label's weight, 0 for an ignored row. `sums` (of the scores) is read with smoothing only. */
void ig_cpu_class_losses_vector(const ig_class_loss *loss, const ig_normalizer *normalizer,
                                const float *sums, double *losses, double *factors);
void ig_cpu_class_losses_reference(const ig_class_loss *loss, double *losses, double *factors);

/* dx = scale[row] (softmax(x) - (1 - s) [c = label] - s / n), and 0 where the scale is 0. dx may be
 * the scores. */
void ig_cpu_class_loss_grad_vector(const ig_class_loss *loss, const ig_normalizer *normalizer,
                                   const double *scale, void *dx);
void ig_cpu_class_loss_grad_reference(const ig_class_loss *loss, const double *scale, void *dx);

/* On a GPU, for f32, bf16 and f16; a label that is no class makes the results NaN. Both need
 * ig_cuda_class_loss_workspace bytes. */
typedef enum ig_class_reduction { IG_CLASS_MEAN, IG_CLASS_SUM, IG_CLASS_EACH } ig_class_reduction;
size_t ig_cuda_class_loss_workspace(int64_t rows);
/* `normalizer` is filled where it is not NULL. */
ig_status ig_cuda_class_loss(const ig_class_loss *loss, ig_class_reduction reduction,
                             ig_normalizer *normalizer, ig_dtype out_dtype, void *out,
                             void *workspace, void *stream);
/* `normalizer` is computed again where it is NULL. dloss is one number, or one a row for
 * IG_CLASS_EACH. */
ig_status ig_cuda_class_loss_grad(const ig_class_loss *loss, ig_class_reduction reduction,
                                  const ig_normalizer *normalizer, ig_dtype dloss_dtype,
                                  const void *dloss, void *dx, void *workspace, void *stream);

typedef enum ig_pair_loss {
  IG_LOSS_SIGMOID_CROSS_ENTROPY, /* log(1 + e^x) - x t, x a logit and t in [0, 1] */
  IG_LOSS_SQUARED_ERROR          /* (x - t)^2 */
} ig_pair_loss;

/* The mean over n pairs, NaN for none. The vector form needs ig_cpu_pair_loss_workspace bytes. */
size_t ig_cpu_pair_loss_workspace(int64_t n);
float ig_cpu_pair_loss_vector(ig_pair_loss kind, ig_dtype dtype, const void *x, const void *t,
                              int64_t n, float *workspace);
double ig_cpu_pair_loss_reference(ig_pair_loss kind, ig_dtype dtype, const void *x, const void *t,
                                  int64_t n);
size_t ig_cuda_pair_loss_workspace(int64_t n);
ig_status ig_cuda_pair_loss(ig_pair_loss kind, ig_dtype dtype, const void *x, const void *t,
                            int64_t n, float *out, void *workspace, void *stream);

#endif
