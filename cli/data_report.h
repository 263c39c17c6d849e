/* `ingot data`: its options, and the verbs that only look. */
#ifndef IG_CLI_DATA_REPORT_H
#define IG_CLI_DATA_REPORT_H

#include "cli/verb.h"

typedef struct ig_data_values {
  const char *action, *data, *target, *against, *out, *tokenizer, *train, *test;
  double fraction, max_drift, max_missing;
  int64_t min_samples;
  bool no_target, allow_duplicates, allow_constant;
} ig_data_values;

ig_status ig_data_stats(ig_cli *cli, const ig_data_values *values);
/* Exit code 1 when an expectation fails. */
ig_status ig_data_validate(ig_cli *cli, const ig_data_values *values);

#endif
