/* Learning-rate schedules. Warm-up goes up in equal steps that would start at 0 before the first step,
 * so that no step is wasted on a rate of 0; the descent ends on the last step at `floor`. */
#include "engine/train/schedule.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {
    [IG_SCHEDULE_CONSTANT] = "constant", [IG_SCHEDULE_STEP] = "step",
    [IG_SCHEDULE_COSINE] = "cosine",     [IG_SCHEDULE_ONE_CYCLE] = "one-cycle",
    [IG_SCHEDULE_LINEAR] = "linear",
};

#define PI 3.14159265358979323846

ig_status ig_schedule_parse(const char *name, ig_schedule_kind *out) {
  for (int i = 0; i < IG_COUNT(names); i++) {
    if (strcmp(name, names[i]) != 0) continue;
    *out = (ig_schedule_kind)i;
    return IG_OK;
  }
  return ig_fail(IG_ERR_USAGE, "unknown schedule '%s': constant, step, cosine, one-cycle or linear",
                 name);
}

/* From 1 at t = 0 to `floor` at t = 1. */
static double half_cosine(double t, double floor) {
  return floor + (1 - floor) * 0.5 * (1 + cos(PI * t));
}

/* Smith's policy as PyTorch's OneCycleLR has it: half a cosine up too, from 1/25, by default over the
 * first 0.3 of the steps. */
#define ONE_CYCLE_START 0.04
#define ONE_CYCLE_SHARE 0.3

static double one_cycle(const ig_schedule *schedule, int64_t step) {
  int64_t warmup = schedule->warmup;
  if (warmup <= 0) warmup = (int64_t)(ONE_CYCLE_SHARE * (double)schedule->total);
  int64_t top = IG_MAX(warmup - 1, 0), last = schedule->total - 1;
  if (step < top) return half_cosine(1 - (double)step / (double)top, ONE_CYCLE_START);
  if (last <= top) return 1;
  return half_cosine(IG_MIN((double)(step - top) / (double)(last - top), 1), schedule->floor);
}

double ig_schedule_factor(const ig_schedule *schedule, int64_t step) {
  if (schedule->kind == IG_SCHEDULE_ONE_CYCLE) return one_cycle(schedule, step);
  int64_t warmup = schedule->warmup, last = schedule->total - 1;
  if (step < warmup) return (double)(step + 1) / (double)(warmup + 1);
  double t = last > warmup ? (double)(step - warmup) / (double)(last - warmup) : 0;
  t = IG_MIN(t, 1);
  switch (schedule->kind) {
  case IG_SCHEDULE_STEP:
    return schedule->every > 0 ? pow(schedule->gamma, (double)(step / schedule->every)) : 1;
  case IG_SCHEDULE_COSINE: return half_cosine(t, schedule->floor);
  case IG_SCHEDULE_LINEAR: return 1 - t * (1 - schedule->floor);
  default: return 1;
  }
}
