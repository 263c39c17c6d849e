/* Convolutions of 8-bit integers: sums of (src - src_zero) (weight - weight_zero) in 32 bits, which wrap,
 * or these as 8-bit integers again. What pads the source is src_zero, so that it adds nothing. */
#ifndef IG_KERNELS_CONV_INTEGER_H
#define IG_KERNELS_CONV_INTEGER_H

#include "kernels/conv.h"

typedef struct ig_conv_integer {
  ig_conv conv;     /* dtype: of src, i8 or u8; neither bias, sum nor activation */
  ig_dtype weights; /* i8 or u8 */
  bool by_channel;  /* a weight_zero a dst channel, otherwise one */
  bool centered;    /* all weight_zero are known to be 0 */
} ig_conv_integer;

/* Zero points have the type of their operand; NULL is 0. Weights are laid out as in kernels/conv.h. */
typedef struct ig_conv_integer_in {
  const void *src, *weights, *src_zero, *weight_zero;
  const int32_t *bias; /* by dst channel, added to the sums; may be NULL */
} ig_conv_integer_in;

/* y = saturate(round(sum (src_scale weight_scale / y_scale)) + y_zero); weight_scale has as many numbers
 * as weight_zero. */
typedef struct ig_conv_requantize {
  ig_dtype scale; /* of the three: f32, bf16 or f16 */
  ig_dtype whole; /* of y and y_zero: i8 or u8 */
  const void *src_scale, *weight_scale, *y_scale, *y_zero;
} ig_conv_requantize;

/* Rows and channels last. */
void ig_cpu_conv_integer_reference(const ig_conv_integer *spec, const ig_conv_integer_in *in,
                                   int32_t *sums);

/* --- on a CUDA device: `end` NULL gives the sums, i32, otherwise y ------------------------------ */

ig_status ig_cuda_conv_integer_reference(const ig_conv_integer *spec, const ig_conv_integer_in *in,
                                         const ig_conv_requantize *end, void *out, void *stream);
/* Tensor cores; takes what ig_cuda_conv_declines(&spec->conv, false) does not decline. */
size_t ig_cuda_conv_integer_workspace(const ig_conv_integer *spec);
ig_status ig_cuda_conv_integer(const ig_conv_integer *spec, const ig_conv_integer_in *in,
                               const ig_conv_requantize *end, void *out, void *workspace,
                               void *stream);

#endif
