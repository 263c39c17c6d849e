/* The spool, and the file that follows it. */
#include "cli/infer_results.h"

#include <stdio.h>

#include "cli/interrupt.h"
#include "engine/base/memory.h"
#include "engine/eval/latency.h"

#define SYNC_SECONDS 5

static int64_t rows_of(const ig_infer_results *r, int64_t batch) {
  return IG_MIN(r->batch, r->rows - batch * r->batch);
}

/* --- opening ----------------------------------------------------------------------------------- */

static ig_status make_room(ig_infer_results *r) {
  r->n_batches = r->rows / r->batch + (r->rows % r->batch != 0);
  r->done = ig_alloc_zero((size_t)r->n_batches, 1);
  r->records = ig_alloc_zero((size_t)r->batch, r->layout->bytes);
  IG_CHECK_ALLOC(r->done && r->records ? r->done : NULL);
  for (int p = 0; p < r->layout->n && r->cli->rank == 0; p++) {
    r->columns[p] = ig_alloc_zero((size_t)r->batch, r->layout->parts[p].bytes);
    IG_CHECK_ALLOC(r->columns[p]);
  }
  return IG_OK;
}

/* Rank 0's: the spool that is there, or a new one. */
static ig_status open_first(ig_infer_results *r, const ig_row_spool_info *info, bool resume) {
  char *before;
  int64_t found = 0;
  IG_TRY(make_room(r));
  ig_status status = ig_row_spool_identity(r->out, &before);
  bool there = before != NULL;
  ig_free(before);
  if (status != IG_OK && resume) return status;
  if (there && !resume) {
    ig_warn(r->cli, "%s.resume of a run that did not end is written over; --resume would go on",
            r->out);
  }
  if (!there || !resume) return ig_row_spool_create(r->out, info, &r->spool);
  IG_TRY(ig_row_spool_open(r->out, info, true, &r->spool));
  return ig_row_spool_find(r->spool, r->done, &found);
}

/* The others write to the same file, which therefore has to lie where all can reach it. */
static ig_status open_other(ig_infer_results *r, const ig_row_spool_info *info) {
  IG_TRY(make_room(r));
  ig_status status = ig_row_spool_open(r->out, info, false, &r->spool);
  if (status == IG_OK) return IG_OK;
  return ig_fail_in(status, "all ranks write beside --out, in a folder that they share");
}

static ig_status share_done(ig_infer_results *r) {
  const int64_t most = (int64_t)1 << 20;
  for (int64_t at = 0; at < r->n_batches; at += most) {
    size_t bytes = (size_t)IG_MIN(most, r->n_batches - at);
    IG_TRY(ig_comm_broadcast(r->cli->comm, r->done + at, bytes, 0));
  }
  return IG_OK;
}

ig_status ig_infer_results_open(ig_infer_results *r, const char *identity, bool resume,
                                const ig_array *arrays) {
  const ig_row_spool_info info = {
      .identity = identity, .rows = r->rows, .batch = r->batch, .record = r->layout->bytes};
  ig_comm *comm = r->cli->comm;
  ig_status status = r->cli->rank == 0 ? open_first(r, &info, resume) : IG_OK;
  IG_TRY(ig_comm_settle(comm, status));
  if (r->cli->rank > 0) status = open_other(r, &info);
  IG_TRY(ig_comm_settle(comm, status));
  if (comm) IG_TRY(share_done(r));
  for (int64_t b = 0; b < r->n_batches; b++) r->n_done += r->done[b] ? rows_of(r, b) : 0;
  if (r->cli->rank == 0) {
    status = ig_array_writer_open(r->out, r->rows, r->layout->n, arrays, &r->file);
  }
  r->started = r->synced = ig_now();
  return ig_comm_settle(comm, status);
}

/* --- writing ----------------------------------------------------------------------------------- */

static ig_status append(ig_infer_results *r, const char *records, int64_t count) {
  ig_row_layout_columns(r->layout, records, count, r->columns);
  IG_TRY(ig_array_writer_append(r->file, (const void *const *)r->columns, count));
  r->frontier++;
  return IG_OK;
}

/* Batches before `end` that the file lacks, from the spool. */
static ig_status catch_up(ig_infer_results *r, int64_t end) {
  while (r->frontier < end) {
    int64_t n = rows_of(r, r->frontier);
    IG_TRY(ig_row_spool_read(r->spool, r->frontier * r->batch, n, r->records));
    IG_TRY(append(r, r->records, n));
  }
  return IG_OK;
}

static void show(ig_infer_results *r) {
  if (!ig_bar_due(&r->bar)) return;
  char note[64];
  snprintf(note, sizeof note, "%.0f rows/s", (double)r->written / (ig_now() - r->started));
  ig_bar_update(&r->bar, r->bar.first + r->written, note);
}

ig_status ig_infer_results_write(ig_infer_results *r, const ig_row_batch *batch) {
  IG_TRY(ig_row_spool_write(r->spool, batch->index, batch->records));
  r->written += batch->count;
  if (r->file) {
    IG_TRY(catch_up(r, batch->index));
    IG_TRY(append(r, batch->records, batch->count));
  }
  show(r);
  if (ig_now() - r->synced > SYNC_SECONDS) {
    IG_TRY(ig_row_spool_sync(r->spool));
    r->synced = ig_now();
  }
  int signal_number = ig_interrupt_signal(NULL);
  IG_CHECK(signal_number == 0, IG_ERR_INTERRUPTED, "stopped by signal %d", signal_number);
  return IG_OK;
}

/* --- the end ----------------------------------------------------------------------------------- */

ig_status ig_infer_results_skipped(ig_infer_results *r,
                                   ig_status (*visit)(void *context, int64_t row), void *context) {
  for (int64_t b = 0; b < r->n_batches; b++) {
    int64_t n = rows_of(r, b), first = b * r->batch;
    IG_TRY(ig_row_spool_read(r->spool, first, n, r->records));
    for (int64_t i = 0; i < n; i++) {
      const char *record = r->records + (size_t)i * r->layout->bytes;
      if (ig_row_state_of(r->layout, record) == IG_ROW_SKIPPED) IG_TRY(visit(context, first + i));
    }
  }
  return IG_OK;
}

ig_status ig_infer_results_close(ig_infer_results *r, ig_status status) {
  ig_comm *comm = r->cli->comm;
  bool kept = r->written > 0 || r->n_done > 0;
  status = ig_comm_settle(comm, status);
  if (r->file) {
    if (status == IG_OK) status = catch_up(r, r->n_batches);
    status = ig_array_writer_close(r->file, status);
  }
  if (status != IG_ERR_PEER) status = ig_comm_settle(comm, status);
  bool mine = r->cli->rank == 0;
  if (status != IG_OK && kept && mine && r->spool) {
    char *line = ig_strdup(ig_last_error()); /* what follows may not change the reason */
    ig_row_spool_sync(r->spool);
    if (line) ig_fail(status, "%s", line);
    ig_free(line);
  }
  ig_row_spool_close(r->spool, mine && (status == IG_OK || (!kept && ig_comm_size(comm) == 1)));
  for (int p = 0; p < IG_MOST_PARTS; p++) ig_free(r->columns[p]);
  ig_free(r->records);
  ig_free(r->done);
  return status;
}
