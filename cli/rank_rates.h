/* How fast each rank of a run is: the slowest holds all others up. */
#ifndef IG_CLI_RANK_RATES_H
#define IG_CLI_RANK_RATES_H

#include "cli/progress.h"
#include "cli/verb.h"
#include "engine/train/trainer.h"

/* Means over the run so far, by rank. Nothing for one process. */
typedef struct ig_rank_rates {
  const ig_cli *cli;
  int n;           /* 0 for one process */
  int64_t samples; /* that the means are of */
  ig_rank_rate *mean, *last;
  double printed; /* when all rates were last printed */
} ig_rank_rates;

ig_status ig_rank_rates_create(const ig_cli *cli, ig_rank_rates *rates);
void ig_rank_rates_destroy(ig_rank_rates *rates);
void ig_rank_rates_take(ig_rank_rates *rates, const ig_train_step *step);
/* "slowest rank 3 on HOST: computes 21 % longer than the median rank"; false and an empty text when
 * ranks are about equally fast, or nothing has been measured. */
bool ig_rank_rates_slowest(const ig_rank_rates *rates, char *text, size_t size);
/* A line of every rank's samples a second, every few seconds. */
void ig_rank_rates_print(ig_rank_rates *rates, ig_bar *bar);
/* [{"rank", "host", "compute_seconds", "waited_seconds", "waited_data_seconds", "samples_per_second"}]:
 * seconds a step. */
json_t *ig_rank_rates_json(const ig_rank_rates *rates);

#endif
