/* Text and Graphviz forms of a graph, for people. */
#ifndef IG_GRAPH_PRINT_H
#define IG_GRAPH_PRINT_H

#include <stdio.h>

#include "engine/graph/graph.h"

/* One line a node: %name: f32[2, 3] = Op(%a, %b) {attr = value}. Returns the stream's state. */
ig_status ig_graph_print(const ig_graph *graph, FILE *out);
ig_status ig_graph_print_dot(const ig_graph *graph, FILE *out);
/* Attributes that differ from their defaults as "axis=1 epsilon=1e-05" in at most `size` bytes. */
void ig_node_attrs_text(const ig_node *node, char *text, size_t size);

#endif
