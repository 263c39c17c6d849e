/* Optimizers as graph nodes: one update node per parameter, with moments as STATE and the new values
 * assigned back, so that planning, distribution and inspection see them. */
#ifndef IG_TRAIN_OPTIMIZER_H
#define IG_TRAIN_OPTIMIZER_H

#include "engine/graph/graph.h"

typedef enum ig_optimizer_kind {
  IG_OPT_SGD,   /* momentum and Nesterov as options */
  IG_OPT_ADAM,  /* Kingma and Ba 2015; weight decay enters the gradient */
  IG_OPT_ADAMW, /* Loshchilov and Hutter 2019; decoupled decay */
  IG_OPT_LAMB,  /* You et al. 2020 */
  IG_OPT_LION   /* Chen et al. 2023 */
} ig_optimizer_kind;

typedef struct ig_optimizer {
  ig_optimizer_kind kind;
  double momentum, beta1, beta2, epsilon, weight_decay;
  bool nesterov;
  double clip_norm; /* global norm; 0 for none */
  double ema;       /* decay of averaged parameters; 0 for none */
  double bias_lr;   /* learning rate of parameters without weight decay (biases, norms) as a multiple of
                       the others'; 0 for the same */
  bool stochastic_rounding; /* of the 16-bit copies that updates write (kernels/rounding.h) */
} ig_optimizer;

ig_status ig_optimizer_parse(const char *name, ig_optimizer_kind *out);
/* Usual values for that kind. */
ig_optimizer ig_optimizer_default(ig_optimizer_kind kind);
/* Appends clipping and updates for `n` parameters and their gradients. `lr` and `step` (1 for the
 * first) are scalar f32 inputs. *norm receives the global gradient norm (scalar f32 value). With
 * `loss_scale`, the state by which the gradients are too large, they are divided by it; where one is
 * not finite no parameter changes, and the scale is adjusted (see ingot.LossScale). */
ig_status ig_optimizer_append(ig_graph *graph, const ig_optimizer *optimizer, ig_value *lr,
                              ig_value *step, ig_value *loss_scale, int n,
                              ig_value *const *params, ig_value *const *grads, ig_value **norm);
/* The state "optimizer.loss_scale". */
ig_value *ig_optimizer_loss_scale(ig_graph *graph);

#endif
