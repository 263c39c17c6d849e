/* ai.onnx.preview.training.Adam: one step of the optimizer (Kingma and Ba 2015) for any number of tensors. Inputs: rate,
 * count of steps, then all parameters, all gradients and both states of all; outputs: new parameters and states. */
#include <math.h>

#include "engine/ops/training_step.h"

static const ig_attr_field attrs[] = {
    IG_FIELD_FLOAT(ig_training_attrs, alpha, 0.9f),
    IG_FIELD_FLOAT(ig_training_attrs, beta, 0.999f),
    IG_FIELD_FLOAT(ig_training_attrs, epsilon, 1e-6f),
    IG_FIELD_FLOAT(ig_training_attrs, norm_coefficient, 0),
    IG_FIELD_FLOAT(ig_training_attrs, norm_coefficient_post, 0),
    {0},
};

/* in: parameter, gradient, mean, mean of squares. */
static void step(const ig_training_attrs *a, double rate, double count, const double *in, double *out) {
  double alpha = (double)a->alpha, beta = (double)a->beta;
  double g = (double)a->norm_coefficient * in[0] + in[1];
  out[1] = alpha * in[2] + (1 - alpha) * g;
  out[2] = beta * in[3] + (1 - beta) * g * g;
  if (count > 0) rate *= sqrt(1 - pow(beta, count)) / (1 - pow(alpha, count));
  out[0] = in[0] - rate * out[1] / (sqrt(out[2]) + (double)a->epsilon);
  out[0] *= 1 - (double)a->norm_coefficient_post;
}

static ig_status infer(ig_node *node) {
  return ig_training_infer(node, 3);
}

static ig_status run(const ig_call *call) {
  return ig_training_run(call, 3, step);
}

static const ig_impl impls[] = {{.name = "reference", .run = run}, {0}};

const ig_op ig_op_training_adam = {
    .name = "ai.onnx.preview.training.Adam",
    .since = 1,
    .n_in = {6, IG_VARIADIC},
    .n_out = {3, IG_VARIADIC},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(ig_training_attrs),
    .infer = infer,
    .cost = ig_training_cost,
    .impls = impls,
};
