/* A model over many rows as fast as the machine allows: rows are read and decoded, computed, and handed on for
 * writing by different threads at once, through a ring of reused batches.
 *
 * Batch b is always rows [b * batch, (b + 1) * batch), padded to that size at the end, and each batch is computed
 * by one thread with a plan of its own: what a row gives depends neither on the number of threads or ranks nor on
 * where a run began. (On a GPU one plan uses the device, one batch ahead of the host.) */
#ifndef IG_EVAL_BATCH_INFERENCE_H
#define IG_EVAL_BATCH_INFERENCE_H

#include "engine/eval/row_layout.h"
#include "engine/passes/pass.h"
#include "engine/plan/plan.h"
#include "engine/train/feeder.h"
#include "engine/train/match.h"

typedef struct ig_batch_inference_options {
  int64_t batch;       /* rows of a batch */
  int64_t rows;        /* of the data that are wanted, from the first on */
  int64_t first, last; /* batches of this process */
  const uint8_t *done; /* by batch of the data: nonzero for one that is not wanted again; NULL for none */
  int lanes;           /* threads that compute, 1 on a device */
  int readers;         /* threads that read and decode, 1 to 64 */
  int depth;           /* batches under way, at least lanes + 1 */
  bool skip_bad;       /* rows that cannot be read become skipped records instead of a failure */
  int n_normalizations;
  const ig_normalization *normalizations; /* by field name; borrowed */
  ig_precision precision;
  uint64_t seed;
} ig_batch_inference_options;

/* The prepared inputs of one row, which decide its result. */
typedef struct ig_row_input {
  int n;
  const void *data[IG_MAX_FIELDS];
  size_t bytes[IG_MAX_FIELDS];
} ig_row_input;

typedef struct ig_row_batch {
  int64_t index, first, count; /* batch, its first row, its rows */
  int64_t skipped, cached;
  char *records; /* `count` of them (row_layout.h) */
} ig_row_batch;

typedef struct ig_batch_inference_hooks {
  void *context;
  /* Whether the record of a row with these inputs is known; writes it. Called from several threads. NULL:
   * every row is computed. With it, rows that are not known are gathered from several batches, so that a
   * row's place in a batch is no longer fixed. */
  bool (*find)(void *context, const ig_row_input *row, char *record);
  void (*keep)(void *context, const ig_row_input *row, const char *record);
  /* Takes the batches of this process in ascending order, one at a time, on a thread of its own. A failure
   * ends the run. */
  ig_status (*write)(void *context, const ig_row_batch *batch);
} ig_batch_inference_hooks;

typedef struct ig_batch_inference_stats {
  int64_t rows, skipped, cached; /* handed to `write` */
  double seconds;                /* from when the first plan was ready */
  double computing, waiting;     /* of all lanes together: busy or not, after their plans were made */
} ig_batch_inference_stats;

/* Runs the template `model` over the data; `layout` describes its results. A row that cannot be read fails
 * with IG_ERR_INPUT and the row's number, after all batches before its own were written; so does any other
 * failure. *stats is filled in any case. */
ig_status ig_batch_inference_run(const ig_graph *model, ig_backend *backend, ig_store *store,
                                 ig_dataset *data, const ig_row_layout *layout,
                                 const ig_batch_inference_options *options,
                                 const ig_batch_inference_hooks *hooks,
                                 ig_batch_inference_stats *stats);

/* Why row `row` cannot be read: its failure, or IG_OK. */
ig_status ig_batch_inference_check_row(const ig_graph *model, ig_dataset *data, int64_t row,
                                       int n_normalizations,
                                       const ig_normalization *normalizations);

#endif
