/* Accumulates what every metric needs, a batch at a time, and derives the metrics on request. Rows
 * are judged in parallel into a block of verdicts and counted in order, and batches are summed up one
 * by one, so the sums have the same bits whatever the number of threads, and of ranks that the batches
 * are divided among. */
#include "engine/eval/metrics_parts.h"

#include <math.h>
#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"
#include "engine/eval/roc.h"

#define BLOCK_ROWS 256
#define MAX_CONFUSION_CLASSES 1000
#define PARALLEL_LOGITS 32768 /* below this a thread's start costs more than its share */

static bool has_classes(ig_task task) {
  return task == IG_TASK_CLASSIFICATION || task == IG_TASK_MULTILABEL;
}

/* Sums, counts and what is derived from them. */
static ig_status allocate(ig_metrics_accumulator *a) {
  size_t n = (size_t)a->n, outputs;
  bool classes = has_classes(a->task);
  bool confusion =
      a->task == IG_TASK_CLASSIFICATION && a->detailed && a->n <= MAX_CONFUSION_CLASSES;
  a->n_outputs = a->task == IG_TASK_REGRESSION ? a->n : 0;
  IG_CHECK(ig_mul_size((size_t)a->n_outputs, sizeof(ig_metrics_spread), &outputs) &&
               ig_add_size(outputs, sizeof(ig_metrics_sums), &a->sums_bytes),
           IG_ERR_MEMORY, "metrics: too many outputs");
  a->n_counts = 2 + 2 * IG_CALIBRATION_BINS + (classes ? 3 * a->n : 0);
  if (confusion) a->n_counts += a->n * a->n;
  a->batch = ig_alloc_zero(1, a->sums_bytes);
  a->sums = ig_alloc_zero(1, a->sums_bytes);
  a->counts = ig_alloc_zero((size_t)a->n_counts, sizeof *a->counts);
  a->class_precision = ig_alloc_zero(classes ? 3 * n : 1, sizeof *a->class_precision);
  if (!a->batch || !a->sums || !a->counts || !a->class_precision) return IG_ERR_MEMORY;
  a->right = a->counts;
  a->right5 = a->counts + 1;
  a->bin_right = a->counts + 2;
  a->bin_count = a->bin_right + IG_CALIBRATION_BINS;
  if (!classes) return IG_OK;
  a->support = a->bin_count + IG_CALIBRATION_BINS;
  a->predicted = a->support + n;
  a->hits = a->support + 2 * n;
  if (confusion) a->confusion = a->support + 3 * n;
  a->class_recall = a->class_precision + n;
  a->class_f1 = a->class_precision + 2 * n;
  return IG_OK;
}

ig_status ig_metrics_create(ig_task task, int64_t n_classes, bool detailed,
                            ig_metrics_accumulator **out) {
  IG_CHECK(task != IG_TASK_AUTO, IG_ERR_USAGE, "metrics need a task");
  IG_CHECK(n_classes >= 1 && n_classes <= INT32_MAX, IG_ERR_USAGE,
           "metrics: %lld outputs, expected 1 to 2^31 - 1", (long long)n_classes);
  ig_metrics_accumulator *a = ig_alloc_zero(1, sizeof *a);
  IG_CHECK_ALLOC(a);
  a->task = task;
  a->n = n_classes;
  a->detailed = detailed;
  a->score_width = task == IG_TASK_CLASSIFICATION && n_classes == 2 ? 1 : n_classes;
  if (allocate(a) != IG_OK) {
    ig_metrics_destroy(a);
    return ig_fail(IG_ERR_MEMORY, "metrics of %lld outputs: out of memory", (long long)n_classes);
  }
  ig_metrics_reset(a);
  *out = a;
  return IG_OK;
}

void ig_metrics_destroy(ig_metrics_accumulator *a) {
  if (!a) return;
  ig_free(a->batch);
  ig_free(a->sums);
  ig_free(a->kept);
  ig_free(a->counts);
  ig_free(a->class_precision);
  ig_free(a->scores);
  ig_free(a->truth);
  ig_free(a);
}

void ig_metrics_reset(ig_metrics_accumulator *a) {
  a->rows = a->n_kept = 0;
  memset(a->sums, 0, a->sums_bytes);
  memset(a->counts, 0, (size_t)a->n_counts * sizeof *a->counts);
  a->scored = a->detailed && has_classes(a->task);
}

void ig_metrics_defer(ig_metrics_accumulator *a) { a->deferred = true; }

/* --- sums -------------------------------------------------------------------------------------- */

