/* The graph of one training step, built from a specialised model: loss, gradients, update. */
#ifndef IG_TRAIN_STEP_H
#define IG_TRAIN_STEP_H

#include "engine/train/trainer.h"

/* What a step does with its gradients. With gradient accumulation, all micro-batches of a step but
 * the last run a graph that only adds to the sums. */
typedef enum ig_step_kind {
  IG_STEP_UPDATE,         /* the only micro-batch: update from its gradients */
  IG_STEP_ACCUMULATE,     /* add weighted gradients to the sums */
  IG_STEP_UPDATE_FROM_SUM /* the last micro-batch: update from sums and own gradients, clear sums */
} ig_step_kind;

/* Inputs after the model's own: "target", then "lr" and "step" of the updating kinds, then "weight"
 * of the accumulating ones (this micro-batch's share of the step's samples), on several ranks of all
 * (this rank's share). Outputs: the logits are dropped; "loss", then of the updating kinds "grad_norm",
 * and in f16 "loss_scale", by which the loss was multiplied for the gradients. On several ranks the
 * "loss" of an updating kind is that of the whole step, over all ranks and micro-batches; that of an
 * accumulating one says nothing to others. */
ig_status ig_step_build(ig_graph *graph, const ig_train_options *options, ig_device device,
                        ig_step_kind kind);

/* Index of the graph input or output of that name, or -1. */
int ig_step_input(const ig_graph *graph, const char *name);
int ig_step_output(const ig_graph *graph, const char *name);

#endif
