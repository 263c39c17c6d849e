/* A graph as JSON text: what a checkpoint keeps of a model, complete enough to run it.
 *
 *   {"format": "ingot graph", "version": 1, "name": ...,
 *    "inputs":      [{"name", "dtype", "shape", "symbols": ["N", null]}],   symbols if any is free
 *    "parameters":  [{"name", "dtype", "shape", "init": {"kind", "value"}, "decay", "frozen"}],
 *    "states":      [{"name", "dtype", "shape", "init"}],
 *    "constants":   [{"name", "dtype", "shape", "values": [...]}],           or "base64" beyond 16 and with NaN
 *    "nodes":       [{"op", "name", "inputs": ["x", null], "outputs": ["y"], "attributes": {...}}],
 *    "outputs":     [{"name", "value"}],
 *    "assignments": [{"target", "source"}]}
 *
 * Attributes with their default value are left out; which exist, and of what type, comes from the
 * operators' tables. NaN and infinities are the strings "nan", "inf", "-inf"; base64 holds the bytes
 * as they lie in memory, little-endian. dtypes and shapes of
 * results are inferred on reading. */
#ifndef IG_FORMATS_GRAPH_JSON_H
#define IG_FORMATS_GRAPH_JSON_H

#include "engine/graph/graph.h"

/* The text; ig_free releases it. Values of IG_INIT_DATA parameters are not part of it: the checkpoint
 * has them. Fails for names that are not UTF-8, for graphs with layouts other than rows, and for
 * attributes that are graphs. */
ig_status ig_graph_to_json(const ig_graph *graph, char **out);
/* The graph, through the builders. Parameters whose initial values were data start as zero. Fails with
 * IG_ERR_INPUT, naming the member, for malformed text, and IG_ERR_UNSUPPORTED for an unknown operator
 * or a later version. */
ig_status ig_graph_from_json(const char *text, ig_graph **out);

#endif
