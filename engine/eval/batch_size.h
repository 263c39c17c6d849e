/* How many rows of a batch, and how many threads that compute, suit a model, the machine's free memory and its
 * speed. */
#ifndef IG_EVAL_BATCH_SIZE_H
#define IG_EVAL_BATCH_SIZE_H

#include "engine/passes/pass.h"
#include "engine/plan/plan.h"
#include "engine/train/match.h"

typedef struct ig_batch_size_options {
  int64_t rows;       /* that will be computed, by all */
  int sharers;        /* processes that will compute at once on this machine's memory */
  int lanes;          /* threads that compute, at most */
  int spare;          /* batches under way beside those that are computed */
  size_t row_bytes;   /* of a row under way: prepared input and results */
  size_t memory;      /* bytes to keep within; 0 for a share of what is free */
  ig_precision precision;
  uint64_t seed;
} ig_batch_size_options;

typedef struct ig_batch_size {
  int64_t batch;
  int lanes;
  size_t memory;         /* that this takes beside the parameters */
  double rows_per_second; /* measured, of all lanes; 0 where nothing was */
} ig_batch_size;

/* For a batch that is given: how many lanes memory allows. */
ig_status ig_batch_size_check(const ig_graph *model, ig_backend *backend, ig_store *store,
                              const ig_dataset *data, const ig_batch_size_options *options,
                              int64_t batch, ig_batch_size *out);
/* The power of two with the most rows a second among those that fit, measured for at most a few per cent of
 * what the whole run will take; the smaller of two that differ by less than 3 %. A few rows are not worth
 * measuring, and take 64, or fewer, cut evenly. */
ig_status ig_batch_size_find(const ig_graph *model, ig_backend *backend, ig_store *store,
                             const ig_dataset *data, const ig_batch_size_options *options,
                             ig_batch_size *out);

#endif
