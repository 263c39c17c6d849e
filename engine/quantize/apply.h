/* A recipe applied: the prepared graph with explicit QuantizeLinear and DequantizeLinear, which other
 * programs run too, and its parameters in narrow types. */
#ifndef IG_QUANTIZE_APPLY_H
#define IG_QUANTIZE_APPLY_H

#include "engine/quantize/calibrate.h"

/* *out is a template; its parameters are in *out_store, a new store of the same backend; both the caller's.
 * For layers of
 *   F16, BF16      Casts at the borders, weights in 16 bits; with settings.store_only, a Cast behind each weight;
 *   INT8           DequantizeLinear(QuantizeLinear(x)) in front of every input and behind every output that
 *                  goes on into a layer of INT8, weights as an i8 PARAM behind DequantizeLinear with the
 *                  scales a frozen f32 PARAM "NAME.scale" (zero points absent), bias as i32 behind
 *                  DequantizeLinear with scale x_scale * w_scale; data movement (Reshape, Transpose, MaxPool,
 *                  ...) between two layers takes its input's scale;
 *   INT8_DYNAMIC   DynamicQuantizeLinear, MatMulInteger (ConvInteger), Cast and Mul;
 *   *_WEIGHTS      DequantizeLinear with block_size in front of the weight's reader;
 *   FP8            as INT8, with f8e4m3 in the place of i8.
 * Activations' scales and zero points are constants. A parameter that two layers share is quantized once.
 * `calibration` may be NULL where no layer is INT8 or FP8. Fails with a line that names the tensor when it was
 * never seen, or the layer when its weights are not finite. */
ig_status ig_quantize_apply(const ig_graph *prepared, const ig_store *store,
                            const ig_recipe *recipe, const ig_calibration *calibration,
                            ig_graph **out, ig_store **out_store);

/* Whether the graph holds quantized layers, and the name of one. */
bool ig_graph_is_quantized(const ig_graph *graph, const char **node);

#endif
