/* Accumulates what every metric needs, a batch at a time, and derives the metrics on request. Rows
 * are judged in parallel into a block of verdicts and counted in order, so the sums have the same
 * bits whatever the number of threads. */
#include "engine/eval/metrics.h"

#include <math.h>
#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"
#include "engine/eval/roc.h"

#define BLOCK_ROWS 256
#define MAX_CONFUSION_CLASSES 1000
#define MAX_SCORE_ROWS ((int64_t)1 << 22)
#define MAX_SCORES ((int64_t)1 << 26)
#define PARALLEL_LOGITS 32768 /* below this a thread's start costs more than its share */

/* One output column of a regression; the target's spread by Welford's update (Welford 1962). */
typedef struct spread {
  double mean, squares, residual;
} spread;

struct ig_metrics_accumulator {
  ig_task task;
  int64_t n;
  bool detailed;
  int64_t rows;
  double loss_sum, absolute_sum;
  int64_t right, right5;
  /* Per class: rows that are, rows that were said to be, and both. NULL for other tasks. */
  int64_t *support, *predicted, *hits;
  double *class_precision, *class_recall, *class_f1;
  int64_t *confusion;
  spread *outputs;
  double bin_confidence[IG_CALIBRATION_BINS];
  int64_t bin_right[IG_CALIBRATION_BINS], bin_count[IG_CALIBRATION_BINS];
  /* For AUC: [rows, score_width] scores, and the truth: a class a row, or a flag a score. */
  bool scored;
  int64_t score_width, score_capacity, truth_capacity;
  float *scores;
  int32_t *truth;
};

static bool has_classes(ig_task task) {
  return task == IG_TASK_CLASSIFICATION || task == IG_TASK_MULTILABEL;
}

ig_status ig_metrics_create(ig_task task, int64_t n_classes, bool detailed,
                            ig_metrics_accumulator **out) {
  IG_CHECK(task != IG_TASK_AUTO, IG_ERR_USAGE, "metrics need a task");
  IG_CHECK(n_classes >= 1 && n_classes <= INT32_MAX, IG_ERR_USAGE,
           "metrics: %lld outputs, expected 1 to 2^31 - 1", (long long)n_classes);
  ig_metrics_accumulator *a = ig_alloc_zero(1, sizeof *a);
  IG_CHECK_ALLOC(a);
  size_t n = (size_t)n_classes;
  a->task = task;
  a->n = n_classes;
  a->detailed = detailed;
  a->score_width = task == IG_TASK_CLASSIFICATION && n_classes == 2 ? 1 : n_classes;
  bool whole = true;
  if (has_classes(task)) {
    a->support = ig_alloc_zero(3 * n, sizeof *a->support);
    a->class_precision = ig_alloc_zero(3 * n, sizeof *a->class_precision);
    whole = a->support && a->class_precision;
  }
  if (whole && task == IG_TASK_CLASSIFICATION && detailed && n_classes <= MAX_CONFUSION_CLASSES) {
    a->confusion = ig_alloc_zero(n * n, sizeof *a->confusion);
    whole = a->confusion != NULL;
  }
  if (task == IG_TASK_REGRESSION) {
    a->outputs = ig_alloc_zero(n, sizeof *a->outputs);
    whole = a->outputs != NULL;
  }
  if (!whole) {
    ig_metrics_destroy(a);
    return ig_fail(IG_ERR_MEMORY, "metrics of %lld outputs: out of memory", (long long)n_classes);
  }
  if (a->support) {
    a->predicted = a->support + n;
    a->hits = a->support + 2 * n;
    a->class_recall = a->class_precision + n;
    a->class_f1 = a->class_precision + 2 * n;
  }
  ig_metrics_reset(a);
  *out = a;
  return IG_OK;
}

void ig_metrics_destroy(ig_metrics_accumulator *a) {
  if (!a) return;
  ig_free(a->support);
  ig_free(a->class_precision);
  ig_free(a->confusion);
  ig_free(a->outputs);
  ig_free(a->scores);
  ig_free(a->truth);
  ig_free(a);
}

