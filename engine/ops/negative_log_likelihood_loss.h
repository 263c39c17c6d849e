/* What NegativeLogLikelihoodLoss and its gradient share. */
#ifndef IG_OPS_NEGATIVE_LOG_LIKELIHOOD_LOSS_H
#define IG_OPS_NEGATIVE_LOG_LIKELIHOOD_LOSS_H

#include "engine/ops/cross_entropy.h"
#include "engine/ops/doubles.h"

extern const ig_attr_field ig_nll_fields[];
extern const ig_twin ig_nll_twin;

/* One label: where its log-probability lies and with which weight it counts; 0 where it is ignored. */
typedef struct ig_nll_label {
  int64_t offset;
  double weight;
} ig_nll_label;

/* Label `i` of a node's; fails for one that is no class. */
ig_status ig_nll_label_of(const ig_node *node, const ig_doubles *doubles, int64_t i,
                          ig_nll_label *out);
/* The sum of the weights of all labels where the mean is asked for, otherwise 1. */
ig_status ig_nll_divisor(const ig_node *node, const ig_doubles *doubles, double *out);

#endif
