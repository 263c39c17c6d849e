/* The order in which a plan runs nodes: the graph's, except that optimizer updates, additions to a STATE
 * and nodes with a tiny result run as soon as they can, which lets go of gradients early, and that what
 * travels between ranks begins to at once. */
#ifndef IG_PLAN_SCHEDULE_H
#define IG_PLAN_SCHEDULE_H

#include "engine/graph/graph.h"

/* Writes the live nodes of a sorted graph in running order; `order` has room for graph->n_nodes.
 * A node that may overwrite a PARAM or STATE comes after every reader of the old value when it is
 * hoisted. */
ig_status ig_schedule_nodes(const ig_graph *graph, ig_node **order, int *count);

#endif
