/* A plan is a concrete graph made ready to run: an implementation and workspace for every node, one
 * slab in which all intermediate tensors have an offset, and bound parameters. Running allocates
 * nothing. */
#ifndef IG_PLAN_PLAN_H
#define IG_PLAN_PLAN_H

#include "engine/backend/backend.h"
#include "engine/ops/op.h"
#include "engine/plan/store.h"

typedef struct ig_plan_options {
  uint64_t seed;
  bool frozen_params;  /* inference: what depends on parameters alone is computed and packed once, when
                          the plan is made; later changes of the store are not seen */
  bool release_params; /* with frozen_params: no other plan will be made from the store, which gives up
                          parameters as soon as the steps that read them hold them packed; those that
                          plans with frozen_params alone read while they run stay */
  bool check_finite;   /* after each run step, find NaN and Inf in outputs (slow; for diagnosis) */
  bool synchronize;    /* wait for each step, so that a failure on a device names its node */
  bool device_outputs; /* outputs stay where they are: ig_plan_output gives the backend's memory */
  bool tf32;           /* products and convolutions of f32 may use a GPU's tensor cores */
  bool measure;        /* lay memory out for ig_plan_memory_use and take none: such a plan cannot run */
  size_t memory_limit; /* bytes for slab and workspace; 0 for no limit */
  ig_comm *comm;       /* for graphs with collective operators; borrowed */
  bool fixed_sums;     /* sums have the same order on any number of threads: a library's run on one */
} ig_plan_options;

typedef struct ig_plan_memory {
  size_t slab;        /* bytes allocated for intermediates */
  size_t sum;         /* sum of all intermediates, as if none shared memory */
  size_t lower_bound; /* the most bytes live at one step */
  size_t workspace; /* the largest of any step; inside the slab */
  size_t fixed;     /* results computed once from frozen parameters */
  size_t params;    /* PARAMs and STATEs of the graph, in the store */
  size_t buckets;   /* in the communicator's memory */
} ig_plan_memory;

/* Compiles `graph` (concrete, sorted; borrowed and not changed while the plan lives). */
ig_status ig_plan_create(ig_graph *graph, ig_backend *backend, ig_store *store,
                         const ig_plan_options *options, ig_plan **out);
void ig_plan_destroy(ig_plan *plan);

/* Lends host memory, row-major, for graph input `index`: read by the next runs on the CPU, and copied
 * at once for a device, so that changed bytes must be bound again. */
ig_status ig_plan_bind_input(ig_plan *plan, int index, const void *host);
/* Submits and waits. */
ig_status ig_plan_run(ig_plan *plan, const ig_rng_state *rng);
/* Queues a run and returns without waiting for it, except that at most two may be under way. On the
 * CPU it has ended on return. */
ig_status ig_plan_submit(ig_plan *plan, const ig_rng_state *rng);
/* Waits until at most `runs` submitted runs are still under way: 0 for all, 1 to stay one ahead. */
ig_status ig_plan_wait(ig_plan *plan, int runs);
/* The host copy of graph output `index`, of the last run that was waited for; borrowed until the next
 * is submitted. */
const void *ig_plan_output(const ig_plan *plan, int index);

/* Binds `in`, tensors as the graph's inputs are, runs, and makes out[i] for every output, each the
 * caller's to release. */
ig_status ig_plan_run_data(ig_plan *plan, const ig_rng_state *rng, ig_datum *const *in,
                           ig_datum **out);

const ig_graph *ig_plan_graph(const ig_plan *plan);
ig_plan_memory ig_plan_memory_use(const ig_plan *plan);

/* Steps in running order, for inspection and profiling. */
typedef struct ig_plan_step {
  const ig_node *node;
  const ig_impl *impl; /* NULL for a view, which runs nothing */
  /* Why this one: it was the fastest in a contest; or the one that stands before it, and why that is
   * not taken (NULL where this is the first). */
  bool fastest;
  const char *passed, *reason;
  bool fixed;          /* ran once, when the plan was made */
  size_t workspace;
  double seconds; /* summed over the profiled runs */
} ig_plan_step;
int ig_plan_step_count(const ig_plan *plan);
ig_plan_step ig_plan_step_at(const ig_plan *plan, int index);
/* Profiling times each step and is off until enabled. */
void ig_plan_profile(ig_plan *plan, bool on);
int64_t ig_plan_profiled_runs(const ig_plan *plan);
/* The first node, in order, with a NaN or Inf among its float outputs in the last run when
 * check_finite is on; NULL when all are finite. */
const ig_node *ig_plan_first_nonfinite(const ig_plan *plan);

/* Plans by (template graph, input shapes): made on first use, kept until the cache is destroyed.
 * `prepare` turns the specialised graph into the one to run (adds loss, passes); may be NULL. */
typedef struct ig_plan_cache ig_plan_cache;
typedef ig_status (*ig_plan_prepare)(ig_graph *graph, void *context);
ig_status ig_plan_cache_create(const ig_graph *graph, ig_backend *backend, ig_store *store,
                               const ig_plan_options *options, ig_plan_prepare prepare,
                               void *context, ig_plan_cache **out);
ig_status ig_plan_cache_get(ig_plan_cache *cache, const ig_shape *input_shapes, ig_plan **out);
void ig_plan_cache_destroy(ig_plan_cache *cache);

#endif
