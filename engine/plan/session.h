/* A template graph ready for arrays of any shape: run by a plan, one for each set of input shapes, as long
 * as the shapes of all values follow from those; else by the interpreter. */
#ifndef IG_PLAN_SESSION_H
#define IG_PLAN_SESSION_H

#include "engine/plan/plan.h"

typedef struct ig_session ig_session;

typedef struct ig_session_options {
  ig_plan_options plan;
  ig_dtype compute; /* IG_F32, or the 16-bit type of the mixed-precision pass */
} ig_session_options;

/* Borrows all four. The store has the graph's parameters. */
ig_status ig_session_create(const ig_graph *graph, ig_backend *backend, ig_store *store,
                            const ig_session_options *options, ig_session **out);
void ig_session_destroy(ig_session *session);
/* `in` follows graph->inputs; makes out[i] for every graph output, each the caller's to release. Fails
 * naming the input that does not fit: kind, dtype, rank, or a dimension that is fixed, or one that
 * another input has under the same symbol. */
ig_status ig_session_run(ig_session *session, ig_datum *const *in, ig_datum **out);
/* Whether the last run was interpreted, and why; NULL when a plan ran. */
const char *ig_session_interpreted(const ig_session *session);
/* The plan that the last run took, for inspection and profiling; NULL when that was interpreted. The
 * session's, until its next run. */
ig_plan *ig_session_plan(const ig_session *session);

#endif