void ig_metrics_reset(ig_metrics_accumulator *a) {
  size_t n = (size_t)a->n;
  a->rows = a->right = a->right5 = 0;
  a->loss_sum = a->absolute_sum = 0;
  if (a->support) memset(a->support, 0, 3 * n * sizeof *a->support);
  if (a->confusion) memset(a->confusion, 0, n * n * sizeof *a->confusion);
  if (a->outputs) memset(a->outputs, 0, n * sizeof *a->outputs);
  memset(a->bin_confidence, 0, sizeof a->bin_confidence);
  memset(a->bin_right, 0, sizeof a->bin_right);
  memset(a->bin_count, 0, sizeof a->bin_count);
  a->scored = a->detailed && has_classes(a->task);
}

/* --- classes and tokens ------------------------------------------------------------------------ */

typedef struct verdict {
  double loss;
  double log_total; /* log of the sum of exp(logit): turns a logit into a log-probability */
  int64_t predicted;
  int ahead; /* classes that rank before the target, at most 5 */
} verdict;

/* -log softmax(logits)[target], by the largest logit so that no exponential overflows. */
static verdict judge(const float *logits, int64_t n, int64_t target) {
  verdict v = {0};
  for (int64_t k = 1; k < n; k++) {
    if (logits[k] > logits[v.predicted]) v.predicted = k;
  }
  double top = logits[v.predicted], sum = 0;
  for (int64_t k = 0; k < n; k++) sum += exp(logits[k] - top);
  v.log_total = top + log(sum);
  v.loss = v.log_total - logits[target];
  for (int64_t k = 0; k < n && v.ahead < 5; k++) {
    v.ahead += logits[k] > logits[target] || (logits[k] == logits[target] && k > target);
  }
  return v;
}

/* Makes room for `rows` more rows of scores, or gives up on AUC when they would be too many. */
static ig_status reserve_scores(ig_metrics_accumulator *a, int64_t rows, int64_t truths_a_row) {
  if (!a->scored) return IG_OK;
  int64_t total = a->rows + rows, scores;
  if (total > MAX_SCORE_ROWS || !ig_mul_dim(total, a->score_width, &scores) ||
      scores > MAX_SCORES) {
    a->scored = false;
    return IG_OK;
  }
  IG_CHECK(
      ig_grow((void **)&a->scores, &a->score_capacity, scores, sizeof *a->scores) &&
          ig_grow((void **)&a->truth, &a->truth_capacity, total * truths_a_row, sizeof *a->truth),
      IG_ERR_MEMORY, "metrics: no memory for the scores of %lld rows", (long long)total);
  return IG_OK;
}

static int calibration_bin(double confidence) {
  int bin = (int)ceil(confidence * IG_CALIBRATION_BINS) - 1; /* (m / M, (m + 1) / M] */
  return bin < 0 ? 0 : IG_MIN(bin, IG_CALIBRATION_BINS - 1);
}

static void count_row(ig_metrics_accumulator *a, const float *logits, int64_t target,
                      const verdict *v) {
  bool right = v->predicted == target;
  a->loss_sum += v->loss;
  a->right += right;
  a->right5 += v->ahead < 5;
  if (a->task == IG_TASK_CLASSIFICATION) {
    a->support[target]++;
    a->predicted[v->predicted]++;
    a->hits[target] += right;
    if (a->confusion) a->confusion[target * a->n + v->predicted]++;
  }
  if (a->task == IG_TASK_CLASSIFICATION && a->detailed) {
    double confidence = exp(logits[v->predicted] - v->log_total);
    int bin = calibration_bin(confidence);
    a->bin_confidence[bin] += confidence;
    a->bin_right[bin] += right;
    a->bin_count[bin]++;
  }
  if (a->scored) {
    float *scores = a->scores + a->rows * a->score_width;
    if (a->score_width == 1) {
      scores[0] = (float)((double)logits[a->n - 1] - logits[0]);
    } else { /* log-probabilities rank as probabilities do, and keep apart what rounds to 1 */
      for (int64_t k = 0; k < a->n; k++) scores[k] = (float)(logits[k] - v->log_total);
    }
    a->truth[a->rows] = (int32_t)target;
  }
  a->rows++;
}

