/* Learning-rate schedules: a factor of the base rate as a function of the step. */
#ifndef IG_TRAIN_SCHEDULE_H
#define IG_TRAIN_SCHEDULE_H

#include "engine/base/status.h"

typedef enum ig_schedule_kind {
  IG_SCHEDULE_CONSTANT,
  IG_SCHEDULE_STEP,     /* times `gamma` every `every` steps */
  IG_SCHEDULE_COSINE,   /* half a cosine from 1 to `floor` */
  IG_SCHEDULE_ONE_CYCLE, /* half a cosine from 1/25 up to 1 over `warmup` (0 for 0.3 of the steps), then
                            one down to `floor` (Smith 2018) */
  IG_SCHEDULE_LINEAR    /* straight from 1 to `floor` */
} ig_schedule_kind;

typedef struct ig_schedule {
  ig_schedule_kind kind;
  int64_t total;  /* steps in all */
  int64_t warmup; /* linear over the first steps, from 1 / (warmup + 1), for every other kind */
  double floor;   /* last factor, 0 to 1 */
  double gamma;
  int64_t every;
} ig_schedule;

ig_status ig_schedule_parse(const char *name, ig_schedule_kind *out);
/* The factor for step 0, 1, ..., total - 1. */
double ig_schedule_factor(const ig_schedule *schedule, int64_t step);

#endif
