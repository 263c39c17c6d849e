/* Rates of ranks, as rank 0 learns them from the trainer a few times a second. What a rank computes, not
 * how long its steps take, tells a straggler: the others wait for it, so that all steps are equally
 * long. */
#include "cli/rank_rates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/eval/latency.h"

/* Less is noise. */
#define NOTABLE 0.05
#define PRINT_SECONDS 5.0

ig_status ig_rank_rates_create(const ig_cli *cli, ig_rank_rates *rates) {
  *rates = (ig_rank_rates){.cli = cli};
  if (cli->ranks <= 1) return IG_OK;
  rates->n = cli->ranks;
  rates->mean = ig_alloc_zero((size_t)rates->n, sizeof *rates->mean);
  rates->last = ig_alloc_zero((size_t)rates->n, sizeof *rates->last);
  IG_CHECK(rates->mean && rates->last, IG_ERR_MEMORY, "no memory for the rates of %d ranks",
           rates->n);
  rates->printed = ig_now();
  return IG_OK;
}

void ig_rank_rates_destroy(ig_rank_rates *rates) {
  ig_free(rates->mean);
  ig_free(rates->last);
  *rates = (ig_rank_rates){0};
}

static void mix(double *mean, double value, int64_t n) {
  *mean += (value - *mean) / (double)n;
}

void ig_rank_rates_take(ig_rank_rates *rates, const ig_train_step *step) {
  size_t bytes = (size_t)rates->n * sizeof *rates->last;
  if (rates->n == 0 || !step->ranks || memcmp(rates->last, step->ranks, bytes) == 0) return;
  memcpy(rates->last, step->ranks, bytes);
  rates->samples++;
  for (int r = 0; r < rates->n; r++) {
    ig_rank_rate *mean = &rates->mean[r];
    mix(&mean->compute, step->ranks[r].compute, rates->samples);
    mix(&mean->waited, step->ranks[r].waited, rates->samples);
    mix(&mean->waited_data, step->ranks[r].waited_data, rates->samples);
    mix(&mean->samples_per_second, step->ranks[r].samples_per_second, rates->samples);
  }
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The lower median: of two ranks, the faster one. */
static double median_compute(const ig_rank_rates *rates) {
  double *all = ig_alloc((size_t)rates->n * sizeof *all), median = NAN;
  if (!all) return median;
  for (int r = 0; r < rates->n; r++) all[r] = rates->mean[r].compute;
  qsort(all, (size_t)rates->n, sizeof *all, compare);
  median = all[(rates->n - 1) / 2];
  ig_free(all);
  return median;
}

bool ig_rank_rates_slowest(const ig_rank_rates *rates, char *text, size_t size) {
  *text = '\0';
  if (rates->samples == 0) return false;
  int slowest = 0;
  for (int r = 1; r < rates->n; r++) {
    if (rates->mean[r].compute > rates->mean[slowest].compute) slowest = r;
  }
  double more = rates->mean[slowest].compute / median_compute(rates) - 1;
  if (!(more >= NOTABLE)) return false;
  snprintf(text, size, "slowest rank %d on %s: computes %.0f %% longer than the median rank",
           slowest, rates->cli->comm->hosts[slowest], 100 * more);
  return true;
}

void ig_rank_rates_print(ig_rank_rates *rates, ig_bar *bar) {
  double now = ig_now();
  if (rates->samples == 0 || now - rates->printed < PRINT_SECONDS) return;
  rates->printed = now;
  for (int r = 0; r < rates->n; r++) {
    const ig_rank_rate *rate = &rates->last[r];
    ig_bar_line(bar, "rank %d on %s: %.0f samples/s, computing %.1f ms a step, waiting %.1f ms", r,
                rates->cli->comm->hosts[r], rate->samples_per_second, 1e3 * rate->compute,
                1e3 * rate->waited);
  }
}

json_t *ig_rank_rates_json(const ig_rank_rates *rates) {
  json_t *list = json_array();
  for (int r = 0; list && r < rates->n; r++) {
    json_t *row = json_object();
    json_object_set_new(row, "rank", json_integer(r));
    json_object_set_new(row, "host", json_string(rates->cli->comm->hosts[r]));
    if (rates->samples > 0) {
      ig_json_real(row, "compute_seconds", rates->mean[r].compute);
      ig_json_real(row, "waited_seconds", rates->mean[r].waited);
      ig_json_real(row, "waited_data_seconds", rates->mean[r].waited_data);
      ig_json_real(row, "samples_per_second", rates->mean[r].samples_per_second);
    }
    json_array_append_new(list, row);
  }
  return list;
}
