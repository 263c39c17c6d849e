/* The state of an optimizer that is divided among ranks, as snapshots have it: whole tensors under the
 * parameters' names. So a checkpoint is the same whatever divided it, and any number of ranks, sharded
 * or not, continues from it. */
#ifndef IG_TRAIN_SHARDS_H
#define IG_TRAIN_SHARDS_H

#include "engine/backend/comm.h"
#include "engine/graph/graph.h"
#include "engine/plan/store.h"

/* What the states "optimizer.shard.<moment>.<bucket>" of a graph are parts of. */
typedef struct ig_shards ig_shards;

/* Of a graph that updates; *out is NULL when it divides nothing. The graph is not needed after. */
ig_status ig_shards_create(const ig_graph *step, ig_shards **out);
void ig_shards_destroy(ig_shards *shards); /* NULL is allowed */
/* Collects all ranks' parts; `snapshot`, where not NULL, gets them as "optimizer.<moment>.<parameter>".
 * Every rank of `comm` calls it. */
ig_status ig_shards_gather(const ig_shards *shards, const ig_store *store, ig_comm *comm,
                           ig_snapshot *snapshot);
/* Rank `rank` takes its parts from the snapshot, which must have every moment. */
ig_status ig_shards_scatter(const ig_shards *shards, ig_store *store, int rank,
                            const ig_snapshot *snapshot);

#endif
