/* The inside of a plan, for the files that make it (plan.c) and run it (plan_run.c). */
#ifndef IG_PLAN_PLAN_PARTS_H
#define IG_PLAN_PLAN_PARTS_H

#include "engine/plan/border.h"
#include "engine/plan/plan.h"
#include "engine/plan/storage.h"

/* A node in running order. */
typedef struct ig_planned {
  ig_node *node;
  const ig_impl *impl; /* NULL for a view */
  ig_call call;
  bool prepared;
  bool fastest; /* its implementation won a contest */
  int workspace_block; /* index among the slab's blocks, or -1 */
  double seconds;
} ig_planned;

struct ig_plan {
  ig_graph *graph;
  ig_backend *backend;
  ig_store *store;
  ig_plan_options options;
  ig_node **order;
  bool *fixed; /* by node id */
  int n_steps;
  ig_planned *steps;
  ig_storage_map map;
  void *slab;
  ig_border *border;  /* NULL where host memory is the backend's memory */
  bool *bound;        /* by graph input */
  void **staged;      /* by assignment: where a source waits that is itself a target, or NULL */
  const void **slots; /* all calls' pointer arrays */
  void *recording;    /* of the steps and assignments, once they have run */
  int64_t runs;
  ig_plan_memory memory;
  bool profiling;
  int64_t profiled_runs;
  const ig_node *nonfinite;
};

/* Sums up the communicator's memory, which a plan without communicator may only measure; values in the
 * same operand's must not live at the same time. */
ig_status ig_plan_count_buckets(ig_plan *plan);
/* Asks the communicator for that memory, again before every run: another plan may have had it moved. */
ig_status ig_plan_bind_buckets(ig_plan *plan);

/* Before and after a library's step of a plan with `fixed_sums`: on one thread in between. Returns what
 * to pass to the latter. */
int ig_plan_threads_begin(const ig_plan *plan, const ig_impl *impl);
void ig_plan_threads_end(int before);
/* Where a value's bytes are; NULL for a value that nothing reads. */
void *ig_plan_address(const ig_plan *plan, const ig_value *value);

#endif