static ig_status add_classes(ig_metrics_accumulator *a, const float *logits, const int64_t *targets,
                             int64_t rows) {
  IG_TRY(reserve_scores(a, rows, 1));
  for (int64_t first = 0; first < rows; first += BLOCK_ROWS) {
    int64_t count = IG_MIN(rows - first, BLOCK_ROWS);
    for (int64_t i = 0; i < count; i++) {
      IG_CHECK(targets[first + i] < a->n, IG_ERR_INPUT,
               "row %lld: class %lld, but the model has %lld outputs", (long long)(first + i),
               (long long)targets[first + i], (long long)a->n);
    }
    verdict verdicts[BLOCK_ROWS];
#pragma omp parallel for if (count * a->n >= PARALLEL_LOGITS)
    for (int64_t i = 0; i < count; i++) {
      if (targets[first + i] < 0) continue;
      verdicts[i] = judge(logits + (first + i) * a->n, a->n, targets[first + i]);
    }
    for (int64_t i = 0; i < count; i++) {
      if (targets[first + i] < 0) continue;
      IG_CHECK(isfinite(verdicts[i].loss), IG_ERR_NUMERIC,
               "row %lld: the model's loss is not a finite number", (long long)(first + i));
      count_row(a, logits + (first + i) * a->n, targets[first + i], &verdicts[i]);
    }
  }
  return IG_OK;
}

/* --- flags and numbers ------------------------------------------------------------------------- */

static ig_status add_flags(ig_metrics_accumulator *a, const float *logits, const float *targets,
                           int64_t rows) {
  IG_TRY(reserve_scores(a, rows, a->n));
  for (int64_t i = 0; i < rows; i++, logits += a->n, targets += a->n) {
    double loss = 0;
    bool right = true;
    for (int64_t k = 0; k < a->n; k++) {
      double z = logits[k], y = targets[k];
      bool said = z > 0, is = y > 0.5;
      /* -y log s(z) - (1 - y) log(1 - s(z)) without overflow: max(z, 0) - z y + log(1 + e^-|z|) */
      loss += fmax(z, 0) - z * y + log1p(exp(-fabs(z)));
      a->support[k] += is;
      a->predicted[k] += said;
      a->hits[k] += said && is;
      right = right && said == is;
      if (a->scored) {
        a->scores[a->rows * a->n + k] = logits[k];
        a->truth[a->rows * a->n + k] = is;
      }
    }
    IG_CHECK(isfinite(loss), IG_ERR_NUMERIC, "row %lld: the model's loss is not a finite number",
             (long long)i);
    a->loss_sum += loss / (double)a->n;
    a->right += right;
    a->rows++;
  }
  return IG_OK;
}

static ig_status add_numbers(ig_metrics_accumulator *a, const float *predictions,
                             const float *targets, int64_t rows) {
  for (int64_t i = 0; i < rows; i++, predictions += a->n, targets += a->n) {
    a->rows++;
    double squared = 0, absolute = 0;
    for (int64_t k = 0; k < a->n; k++) {
      spread *s = &a->outputs[k];
      double y = targets[k], error = predictions[k] - y, delta = y - s->mean;
      s->mean += delta / (double)a->rows;
      s->squares += delta * (y - s->mean);
      s->residual += error * error;
      squared += error * error;
      absolute += fabs(error);
    }
    IG_CHECK(isfinite(squared), IG_ERR_NUMERIC,
             "row %lld: the model's error is not a finite number", (long long)i);
    a->loss_sum += squared / (double)a->n;
    a->absolute_sum += absolute / (double)a->n;
  }
  return IG_OK;
}

ig_status ig_metrics_add(ig_metrics_accumulator *a, const float *logits, const void *targets,
                         int64_t rows) {
  if (!targets) return IG_OK;
  switch (a->task) {
  case IG_TASK_MULTILABEL: return add_flags(a, logits, targets, rows);
  case IG_TASK_REGRESSION: return add_numbers(a, logits, targets, rows);
  default: return add_classes(a, logits, targets, rows);
  }
}

/* --- what follows from the counts -------------------------------------------------------------- */

