/* Softmax, LogSoftmax and their gradients on a GPU. */
#include "engine/ops/softmax.h"

static const char *reject(const ig_node *node) {
  return node->inputs[0]->dtype == IG_F64 ? "the dtype is f64" : NULL;
}

static ig_rows rows_of(const ig_call *call) {
  return ig_rows_around(call->node->inputs[0], IG_ATTRS_OF(ig_axis_attrs, call->node)->axis);
}

static ig_status forward(const ig_call *call, bool log) {
  ig_rows rows = rows_of(call);
  return ig_cuda_softmax(log, call->node->inputs[0]->dtype, &rows, call->in[0], call->out[0],
                         call->stream);
}

static ig_status backward(const ig_call *call, bool log) {
  ig_rows rows = rows_of(call);
  return ig_cuda_softmax_grad(log, call->node->inputs[0]->dtype, &rows, call->in[0], call->in[1],
                              call->out[0], call->stream);
}

#define ROWS(stem, function, log)                                                                  \
  static ig_status run_##stem(const ig_call *call) {                                               \
    return function(call, (log));                                                                  \
  }                                                                                                \
  static const ig_impl stem##_impls[] = {                                                          \
      {.name = "rows", .device = IG_CUDA, .reject = reject, .run = run_##stem}, {0}};

ROWS(softmax, forward, false)
ROWS(log_softmax, forward, true)
ROWS(softmax_grad, backward, false)
ROWS(log_softmax_grad, backward, true)

static const struct ig_op_impls ops[] = {{"Softmax", softmax_impls},
                                         {"LogSoftmax", log_softmax_impls},
                                         {"ingot.SoftmaxGrad", softmax_grad_impls},
                                         {"ingot.LogSoftmaxGrad", log_softmax_grad_impls},
                                         {0}};

const ig_device_ops ig_cuda_ops_softmax = {.ops = ops};
