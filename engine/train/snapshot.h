/* A snapshot is all that a checkpoint holds: the model, its tensors, how far training came, and
 * where it all came from. The trainer and the evaluator make and take it; formats/ writes and reads
 * it as HDF5. Everything in a snapshot lives in its arena, except tensors' data (see there). */
#ifndef IG_TRAIN_SNAPSHOT_H
#define IG_TRAIN_SNAPSHOT_H

#include "engine/base/memory.h"
#include "engine/base/shape.h"

typedef enum ig_tensor_role {
  IG_ROLE_PARAMETER = 0, /* /parameters: what the optimizer changes */
  IG_ROLE_STATE,         /* /parameters too: running statistics of normalisation */
  IG_ROLE_OPTIMIZER,     /* /optimizer: moments, loss scale; "optimizer.*" */
  IG_ROLE_EMA,           /* /ema: averaged parameters; "ema.*" */
  IG_ROLE_SHARD,         /* in no snapshot: this rank's part of moments (shards.h); "optimizer.shard.*" */
  IG_ROLE_COPY,          /* in no snapshot: parameters in 16 bits; "copy.*" */
  IG_ROLE_SCRATCH        /* in no snapshot: sums of a step or of a calibration under way */
} ig_tensor_role;

/* One named tensor in row-major order. */
typedef struct ig_tensor {
  const char *name; /* unique within its role; '/' and '.' may appear */
  ig_tensor_role role;
  ig_dtype dtype;
  ig_shape shape;
  void *data; /* ig_shape_bytes(&shape, dtype) bytes, ig_alloc'ed, owned; NULL once forgotten */
} ig_tensor;

/* Where training stands. All counts are of completed steps and samples. */
typedef struct ig_progress {
  int64_t epoch;         /* epochs completed */
  int64_t step;          /* optimizer steps completed */
  int64_t epoch_samples; /* samples of the current epoch already used */
  uint64_t seed;         /* the counter-based generator needs no other state */
  double best_metric;    /* best validation value so far; NaN when none was measured */
  int64_t best_step;
  int64_t stale_evals; /* evaluations since the best, for early stopping */
  double seconds;      /* of training, over all resumed parts */
} ig_progress;

/* How one input field was normalised: (value * scale - mean) / std by channel or column. */
typedef struct ig_normalization {
  const char *field;
  double scale; /* 1/255 for u8 images, else 1 */
  int64_t count; /* channels or columns */
  const double *mean, *std;
} ig_normalization;

/* A profile of one column, channel or class list, against which later data is held for drift. */
typedef struct ig_profile {
  const char *name;
  int64_t samples, missing;
  double min, max, mean, std;
  int bins; /* histogram over `edges` (bins + 1 of them), or categories when edges is NULL */
  const double *edges;
  const int64_t *counts;
} ig_profile;

typedef struct ig_snapshot {
  ig_arena *arena;
  /* Model: the text that ig_model_build understands, and the graph as JSON (ig_graph_to_json), which
   * alone suffices to run it. */
  const char *model;
  const char *graph_json;
  int64_t n_tensors, tensor_capacity;
  ig_tensor *tensors; /* heap */
  int64_t n_slots;    /* hash table of (role, name), kept by ig_snapshot_add: a power of two */
  int64_t *slots;     /* heap; index of a tensor plus 1, 0 when empty */
  ig_progress progress;
  /* Data: JSON of the fields (names, kinds, dtypes, shapes, classes, columns), tokenizer. */
  const char *data_json;
  const char *task;      /* "classification", "regression", "multilabel", "language" */
  const char *tokenizer; /* serialised by the tokenizer, or NULL */
  int n_normalizations;
  ig_normalization *normalizations;
  int n_profiles;
  ig_profile *profiles;
  /* Provenance: JSON texts. */
  const char *config_json;     /* every option of the run */
  const char *provenance_json; /* commit, versions, host, world size, data digest, command line */
  const char *metrics_json;    /* the last measured metrics */
} ig_snapshot;

ig_status ig_snapshot_create(ig_snapshot **out);
void ig_snapshot_destroy(ig_snapshot *snapshot); /* NULL is allowed */
/* Adds a tensor with its own uninitialised buffer; *data is where to write. The name is copied.
 * Fails when the name is empty or taken within its role, or the shape does not fit in memory. */
ig_status ig_snapshot_add(ig_snapshot *snapshot, ig_tensor_role role, const char *name,
                          ig_dtype dtype, const ig_shape *shape, void **data);
/* The tensor of that role and name, or NULL. Borrowed until the next ig_snapshot_add. */
const ig_tensor *ig_snapshot_find(const ig_snapshot *snapshot, ig_tensor_role role,
                                  const char *name);

/* Adds a tensor of `from` to another snapshot, which takes its data over; it is forgotten in `from`. */
ig_status ig_snapshot_move(ig_snapshot *from, const ig_tensor *tensor, ig_snapshot *to);
/* Lets go of a tensor's data, which is NULL afterwards; `free` unless someone has taken it over. */
void ig_snapshot_forget(ig_snapshot *snapshot, const ig_tensor *tensor, bool free);

#endif
