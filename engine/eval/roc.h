/* The area under the ROC curve. */
#ifndef IG_EVAL_ROC_H
#define IG_EVAL_ROC_H

#include "engine/base/status.h"

/* One sample: how strongly the model says yes, and whether that is so. */
typedef struct ig_roc_sample {
  float score;
  bool positive;
} ig_roc_sample;

/* The share of (positive, negative) pairs in which the positive scores higher, ties counted half:
 * the area under the ROC curve (Hanley and McNeil 1982; Mann-Whitney's U). NaN when either kind is
 * absent. Sorts `samples` in place. */
double ig_roc_auc(ig_roc_sample *samples, int64_t count);

#endif
