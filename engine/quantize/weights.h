/* What is done to weights so that their quantization costs less accuracy. Each works on a prepared graph and
 * its store in place, and leaves what the model computes in f32 the same up to rounding, except where it
 * says so. */
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

/* Cross-layer equalisation of pairs of layers with nothing but Relu (or nothing) between them. */
ig_status ig_quantize_equalize(ig_graph *prepared, ig_store *store, const ig_recipe *recipe,
                               int *pairs);
/* SmoothQuant: moves part of the activations' spread into the weights of the layers behind a normalisation
 * (the scale goes into its gain and bias). Ranges seen before are void afterwards for the tensors named. */
ig_status ig_quantize_smooth(ig_graph *prepared, ig_store *store, const ig_recipe *recipe,
                             const ig_calibration *calibration, int *layers);
/* AdaRound or GPTQ: codes for the layer's weight that keep its output over the data closest; `gram` is the
 * sum of x x' over calibration, [k, k] in f32, for each group of a convolution. */
ig_status ig_quantize_weight_gptq(const ig_quant_layer *layer, const ig_quant_settings *settings,
                                  const ig_shape *shape, const float *weight, const float *gram,
                                  ig_quant_weight *out);

#endif
