/* Parameter updates, element by element in f32, and the norms they need. Outputs may be the inputs of
 * the same name. A gradient scale that is not finite (a norm that overflowed) leaves parameter and
 * moments as they were: callers then copy, or do nothing in place. */
#ifndef IG_KERNELS_OPTIMIZER_H
#define IG_KERNELS_OPTIMIZER_H

#include <stdbool.h>

#include "engine/base/dtype.h"
#include "engine/base/status.h"
#include "kernels/rounding.h"

/* One parameter tensor: `scale` multiplies the gradient; `step` counts from 1. The new parameter is
 * written to `copy` too, in its type, where that is not NULL. */
typedef struct ig_update {
  int64_t count;
  double lr, step, scale;
  const float *param, *grad;
  float *new_param;
  void *copy;
  ig_dtype copy_dtype;
  ig_rounding rounding; /* of the copy */
} ig_update;

/* d = scale * grad + decay * param; m' = momentum * m + d; param' = param - lr * m', or with Nesterov
 * param - lr * (d + momentum * m'). Without momentum m and m' are NULL and param' = param - lr * d. */
void ig_cpu_sgd(const ig_update *u, double momentum, double decay, bool nesterov, const float *m,
                float *new_m);

typedef struct ig_adam {
  double beta1, beta2, epsilon, decay;
  bool decoupled; /* AdamW: param * (1 - lr * decay); otherwise decay * param enters the gradient */
} ig_adam;

/* Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2. */
void ig_cpu_adam(const ig_update *u, const ig_adam *o, const float *m, const float *v, float *new_m,
                 float *new_v);

/* You et al. 2020, algorithm 2: the Adam direction plus decay * param, times |param| / |direction|
 * (1 where either is 0). `workspace` holds ig_cpu_lamb_workspace(count) bytes. */
size_t ig_cpu_lamb_workspace(int64_t count);
void ig_cpu_lamb(const ig_update *u, const ig_adam *o, const float *m, const float *v, float *new_m,
                 float *new_v, void *workspace);

/* Chen et al. 2023, algorithm 2: param' = param - lr * (sign(beta1 m + (1 - beta1) g) + decay param);
 * m' = beta2 m + (1 - beta2) g. */
void ig_cpu_lion(const ig_update *u, double beta1, double beta2, double decay, const float *m,
                 float *new_m);

/* out = decay * average + (1 - decay) * param. */
void ig_cpu_ema(const float *average, const float *param, double decay, int64_t count, float *out);

/* --- many tensors at once, on a GPU -------------------------------------------------------------- */

typedef enum ig_update_rule {
  IG_RULE_SGD,
  IG_RULE_ADAM, /* AdamW with `decoupled` */
  IG_RULE_LAMB,
  IG_RULE_LION,
  IG_RULE_EMA /* of `param` in m, by `decay`; has no gradient and no new parameter */
} ig_update_rule;

/* As the functions above take them, those that the rule has. */
typedef struct ig_update_options {
  double momentum, decay, beta1, beta2, epsilon;
  double average_decay; /* of tensors that have an average; EMA's is `decay` */
  bool nesterov, decoupled;
} ig_update_options;

/* In the device's memory; EMA has no lr. With a seed, copies are rounded stochastically (rounding.h). */
typedef struct ig_update_scalars {
  const float *lr, *step;
  const uint64_t *seed, *rounding_step;
} ig_update_scalars;

/* All in the device's memory; a NULL scale is 1. Moments that the rule lacks are NULL. New values may
 * be the old ones' place. `copy`, or NULL: the new parameter in bf16 or f16. `average` and `new_average`,
 * or NULL: of the new parameter, as EMA does it. */
typedef struct ig_update_tensor {
  const float *scale, *param, *grad, *m, *v, *average;
  float *new_param, *new_m, *new_v, *new_average;
  void *copy;
  int64_t count;
  uint64_t key; /* of the copy's rounding */
  ig_dtype copy_dtype;
} ig_update_tensor;

/* Pieces that a tensor of `count` elements is cut into; scratch bytes for n tensors of so many. */
int64_t ig_cuda_update_pieces(int64_t count);
size_t ig_cuda_update_workspace(ig_update_rule rule, int64_t pieces, int n);
ig_status ig_cuda_update(ig_update_rule rule, const ig_update_options *options,
                         const ig_update_scalars *scalars, const ig_update_tensor *tensors, int n,
                         void *workspace, void *stream);

/* Sum of squares, in blocks of fixed length whose sums are added in order in f64: the same bits for
 * any number of threads. `workspace` holds ig_cpu_sum_squares_workspace(count) bytes. */
size_t ig_cpu_sum_squares_workspace(int64_t count);
double ig_cpu_sum_squares(ig_dtype dtype, const void *x, int64_t count, void *workspace);

/* --- norms on a CUDA device: all pointers are device memory, work is queued on `stream` ---------- */

/* Tensors whose squares one launch sums. */
#define IG_NORM_TENSORS 96
typedef struct ig_norm_list {
  int n;
  const void *data[IG_NORM_TENSORS];
  int64_t count[IG_NORM_TENSORS];
  ig_dtype dtype[IG_NORM_TENSORS]; /* f32, bf16 or f16 */
} ig_norm_list;

/* Partial sums of a tensor. */
int64_t ig_cuda_norm_parts(int64_t count);
/* Writes the partial sums of all tensors, in order, from partial[0] on. */
ig_status ig_cuda_sum_squares(const ig_norm_list *list, float *partial, void *stream);
/* *norm = the square root of the sum of `parts` partial sums, added in f64. */
ig_status ig_cuda_norm_finish(const float *partial, int64_t parts, float *norm, void *stream);
/* *factor = min(1, max_norm / (*norm + 1e-6)); NaN for a norm that is not finite. */
ig_status ig_cuda_clip_factor(const float *norm, float max_norm, float *factor, void *stream);

/* What a loss is multiplied by for f16: at first, and at least and at most. */
#define IG_LOSS_SCALE_FIRST 65536.0f
#define IG_LOSS_SCALE_LEAST 1.0f
#define IG_LOSS_SCALE_MOST 16777216.0f
/* See ingot.LossScale; all are one f32 on the device. */
ig_status ig_cuda_loss_scale(const float *scale, const float *steps, const float *norm,
                             float interval, float *new_scale, float *new_steps, void *stream);

#endif
