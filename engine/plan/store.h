/* The store: named tensors that outlive a plan: parameters, running statistics, moments, caches.
 * Several plans (training step, evaluation, decoding) share one store. CPU memory here; a device
 * backend keeps its copy behind the same functions. */
#ifndef IG_PLAN_STORE_H
#define IG_PLAN_STORE_H

#include "engine/ops/op.h"
#include "engine/train/snapshot.h"

typedef struct ig_store_entry {
  const char *name;
  ig_tensor_role role;
  ig_dtype dtype;
  ig_shape shape;
  void *data; /* device memory of the store's backend; row-major; NULL once released */
  bool kept;  /* a plan that does not release parameters reads it while it runs: no other may */
} ig_store_entry;

struct ig_backend;
ig_status ig_store_create(struct ig_backend *backend, ig_store **out);
void ig_store_destroy(ig_store *store);
/* Finds the entry, or makes it, zeroed. Fails when it exists with another dtype or shape. */
ig_status ig_store_get(ig_store *store, const char *name, ig_tensor_role role, ig_dtype dtype,
                       const ig_shape *shape, ig_store_entry **out);
/* The same, where the caller writes all of a new entry before anything reads it: its memory is not touched
 * here, which for a large model is a tenth of a second and more. */
ig_status ig_store_get_unwritten(ig_store *store, const char *name, ig_tensor_role role, ig_dtype dtype,
                                 const ig_shape *shape, ig_store_entry **out);
ig_store_entry *ig_store_find(const ig_store *store, const char *name);
/* Whose memory the entries' data is. */
struct ig_backend *ig_store_backend(const ig_store *store);
int64_t ig_store_count(const ig_store *store);
ig_store_entry *ig_store_entry_at(const ig_store *store, int64_t index);
/* Makes entries for every PARAM and STATE of the graph, and gives new ones their initial values
 * from `seed`. PARAMs have IG_ROLE_PARAMETER, STATEs IG_ROLE_STATE unless their name starts with
 * "optimizer.sum." (IG_ROLE_SCRATCH), "optimizer.shard." (IG_ROLE_SHARD), "optimizer."
 * (IG_ROLE_OPTIMIZER), "ema." (IG_ROLE_EMA) or "copy." (IG_ROLE_COPY: made from the f32 parameter of the
 * name that follows, which must be there). */
ig_status ig_store_add_graph(ig_store *store, const ig_graph *graph, uint64_t seed);
/* Makes the copies anew, after parameters were written by other than a plan: to nearest, or stochastically
 * as the step of `rng` does it (kernels/rounding.h). NULL: to nearest. */
ig_status ig_store_refresh_copies(ig_store *store, const ig_rng_state *rng);
/* Entries for every PARAM and STATE of the graph with the snapshot's values, checked as
 * ig_store_from_snapshot does. Host memory changes hands instead of being copied: the snapshot keeps
 * names and shapes alone of what was taken, with NULL for data. */
ig_status ig_store_take_snapshot(ig_store *store, const ig_graph *graph, ig_snapshot *snapshot);
/* Gives up an entry's memory, for good: its data is NULL, and it can be neither read nor written. */
void ig_store_release(ig_store *store, ig_store_entry *entry);
/* Takes every entry of the role out whose name begins so; what reads them, plans and pointers alike, must be
 * gone. */
void ig_store_remove(ig_store *store, ig_tensor_role role, const char *prefix);
/* Host copies in row-major order. */
ig_status ig_store_read(const ig_store *store, const ig_store_entry *entry, void *host);
ig_status ig_store_write(ig_store *store, ig_store_entry *entry, const void *host);
/* All entries that snapshots have into one, and back. Loading needs every PARAMETER and STATE entry to be
 * present with equal dtype and shape, and names what is missing or differs. Other roles are loaded where
 * present. */
ig_status ig_store_to_snapshot(const ig_store *store, ig_snapshot *snapshot);
ig_status ig_store_from_snapshot(ig_store *store, const ig_snapshot *snapshot);
size_t ig_store_bytes(const ig_store *store);

#endif
