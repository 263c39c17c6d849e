/* Convolutions and attention through cuDNN, where there is one: a competitor of the kernels written by hand. The
 * library, of hundreds of megabytes, is loaded when the first plan asks for it. */
#ifndef IG_KERNELS_LIB_CUDA_CUDNN_H
#define IG_KERNELS_LIB_CUDA_CUDNN_H

#include "kernels/attention.h"
#include "kernels/conv.h"

/* Engines that need more are not taken. */
#define IG_CUDNN_WORKSPACE ((size_t)256 << 20)

typedef struct ig_cudnn_conv ig_cudnn_conv;

/* What is computed from what: dst from src and weights; the gradient of src from that of dst and
 * weights; the gradient of weights from src and the gradient of dst. */
typedef enum ig_cudnn_way { IG_CUDNN_DST, IG_CUDNN_SRC, IG_CUDNN_WEIGHTS } ig_cudnn_way;

/* An engine of the library for the current device: f32, bf16, f16, both layouts of images, nothing
 * empty, without bias, sum and activation. Sums are deterministic and in f32, without the transforms
 * (Winograd, Fourier) whose rounding is coarser; f32 operands are rounded to tf32 only where
 * the description allows it. Not while work is being recorded. IG_ERR_UNSUPPORTED, with the reason, where
 * the build or the machine has no cuDNN, or the library no such engine. */
ig_status ig_cudnn_conv_create(const ig_conv *spec, ig_cudnn_way way, ig_cudnn_conv **out);
void ig_cudnn_conv_destroy(ig_cudnn_conv *conv); /* NULL is allowed */
size_t ig_cudnn_conv_workspace(const ig_cudnn_conv *conv);
/* Operands in the order that ig_cudnn_way names them; device memory aligned to IG_ALIGNMENT. */
ig_status ig_cudnn_conv_run(const ig_cudnn_conv *conv, const void *first, const void *second,
                            void *out, void *workspace, void *stream);

typedef struct ig_cudnn_attention ig_cudnn_attention;

/* Attention of bf16 or f16 on the current device, by strides, without mask, cap, lengths and past. As
 * ig_cudnn_conv_create. */
ig_status ig_cudnn_attention_create(const ig_attention *a, ig_cudnn_attention **out);
void ig_cudnn_attention_destroy(ig_cudnn_attention *attention); /* NULL is allowed */
size_t ig_cudnn_attention_workspace(const ig_cudnn_attention *attention);
/* Tensors start at multiples of 16 bytes; `lse` may be NULL. */
ig_status ig_cudnn_attention_run(const ig_cudnn_attention *attention, const ig_attention_inputs *in,
                                 void *y, float *lse, void *workspace, void *stream);
/* The gradient of such attention, without grouped heads; destroyed as the forward direction, and of the same
 * workspace. dq, dk and dv, which `out` names, lie as q, k and v, and dy as y. */
ig_status ig_cudnn_attention_grad_create(const ig_attention *a, ig_cudnn_attention **out);
ig_status ig_cudnn_attention_grad_run(const ig_cudnn_attention *attention,
                                      const ig_attention_inputs *in, const void *y,
                                      const float *lse, const void *dy,
                                      const ig_attention_inputs *out, void *workspace,
                                      void *stream);

#endif
