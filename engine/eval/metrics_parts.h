/* The inside of an accumulator of metrics, for the files that fill it (metrics.c) and that bring those
 * of several ranks together (metrics_merge.c). */
#ifndef IG_EVAL_METRICS_PARTS_H
#define IG_EVAL_METRICS_PARTS_H

#include "engine/eval/metrics.h"

#define IG_MOST_SCORE_ROWS ((int64_t)1 << 22)
#define IG_MOST_SCORES ((int64_t)1 << 26)

/* One output column of a regression; the target's spread by Welford's update (Welford 1962). */
typedef struct ig_metrics_spread {
  double mean, squares, residual;
} ig_metrics_spread;

/* Sums of a batch, and of all batches. Doubles alone, so that ranks can hand them on. */
typedef struct ig_metrics_sums {
  double rows, loss, absolute;
  double bin_confidence[IG_CALIBRATION_BINS];
  ig_metrics_spread outputs[]; /* of a regression: one a column */
} ig_metrics_sums;

struct ig_metrics_accumulator {
  ig_task task;
  int64_t n;
  bool detailed;
  int64_t rows;
  int64_t n_outputs; /* n of a regression, else 0 */
  size_t sums_bytes;
  ig_metrics_sums *batch; /* of the batch being added */
  ig_metrics_sums *sums;  /* of the batches before it */
  /* With `deferred`, sums of each batch, which ig_metrics_merge adds up in the order of all ranks. */
  bool deferred;
  int64_t n_kept, kept_capacity;
  char *kept;
  /* Integers, in one block. Per class: rows that are, rows that were said to be, and both; NULL for
   * other tasks, and the confusion where it is not kept. */
  int64_t n_counts;
  int64_t *counts, *right, *right5, *bin_right, *bin_count;
  int64_t *support, *predicted, *hits, *confusion;
  double *class_precision, *class_recall, *class_f1;
  /* For AUC: [rows, score_width] scores, and the truth: a class a row, or a flag a score. */
  bool scored;
  int64_t score_width, score_capacity, truth_capacity;
  float *scores;
  int32_t *truth;
};

/* Adds the sums of one more batch, in double: the spreads by Chan, Golub and LeVeque 1979. */
void ig_metrics_fold(ig_metrics_accumulator *accumulator, const ig_metrics_sums *batch);
/* Truths in a row of an accumulator that keeps scores. */
static inline int64_t ig_metrics_truths(const ig_metrics_accumulator *a) {
  return a->task == IG_TASK_MULTILABEL ? a->n : 1;
}

#endif
