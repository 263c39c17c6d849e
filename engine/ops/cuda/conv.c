/* Convolutions on a GPU. */
#include "engine/base/checked.h"
#include "engine/ops/conv_forward.h"
#include "kernels/lib/cuda/cudnn.h"

static const ig_value *input_of(const ig_node *node, int i) {
  return node->n_inputs > i ? node->inputs[i] : NULL;
}

static const char *reject(const ig_node *node) {
  ig_dtype dtype = node->inputs[0]->dtype;
  if (dtype != IG_F32 && dtype != IG_BF16 && dtype != IG_F16) return "not f32, bf16 or f16";
  for (int i = 0; i < node->n_inputs + node->n_outputs; i++) {
    const ig_value *v = i < node->n_inputs ? node->inputs[i] : node->outputs[i - node->n_inputs];
    if (v && v->layout == IG_LAYOUT_BLOCK16) return "blocks of channels are for the CPU";
    for (int d = 0; v && d < v->shape.rank; d++) {
      if (v->shape.dims[d] > INT32_MAX) return "an extent of 2^31 or more";
    }
  }
  return ig_conv_reject_reference(node);
}

/* The tensor to add, where there is one, lies as the result does. */
static const char *reject_forward(const ig_node *node) {
  const ig_value *z = input_of(node, 3);
  if (z && z->layout != node->outputs[0]->layout) {
    return "input 3 is in another layout than the result";
  }
  return reject(node);
}

static const void *bias_of(const ig_call *call) {
  return input_of(call->node, 2) ? call->in[2] : NULL;
}

/* What is known of an operator: its description, and which way it goes. */
typedef ig_status describe(const ig_node *node, ig_conv *out);

static const char *reject_product(const ig_node *node, describe *of, bool backward) {
  ig_conv spec;
  const char *reason = reject_forward(node);
  if (reason) return reason;
  return of(node, &spec) == IG_OK ? ig_cuda_conv_declines(&spec, backward) : "not described";
}

static const char *reject_depth(const ig_node *node, describe *of, bool backward) {
  ig_conv spec;
  const char *reason = reject_product(node, of, backward);
  if (reason) return reason;
  return of(node, &spec) == IG_OK ? ig_cuda_conv_depthwise_declines(&spec) : "not described";
}

static size_t product_workspace(const ig_node *node, describe *of, bool backward) {
  ig_conv spec;
  return of(node, &spec) == IG_OK ? ig_cuda_conv_workspace(&spec, backward) : 0;
}

static ig_status run_product(const ig_call *call, describe *of, bool backward) {
  ig_conv spec;
  IG_TRY(of(call->node, &spec));
  spec.tf32 = call->tf32;
  return ig_cuda_conv_product(&spec, backward, call->in[0], call->in[1], bias_of(call),
                              spec.sum ? call->in[3] : NULL, call->out[0], call->workspace,
                              call->stream);
}

static ig_status run_depth(const ig_call *call, describe *of, bool backward) {
  ig_conv spec;
  IG_TRY(of(call->node, &spec));
  return ig_cuda_conv_depthwise(&spec, backward, call->in[0], call->in[1], bias_of(call),
                                spec.sum ? call->in[3] : NULL, call->out[0], call->stream);
}

/* The functions of the implementations, with what they know. */
#define PRODUCT(stem, of, backward)                                                                \
  static const char *reject_##stem(const ig_node *node) {                                          \
    return reject_product(node, of, backward);                                                     \
  }                                                                                                \
  static size_t workspace_##stem(const ig_node *node) {                                            \
    return product_workspace(node, of, backward);                                                  \
  }                                                                                                \
  static ig_status run_##stem(const ig_call *call) {                                               \
    return run_product(call, of, backward);                                                        \
  }                                                                                                \
  static const char *reject_##stem##_depth(const ig_node *node) {                                  \
    return reject_depth(node, of, backward);                                                       \
  }                                                                                                \
  static size_t workspace_##stem##_depth(const ig_node *node) {                                    \
    IG_UNUSED(node);                                                                               \
    return 0;                                                                                      \
  }                                                                                                \
  static ig_status run_##stem##_depth(const ig_call *call) {                                       \
    return run_depth(call, of, backward);                                                          \
  }

PRODUCT(dst, ig_conv_forward_describe, false)
PRODUCT(src, ig_conv_grad_input_describe, true)
PRODUCT(transpose, ig_conv_transpose_describe, true)

static const char *reject_weights(const ig_node *node) {
  ig_conv spec;
  const char *reason = reject(node);
  if (reason) return reason;
  bool known = ig_conv_grad_weight_describe(node, &spec) == IG_OK;
  return known ? ig_cuda_conv_declines(&spec, false) : "not described";
}

static size_t workspace_weights(const ig_node *node) {
  ig_conv spec;
  bool known = ig_conv_grad_weight_describe(node, &spec) == IG_OK;
  return known ? ig_cuda_conv_weights_workspace(&spec) : 0;
}

static ig_status run_weights(const ig_call *call) {
  ig_conv spec;
  IG_TRY(ig_conv_grad_weight_describe(call->node, &spec));
  spec.tf32 = call->tf32;
  return ig_cuda_conv_weights(&spec, call->in[0], call->in[1], call->out[0],
                              spec.bias ? call->out[1] : NULL, call->workspace, call->stream);
}

static const char *reject_weights_depth(const ig_node *node) {
  ig_conv spec;
  const char *reason = reject_weights(node);
  if (reason) return reason;
  bool known = ig_conv_grad_weight_describe(node, &spec) == IG_OK;
  return known ? ig_cuda_conv_depthwise_declines(&spec) : "not described";
}

