/* Writes checkpoints of a run on a thread of its own, so that training goes on from the snapshot. At
 * most one snapshot is being written and none waits: handing over the next one waits for it. */
#ifndef IG_FORMATS_CHECKPOINT_WRITER_H
#define IG_FORMATS_CHECKPOINT_WRITER_H

#include "engine/train/snapshot.h"

typedef struct ig_checkpoint_writer ig_checkpoint_writer;

/* For the files of `folder` (copied): latest.h5, best.h5 and, with `keep` above 0, the last `keep`
 * step-*.h5. `log` (copied; NULL for none) is a file whose content at the time of a submit is on the
 * disk before that checkpoint is, so that what a run goes on from never knows more than its log. */
ig_status ig_checkpoint_writer_create(const char *folder, int keep, const char *log,
                                      ig_checkpoint_writer **out);
/* Takes the snapshot over, in any case. Returns the failure of an earlier one, or IG_OK: the writing
 * then goes on in the background. latest.h5 is replaced first, then the aliases, then old steps go. */
ig_status ig_checkpoint_writer_submit(ig_checkpoint_writer *writer, ig_snapshot *snapshot,
                                      bool best);
/* Waits until all is on the disk; returns a failure that was not yet returned. */
ig_status ig_checkpoint_writer_flush(ig_checkpoint_writer *writer);
/* Flushes and releases. NULL is allowed. */
ig_status ig_checkpoint_writer_close(ig_checkpoint_writer *writer);

typedef struct ig_checkpoint_stats {
  int64_t written;      /* checkpoints that are whole on the disk */
  int64_t last_step;    /* step of the last of them; -1 before the first */
  double write_seconds; /* spent by the writer's thread */
  double wait_seconds;  /* spent in submit and flush */
} ig_checkpoint_stats;
ig_checkpoint_stats ig_checkpoint_writer_stats(ig_checkpoint_writer *writer);

#endif
