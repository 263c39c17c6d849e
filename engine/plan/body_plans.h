/* Plans of bodies that the interpreter runs again and again: one for each body and shapes of its inputs,
 * made when they come for the second time, where the shapes of all values follow from them. */
#ifndef IG_PLAN_BODY_PLANS_H
#define IG_PLAN_BODY_PLANS_H

#include "engine/ops/op.h"

typedef struct ig_body_plans ig_body_plans;

/* `memory_limit` is each plan's; 0 for none. */
ig_status ig_body_plans_create(size_t memory_limit, ig_body_plans **out);
void ig_body_plans_destroy(ig_body_plans *plans); /* NULL is allowed */
/* Runs the body by its plan, if it has one: makes out[i] for every output and counts the nodes that ran;
 * else leaves *ran false. */
ig_status ig_body_plans_run(ig_body_plans *plans, const ig_graph *body, const ig_rng_state *rng,
                            ig_datum *const *in, ig_datum **out, bool *ran, int64_t *steps);

#endif
