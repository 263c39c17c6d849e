/* Activations by name, as attributes of fused operators have them. */
#include "engine/ops/activation.h"

#include <string.h>

static const struct {
  const char *name;
  ig_unary kind;
} functions[] = {
    {"Relu", IG_UNARY_RELU},       {"LeakyRelu", IG_UNARY_LEAKY_RELU}, {"Clip", IG_UNARY_CLIP},
    {"Gelu", IG_UNARY_GELU},       {"GeluTanh", IG_UNARY_GELU_TANH},   {"Tanh", IG_UNARY_TANH},
    {"Sigmoid", IG_UNARY_SIGMOID}, {"HardSwish", IG_UNARY_HARD_SWISH},
    {"Swish", IG_UNARY_SWISH},
};

ig_status ig_activation_parse(const char *name, float a, float b, ig_activation *out) {
  *out = (ig_activation){0};
  if (!*name) return IG_OK;
  for (int i = 0; i < IG_COUNT(functions); i++) {
    if (strcmp(functions[i].name, name) != 0) continue;
    *out = (ig_activation){.on = true, .kind = functions[i].kind, .a = a, .b = b};
    return IG_OK;
  }
  return ig_fail(IG_ERR_USAGE, "attribute activation is '%s', which cannot be fused", name);
}

ig_value *ig_activation_grad(ig_graph *graph, const char *name, ig_value *dy, ig_value *y) {
  ig_activation f;
  if (!*name) return dy;
  ig_status status = ig_activation_parse(name, 0, 0, &f);
  if (status == IG_OK && !ig_unary_grad_reads_result(f.kind)) {
    status =
        ig_fail(IG_ERR_UNSUPPORTED, "the gradient of a fused %s needs what it was given", name);
  }
  if (status != IG_OK) return ig_graph_fail(graph, status);
  return ig_op1(graph, "ingot.UnaryGrad", NULL, IG_INS(dy, y), IG_ATTRS(IG_STRING("of", name)));
}
