/* Convolutions: one description for every kernel that computes them. */
#ifndef IG_KERNELS_CONV_H
#define IG_KERNELS_CONV_H

#include "engine/base/layout.h"
#include "engine/base/shape.h"
#include "kernels/activation.h"

/* A convolution in two spatial dimensions (with one, the height is 1), described as its forward
 * direction: gradients and transposed convolutions go backwards through the same description. */
typedef struct ig_conv {
  ig_dtype dtype;
  int64_t batch, groups;
  int64_t src_channels, dst_channels;
  int64_t src[2], dst[2], kernel[2]; /* height, width */
  int64_t stride[2], dilation[2];    /* a dilation of 1 is dense */
  int64_t pad_begin[2], pad_end[2];
  ig_layout src_layout, dst_layout;
  bool bias;
  ig_activation activation; /* of the forward direction */
} ig_conv;

/* Weights are [dst_channels, src_channels / groups, kh, kw], row-major, in all of these.
 * The reference kernels are plain loops for any float dtype and any layout, with sums in double. */

/* dst = activation(conv(src, weights) + bias); `bias` may be NULL. */
void ig_cpu_conv_reference(const ig_conv *spec, const void *src, const void *weights,
                           const void *bias, void *dst);
/* The gradient of src. With `bias` (by src channel) added it is the transposed convolution. */
void ig_cpu_conv_src_reference(const ig_conv *spec, const void *dst_grad, const void *weights,
                               const void *bias, void *src_grad);
/* The gradient of weights. */
void ig_cpu_conv_weights_reference(const ig_conv *spec, const void *src, const void *dst_grad,
                                   void *weights_grad);

#endif
