/* What is to be quantized, and how: the settings that a user gives, and from them a recipe: the list of a
 * model's layers with the format that each gets. Calibration, weight methods, the sensitivity measurement
 * and the search for the fastest mix all read and write recipes; apply.h turns a recipe into a graph with
 * QuantizeLinear and DequantizeLinear, which passes/lower_*.c turn into integer operators. */
#ifndef IG_QUANTIZE_RECIPE_H
#define IG_QUANTIZE_RECIPE_H

#include "engine/graph/graph.h"
#include "engine/plan/store.h"

typedef enum ig_quant_format {
  IG_QUANT_F32, /* as it is */
  IG_QUANT_F16, /* weights and arithmetic in 16 bits */
  IG_QUANT_BF16,
  IG_QUANT_INT8,         /* weights and activations, ranges by calibration */
  IG_QUANT_INT8_DYNAMIC, /* weights; activations by the extremes of each run */
  IG_QUANT_INT8_WEIGHTS, /* weights alone: per channel, or in groups along the summed dimension */
  IG_QUANT_INT4_WEIGHTS, /* in groups, symmetric */
  IG_QUANT_FP8,          /* e4m3 weights and activations, where a device multiplies them */
  IG_QUANT_FORMATS
} ig_quant_format;

/* "f32", "fp16", "bf16", "int8", "int8-dynamic", "int8-weights", "int4-weights", "fp8". */
const char *ig_quant_format_name(ig_quant_format format);
/* Fails with IG_ERR_USAGE for another word. */
ig_status ig_quant_format_parse(const char *name, ig_quant_format *out);

/* How the range of an activation follows from what calibration saw. */
typedef enum ig_range_method {
  IG_RANGE_PERCENTILE, /* of the magnitudes on either side */
  IG_RANGE_MINMAX,
  IG_RANGE_MOVING_AVERAGE, /* of the batches' extremes, 0.99 of the old */
  IG_RANGE_ENTROPY,        /* least Kullback-Leibler divergence (Migacz 2017) */
  IG_RANGE_MSE             /* least mean squared error of clipping and rounding */
} ig_range_method;

/* How weights are rounded. */
typedef enum ig_quant_rounding {
  IG_ROUND_NEAREST,
  IG_ROUND_GPTQ      /* Frantar et al. 2022 */
} ig_quant_rounding;

typedef struct ig_quant_settings {
  ig_quant_format format;
  ig_range_method ranges;
  double percentile;      /* 99.99 */
  bool symmetric;         /* activations: i8 around 0; else u8 with a zero point */
  bool per_tensor;        /* weights: one scale for all channels */
  int64_t group;          /* weights alone: 32, 64, 128; 0 for per channel */
  bool equalize;          /* cross-layer equalisation (Nagel et al. 2019, section 4.1) */
  bool correct_bias;      /* (Nagel et al. 2019, section 4.2) */
  ig_quant_rounding rounding;
  bool store_only;        /* F16, BF16: weights alone, arithmetic in f32, where a device has it no faster */
  double smooth;          /* SmoothQuant's alpha (Xiao et al. 2022, equation 4); 0 for not at all */
} ig_quant_settings;

/* Scales and codes that another method than rounding to nearest made for a weight, for one format. */
typedef struct ig_quant_rounded {
  ig_quant_format format;
  const float *scale;
  const int8_t *codes;
} ig_quant_rounded;

/* A node that can be computed in another format: a product with a parameter (Conv, ConvTranspose, MatMul,
 * Gemm), or one between such (Add, pooling, Concat, elementwise), which follows its neighbours and has no
 * `weight`. */
typedef struct ig_quant_layer {
  const char *node, *op, *weight; /* names in the prepared graph */
  int weight_input;               /* index in node->inputs */
  int channel_axis, sum_axis;     /* of the weight: results' channels; the dimension that is summed */
  double flops;                   /* of one sample; 0 until measured */
  ig_quant_format format;         /* what it gets */
  const char *why;                /* why that is not the format asked for; NULL where it is */
  /* Measured with this layer alone in the format asked for; NaN until then. */
  double output_error; /* |y - y_f32|^2 / |y_f32|^2 over the calibration data */
  double metric_drop;  /* of the metric of --eval */
  double seconds_f32, seconds; /* of one run of this node, before and after */
  const ig_quant_rounded *rounded; /* of the weight, see weights.h; in the arena; NULL: to nearest */
} ig_quant_layer;

typedef struct ig_recipe {
  ig_arena *arena; /* holds all texts */
  ig_quant_settings settings;
  int n_layers;
  ig_quant_layer *layers; /* in execution order; in the arena */
} ig_recipe;

/* Makes a model ready: what is Identity or Dropout goes; batch normalisation behind a convolution or a
 * product goes into its weights and bias, in double; patterns that exporters take apart are recognised as in
 * inference. *out is a template of plain ONNX operators with the parameters in *out_store, a new store of the
 * same backend, both the caller's. Fails when the model is quantized already, naming a node. */
ig_status ig_quantize_prepare(const ig_graph *graph, const ig_store *store, ig_graph **out,
                              ig_store **out_store);

/* Lists the layers of a prepared graph, all with the format of the settings. Fails with IG_ERR_USAGE when
 * there is none. */
ig_status ig_recipe_create(const ig_graph *prepared, const ig_quant_settings *settings,
                           ig_recipe **out);
void ig_recipe_destroy(ig_recipe *recipe); /* NULL is allowed */

struct ig_calibration;
/* Layers of F16 go back to f32 where the weight, or what calibration saw of what goes in or comes out (NULL:
 * nothing), is beyond 65504, or where half of what the weight holds is lost to 0. */
ig_status ig_recipe_guard_f16(ig_recipe *recipe, const ig_graph *prepared, const ig_store *store,
                              const struct ig_calibration *calibration);

#endif
