/* Dropout and its gradient on a GPU. */
#include "kernels/dropout.h"

#include "engine/base/rng.h"
#include "engine/graph/attrs.h"
#include "engine/ops/op.h"

static const char *reject(const ig_node *node) {
  ig_dtype dtype = node->inputs[0]->dtype;
  return dtype == IG_F32 || dtype == IG_BF16 || dtype == IG_F16 ? NULL : "not f32, bf16 or f16";
}

/* The scalars of a call whose ratio and training_mode are these inputs, where it has them. */
static ig_dropout_scalars scalars_of(const ig_call *call, int ratio, int training) {
  const ig_node *node = call->node;
  bool has_ratio = ratio < node->n_inputs && node->inputs[ratio];
  return (ig_dropout_scalars){
      .seed = &call->rng->seed,
      .step = &call->rng->step,
      .first_sample = &call->rng->first_sample,
      .ratio = has_ratio ? call->in[ratio] : NULL,
      .ratio_dtype = has_ratio ? node->inputs[ratio]->dtype : IG_NONE,
      .training = training < node->n_inputs ? call->in[training] : NULL,
  };
}

static ig_status run(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_value *x = node->inputs[0];
  ig_dropout_scalars scalars = scalars_of(call, 1, 2);
  uint64_t salt = ig_hash_name(node->name) ^ (uint64_t)ig_attrs_of(node, "seed").i;
  int64_t samples = x->shape.rank ? x->shape.dims[0] : 1;
  return ig_cuda_dropout(x->dtype, &scalars, salt, samples,
                         samples ? ig_value_count(x) / samples : 0, call->in[0], call->out[0],
                         node->n_outputs > 1 ? call->out[1] : NULL, call->stream);
}

static ig_status run_grad(const ig_call *call) {
  const ig_value *dy = call->node->inputs[0];
  ig_dropout_scalars scalars = scalars_of(call, 3, 2);
  return ig_cuda_dropout_grad(dy->dtype, &scalars, call->in[0], call->in[1], ig_value_count(dy),
                              call->out[0], call->stream);
}

static const ig_impl impls[] = {{.name = "philox", .device = IG_CUDA, .reject = reject, .run = run},
                                {0}};
static const ig_impl grad_impls[] = {
    {.name = "vector", .device = IG_CUDA, .reject = reject, .run = run_grad}, {0}};

static const struct ig_op_impls ops[] = {
    {"Dropout", impls}, {"ingot.DropoutGrad", grad_impls}, {0}};

const ig_device_ops ig_cuda_ops_dropout = {.ops = ops};
