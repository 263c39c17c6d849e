/* A model trained elsewhere made ready to be trained on: what stays as it is, what learns more slowly, and a
 * new last layer for other classes. All work on a template, before it is specialised. */
#ifndef IG_TRAIN_TRANSFER_H
#define IG_TRAIN_TRANSFER_H

#include "engine/graph/graph.h"

/* Whether `name` matches the glob pattern: '*' is any text, '?' one character. */
bool ig_pattern_matches(const char *pattern, const char *name);
/* Freezes the parameters that one of the comma-separated patterns matches. A pattern that matches none fails. */
ig_status ig_transfer_freeze(ig_graph *graph, const char *patterns);
/* "PATTERN=FACTOR,...": the learning rate of the parameters that match, as a multiple of the others'; of
 * several that match, the last holds. */
ig_status ig_transfer_scale(ig_graph *graph, const char *scales);
/* Output 0 as logits: a Softmax or LogSoftmax that gives it is left out, since the loss has one of its own.
 * *removed says whether there was one. */
ig_status ig_transfer_logits(ig_graph *graph, bool *removed);
/* Gives the last linear layer, which must be what makes output 0 (Gemm, or MatMul with or without a bias
 * added), `classes` outputs and fresh values, under the names that it has. */
ig_status ig_transfer_head(ig_graph *graph, int64_t classes);

#endif
