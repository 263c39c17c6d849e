/* What stands between a plan and the host where tensors are not in host memory: device copies of the
 * graph's inputs and of the generator's position, and pinned host memory for both directions, twice,
 * so that the host prepares a run while the one before is still under way. Where much is copied, a run's
 * inputs travel while the one before computes, and its outputs while the next does. */
#ifndef IG_PLAN_BORDER_H
#define IG_PLAN_BORDER_H

#include "engine/backend/backend.h"

/* Runs that may be submitted and not yet waited for. */
#define IG_BORDER_RUNS 2

typedef struct ig_border ig_border;

/* Borrows both for its life. Without `outputs` none are received. */
ig_status ig_border_create(const ig_graph *graph, ig_backend *backend, bool outputs,
                           ig_border **out);
void ig_border_destroy(ig_border *border);
/* Device addresses, the same for every run. */
void *ig_border_input(const ig_border *border, int index);
const ig_rng_state *ig_border_rng(const ig_border *border);

/* Copies an input for the next run, which then has to be submitted. */
ig_status ig_border_bind(ig_border *border, int index, const void *host);
/* Queues what the next run reads: inputs bound since the last, and the generator's position. */
ig_status ig_border_send(ig_border *border, const ig_rng_state *rng);
/* Queues the copy of output `index`, which is at `device`; after the run's steps. */
ig_status ig_border_receive(ig_border *border, int index, const void *device);
/* The run is queued whole; what follows belongs to the next. */
ig_status ig_border_submitted(ig_border *border);
/* Waits until fewer than `runs` runs are under way. */
ig_status ig_border_wait(ig_border *border, int runs);
/* Output `index` of the last run that was waited for; valid until the next is sent. */
const void *ig_border_output(const ig_border *border, int index);

#endif
