/* What operators on tensors of 8-bit codes share: their scales and zero points, which are attributes, since
 * a plan packs and folds them. The passes lower_int8*.c make these operators. */
#ifndef IG_OPS_QUANTIZED_H
#define IG_OPS_QUANTIZED_H

#include "engine/ops/conv_forward.h"
#include "kernels/quantized.h"

typedef struct ig_quantized_attrs {
  ig_conv_attrs conv; /* first, so that a convolution's attributes are read as those of Conv */
  float x_scale, y_scale, z_scale;
  int64_t x_zero, y_zero, z_zero;
  int64_t to; /* the ONNX number of the result's type: i8, u8 or f32, which has no scale */
} ig_quantized_attrs;

/* Of x and y; of the second operand or the residual; the activation (activation.h). */
#define IG_QUANTIZED_FIELDS                                                                        \
  IG_FIELD_FLOAT(ig_quantized_attrs, x_scale, 1), IG_FIELD_FLOAT(ig_quantized_attrs, y_scale, 1),  \
      IG_FIELD_INT(ig_quantized_attrs, x_zero, 0), IG_FIELD_INT(ig_quantized_attrs, y_zero, 0),    \
      IG_FIELD_INT(ig_quantized_attrs, to, 1)
#define IG_QUANTIZED_SECOND_FIELDS                                                                 \
  IG_FIELD_FLOAT(ig_quantized_attrs, z_scale, 1), IG_FIELD_INT(ig_quantized_attrs, z_zero, 0)
#define IG_QUANTIZED_ACTIVATION_FIELDS                                                             \
  {.name = "activation",                                                                           \
   .type = IG_ATTR_STRING,                                                                         \
   .offset = offsetof(ig_quantized_attrs, conv.activation),                                        \
   .default_s = ""},                                                                               \
      {.name = "activation_alpha",                                                                 \
       .type = IG_ATTR_FLOAT,                                                                      \
       .offset = offsetof(ig_quantized_attrs, conv.activation_alpha)},                             \
  {                                                                                                \
    .name = "activation_beta", .type = IG_ATTR_FLOAT,                                              \
    .offset = offsetof(ig_quantized_attrs, conv.activation_beta)                                   \
  }

/* Fails unless the value is i8 or u8, the scale a positive number and the zero point a code. */
ig_status ig_quantized_check(const ig_value *value, const char *what, float scale, int64_t zero);
/* The type with ONNX number `to`; fails unless it is i8, u8 or f32, with a fitting scale and zero point. */
ig_status ig_quantized_result(int64_t to, float scale, int64_t zero, ig_dtype *out);
/* Of a node that was inferred. */
ig_codes ig_quantized_x(const ig_node *node);
ig_codes ig_quantized_y(const ig_node *node);

/* --- products: inputs x, w (i8), w's scales (f32, one or one a channel), bias (f32, by channel; optional),
 * z, a residual of the result's shape (optional), over which the result may be written --------------- */

/* Checks all but x and w against each other, and sets output 0. */
ig_status ig_quantized_product_infer(ig_node *node, int64_t channels, const ig_shape *y);
ig_quantized_end ig_quantized_end_of(const ig_node *node);
/* The bytes of an optional input, or NULL. */
const void *ig_quantized_in(const ig_call *call, int input);
int ig_quantized_inplace(const ig_node *node, int output);
/* Scratch for the sums. */
size_t ig_quantized_sums(const ig_node *node);
/* oneDNN: why it does not take the node, and whether weights, scales and bias are all known. */
const char *ig_quantized_reject_onednn(const ig_node *node);
ig_status ig_quantized_prepared(ig_call *call, ig_status created, void *dnn);
ig_status ig_quantized_known(const ig_call *call);
ig_status ig_quantized_run_onednn(const ig_call *call);

#endif
