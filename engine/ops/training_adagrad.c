/* ai.onnx.preview.training.Adagrad: one step of the optimizer (Duchi et al. 2011) for any number of tensors. Inputs: rate,
 * count of steps, then all parameters, all gradients and the state of all; outputs: new parameters and states. */
#include <math.h>

#include "engine/ops/training_step.h"

static const ig_attr_field attrs[] = {
    IG_FIELD_FLOAT(ig_training_attrs, decay_factor, 0),
    IG_FIELD_FLOAT(ig_training_attrs, epsilon, 1e-6f),
    IG_FIELD_FLOAT(ig_training_attrs, norm_coefficient, 0),
    {0},
};

/* in: parameter, gradient, sum of squares. */
static void step(const ig_training_attrs *a, double rate, double count, const double *in, double *out) {
  double r = rate / (1 + count * (double)a->decay_factor);
  double g = (double)a->norm_coefficient * in[0] + in[1];
  out[1] = in[2] + g * g;
  out[0] = in[0] - r * g / (sqrt(out[1]) + (double)a->epsilon);
}

static ig_status infer(ig_node *node) {
  return ig_training_infer(node, 2);
}

static ig_status run(const ig_call *call) {
  return ig_training_run(call, 2, step);
}

static const ig_impl impls[] = {{.name = "reference", .run = run}, {0}};

const ig_op ig_op_training_adagrad = {
    .name = "ai.onnx.preview.training.Adagrad",
    .since = 1,
    .n_in = {5, IG_VARIADIC},
    .n_out = {2, IG_VARIADIC},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(ig_training_attrs),
    .infer = infer,
    .cost = ig_training_cost,
    .impls = impls,
};
