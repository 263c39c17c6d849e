#include "cli/data_report.h"
ig_status ig_data_stats(ig_cli *cli, const ig_data_values *v) {
  (void)cli;
  (void)v;
  return IG_OK;
}
ig_status ig_data_validate(ig_cli *cli, const ig_data_values *v) {
  (void)cli;
  (void)v;
  return IG_OK;
}
