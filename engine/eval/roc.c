/* The area under the ROC curve from ranks: one sort, then groups of equal scores at a time, so that
 * ties count half as the trapezoid rule on the curve would. */
#include "engine/eval/roc.h"

#include <math.h>
#include <stdlib.h>

static int by_score(const void *a, const void *b) {
  float x = ((const ig_roc_sample *)a)->score, y = ((const ig_roc_sample *)b)->score;
  return (x > y) - (x < y);
}

double ig_roc_auc(ig_roc_sample *samples, int64_t count) {
  qsort(samples, (size_t)count, sizeof *samples, by_score);
  double wins = 0, negatives = 0, positives = 0; /* exact: counts stay below 2^53 */
  for (int64_t i = 0; i < count;) {
    double tied_positive = 0, tied_negative = 0;
    int64_t end = i;
    for (; end < count && samples[end].score == samples[i].score; end++) {
      if (samples[end].positive) {
        tied_positive++;
      } else {
        tied_negative++;
      }
    }
    wins += tied_positive * (negatives + 0.5 * tied_negative);
    positives += tied_positive;
    negatives += tied_negative;
    i = end;
  }
  return positives > 0 && negatives > 0 ? wins / (positives * negatives) : NAN;
}
