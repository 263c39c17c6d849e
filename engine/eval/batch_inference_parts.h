/* What the threads of a batch inference share; internal to engine/eval/batch_inference*.c.
 *
 * A ring of `depth` slots. Ticket t is the t-th batch that is wanted and lives in slot t % depth: a reader
 * takes the ticket and fills the slot, lanes compute its rows, the writer hands it on and frees it, in the
 * order of tickets. One mutex guards the counters and states; a slot's content belongs to whoever its state
 * says. */
#ifndef IG_EVAL_BATCH_INFERENCE_PARTS_H
#define IG_EVAL_BATCH_INFERENCE_PARTS_H

#include <pthread.h>

#include "engine/eval/batch_inference.h"
#include "engine/train/prepare.h"

typedef enum slot_state { SLOT_FREE, SLOT_READING, SLOT_READY, SLOT_DONE } slot_state;

typedef struct ig_infer_slot {
  slot_state state;
  ig_row_batch batch;
  void *fields[IG_MAX_FIELDS]; /* [batch, ...] of the model's inputs; rows not read are 0 */
  int64_t *indices;
  int32_t *wanted;             /* rows of the slot that have to be computed */
  int64_t n_wanted, n_given, n_computed; /* of them: in all, given to lanes, finished */
  ig_status status;
  char message[1024];
} ig_infer_slot;

typedef struct ig_inference {
  const ig_graph *model;
  ig_backend *backend;
  ig_store *store;
  ig_dataset *data;
  const ig_row_layout *layout;
  const ig_batch_inference_options *options;
  const ig_batch_inference_hooks *hooks;
  ig_match match;
  ig_prepare prepare;
  ig_pass_options passes;
  ig_infer_slot *slots; /* options->depth */

  pthread_mutex_t mutex, planning;
  pthread_cond_t free, ready, done; /* for readers, for lanes, for the writer */
  int64_t next;                     /* batch that the next ticket looks at */
  int64_t taken, gathered, written; /* tickets */
  bool ended;                       /* no further tickets */
  bool stop;                        /* a failure: all threads leave */
  ig_status status;                 /* of the run */
  char message[1024];
  ig_batch_inference_stats stats;
  double started;
} ig_inference;

/* With the mutex held: records the calling thread's last error as the run's, unless there is one, and
 * has all threads leave. */
void ig_inference_fail(ig_inference *run, ig_status status);
/* One lane, from making its plan to the last batch, on the calling thread. */
void ig_inference_lane(ig_inference *run);
ig_row_input ig_inference_row(const ig_inference *run, void *const *fields, int64_t row);

#endif
