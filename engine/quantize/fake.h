/* Quantization-aware training: a quantized model (apply.h) made trainable again, and back. While it trains,
 * every pair of QuantizeLinear and DequantizeLinear is one ingot.FakeQuantize whose scale is a parameter
 * (Esser et al. 2020), and weights and biases are the f32 parameters that they were, so that optimizers,
 * checkpoints and resuming know nothing of it. */
#ifndef IG_QUANTIZE_FAKE_H
#define IG_QUANTIZE_FAKE_H

#include "engine/quantize/recipe.h"

/* Turns a template that ig_quantize_apply made of a prepared one into its trainable form, in place. *out is a
 * new store of the same backend, the caller's: with the parameters of `prepared` for weights and biases, and
 * the scales of `store`. Zero points stay as they are. Scales that several tensors share are one parameter.
 * Fails when nothing in the graph is quantized. */
ig_status ig_quantize_fake(ig_graph *graph, const ig_store *store, const ig_store *prepared,
                           ig_store **out);

/* The way back, in place: weights rounded to i8 parameters, biases to i32, scales as constants (of activations)
 * or frozen parameters (of weights), as ig_quantize_apply leaves them. *out is a new store, the caller's. */
ig_status ig_quantize_settle(ig_graph *graph, const ig_store *store, ig_store **out);

/* Whether the graph is in the trainable form. */
bool ig_graph_is_fake_quantized(const ig_graph *graph);
/* The layers whose weights such a graph rounds, for reports. */
ig_status ig_recipe_of_fake(const ig_graph *graph, const ig_quant_settings *settings,
                            ig_recipe **out);

#endif
