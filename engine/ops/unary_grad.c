/* ingot.UnaryGrad: dx = dy f'(x), where `of` names f. x is the operand of f, or its result where the
 * derivative is simplest in terms of it (ig_unary_grad_reads_result). Optional operands 2 and 3 are
 * the bounds of Clip; alpha and beta are the numbers of the others (the slope of LeakyRelu, alpha and gamma of
 * Selu ...). One operator for all of them, since they
 * differ in one line of a kernel. */
#include <math.h>
#include <string.h>

#include "engine/ops/elementwise.h"

typedef struct unary_grad_attrs {
  const char *of;
  float alpha, beta;
} unary_grad_attrs;

static const ig_attr_field attrs[] = {
    {.name = "of",
     .type = IG_ATTR_STRING,
     .offset = offsetof(unary_grad_attrs, of),
     .required = true},
    IG_FIELD_FLOAT(unary_grad_attrs, alpha, 0),
    IG_FIELD_FLOAT(unary_grad_attrs, beta, 0),
    {0},
};

static const struct {
  const char *name;
  ig_unary kind;
} functions[] = {
    {"Relu", IG_UNARY_RELU},
    {"Gelu", IG_UNARY_GELU},
    {"GeluTanh", IG_UNARY_GELU_TANH},
    {"Tanh", IG_UNARY_TANH},
    {"Sigmoid", IG_UNARY_SIGMOID},
    {"HardSwish", IG_UNARY_HARD_SWISH},
    {"Clip", IG_UNARY_CLIP},
    {"LeakyRelu", IG_UNARY_LEAKY_RELU},
    {"Softplus", IG_UNARY_SOFTPLUS},
    {"Erf", IG_UNARY_ERF},
    {"Abs", IG_UNARY_ABS},
    {"Sqrt", IG_UNARY_SQRT},
    {"Reciprocal", IG_UNARY_RECIPROCAL},
    {"Sin", IG_UNARY_SIN},
    {"Cos", IG_UNARY_COS},
    {"Tan", IG_UNARY_TAN},
    {"Asin", IG_UNARY_ASIN},
    {"Acos", IG_UNARY_ACOS},
    {"Atan", IG_UNARY_ATAN},
    {"Sinh", IG_UNARY_SINH},
    {"Cosh", IG_UNARY_COSH},
    {"Asinh", IG_UNARY_ASINH},
    {"Acosh", IG_UNARY_ACOSH},
    {"Atanh", IG_UNARY_ATANH},
    {"Elu", IG_UNARY_ELU},
    {"Celu", IG_UNARY_CELU},
    {"Selu", IG_UNARY_SELU},
    {"HardSigmoid", IG_UNARY_HARD_SIGMOID},
    {"ThresholdedRelu", IG_UNARY_THRESHOLDED_RELU},
    {"Shrink", IG_UNARY_SHRINK},
    {"Softsign", IG_UNARY_SOFTSIGN},
    {"Mish", IG_UNARY_MISH},
    {"Swish", IG_UNARY_SWISH},
};

ig_unary ig_unary_grad_kind(const char *name) {
  for (int i = 0; i < IG_COUNT(functions); i++) {
    if (strcmp(functions[i].name, name) == 0) return functions[i].kind;
  }
  return IG_UNARY_COUNT;
}

void ig_grad_unary(const ig_grad *g, const char *of, float alpha) {
  ig_grad_unary_with(g, of, alpha, 0);
}

void ig_grad_unary_with(const ig_grad *g, const char *of, float alpha, float beta) {
  bool result = ig_unary_grad_reads_result(ig_unary_grad_kind(of));
  ig_value *in[4] = {g->dy[0], result ? g->node->outputs[0] : g->node->inputs[0]};
  for (int i = 1; i < g->node->n_inputs; i++) in[i + 1] = g->node->inputs[i];
  g->dx[0] = ig_op1(g->graph, "ingot.UnaryGrad", NULL, g->node->n_inputs + 1, in,
                    IG_ATTRS(IG_STRING("of", of), IG_FLOAT("alpha", alpha), IG_FLOAT("beta", beta)));
}

static ig_status infer(ig_node *node) {
  const char *of = IG_ATTRS_OF(unary_grad_attrs, node)->of;
  IG_CHECK(ig_unary_grad_kind(of) != IG_UNARY_COUNT, IG_ERR_USAGE, "no derivative of '%s' is known",
           of);
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(node->inputs[0]->dtype == node->inputs[1]->dtype &&
               ig_shape_equal(&node->inputs[0]->shape, &node->inputs[1]->shape),
           IG_ERR_SHAPE, "dy is %s%s where x is %s%s", ig_dtype_name(node->inputs[0]->dtype),
           IG_SHAPE_STR(&node->inputs[0]->shape), ig_dtype_name(node->inputs[1]->dtype),
           IG_SHAPE_STR(&node->inputs[1]->shape));
  return ig_infer_same(node);
}

static const char *reject_reference(const ig_node *node) {
  return node->inputs[0]->layout == node->inputs[1]->layout ? ig_reject_unary_reference(node)
                                                            : "operands differ in memory layout";
}

static const char *reject_vector(const ig_node *node) {
  const char *reason = ig_reject_unary_vector(node);
  return reason ? reason : reject_reference(node);
}

/* The two numbers that the kernel takes: bounds, or alpha and beta. */
static void constants(const ig_call *call, ig_unary kind, double *a, double *b) {
  *a = IG_ATTRS_OF(unary_grad_attrs, call->node)->alpha;
  *b = IG_ATTRS_OF(unary_grad_attrs, call->node)->beta;
  if (kind != IG_UNARY_CLIP) return;
  *a = ig_call_scalar(call, 2, -INFINITY);
  *b = ig_call_scalar(call, 3, INFINITY);
}

static ig_status run_vector(const ig_call *call) {
  const ig_value *dx = call->node->outputs[0];
  ig_unary kind = ig_unary_grad_kind(IG_ATTRS_OF(unary_grad_attrs, call->node)->of);
  double a, b;
  constants(call, kind, &a, &b);
  ig_cpu_unary_grad_vector(kind, dx->dtype, call->in[0], call->in[1], call->out[0],
                           ig_storage_count(dx), (float)a, (float)b);
  ig_zero_padding(dx, call->out[0]);
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  const ig_value *dx = call->node->outputs[0];
  ig_unary kind = ig_unary_grad_kind(IG_ATTRS_OF(unary_grad_attrs, call->node)->of);
  double a, b;
  constants(call, kind, &a, &b);
  ig_cpu_unary_grad_reference(kind, dx->dtype, call->in[0], call->in[1], call->out[0],
                              ig_storage_count(dx), a, b);
  ig_zero_padding(dx, call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "vector", .reject = reject_vector, .run = run_vector},
    {.name = "reference", .reject = reject_reference, .run = run_reference},
    {0},
};

const ig_op ig_op_unary_grad = {
    .name = "ingot.UnaryGrad",
    .n_in = {2, 4},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .attrs = attrs,
    .attrs_size = sizeof(unary_grad_attrs),
    .infer = infer,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
