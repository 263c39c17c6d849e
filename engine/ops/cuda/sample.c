/* Sampling of tokens on a GPU. */
#include "engine/ops/sample.h"

static const char *reject(const ig_node *node) {
  return node->inputs[0]->dtype == IG_F64 ? "f64" : NULL;
}

static ig_status run(const ig_call *call) {
  int64_t rows, n;
  ig_sample_scalars scalars = ig_sample_scalars_of(call, &rows, &n);
  return ig_cuda_sample(call->node->inputs[0]->dtype, &scalars, rows, n, call->in[0], call->out[0],
                        call->stream);
}

static const ig_impl impls[] = {{.name = "search", .device = IG_CUDA, .reject = reject, .run = run},
                                {0}};

static const struct ig_op_impls ops[] = {{"ingot.Sample", impls}, {0}};

const ig_device_ops ig_cuda_ops_sample = {.ops = ops};