void ig_metrics_fold(ig_metrics_accumulator *a, const ig_metrics_sums *batch) {
  ig_metrics_sums *to = a->sums;
  double before = to->rows, rows = before + batch->rows;
  for (int64_t k = 0; k < a->n_outputs && batch->rows > 0; k++) {
    ig_metrics_spread *s = &to->outputs[k];
    const ig_metrics_spread *more = &batch->outputs[k];
    double delta = more->mean - s->mean;
    s->mean += delta * (batch->rows / rows);
    s->squares += more->squares + delta * delta * (before * batch->rows / rows);
    s->residual += more->residual;
  }
  to->rows = rows;
  to->loss += batch->loss;
  to->absolute += batch->absolute;
  for (int b = 0; b < IG_CALIBRATION_BINS; b++) to->bin_confidence[b] += batch->bin_confidence[b];
}

static ig_status end_batch(ig_metrics_accumulator *a) {
  if (!a->deferred) {
    ig_metrics_fold(a, a->batch);
    return IG_OK;
  }
  IG_CHECK(ig_grow((void **)&a->kept, &a->kept_capacity, a->n_kept + 1, a->sums_bytes),
           IG_ERR_MEMORY, "metrics: no memory for the sums of %lld batches",
           (long long)a->n_kept + 1);
  memcpy(a->kept + (size_t)a->n_kept * a->sums_bytes, a->batch, a->sums_bytes);
  a->n_kept++;
  return IG_OK;
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
  if (total > IG_MOST_SCORE_ROWS || !ig_mul_dim(total, a->score_width, &scores) ||
      scores > IG_MOST_SCORES) {
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
  a->batch->loss += v->loss;
  *a->right += right;
  *a->right5 += v->ahead < 5;
  if (a->task == IG_TASK_CLASSIFICATION) {
    a->support[target]++;
    a->predicted[v->predicted]++;
    a->hits[target] += right;
    if (a->confusion) a->confusion[target * a->n + v->predicted]++;
  }
  if (a->task == IG_TASK_CLASSIFICATION && a->detailed) {
    double confidence = exp(logits[v->predicted] - v->log_total);
    int bin = calibration_bin(confidence);
    a->batch->bin_confidence[bin] += confidence;
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
    a->batch->loss += loss / (double)a->n;
    *a->right += right;
    a->rows++;
  }
  return IG_OK;
}

static ig_status add_numbers(ig_metrics_accumulator *a, const float *predictions,
                             const float *targets, int64_t rows) {
  ig_metrics_sums *sums = a->batch;
  for (int64_t i = 0; i < rows; i++, predictions += a->n, targets += a->n) {
    a->rows++;
    double squared = 0, absolute = 0;
    for (int64_t k = 0; k < a->n; k++) {
      ig_metrics_spread *s = &sums->outputs[k];
      double y = targets[k], error = predictions[k] - y, delta = y - s->mean;
      s->mean += delta / (double)(i + 1);
      s->squares += delta * (y - s->mean);
      s->residual += error * error;
      squared += error * error;
      absolute += fabs(error);
    }
    IG_CHECK(isfinite(squared), IG_ERR_NUMERIC,
             "row %lld: the model's error is not a finite number", (long long)i);
    sums->loss += squared / (double)a->n;
    sums->absolute += absolute / (double)a->n;
  }
  return IG_OK;
}

ig_status ig_metrics_add(ig_metrics_accumulator *a, const float *logits, const void *targets,
                         int64_t rows) {
  if (!targets) return IG_OK;
  int64_t before = a->rows;
  memset(a->batch, 0, a->sums_bytes);
  switch (a->task) {
  case IG_TASK_MULTILABEL: IG_TRY(add_flags(a, logits, targets, rows)); break;
  case IG_TASK_REGRESSION: IG_TRY(add_numbers(a, logits, targets, rows)); break;
  default: IG_TRY(add_classes(a, logits, targets, rows));
  }
  a->batch->rows = (double)(a->rows - before);
  return end_batch(a);
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
    m->bin_confidence[b] = fraction(a->sums->bin_confidence[b], count);
    m->bin_accuracy[b] = fraction((double)a->bin_right[b], count);
    m->ece += count / (double)a->rows * fabs(m->bin_confidence[b] - m->bin_accuracy[b]);
  }
}

static void derive_regression(const ig_metrics_accumulator *a, ig_metrics *m) {
  m->mse = m->loss;
  m->mae = a->sums->absolute / (double)a->rows;
  if (a->rows < 2) return; /* no spread to explain */
  double sum = 0;
  for (int64_t k = 0; k < a->n; k++) {
    const ig_metrics_spread *s = &a->sums->outputs[k];
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
    m.loss = a->sums->loss / rows;
    if (a->task != IG_TASK_REGRESSION) m.accuracy = (double)*a->right / rows;
    bool ranked = a->task == IG_TASK_CLASSIFICATION || a->task == IG_TASK_LANGUAGE;
    if (ranked && a->n > 5) m.top5_accuracy = (double)*a->right5 / rows;
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
