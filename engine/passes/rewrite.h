/* What passes share: attributes of any node through its operator's table, and nodes made like
 * another with something changed. */
#ifndef IG_PASSES_REWRITE_H
#define IG_PASSES_REWRITE_H

#include "engine/passes/pass.h"

/* The attribute's value; `fallback` when the operator has no attribute of that name and type. */
int64_t ig_attr_int_of(const ig_node *node, const char *name, int64_t fallback);
float ig_attr_float_of(const ig_node *node, const char *name, float fallback);
const char *ig_attr_string_of(const ig_node *node, const char *name, const char *fallback);

#define IG_MOST_ATTRS 32
/* The attributes that differ from their defaults, as builders take them; borrowed from the node.
 * Returns their count. */
int ig_attr_list(const ig_node *node, ig_attr out[IG_MOST_ATTRS]);
/* Sets or adds one in such a list. */
void ig_attr_put(ig_attr list[IG_MOST_ATTRS], int *count, ig_attr attr);

/* True for a node of that operator. */
bool ig_node_is(const ig_node *node, const char *op);
/* The producer of `value` when it is a node of operator `op` whose output has no other use. */
ig_node *ig_sole_producer(const ig_graph *graph, const ig_value *value, const char *op);
/* The only node that uses `value`, or NULL when there are several uses or one is not a node. */
ig_node *ig_sole_user(const ig_graph *graph, const ig_value *value);
/* Known at plan time and all elements equal; *out is the element. */
bool ig_const_splat(const ig_value *value, double *out);

/* Replaces output i of `node` by output i of `by` for i < n, then removes `node`. */
ig_status ig_node_replace(ig_graph *graph, ig_node *node, ig_node *by, int n);

#endif
