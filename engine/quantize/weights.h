/* What is done to weights so that their quantization costs less accuracy. Each works on a prepared graph and
 * its store in place, and leaves what the model computes in f32 the same up to rounding, except where it
 * says so. The order: equalise, smooth, calibrate, round, decide the formats, correct biases, apply. */
#ifndef IG_QUANTIZE_WEIGHTS_H
#define IG_QUANTIZE_WEIGHTS_H

#include "engine/quantize/calibrate.h"

/* One weight in narrow integers. */
typedef struct ig_quant_weight {
  int64_t scales; /* their count: channels, or channels times groups */
  float *scale;   /* heap, the caller's; normal and positive */
  int8_t *codes;  /* heap, the caller's; one a byte, row-major as the weight */
} ig_quant_weight;

void ig_quant_weight_release(ig_quant_weight *weight); /* frees both */

/* In 8 bits from -127 to 127, in 4 from -8 to 7, symmetric. One scale for each channel (settings->per_tensor:
 * one), or, for INT8_WEIGHTS and INT4_WEIGHTS with settings->group, one for each group along the summed
 * dimension: then they are row-major in the weight's shape with that dimension divided by the group, rounded
 * up, as the block_size of DequantizeLinear has it. To nearest, with the largest number as 127; in 4 bits with
 * the scale, out of some, that leaves the least squared error. A layer with `rounded` codes for this format
 * gets those. `shape` is that of the layer's weight. Fails, naming the layer, when a weight is not finite. */
ig_status ig_quantize_weight(const ig_quant_layer *layer, const ig_quant_settings *settings,
                             const ig_shape *shape, const float *weight, ig_quant_weight *out);

/* Cross-layer equalisation of pairs of layers with nothing between them but Relu, LeakyRelu and pooling. */
ig_status ig_quantize_equalize(ig_graph *prepared, ig_store *store, const ig_recipe *recipe,
                               int *pairs);
/* SmoothQuant with settings.smooth: moves part of the activations' spread into the weights of the layers
 * behind a normalisation (the scale goes into its gain and bias); runs over the data for the greatest
 * magnitude of each channel. Ranges seen before are void afterwards. *layers is how many were changed. */
ig_status ig_quantize_smooth(ig_graph *prepared, ig_backend *backend, ig_store *store,
                             const ig_recipe *recipe, ig_dataset *data,
                             const ig_calibration_options *options, int *layers);

/* GPTQ: gives the layers that quantize weights `rounded` codes, in the recipe's arena, which keep their
 * outputs over the data closest; weights in the store stay. Layers it cannot see through (a weight that is
 * shared or not the second input, filters not of two dimensions) are left to nearest rounding. Memory: two
 * matrices [k, k] of doubles for the layer that sums the most numbers, and 256 MiB of those of f32. Runs over the
 * data as often as these need. *layers is how many got codes. */
ig_status ig_quantize_round(const ig_graph *prepared, ig_backend *backend, ig_store *store,
                            ig_recipe *recipe, ig_dataset *data,
                            const ig_calibration_options *options, int *layers);
/* Takes out of the biases what rounding the weights adds to the means of the outputs. What the model computes
 * in f32 changes by as much, so this comes last, when the layers' formats are decided; layers in 16 bits or f32
 * are left alone, and so are those without a bias. *layers is how many were changed. */
ig_status ig_quantize_correct_bias(const ig_graph *prepared, ig_backend *backend, ig_store *store,
                                   const ig_recipe *recipe, ig_dataset *data,
                                   const ig_calibration_options *options, int *layers);

#endif
