/* Tasks: which loss stands on a model's output, and what counts as good. */
#ifndef IG_TRAIN_TASK_H
#define IG_TRAIN_TASK_H

#include "engine/graph/graph.h"
#include "engine/train/dataset.h"

typedef enum ig_task {
  IG_TASK_AUTO = 0,
  IG_TASK_CLASSIFICATION, /* y: class index; softmax cross-entropy */
  IG_TASK_REGRESSION,     /* y: float targets; mean squared error */
  IG_TASK_MULTILABEL,     /* y: 0/1 flags; binary cross-entropy on logits */
  IG_TASK_LANGUAGE        /* y: next tokens; softmax cross-entropy over all positions */
} ig_task;

const char *ig_task_name(ig_task task);
ig_status ig_task_parse(const char *text, ig_task *out);
/* What the data set's target suggests. */
ig_status ig_task_of_dataset(const ig_dataset *dataset, ig_task *out);
/* Number of model outputs that the target needs. */
ig_status ig_task_outputs(ig_task task, const ig_dataset *dataset, int64_t *out);
/* Adds input "target" and output "loss" (scalar f32, mean over the batch) to a concrete graph with
 * output 0 = logits. `smoothing` is label smoothing for classification. */
ig_status ig_task_add_loss(ig_graph *graph, ig_task task, double smoothing, ig_value **loss);

#endif
