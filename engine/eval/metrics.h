/* Metrics of a model's outputs against targets, accumulated batch by batch in double. Definitions
 * are scikit-learn's, against which the tests hold them. */
#ifndef IG_EVAL_METRICS_H
#define IG_EVAL_METRICS_H

#include "engine/backend/comm.h"
#include "engine/train/task.h"

#define IG_CALIBRATION_BINS 15

typedef struct ig_metrics {
  ig_task task;
  int64_t samples; /* rows with a target; tokens for language */
  int64_t n_classes;
  double loss; /* mean; NaN where no target was given */
  /* NaN where a metric does not apply. Fractions from 0 to 1. A multi-label row is right when all
   * its flags are. Among equal logits the first class is predicted. */
  double accuracy;
  double top5_accuracy; /* more than 5 classes; of equal logits the later class ranks higher */
  /* Macro averages: over classes that occur in target or prediction, over all flags of a
   * multi-label task; an undefined one counts 0. */
  double precision, recall, f1;
  double auc;        /* binary: ROC; multi-class: macro one-against-rest; multi-label: macro. Over
                        the classes that have both a positive and a negative sample */
  double perplexity; /* exp(loss) for language */
  double mse, mae;
  double r2;  /* mean over outputs; a constant target gives 1 when met exactly, else 0 */
  double ece; /* expected calibration error, IG_CALIBRATION_BINS equal bins (Guo et al. 2017) */
  double bin_confidence[IG_CALIBRATION_BINS], bin_accuracy[IG_CALIBRATION_BINS];
  int64_t bin_count[IG_CALIBRATION_BINS];
  const int64_t *confusion; /* n_classes x n_classes, rows are targets; NULL for other tasks or
                               beyond 1,000 classes; owned by the accumulator */
  const double *class_precision, *class_recall, *class_f1; /* n_classes each, or NULL */
  const int64_t *class_support;
} ig_metrics;

typedef struct ig_metrics_accumulator ig_metrics_accumulator;

/* `n_classes` is the width of a row of logits: classes, vocabulary, flags or regression outputs.
 * `detailed` also keeps what AUC, confusion and calibration need (scores of at most 2^22 rows and
 * 2^26 values; AUC is NaN beyond). */
ig_status ig_metrics_create(ig_task task, int64_t n_classes, bool detailed,
                            ig_metrics_accumulator **out);
void ig_metrics_destroy(ig_metrics_accumulator *accumulator); /* NULL is allowed */
void ig_metrics_reset(ig_metrics_accumulator *accumulator);
/* For ranks that each add a contiguous share of the batches, in order: from here on nothing may be asked
 * for before ig_metrics_merge, which gives every rank the sums, to the bit, that one would have that
 * adds all batches. It is collective; nothing may be added after it before the next reset. */
void ig_metrics_defer(ig_metrics_accumulator *accumulator);
ig_status ig_metrics_merge(ig_metrics_accumulator *accumulator, ig_comm *comm);
/* `logits` [rows, n_classes] f32; `targets` i64 [rows] for classes and tokens (negative: ignored),
 * f32 [rows, n_classes] otherwise; NULL adds nothing. IG_ERR_INPUT for a class out of range,
 * IG_ERR_NUMERIC for a row whose loss is not finite; either names the row of this call, and the
 * accumulator is then to be reset. */
ig_status ig_metrics_add(ig_metrics_accumulator *accumulator, const float *logits,
                         const void *targets, int64_t rows);
/* Values so far; pointers inside stay valid until the next call on the accumulator. */
ig_status ig_metrics_get(ig_metrics_accumulator *accumulator, ig_metrics *out);
/* The number that "best" means: accuracy, -loss for language and regression, macro F1 for
 * multi-label; higher is better. */
double ig_metrics_score(const ig_metrics *metrics);

#endif
