/* What a step's graph adds to what earlier graphs of the same step left. */
#ifndef IG_TRAIN_STEP_SUMS_H
#define IG_TRAIN_STEP_SUMS_H

#include "engine/graph/graph.h"

typedef struct ig_step_sums {
  int n_read;  /* sums of levels 0 to n_read - 1 are added, lowest first */
  int keep_as; /* the total replaces the sum of that level; -1: it goes on to the update */
  bool clear;  /* sums that were read start from zero again */
} ig_step_sums;

/* The total of `term` and the sums kept under `name`, which it assigns as `sums` says; NULL when the
 * graph has failed. */
ig_value *ig_step_sum(ig_graph *graph, const ig_step_sums *sums, const char *name, ig_value *term);
/* The first `n_assigns` assignments, those of the model, assign the weighted sum over the parts, once
 * the last of them is there. */
void ig_step_sum_states(ig_graph *graph, const ig_step_sums *sums, ig_value *weight, int n_assigns);

#endif
