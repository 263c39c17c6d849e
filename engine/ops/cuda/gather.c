/* Rows by index and their gradient on a GPU. An index outside its range, which the CPU reports, gives
 * NaN (0 for integers) here, and in the gradient nothing. */
#include "kernels/gather.h"

#include <math.h>

#include "engine/graph/attrs.h"
#include "engine/ops/op.h"

static ig_status run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0], *indices = call->node->inputs[1];
  int axis = ig_shape_axis(&x->shape, ig_attrs_of(call->node, "axis").i);
  uint64_t outside = 0;
  if (ig_dtype_is_float(x->dtype)) ig_store_f64(x->dtype, &outside, 0, NAN);
  return ig_cuda_gather(ig_dtype_size(x->dtype), ig_shape_span(&x->shape, 0, axis),
                        x->shape.dims[axis], ig_shape_span(&x->shape, axis + 1, x->shape.rank),
                        call->in[0], call->in[1], indices->dtype == IG_I64, ig_value_count(indices),
                        &outside, call->out[0], call->stream);
}

static const char *reject_grad(const ig_node *node) {
  if (node->inputs[0]->dtype == IG_F64) return "f64";
  bool fits =
      ig_value_count(node->inputs[1]) <= INT32_MAX && ig_attrs_of(node, "rows").i < INT32_MAX;
  return fits ? NULL : "2^31 rows or positions";
}

static size_t workspace_grad(const ig_node *node) {
  return ig_cuda_gather_grad_workspace(ig_value_count(node->inputs[1]));
}

static ig_status run_grad(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_value *indices = node->inputs[1], *dx = node->outputs[0];
  int axis = (int)ig_attrs_of(node, "axis").i;
  return ig_cuda_gather_grad(dx->dtype, ig_shape_span(&dx->shape, 0, axis), dx->shape.dims[axis],
                             ig_shape_span(&dx->shape, axis + 1, dx->shape.rank), call->in[0],
                             call->in[1], indices->dtype == IG_I64, ig_value_count(indices),
                             node->n_inputs > 2 ? call->in[2] : NULL, call->out[0], call->workspace,
                             call->stream);
}

static const ig_impl impls[] = {{.name = "words", .device = IG_CUDA, .run = run}, {0}};
static const ig_impl grad_impls[] = {{.name = "sorted",
                                      .device = IG_CUDA,
                                      .reject = reject_grad,
                                      .workspace = workspace_grad,
                                      .run = run_grad},
                                     {0}};

static const struct ig_op_impls ops[] = {{"Gather", impls}, {"ingot.GatherGrad", grad_impls}, {0}};

const ig_device_ops ig_cuda_ops_gather = {.ops = ops};
