/* RUN/metrics.jsonl. Lines are made by hand: a step of a small model takes less time than building a
 * JSON object for it. */
#include "cli/metrics_log.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lifecycle/append.h"

struct ig_metrics_log {
  ig_append *file;
};

/* Length of the part of the file whose lines are whole and of steps up to `step`. */
static long kept_length(FILE *file, int64_t step) {
  long kept = 0;
  char *line = NULL;
  size_t capacity = 0;
  ssize_t length;
  while ((length = getline(&line, &capacity, file)) > 0) {
    long long at;
    bool whole = line[length - 1] == '\n' && sscanf(line, "{\"step\":%lld,", &at) == 1;
    if (!whole || at > step) break;
    kept += (long)length;
  }
  free(line);
  return kept;
}

static ig_status trim(const char *path, int64_t step) {
  FILE *file = fopen(path, "r");
  if (!file) return errno == ENOENT ? IG_OK : ig_fail_errno("open", path);
  long kept = kept_length(file, step);
  fclose(file);
  return truncate(path, kept) == 0 ? IG_OK : ig_fail_errno("write", path);
}

ig_status ig_metrics_log_open(const char *path, int64_t step, ig_metrics_log **out) {
  if (step > 0) IG_TRY(trim(path, step));
  ig_metrics_log *log = ig_alloc_zero(1, sizeof *log);
  IG_CHECK_ALLOC(log);
  ig_status status = ig_append_open(path, step == 0, &log->file);
  if (status != IG_OK) {
    ig_free(log);
    return status;
  }
  *out = log;
  return IG_OK;
}

/* ,"key":value unless it is NaN or Inf, which JSON lacks. */
static void put(char *line, size_t size, const char *key, double value) {
  size_t used = strlen(line);
  if (isfinite(value)) snprintf(line + used, size - used, ",\"%s\":%.9g", key, value);
}

ig_status ig_metrics_log_step(ig_metrics_log *log, const ig_train_step *step) {
  char line[1024];
  snprintf(line, sizeof line, "{\"step\":%lld", (long long)step->step);
  put(line, sizeof line, "epoch", (double)step->epoch + step->fraction);
  put(line, sizeof line, "time", step->seconds);
  put(line, sizeof line, "loss", step->loss);
  put(line, sizeof line, "lr", step->lr);
  put(line, sizeof line, "grad_norm", step->grad_norm);
  put(line, sizeof line, "samples_per_second", step->samples_per_second);
  put(line, sizeof line, "waiting", step->waited);
  if (step->round) {
    put(line, sizeof line, "round", (double)step->step);
    put(line, sizeof line, "clients", step->round->clients);
    put(line, sizeof line, "dropped", step->round->dropped);
    put(line, sizeof line, "epsilon", step->round->epsilon);
    put(line, sizeof line, "delta", step->round->delta);
  }
  const ig_metrics *m = step->validation;
  if (m) {
    put(line, sizeof line, "val_loss", m->loss);
    put(line, sizeof line, "val_accuracy", m->accuracy);
    put(line, sizeof line, "val_top5_accuracy", m->top5_accuracy);
    put(line, sizeof line, "val_f1", m->f1);
    put(line, sizeof line, "val_perplexity", m->perplexity);
    put(line, sizeof line, "val_r2", m->r2);
  }
  size_t used = strlen(line);
  snprintf(line + used, sizeof line - used, "}\n");
  return ig_append_write(log->file, line, strlen(line));
}

ig_status ig_metrics_log_flush(ig_metrics_log *log) {
  return ig_append_flush(log->file, false);
}

void ig_metrics_log_close(ig_metrics_log *log) {
  if (!log) return;
  ig_append_close(log->file);
  ig_free(log);
}