static size_t workspace_weights_depth(const ig_node *node) {
  ig_conv spec;
  bool known = ig_conv_grad_weight_describe(node, &spec) == IG_OK;
  return known ? ig_cuda_conv_depthwise_workspace(&spec) : 0;
}

static ig_status run_weights_depth(const ig_call *call) {
  ig_conv spec;
  IG_TRY(ig_conv_grad_weight_describe(call->node, &spec));
  return ig_cuda_conv_depthwise_weights(&spec, call->in[0], call->in[1], call->out[0],
                                        spec.bias ? call->out[1] : NULL, call->workspace,
                                        call->stream);
}

/* --- cuDNN ------------------------------------------------------------------------------------ */

static const char *reject_cudnn(const ig_node *node, describe *of) {
  ig_conv spec;
  const char *reason = reject_forward(node);
  if (reason) return reason;
  if (of(node, &spec) != IG_OK) return "not described";
  if (spec.bias || spec.sum || spec.activation.on) return "more than a convolution";
  return input_of(node, 2) ? "a bias" : NULL; /* of a transposed one */
}

static ig_status prepare_cudnn(ig_call *call, describe *of, ig_cudnn_way way) {
  ig_conv spec;
  ig_cudnn_conv *conv;
  IG_TRY(of(call->node, &spec));
  spec.tf32 = call->tf32;
  IG_TRY(ig_cudnn_conv_create(&spec, way, &conv));
  call->state = conv;
  IG_CHECK(ig_add_size(call->workspace_size, ig_cudnn_conv_workspace(conv), &call->workspace_size),
           IG_ERR_MEMORY, "the workspace exceeds the address space");
  return IG_OK;
}

static void release_cudnn(ig_call *call) {
  ig_cudnn_conv_destroy(call->state);
  call->state = NULL;
}

static ig_status run_cudnn(const ig_call *call) {
  return ig_cudnn_conv_run(call->state, call->in[0], call->in[1], call->out[0], call->workspace,
                           call->stream);
}

#define CUDNN(stem, of, way)                                                                       \
  static const char *reject_##stem##_cudnn(const ig_node *node) {                                  \
    return reject_cudnn(node, of);                                                                 \
  }                                                                                                \
  static ig_status prepare_##stem##_cudnn(ig_call *call) {                                         \
    return prepare_cudnn(call, of, way);                                                           \
  }

CUDNN(dst, ig_conv_forward_describe, IG_CUDNN_DST)
CUDNN(src, ig_conv_grad_input_describe, IG_CUDNN_SRC)
CUDNN(transpose, ig_conv_transpose_describe, IG_CUDNN_SRC)
CUDNN(weights, ig_conv_grad_weight_describe, IG_CUDNN_WEIGHTS)

/* --- from the definition ---------------------------------------------------------------------- */

static ig_status run_dst_reference(const ig_call *call) {
  ig_conv spec;
  IG_TRY(ig_conv_forward_describe(call->node, &spec));
  return ig_cuda_conv_reference(&spec, call->in[0], call->in[1], bias_of(call),
                                spec.sum ? call->in[3] : NULL, call->out[0], call->stream);
}

static ig_status run_backward_reference(const ig_call *call, describe *of) {
  ig_conv spec;
  IG_TRY(of(call->node, &spec));
  return ig_cuda_conv_src_reference(&spec, call->in[0], call->in[1], bias_of(call), call->out[0],
                                    call->stream);
}

static ig_status run_src_reference(const ig_call *call) {
  return run_backward_reference(call, ig_conv_grad_input_describe);
}

static ig_status run_transpose_reference(const ig_call *call) {
  return run_backward_reference(call, ig_conv_transpose_describe);
}

static ig_status run_weights_reference(const ig_call *call) {
  ig_conv spec;
  IG_TRY(ig_conv_grad_weight_describe(call->node, &spec));
  return ig_cuda_conv_weights_reference(&spec, call->in[0], call->in[1], call->out[0],
                                        spec.bias ? call->out[1] : NULL, call->stream);
}

#define IMPLS(stem)                                                                                \
  static const ig_impl stem##_impls[] = {{.name = "depthwise",                                     \
                                          .device = IG_CUDA,                                       \
                                          .contender = true,                                       \
                                          .reject = reject_##stem##_depth,                         \
                                          .workspace = workspace_##stem##_depth,                   \
                                          .run = run_##stem##_depth},                              \
                                         {.name = "product",                                       \
                                          .device = IG_CUDA,                                       \
                                          .contender = true,                                       \
                                          .reject = reject_##stem,                                 \
                                          .workspace = workspace_##stem,                           \
                                          .run = run_##stem},                                      \
                                         {.name = "cudnn",                                         \
                                          .device = IG_CUDA,                                       \
                                          .contender = true,                                       \
                                          .reject = reject_##stem##_cudnn,                         \
                                          .prepare = prepare_##stem##_cudnn,                       \
                                          .release = release_cudnn,                                \
                                          .run = run_cudnn},                                       \
                                         {.name = "reference",                                     \
                                          .device = IG_CUDA,                                       \
                                          .reject = reject_forward,                                \
                                          .run = run_##stem##_reference},                          \
                                         {0}};

IMPLS(dst)
IMPLS(src)
IMPLS(transpose)
IMPLS(weights)

static const struct ig_op_impls ops[] = {{"Conv", dst_impls},
                                         {"ingot.FusedConv", dst_impls},
                                         {"ingot.ConvGradInput", src_impls},
                                         {"ConvTranspose", transpose_impls},
                                         {"ingot.ConvGradWeight", weights_impls},
                                         {0}};

const ig_device_ops ig_cuda_ops_conv = {.ops = ops};
