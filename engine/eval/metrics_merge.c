/* Accumulators of several ranks into one that all of them get. Sums go from rank to rank, each of which
 * adds those of its batches one by one, so that they are formed in the order of the data set and have
 * the bits of one process; counts are integers and need no order. */
#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"
#include "engine/eval/metrics_parts.h"

/* What ranks have to know of each other first. */
typedef struct part {
  int64_t rows;
  int64_t scored;
} part;

static ig_status merge_sums(ig_metrics_accumulator *a, ig_comm *comm, const part *parts) {
  for (int r = 0; r < comm->size; r++) {
    if (parts[r].rows == 0) continue;
    for (int64_t i = 0; r == comm->rank && i < a->n_kept; i++) {
      ig_metrics_fold(a,
                      (const ig_metrics_sums *)(const void *)(a->kept + (size_t)i * a->sums_bytes));
    }
    IG_TRY(ig_comm_broadcast(comm, a->sums, a->sums_bytes, r));
  }
  return IG_OK;
}

/* Each rank's counts in turn, so that a confusion matrix is in memory twice and not once a rank. */
static ig_status merge_counts(ig_metrics_accumulator *a, ig_comm *comm, const part *parts,
                              int64_t *other) {
  size_t bytes = (size_t)a->n_counts * sizeof *a->counts;
  int64_t *total = other + a->n_counts;
  for (int r = 0; r < comm->size; r++) {
    if (parts[r].rows == 0) continue;
    if (r == comm->rank) memcpy(other, a->counts, bytes);
    IG_TRY(ig_comm_broadcast(comm, other, bytes, r));
    for (int64_t i = 0; i < a->n_counts; i++) total[i] += other[i];
  }
  memcpy(a->counts, total, bytes);
  return IG_OK;
}

static bool keep_scores(const ig_metrics_accumulator *a, const part *parts, int n, int64_t total) {
  int64_t scores = 0;
  bool scored = total <= IG_MOST_SCORE_ROWS && ig_mul_dim(total, a->score_width, &scores) &&
                scores <= IG_MOST_SCORES;
  for (int r = 0; r < n; r++) scored = scored && parts[r].scored;
  return scored;
}

/* This rank's scores move to their place among all, and then every rank hands its own to the others. */
static ig_status merge_scores(ig_metrics_accumulator *a, ig_comm *comm, const part *parts,
                              int64_t before) {
  size_t row = (size_t)a->score_width, truths = (size_t)ig_metrics_truths(a), at = (size_t)before;
  memmove(a->scores + at * row, a->scores, (size_t)a->rows * row * sizeof *a->scores);
  memmove(a->truth + at * truths, a->truth, (size_t)a->rows * truths * sizeof *a->truth);
  at = 0;
  for (int r = 0; r < comm->size; r++) {
    size_t rows = (size_t)parts[r].rows;
    if (rows == 0) continue;
    IG_TRY(ig_comm_broadcast(comm, a->scores + at * row, rows * row * sizeof *a->scores, r));
    IG_TRY(ig_comm_broadcast(comm, a->truth + at * truths, rows * truths * sizeof *a->truth, r));
    at += rows;
  }
  return IG_OK;
}

/* All memory first, and agreed upon, so that no rank gives up between two messages. */
static ig_status reserve(ig_metrics_accumulator *a, int64_t total, int64_t **other) {
  *other = ig_alloc_zero(2 * (size_t)a->n_counts, sizeof **other);
  IG_CHECK(*other, IG_ERR_MEMORY, "metrics: no memory to merge %lld counts",
           (long long)a->n_counts);
  if (!a->scored) return IG_OK;
  IG_CHECK(
      ig_grow((void **)&a->scores, &a->score_capacity, total * a->score_width, sizeof *a->scores) &&
          ig_grow((void **)&a->truth, &a->truth_capacity, total * ig_metrics_truths(a),
                  sizeof *a->truth),
      IG_ERR_MEMORY, "metrics: no memory for the scores of %lld rows", (long long)total);
  return IG_OK;
}

static ig_status merge_parts(ig_metrics_accumulator *a, ig_comm *comm, const part *parts) {
  int64_t total = 0, before = 0, *other = NULL;
  for (int r = 0; r < comm->size; r++) {
    if (r < comm->rank) before += parts[r].rows;
    total += parts[r].rows;
  }
  a->scored = keep_scores(a, parts, comm->size, total);
  ig_status status = ig_comm_settle(comm, reserve(a, total, &other));
  if (status == IG_OK) status = merge_sums(a, comm, parts);
  if (status == IG_OK) status = merge_counts(a, comm, parts, other);
  if (status == IG_OK && a->scored) status = merge_scores(a, comm, parts, before);
  ig_free(other);
  a->rows = total;
  a->n_kept = 0;
  return status;
}

ig_status ig_metrics_merge(ig_metrics_accumulator *a, ig_comm *comm) {
  part mine = {.rows = a->rows, .scored = a->scored};
  part *parts = ig_alloc((size_t)comm->size * sizeof *parts);
  ig_status status = parts ? IG_OK : ig_fail(IG_ERR_MEMORY, "metrics: out of memory");
  status = ig_comm_settle(comm, status);
  if (status == IG_OK) status = ig_comm_exchange(comm, &mine, sizeof mine, parts);
  if (status == IG_OK) status = merge_parts(a, comm, parts);
  ig_free(parts);
  return status;
}
