/* RUN/report.html at the end of training. */
#ifndef IG_CLI_TRAIN_REPORT_H
#define IG_CLI_TRAIN_REPORT_H

#include "cli/rank_rates.h"
#include "cli/train_data.h"

typedef struct ig_train_report {
  const ig_cli *cli;
  const ig_train_values *values;
  ig_train_data *data;
  ig_backend *backend;
  ig_plan *plan;             /* of a training step, partly profiled; NULL when no step ran */
  const ig_train_step *last; /* NULL when no step ran */
  const char *config, *provenance, *schema; /* JSON */
  const ig_rank_rates *rates;
} ig_train_report;

/* Evaluates the best checkpoint once more in detail, and writes the page. */
ig_status ig_train_report_write(const ig_train_report *report);

#endif
