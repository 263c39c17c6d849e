/* A new template and store made from old ones, node by node, with something changed on the way: what prepare
 * and apply are written with. Parameters and constants are copied when a new node first reads them, so that
 * those which nothing reads any more are left out. */
#ifndef IG_QUANTIZE_REBUILD_H
#define IG_QUANTIZE_REBUILD_H

#include "engine/graph/graph.h"
#include "engine/plan/store.h"

typedef struct ig_rebuild {
  const ig_graph *from;
  const ig_store *from_store;
  ig_graph *graph;
  ig_store *store;
  ig_value **map; /* the new value by the old one's id; NULL until there is one */
} ig_rebuild;

/* Begins with the inputs. On failure nothing is held. */
ig_status ig_rebuild_start(const ig_graph *from, const ig_store *store, ig_rebuild *out);
/* The new value in the place of an old one, copied now if it is a leaf; NULL for NULL. */
ig_status ig_rebuild_value(ig_rebuild *r, const ig_value *old, ig_value **out);
/* The node as it was but for its inputs: `in` follows old->inputs. */
ig_status ig_rebuild_node(ig_rebuild *r, const ig_node *old, ig_value *const *in, ig_node **out);
/* The same with the new values of its inputs. */
ig_status ig_rebuild_copy(ig_rebuild *r, const ig_node *old);
/* A parameter of these bytes. */
ig_status ig_rebuild_param(ig_rebuild *r, const char *name, ig_dtype dtype, const ig_shape *shape,
                           const void *bytes, bool frozen, ig_value **out);
/* The f32 elements of a parameter, state or constant of the old graph as doubles, on the heap. */
ig_status ig_rebuild_numbers(const ig_rebuild *r, const ig_value *old, double **out);
/* Adds outputs and assignments, and hands the two over. */
ig_status ig_rebuild_finish(ig_rebuild *r, ig_graph **graph, ig_store **store);
/* Releases what was not handed over. */
void ig_rebuild_release(ig_rebuild *r);

#endif
