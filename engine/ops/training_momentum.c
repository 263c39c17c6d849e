/* ai.onnx.preview.training.Momentum: one step of the optimizer (Sutskever et al. 2013) for any number of tensors. Inputs: rate,
 * count of steps, then all parameters, all gradients and the state of all; outputs: new parameters and states. */
#include <string.h>

#include "engine/ops/training_step.h"

static const ig_attr_field attrs[] = {
    {.name = "alpha", .type = IG_ATTR_FLOAT, .offset = offsetof(ig_training_attrs, alpha), .required = true},
    {.name = "beta", .type = IG_ATTR_FLOAT, .offset = offsetof(ig_training_attrs, beta), .required = true},
    {.name = "mode", .type = IG_ATTR_STRING, .offset = offsetof(ig_training_attrs, mode), .required = true},
    {.name = "norm_coefficient",
     .type = IG_ATTR_FLOAT,
     .offset = offsetof(ig_training_attrs, norm_coefficient),
     .required = true},
    {0},
};

/* in: parameter, gradient, momentum. */
static void step(const ig_training_attrs *a, double rate, double count, const double *in, double *out) {
  double alpha = (double)a->alpha, beta = count > 0 ? (double)a->beta : 1;
  double g = (double)a->norm_coefficient * in[0] + in[1];
  out[1] = alpha * in[2] + beta * g;
  out[0] = in[0] - rate * (a->mode[0] == 'n' ? g + alpha * out[1] : out[1]);
}

static ig_status infer(ig_node *node) {
  const char *mode = IG_ATTRS_OF(ig_training_attrs, node)->mode;
  IG_CHECK(strcmp(mode, "standard") == 0 || strcmp(mode, "nesterov") == 0, IG_ERR_USAGE,
           "attribute mode is '%s', expected standard or nesterov", mode);
  return ig_training_infer(node, 2);
}

static ig_status run(const ig_call *call) {
  return ig_training_run(call, 2, step);
}

static const ig_impl impls[] = {{.name = "reference", .run = run}, {0}};

const ig_op ig_op_training_momentum = {
    .name = "ai.onnx.preview.training.Momentum",
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
