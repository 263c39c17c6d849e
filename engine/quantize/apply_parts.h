/* Between the files that apply a recipe. */
#ifndef IG_QUANTIZE_APPLY_PARTS_H
#define IG_QUANTIZE_APPLY_PARTS_H

#include "engine/quantize/apply.h"
#include "engine/quantize/rebuild.h"
#include "engine/quantize/roles.h"
#include "engine/quantize/weights.h"

/* A leaf of the old graph in a narrow type; made once, whoever reads it. */
typedef struct ig_narrow_leaf {
  const ig_value *old;
  ig_quant_format format; /* INT8 also for INT8_DYNAMIC, whose weights are the same */
  int channel_axis;
  ig_value *codes;  /* i8, i4, f8e4m3, or the 16-bit float */
  ig_value *scale;  /* NULL for 16 bits */
  int64_t n_scales;
  const float *scales;   /* in the new graph's arena */
  ig_value *dequantized; /* NULL until somebody asks */
  struct ig_narrow_leaf *next;
} ig_narrow_leaf;

/* Scale and zero point of an activation. */
typedef struct ig_codes_of {
  float scale;
  int zero;
  bool is_signed, f8;
} ig_codes_of;

typedef struct ig_applying {
  ig_rebuild r; /* r.map has the f32 value, where there is one */
  const ig_recipe *recipe;
  const ig_calibration *calibration;
  ig_quant_flow codes;   /* of INT8 and FP8 */
  ig_quant_flow halves;  /* of F16 and BF16 */
  ig_value **dequantized; /* by old value id: read by nodes that compute on codes */
  ig_value **half;        /* by old value id: in 16 bits */
  ig_narrow_leaf *leaves;
} ig_applying;

/* --- leaves (apply_weights.c) -------------------------------------------------------------------- */

/* The layer's weight in the format's type; `format` may be another than the layer's. */
ig_status ig_apply_weight(ig_applying *a, const ig_quant_layer *layer, const ig_value *old,
                          ig_quant_format format, ig_narrow_leaf **out);
/* It in f32 again. */
ig_status ig_apply_dequantized(ig_applying *a, const ig_quant_layer *layer, ig_narrow_leaf *leaf,
                               ig_value **out);
/* A bias [n] as i32 behind DequantizeLinear: multiples of x_scale times the weight's scales. Stays f32 where
 * that cannot hold it. */
ig_status ig_apply_bias(ig_applying *a, const ig_value *old, float x_scale, const ig_narrow_leaf *weight,
                        ig_value **out);
/* A leaf of f32 as a 16-bit float. */
ig_status ig_apply_half_leaf(ig_applying *a, const ig_value *old, ig_dtype dtype, ig_value **out);

/* --- integers by the range of each run (apply_dynamic.c) ------------------------------------------ */

ig_status ig_apply_dynamic(ig_applying *a, const ig_node *node, const ig_quant_layer *layer);

/* --- activations (apply.c) ------------------------------------------------------------------------ */

/* In f32. */
ig_status ig_apply_value(ig_applying *a, const ig_value *old, ig_value **out);

#endif
