/* Convolutions: one description for every kernel that computes them. */
#ifndef IG_KERNELS_CONV_H
#define IG_KERNELS_CONV_H

#include "engine/base/layout.h"
#include "engine/base/shape.h"
#include "engine/base/status.h"
#include "kernels/activation.h"
#include "kernels/depth.h"

/* A convolution in two spatial dimensions (with one, the height is 1), described as its forward
 * direction: gradients and transposed convolutions go backwards through the same description. */
typedef struct ig_conv {
  ig_dtype dtype;
  int64_t groups;
  int64_t src[4], dst[4];         /* N, C, H, W */
  int64_t kernel[2];              /* height, width */
  int64_t stride[2], dilation[2]; /* a dilation of 1 is dense */
  int64_t pad_begin[2], pad_end[2];
  ig_depth depth; /* a third spatial dimension, for oneDNN and the volume kernels alone */
  ig_layout src_layout, dst_layout;
  bool tf32; /* operands of f32 may be rounded to tf32 */
  bool bias;
  bool sum;                 /* forward: dst holds a tensor to add before the activation */
  ig_activation activation; /* of the forward direction */
} ig_conv;

/* Weights are [dst channels, src channels / groups, kh, kw], row-major, in all of these.
 * The reference kernels are plain loops for any float dtype and any layout, with sums in double. */

/* dst = activation(conv(src, weights) + bias + old dst); the last two where the description
 * says. */
void ig_cpu_conv_reference(const ig_conv *spec, const void *src, const void *weights,
                           const void *bias, void *dst);
/* The gradient of src; with `bias` (by src channel, may be NULL) the transposed convolution. */
void ig_cpu_conv_src_reference(const ig_conv *spec, const void *dst_grad, const void *weights,
                               const void *bias, void *src_grad);
/* The gradients of weights, and of the bias where there is one. */
void ig_cpu_conv_weights_reference(const ig_conv *spec, const void *src, const void *dst_grad,
                                   void *weights_grad, void *bias_grad);
/* The same three with a depth, row-major: src and dst are [N, C, D, H, W], filters [.., .., kd, kh, kw]. */
void ig_cpu_conv_volume(const ig_conv *spec, const void *src, const void *weights, const void *bias,
                        void *dst);
void ig_cpu_conv_volume_src(const ig_conv *spec, const void *dst_grad, const void *weights,
                            const void *bias, void *src_grad);
void ig_cpu_conv_volume_weights(const ig_conv *spec, const void *src, const void *dst_grad,
                                void *weights_grad, void *bias_grad);
/* The forward direction for up to 64 pixels of dst in f32, with packed weights. */
const char *ig_cpu_conv_few_pixels_reject(const ig_conv *spec); /* NULL where it can be used */
size_t ig_cpu_conv_few_pixels_workspace(const ig_conv *spec);
/* `packed` holds as many numbers as `weights`, 64-byte aligned, as the workspace is. */
void ig_cpu_conv_few_pixels_pack(const ig_conv *spec, const float *weights, float *packed);
void ig_cpu_conv_few_pixels(const ig_conv *spec, const float *src, const float *packed,
                            const float *bias, float *dst, void *workspace);
/* f32: adds bias[c] to every element of channel c of x. */
void ig_cpu_channel_add(ig_layout layout, const int64_t dims[4], const float *bias, float *x);

/* On a GPU, for rows and channels last. `sum` is the tensor to add where the description says so, and
 * may be dst. */
ig_status ig_cuda_conv_reference(const ig_conv *spec, const void *src, const void *weights,
                                 const void *bias, const void *sum, void *dst, void *stream);
ig_status ig_cuda_conv_src_reference(const ig_conv *spec, const void *dst_grad, const void *weights,
                                     const void *bias, void *src_grad, void *stream);
ig_status ig_cuda_conv_weights_reference(const ig_conv *spec, const void *src, const void *dst_grad,
                                         void *weights_grad, void *bias_grad, void *stream);
/* The fast kernel of both directions: dst from src, or `backward` src from dst with the bias by src
 * channel and without sum or activation. NULL when it takes a description, otherwise why not. */
const char *ig_cuda_conv_declines(const ig_conv *spec, bool backward);
size_t ig_cuda_conv_workspace(const ig_conv *spec, bool backward);
ig_status ig_cuda_conv_product(const ig_conv *spec, bool backward, const void *in,
                               const void *weights, const void *bias, const void *sum, void *out,
                               void *workspace, void *stream);
/* The gradients of weights and bias, for what ig_cuda_conv_declines takes forward. */
size_t ig_cuda_conv_weights_workspace(const ig_conv *spec);
ig_status ig_cuda_conv_weights(const ig_conv *spec, const void *src, const void *dst_grad,
                               void *weights_grad, void *bias_grad, void *workspace, void *stream);
/* As many groups as channels on both sides, channels last; extents as ig_cuda_conv_declines says. */
const char *ig_cuda_conv_depthwise_declines(const ig_conv *spec);
ig_status ig_cuda_conv_depthwise(const ig_conv *spec, bool backward, const void *in,
                                 const void *weights, const void *bias, const void *sum, void *out,
                                 void *stream);
size_t ig_cuda_conv_depthwise_workspace(const ig_conv *spec);
ig_status ig_cuda_conv_depthwise_weights(const ig_conv *spec, const void *src, const void *dst_grad,
                                         void *weights_grad, void *bias_grad, void *workspace,
                                         void *stream);
/* An activation of elements of `size` bytes (1, 2, 4 or 8) from one of the two layouts to another. */
ig_status ig_cuda_reorder(size_t size, const int64_t dims[4], ig_layout from_layout,
                          ig_layout to_layout, const void *from, void *to, void *stream);

#endif
