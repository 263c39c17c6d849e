/* The set of names taken in a graph: open addressing over strings that the graph's arena owns. */
#ifndef IG_GRAPH_NAMES_H
#define IG_GRAPH_NAMES_H

#include "engine/graph/graph.h"

typedef struct ig_names ig_names;

ig_names *ig_names_create(void);
void ig_names_destroy(ig_names *names);
/* A copy of `wanted` in the arena, with a suffix _1, _2, ... when it is taken; `wanted` NULL makes
 * one from `stem`. Registers it for `value` (NULL for a node's name). NULL when memory is short. */
const char *ig_names_claim(ig_names *names, ig_arena *arena, const char *wanted, const char *stem,
                           ig_value *value);
/* The value registered under that name, or NULL. */
ig_value *ig_names_find(const ig_names *names, const char *name);

#endif
