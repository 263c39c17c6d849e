/* The worst mistakes of a classifier, with their pictures, for the report. */
#ifndef IG_CLI_MISTAKES_H
#define IG_CLI_MISTAKES_H

#include "engine/eval/evaluator.h"
#include "lifecycle/report.h"

#define IG_MOST_MISTAKES 24

typedef struct ig_mistake {
  int64_t index, truth, predicted;
  double confidence;
} ig_mistake;

typedef struct ig_mistakes {
  ig_task task;
  ig_dataset *dataset;
  int count;
  ig_mistake worst[IG_MOST_MISTAKES];       /* most confident first */
  ig_report_mistake rows[IG_MOST_MISTAKES]; /* after ig_mistakes_end */
} ig_mistakes;

void ig_mistakes_begin(ig_mistakes *mistakes, ig_task task, ig_dataset *dataset);
/* An ig_eval_sink. */
ig_status ig_mistakes_take(void *mistakes, const ig_batch *batch, const ig_plan *plan);
/* Reads the pictures; everything is in `arena`. Data without pictures has no mistakes to show. */
ig_status ig_mistakes_end(ig_mistakes *mistakes, ig_arena *arena);

#endif