static double fraction(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

static void derive_classes(ig_metrics_accumulator *a, ig_metrics *m) {
  double precision = 0, recall = 0, f1 = 0;
  int64_t counted = 0;
  for (int64_t k = 0; k < a->n; k++) {
    double hits = (double)a->hits[k], support = (double)a->support[k];
    double predicted = (double)a->predicted[k];
    a->class_precision[k] = fraction(hits, predicted);
    a->class_recall[k] = fraction(hits, support);
    a->class_f1[k] = fraction(2 * hits, predicted + support);
    if (a->task == IG_TASK_CLASSIFICATION && support + predicted == 0) continue;
    precision += a->class_precision[k];
    recall += a->class_recall[k];
    f1 += a->class_f1[k];
    counted++;
  }
  m->precision = precision / (double)counted;
  m->recall = recall / (double)counted;
  m->f1 = f1 / (double)counted;
  m->class_precision = a->class_precision;
  m->class_recall = a->class_recall;
  m->class_f1 = a->class_f1;
  m->class_support = a->support;
}

static ig_status derive_auc(const ig_metrics_accumulator *a, double *out) {
  size_t bytes;
  IG_CHECK(ig_mul_size((size_t)a->rows, sizeof(ig_roc_sample), &bytes), IG_ERR_MEMORY,
           "metrics: too many rows");
  ig_roc_sample *samples = ig_alloc(bytes);
  IG_CHECK(samples, IG_ERR_MEMORY, "metrics: no memory to rank %lld rows", (long long)a->rows);
  double sum = 0;
  int64_t defined = 0;
  for (int64_t k = 0; k < a->score_width; k++) {
    for (int64_t i = 0; i < a->rows; i++) {
      bool positive = a->task == IG_TASK_MULTILABEL ? a->truth[i * a->n + k] != 0
                      : a->score_width == 1         ? a->truth[i] == 1
                                                    : a->truth[i] == k;
      samples[i] = (ig_roc_sample){a->scores[i * a->score_width + k], positive};
    }
    double auc = ig_roc_auc(samples, a->rows);
    if (isnan(auc)) continue;
    sum += auc;
    defined++;
  }
  ig_free(samples);
  *out = defined ? sum / (double)defined : NAN;
  return IG_OK;
}

static void derive_calibration(const ig_metrics_accumulator *a, ig_metrics *m) {
  m->ece = 0;
  for (int b = 0; b < IG_CALIBRATION_BINS; b++) {
    double count = (double)a->bin_count[b];
    m->bin_count[b] = a->bin_count[b];
    m->bin_confidence[b] = fraction(a->bin_confidence[b], count);
    m->bin_accuracy[b] = fraction((double)a->bin_right[b], count);
    m->ece += count / (double)a->rows * fabs(m->bin_confidence[b] - m->bin_accuracy[b]);
  }
}

static void derive_regression(const ig_metrics_accumulator *a, ig_metrics *m) {
  m->mse = m->loss;
  m->mae = a->absolute_sum / (double)a->rows;
  if (a->rows < 2) return; /* no spread to explain */
  double sum = 0;
  for (int64_t k = 0; k < a->n; k++) {
    const spread *s = &a->outputs[k];
    if (s->squares > 0) {
      sum += 1 - s->residual / s->squares;
    } else {
      sum += s->residual == 0;
    }
  }
  m->r2 = sum / (double)a->n;
}

ig_status ig_metrics_get(ig_metrics_accumulator *a, ig_metrics *out) {
  ig_metrics m = {.task = a->task,
                  .samples = a->rows,
                  .n_classes = a->n,
                  .loss = NAN,
                  .accuracy = NAN,
                  .top5_accuracy = NAN,
                  .precision = NAN,
                  .recall = NAN,
                  .f1 = NAN,
                  .auc = NAN,
                  .perplexity = NAN,
                  .mse = NAN,
                  .mae = NAN,
                  .r2 = NAN,
                  .ece = NAN,
                  .confusion = a->confusion};
  if (a->rows > 0) {
    double rows = (double)a->rows;
    m.loss = a->loss_sum / rows;
    if (a->task != IG_TASK_REGRESSION) m.accuracy = (double)a->right / rows;
    bool ranked = a->task == IG_TASK_CLASSIFICATION || a->task == IG_TASK_LANGUAGE;
    if (ranked && a->n > 5) m.top5_accuracy = (double)a->right5 / rows;
    if (a->task == IG_TASK_LANGUAGE) m.perplexity = exp(m.loss);
    if (a->task == IG_TASK_REGRESSION) derive_regression(a, &m);
    if (has_classes(a->task)) derive_classes(a, &m);
    if (a->task == IG_TASK_CLASSIFICATION && a->detailed) derive_calibration(a, &m);
    if (a->scored) IG_TRY(derive_auc(a, &m.auc));
  }
  *out = m;
  return IG_OK;
}

double ig_metrics_score(const ig_metrics *metrics) {
  switch (metrics->task) {
  case IG_TASK_CLASSIFICATION: return metrics->accuracy;
  case IG_TASK_MULTILABEL: return metrics->f1;
  default: return -metrics->loss;
  }
}
