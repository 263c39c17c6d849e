/* Dropout. The first dimension is the batch: the mask of a sample is a function of (seed, step, the
 * sample's global index, the node's name, position) alone. ratio and training_mode are read when
 * running; without training_mode the output is the input. */
#include "kernels/dropout.h"

#include <string.h>

#include "engine/base/rng.h"
#include "engine/ops/op.h"

typedef struct dropout_attrs {
  int64_t seed;
} dropout_attrs;

/* ONNX's own seed attribute: mixed in, so that files which set it load. */
static const ig_attr_field dropout_fields[] = {
    IG_FIELD_INT(dropout_attrs, seed, 0),
    {.name = NULL},
};

static ig_status dropout_infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  IG_TRY(ig_require_float(node, 0));
  for (int i = 1; i < node->n_inputs; i++) {
    const ig_value *v = node->inputs[i];
    bool typed = !v || (i == 1 ? ig_dtype_is_float(v->dtype) : v->dtype == IG_BOOL);
    IG_CHECK(typed && (!v || ig_value_count(v) == 1), IG_ERR_SHAPE, "%s must be one %s",
             i == 1 ? "ratio" : "training_mode", i == 1 ? "float" : "bool");
  }
  IG_TRY(ig_infer_set(node, 0, x->dtype, &x->shape));
  return ig_infer_set(node, 1, IG_BOOL, &x->shape);
}

static void dropout_grad(const ig_grad *grad) {
  const ig_node *node = grad->node;
  ig_value *mode = node->n_inputs > 2 ? node->inputs[2] : NULL;
  if (!mode) { /* not training */
    grad->dx[0] = grad->dy[0];
    return;
  }
  ig_value *mask = ig_node_output(grad->graph, grad->node, 1);
  grad->dx[0] = ig_op1(grad->graph, "ingot.DropoutGrad", NULL,
                       IG_INS(grad->dy[0], mask, mode, node->inputs[1]), IG_NO_ATTRS);
}

static ig_status dropout_run(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_value *x = node->inputs[0];
  uint8_t *mask = node->n_outputs > 1 ? call->out[1] : NULL;
  bool training = node->n_inputs > 2 && call->in[2] && *(const uint8_t *)call->in[2];
  int64_t count = ig_value_count(x);
  if (!training) {
    if (call->out[0] != call->in[0]) memcpy(call->out[0], call->in[0], ig_value_bytes(x));
    if (mask) memset(mask, 1, (size_t)count);
    return IG_OK;
  }
  double ratio = node->inputs[1] ? ig_load_f64(node->inputs[1]->dtype, call->in[1], 0) : 0.5;
  IG_CHECK(ratio >= 0 && ratio < 1, IG_ERR_INPUT, "%s: ratio %g is outside [0, 1)", node->name,
           ratio);
  int64_t samples = x->shape.rank ? x->shape.dims[0] : 1;
  ig_dropout_draw draw = {
      .seed = call->rng->seed ^ ig_hash_name(node->name) ^
              (uint64_t)IG_ATTRS_OF(dropout_attrs, node)->seed,
      .step = call->rng->step,
      .first_sample = call->rng->first_sample,
      .samples = samples,
      .sample_elements = samples ? count / samples : 0,
  };
  ig_cpu_dropout(x->dtype, &draw, ratio, call->in[0], call->out[0], mask);
  return IG_OK;
}

static const ig_impl dropout_impls[] = {
    {.name = "cpu",       .device = IG_CPU, .run = dropout_run},
    {.name = NULL},
};

const ig_op ig_op_dropout = {
    .name = "Dropout",
    .since = 13,
    .n_in = {1, 3},
    .n_out = {1, 2},
    .flags = IG_OP_RANDOM | IG_OP_INPLACE,
    .attrs = dropout_fields,
    .attrs_size = sizeof(dropout_attrs),
    .infer = dropout_infer,
    .grad = dropout_grad,
    .cost = ig_cost_elementwise,
    .impls = dropout_impls,
};
