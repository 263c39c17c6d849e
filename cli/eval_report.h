/* Metrics for people and as JSON; what train, eval and the saved metrics share. */
#ifndef IG_CLI_EVAL_REPORT_H
#define IG_CLI_EVAL_REPORT_H

#include "cli/verb.h"
#include "engine/eval/evaluator.h"

/* The keys of docs/architecture.md section 7, each where it applies; NULL when memory is short. */
json_t *ig_metrics_json(const ig_metrics *metrics);
/* Per class, with names where there are any. */
json_t *ig_class_metrics_json(const ig_metrics *metrics, const char *const *classes);
/* One metric a line on stdout (see ig_say), and small confusion matrices. */
void ig_metrics_print(const ig_cli *cli, const ig_metrics *metrics, const char *const *classes);
/* "loss 0.123  accuracy 98.5 %": the few that matter while training. */
void ig_metrics_line(const ig_metrics *metrics, char *text, size_t size);

#endif
