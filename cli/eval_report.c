/* Metrics for people and as JSON. What does not apply is NaN in ig_metrics and absent here. */
#include "cli/eval_report.h"

#include <math.h>
#include <string.h>

#define MOST_PRINTED_CLASSES 20

/* --- JSON -------------------------------------------------------------------------------------- */

static json_t *confusion_json(const ig_metrics *m) {
  json_t *rows = json_array();
  for (int64_t i = 0; i < m->n_classes; i++) {
    json_t *row = json_array();
    for (int64_t j = 0; j < m->n_classes; j++) {
      json_array_append_new(row, json_integer(m->confusion[i * m->n_classes + j]));
    }
    json_array_append_new(rows, row);
  }
  return rows;
}

static json_t *calibration_json(const ig_metrics *m) {
  json_t *bins = json_array();
  for (int b = 0; b < IG_CALIBRATION_BINS; b++) {
    json_t *bin = json_object();
    json_object_set_new(bin, "count", json_integer(m->bin_count[b]));
    ig_json_real(bin, "confidence", m->bin_confidence[b]);
    ig_json_real(bin, "accuracy", m->bin_accuracy[b]);
    json_array_append_new(bins, bin);
  }
  return bins;
}

json_t *ig_metrics_json(const ig_metrics *m) {
  json_t *object = json_object();
  if (!object) return NULL;
  json_object_set_new(object, "task", json_string(ig_task_name(m->task)));
  json_object_set_new(object, "samples", json_integer(m->samples));
  ig_json_real(object, "loss", m->loss);
  ig_json_real(object, "accuracy", m->accuracy);
  ig_json_real(object, "top5_accuracy", m->top5_accuracy);
  ig_json_real(object, "precision", m->precision);
  ig_json_real(object, "recall", m->recall);
  ig_json_real(object, "f1", m->f1);
  ig_json_real(object, "auc", m->auc);
  ig_json_real(object, "perplexity", m->perplexity);
  ig_json_real(object, "mse", m->mse);
  ig_json_real(object, "mae", m->mae);
  ig_json_real(object, "r2", m->r2);
  ig_json_real(object, "ece", m->ece);
  if (m->samples > 0 && !isnan(m->ece)) {
    json_object_set_new(object, "calibration", calibration_json(m));
  }
  if (m->confusion) json_object_set_new(object, "confusion", confusion_json(m));
  return object;
}

json_t *ig_class_metrics_json(const ig_metrics *m, const char *const *classes) {
  json_t *rows = json_array();
  for (int64_t k = 0; m->class_precision && k < m->n_classes; k++) {
    json_t *row = json_object();
    if (classes) json_object_set_new(row, "name", json_string(classes[k]));
    ig_json_real(row, "precision", m->class_precision[k]);
    ig_json_real(row, "recall", m->class_recall[k]);
    ig_json_real(row, "f1", m->class_f1[k]);
    json_object_set_new(row, "support", json_integer(m->class_support[k]));
    json_array_append_new(rows, row);
  }
  return rows;
}

/* --- text -------------------------------------------------------------------------------------- */

static void print_number(const ig_cli *cli, const char *name, double value) {
  if (!isnan(value)) ig_say(cli, "%-16s %.6g\n", name, value);
}

static void print_percent(const ig_cli *cli, const char *name, double value) {
  if (!isnan(value)) ig_say(cli, "%-16s %.2f %%\n", name, 100 * value);
}

static void print_confusion(const ig_cli *cli, const ig_metrics *m, const char *const *classes) {
  if (!m->confusion || m->n_classes > MOST_PRINTED_CLASSES) return;
  ig_say(cli, "\nconfusion (rows are targets, columns are predictions)\n%12s", "");
  for (int64_t j = 0; j < m->n_classes; j++) ig_say(cli, " %6lld", (long long)j);
  ig_say(cli, "\n");
  for (int64_t i = 0; i < m->n_classes; i++) {
    ig_say(cli, "%3lld %-8.8s", (long long)i, classes ? classes[i] : "");
    for (int64_t j = 0; j < m->n_classes; j++) {
      ig_say(cli, " %6lld", (long long)m->confusion[i * m->n_classes + j]);
    }
    ig_say(cli, "\n");
  }
}

void ig_metrics_print(const ig_cli *cli, const ig_metrics *m, const char *const *classes) {
  ig_say(cli, "%-16s %lld\n", m->task == IG_TASK_LANGUAGE ? "tokens" : "samples",
         (long long)m->samples);
  print_number(cli, "loss", m->loss);
  print_percent(cli, "accuracy", m->accuracy);
  print_percent(cli, "top-5 accuracy", m->top5_accuracy);
  print_percent(cli, "precision", m->precision);
  print_percent(cli, "recall", m->recall);
  print_percent(cli, "F1", m->f1);
  print_number(cli, "AUC", m->auc);
  print_number(cli, "perplexity", m->perplexity);
  print_number(cli, "MSE", m->mse);
  print_number(cli, "MAE", m->mae);
  print_number(cli, "R2", m->r2);
  print_number(cli, "calibration err", m->ece);
  print_confusion(cli, m, classes);
}

void ig_metrics_line(const ig_metrics *m, char *text, size_t size) {
  int used = snprintf(text, size, "loss %.4f", m->loss);
  if (used < 0 || (size_t)used >= size) return;
  text += used;
  size -= (size_t)used;
  switch (m->task) {
  case IG_TASK_CLASSIFICATION: snprintf(text, size, "  accuracy %.2f %%", 100 * m->accuracy); break;
  case IG_TASK_MULTILABEL: snprintf(text, size, "  F1 %.4f", m->f1); break;
  case IG_TASK_LANGUAGE: snprintf(text, size, "  perplexity %.3f", m->perplexity); break;
  default: snprintf(text, size, "  R2 %.4f", m->r2);
  }
}
