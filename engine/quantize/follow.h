/* A preset's graph made to read the parameters of a quantized model of that preset. */
#ifndef IG_QUANTIZE_FOLLOW_H
#define IG_QUANTIZE_FOLLOW_H

#include "engine/graph/graph.h"

/* Gives every PARAM of `graph` (a template that a preset built, such as a decoding graph) the type that the
 * PARAM of the same name has in `quantized`, behind DequantizeLinear with the same scales, or Cast. Does
 * nothing to parameters of the same type. Products have real activations then, whatever those of the
 * quantized model are: with few rows it is the weights that count. Fails when the two have different
 * parameters, naming one. *changed is how many parameters have another type now. */
ig_status ig_quantize_follow(ig_graph *graph, const ig_graph *quantized, int *changed);

#endif
