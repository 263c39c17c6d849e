/* Metrics of a model's outputs against targets, accumulated batch by batch in double. Definitions
 * are scikit-learn's, against which the tests hold them. */
#ifndef IG_EVAL_METRICS_H
#define IG_EVAL_METRICS_H

#include "engine/train/task.h"

#define IG_CALIBRATION_BINS 15

typedef struct ig_metrics {
  ig_task task;
  int64_t samples;  /* rows; tokens for language */
  int64_t n_classes;
  double loss;      /* mean; NaN where no target was given */
  /* NaN where a metric does not apply. Fractions from 0 to 1. */
  double accuracy, top5_accuracy;
  double precision, recall, f1; /* macro averages over classes that occur in target or prediction */
  double auc;        /* binary: ROC; multi-class: macro one-against-rest; multi-label: macro */
  double perplexity; /* exp(loss) for language */
  double mse, mae, r2;
  double ece; /* expected calibration error, IG_CALIBRATION_BINS equal bins (Guo et al. 2017) */
  double bin_confidence[IG_CALIBRATION_BINS], bin_accuracy[IG_CALIBRATION_BINS];
  int64_t bin_count[IG_CALIBRATION_BINS];
  const int64_t *confusion; /* n_classes x n_classes, rows are targets; NULL for other tasks or
                               beyond 1,000 classes; owned by the accumulator */
  const double *class_precision, *class_recall, *class_f1; /* n_classes each, or NULL */
  const int64_t *class_support;
} ig_metrics;

typedef struct ig_metrics_accumulator ig_metrics_accumulator;

/* `detailed` also keeps what AUC, confusion and calibration need (scores of at most 2^22 rows; AUC
 * is NaN beyond). */
ig_status ig_metrics_create(ig_task task, int64_t n_classes, bool detailed,
                            ig_metrics_accumulator **out);
void ig_metrics_destroy(ig_metrics_accumulator *accumulator);
void ig_metrics_reset(ig_metrics_accumulator *accumulator);
/* `logits` [rows, n_outputs] f32; `targets` i64 [rows] for classes and tokens (negative: ignored),
 * f32 [rows, n_outputs] otherwise. */
ig_status ig_metrics_add(ig_metrics_accumulator *accumulator, const float *logits,
                         const void *targets, int64_t rows);
/* Values so far; pointers inside stay valid until the next call on the accumulator. */
ig_status ig_metrics_get(ig_metrics_accumulator *accumulator, ig_metrics *out);
/* The number that "best" means: accuracy, -loss for language and regression, macro F1 for
 * multi-label; higher is better. */
double ig_metrics_score(const ig_metrics *metrics);

#endif
