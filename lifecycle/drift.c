/* Drift of columns, from their profiles and samples of their values. */
#include "lifecycle/drift.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/statistics.h"

/* --- from values ----------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* At most `most` of a column's values, evenly taken and sorted; heap. */
static double *sorted_values(const ig_column *column, int64_t most, int64_t *count) {
  int64_t n = IG_MIN(column->n_values, most);
  double *values = ig_alloc((size_t)n * sizeof *values);
  if (!values) return NULL;
  for (int64_t i = 0; i < n; i++) {
    values[i] = (double)column->values[(int64_t)((double)i * (double)column->n_values / (double)n)];
  }
  qsort(values, (size_t)n, sizeof *values, ascending);
  *count = n;
  return values;
}

/* The exact test takes time by the product of the lengths, and beyond this many values its verdict is
 * not asked for. */
static ig_status compare_ks(const ig_column *reference, const ig_column *now, ig_drift *out) {
  int64_t n = 0, m = 0;
  double *x = sorted_values(reference, IG_DRIFT_SMALL, &n);
  double *y = sorted_values(now, IG_DRIFT_SMALL, &m);
  double *scratch = ig_alloc((IG_DRIFT_SMALL + 1) * sizeof *scratch);
  bool ok = x && y && scratch;
  if (ok) {
    out->ks = ig_ks_statistic(n, x, m, y);
    out->ks_p = ig_ks_p_value(out->ks, n, m, scratch);
  }
  ig_free(x);
  ig_free(y);
  ig_free(scratch);
  IG_CHECK(ok, IG_ERR_MEMORY, "no memory to compare column '%s'", out->name);
  return IG_OK;
}

static ig_status compare_wasserstein(const ig_column *reference, const ig_column *now,
                                     ig_drift *out) {
  int64_t n = 0, m = 0;
  double *x = sorted_values(reference, INT64_MAX, &n), *y = sorted_values(now, INT64_MAX, &m);
  bool ok = x && y;
  if (ok) {
    double scale = fmax(reference->profile.std, 1e-3); /* a constant has no scale of its own */
    out->wasserstein = ig_wasserstein(n, x, m, y) / scale;
  }
  ig_free(x);
  ig_free(y);
  IG_CHECK(ok, IG_ERR_MEMORY, "no memory to compare column '%s'", out->name);
  return IG_OK;
}

/* --- from counts ----------------------------------------------------------------------------- */

static bool same_parts(const ig_profile *a, const ig_profile *b) {
  if (a->bins != b->bins || a->bins < 1 || !a->counts || !b->counts) return false;
  if (!a->edges || !b->edges) return a->edges == b->edges;
  return memcmp(a->edges, b->edges, (size_t)(a->bins + 1) * sizeof *a->edges) == 0;
}

static ig_status compare_counts(const ig_profile *reference, const ig_profile *now, ig_drift *out) {
  if (!same_parts(reference, now)) return IG_OK;
  double *p = ig_alloc(2 * (size_t)reference->bins * sizeof *p);
  IG_CHECK(p, IG_ERR_MEMORY, "no memory to compare column '%s'", out->name);
  double *q = p + reference->bins;
  for (int i = 0; i < reference->bins; i++) {
    p[i] = (double)reference->counts[i];
    q[i] = (double)now->counts[i];
  }
  int freedom;
  double statistic = ig_chi_square(reference->bins, p, q, &freedom);
  if (!isnan(statistic)) out->chi_square_p = ig_chi_square_p_value(statistic, freedom);
  out->jensen_shannon = ig_jensen_shannon(reference->bins, p, q);
  out->stability = ig_stability_index(reference->bins, p, q);
  ig_free(p);
  return IG_OK;
}

/* --- verdicts -------------------------------------------------------------------------------- */

static void judge(ig_drift *d, const char *test, double value, double threshold,
                  bool significance) {
  if (isnan(value)) return;
  d->test = test;
  d->value = value;
  d->threshold = threshold;
  d->drifted = significance ? value < threshold : value > threshold;
}

ig_status ig_drift_of_column(const ig_column *reference, const ig_column *now, ig_drift *out) {
  *out = (ig_drift){.name = now->profile.name,
                    .value = NAN,
                    .threshold = NAN,
                    .ks = NAN,
                    .ks_p = NAN,
                    .wasserstein = NAN,
                    .chi_square_p = NAN,
                    .jensen_shannon = NAN,
                    .stability = NAN};
  const ig_profile *before = &reference->profile, *after = &now->profile;
  bool values = reference->n_values > 0 && now->n_values > 0;
  bool small = IG_MIN(before->samples, after->samples) <= IG_DRIFT_SMALL;
  if (values) {
    IG_TRY(compare_ks(reference, now, out));
    IG_TRY(compare_wasserstein(reference, now, out));
  }
  IG_TRY(compare_counts(before, after, out));
  if (values && small) {
    judge(out, "ks", out->ks_p, IG_DRIFT_SIGNIFICANCE, true);
  } else if (values) {
    judge(out, "wasserstein", out->wasserstein, IG_DRIFT_DISTANCE, false);
  } else if (small) {
    judge(out, "chi-square", out->chi_square_p, IG_DRIFT_SIGNIFICANCE, true);
  } else {
    judge(out, "jensen-shannon", out->jensen_shannon, IG_DRIFT_DISTANCE, false);
  }
  return IG_OK;
}

ig_status ig_drift_of_columns(int n_reference, const ig_column *reference, int n_now,
                              const ig_column *now, ig_arena *arena, int *count, ig_drift **out) {
  ig_drift *drifts = ig_arena_alloc(arena, (size_t)IG_MAX(n_now, 1) * sizeof *drifts);
  IG_CHECK_ALLOC(drifts);
  *count = 0;
  for (int i = 0; i < n_now; i++) {
    for (int k = 0; k < n_reference; k++) {
      /* Columns mostly stand in the same order: look at the same place first. */
      const ig_column *known = &reference[(i + k) % n_reference];
      if (strcmp(known->profile.name, now[i].profile.name) != 0) continue;
      IG_TRY(ig_drift_of_column(known, &now[i], &drifts[(*count)++]));
      break;
    }
  }
  *out = drifts;
  return IG_OK;
}

double ig_drift_share(int count, const ig_drift *drifts) {
  int compared = 0, drifted = 0;
  for (int i = 0; i < count; i++) {
    compared += drifts[i].test != NULL;
    drifted += drifts[i].drifted;
  }
  return compared ? (double)drifted / compared : NAN;
}
