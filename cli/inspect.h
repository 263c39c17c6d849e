/* What `ingot inspect` shows, as text and JSON. */
#ifndef IG_CLI_INSPECT_H
#define IG_CLI_INSPECT_H

#include "cli/verb.h"
#include "engine/plan/plan.h"

typedef struct ig_inspected {
  const char *name, *model;
  bool training;
  int64_t batch;
  const ig_graph *template_graph;
  ig_graph *graph; /* the one that runs */
  ig_plan *plan;
  const ig_snapshot *snapshot; /* NULL for a preset */
} ig_inspected;

void ig_inspect_summary(const ig_inspected *what, FILE *out);
void ig_inspect_parameters(const ig_inspected *what, FILE *out);
/* A line a step: operator, output, implementation, cost. */
void ig_inspect_steps(const ig_inspected *what, FILE *out);
json_t *ig_inspect_json(const ig_inspected *what);
/* Collective: the ranks of this job, their devices and their transport. */
ig_status ig_inspect_comm(ig_cli *cli);

#endif
