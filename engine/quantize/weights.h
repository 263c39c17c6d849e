/* What is done to weights so that their quantization costs less accuracy. Each works on a prepared graph and
 * its store in place, and leaves what the model computes in f32 the same up to rounding, except where it
 * says so. */
#ifndef IG_QUANTIZE_WEIGHTS_H
#define IG_QUANTIZE_WEIGHTS_H

#include "engine/quantize/calibrate.h"

/* One weight in narrow integers. */
typedef struct ig_quant_weight {
  int64_t scales; /* their count: channels, or channels times groups */
  float *scale;   /* heap, the caller's */
  int8_t *codes;  /* heap, the caller's; one a byte, row-major as the weight */
} ig_quant_weight;

/* Rounds to nearest: per channel, per tensor or in groups by the settings; symmetric, -127 to 127 or -7 to 7
 * (the full range for groups: see docs/quantization.md). `dims` as the layer's weight. */
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
