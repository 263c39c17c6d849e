/* Where the records of `ingot infer` go: every rank's into the spool beside the results (formats/row_spool.h),
 * and rank 0's, as far as all before them are there, on into the file of results. The file is a function of the
 * spool alone, so that it is the same whichever rank, run or order its records came from. */
#ifndef IG_CLI_INFER_RESULTS_H
#define IG_CLI_INFER_RESULTS_H

#include "cli/progress.h"
#include "cli/verb.h"
#include "engine/eval/batch_inference.h"
#include "formats/array_writer.h"
#include "formats/row_spool.h"

typedef struct ig_infer_results {
  const ig_cli *cli;
  const char *out;
  const ig_row_layout *layout;
  int64_t rows, batch, n_batches;
  ig_row_spool *spool;
  uint8_t *done;      /* by batch: there from an earlier run */
  int64_t n_done;     /* rows of those */
  ig_array_writer *file; /* of rank 0; NULL on others */
  int64_t frontier;   /* batches that are in the file */
  void *columns[IG_MOST_PARTS];
  char *records;      /* a batch, as read back */
  ig_bar bar;
  int64_t written;    /* rows of this process */
  double started, synced;
} ig_infer_results;

/* Finds or makes the spool, and opens the file. `arrays` describe the layout's parts. All ranks together. */
ig_status ig_infer_results_open(ig_infer_results *r, const char *identity, bool resume,
                                const ig_array *arrays);
/* A batch of this rank, in ascending order. */
ig_status ig_infer_results_write(ig_infer_results *r, const ig_row_batch *batch);
/* After the run, which went as `status` says: with success everywhere the file takes its place and the spool
 * goes; otherwise the spool stays where it holds something. All ranks together; returns the job's status. */
ig_status ig_infer_results_close(ig_infer_results *r, ig_status status);
/* Calls `visit` with each row that was skipped. Before the close, after all is written. */
ig_status ig_infer_results_skipped(ig_infer_results *r,
                                   ig_status (*visit)(void *context, int64_t row), void *context);

#endif
