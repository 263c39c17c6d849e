/* The graph of one training step, built from a specialised model: loss, gradients, update. */
#ifndef IG_TRAIN_STEP_H
#define IG_TRAIN_STEP_H

#include "engine/train/trainer.h"

/* What a step does with its gradients. With gradient accumulation, all micro-batches of a step but
 * the last run a graph that only adds to the sums. With `elastic` parts a rank computes several parts of
 * a batch one after the other, whose sums wait by level (see step_sums.c). */
typedef enum ig_step_kind {
  IG_STEP_UPDATE,          /* the only micro-batch: update from its gradients */
  IG_STEP_ACCUMULATE,      /* add weighted gradients to the sums */
  IG_STEP_UPDATE_FROM_SUM, /* the last micro-batch: update from sums and own gradients, clear sums */
  IG_STEP_UPDATE_FROM_PARTS, /* a rank's last part: update from the sums of all levels and its own */
  IG_STEP_PART /* IG_STEP_PART + l: own gradients and the sums of levels below l become level l */
} ig_step_kind;

#define IG_MOST_LEVELS 12
#define IG_STEP_KINDS (IG_STEP_PART + IG_MOST_LEVELS)

static inline bool ig_step_updates(ig_step_kind kind) {
  return kind != IG_STEP_ACCUMULATE && kind < IG_STEP_PART;
}
/* Parts that each rank computes of a batch: 1 without `elastic`. */
int ig_step_parts(const ig_train_options *options);
/* The kind of a rank's part number `part`, counted from 0, with `elastic`. */
ig_step_kind ig_step_kind_of_part(const ig_train_options *options, int part);

/* Inputs after the model's own: "target", then "lr" and "step" of the updating kinds, then "weight"
 * (this batch's share of the step's samples) unless one process computes the step in one go. Outputs:
 * the logits are dropped; "loss", then of the updating kinds "grad_norm", and in f16 "loss_scale", by
 * which the loss was multiplied for the gradients. With "weight" the loss is the weighted sum so far. */
ig_status ig_step_build(ig_graph *graph, const ig_train_options *options, ig_device device,
                        ig_step_kind kind);

/* Index of the graph input or output of that name, or -1. */
int ig_step_input(const ig_graph *graph, const char *name);
int ig_step_output(const ig_graph *graph, const char *name);

#endif
