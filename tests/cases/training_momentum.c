/* Cases of ai.onnx.preview.training.Momentum. */
#include "case_tools.h"

static void element(const ig_node *node, const ig_case_array *in, ig_case_array *out, int n, int q,
                    int64_t e) {
  double r = in[0].data[0], t = in[1].data[0], x = in[2 + q].data[e], dx = in[2 + n + q].data[e];
  double s = in[2 + 2 * n + q].data[e];
  double g = attr_float(node, "norm_coefficient") * x + dx, v = attr_float(node, "alpha") * s + (t > 0 ? attr_float(node, "beta") : 1) * g;
  out[q].data[e] = x - r * (attr_is(node, "mode", "nesterov") ? g + attr_float(node, "alpha") * v : v);
  out[n + q].data[e] = v;
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int n = (node->n_inputs - 2) / 3;
  for (int q = 0; q < n; q++) {
    for (int64_t e = 0; e < count_of(&out[q]); e++) element(node, in, out, n, q, e);
  }
}

#define NO_GRADIENT .no_grad_check = true, .why = "a step of an optimizer is not differentiated"

static const ig_op_case cases[] = {
    {.name = "standard",
     .inputs = {SCALAR_AS(IG_F32, false, 0.1), SCALAR_AS(IG_I64, false, 0), NORMAL(IG_F32, 2, 3), NORMAL(IG_F32, 2, 3), NORMAL(IG_F32, 2, 3)},
     .n_attrs = 4,
     .attrs = {A_FLOAT("alpha", 0.95f), A_FLOAT("beta", 0.85f), A_FLOAT("norm_coefficient", 0.001f), A_STRING("mode", "standard")},
     .n_outputs = 2,
     NO_GRADIENT},
    {.name = "Nesterov, two tensors",
     .inputs = {SCALAR_AS(IG_F32, false, 0.1), SCALAR_AS(IG_I64, false, 3), NORMAL(IG_F32, 2, 3), NORMAL(IG_F32, 4), NORMAL(IG_F32, 2, 3), NORMAL(IG_F32, 4), NORMAL(IG_F32, 2, 3), NORMAL(IG_F32, 4)},
     .n_attrs = 4,
     .attrs = {A_FLOAT("alpha", 0.95f), A_FLOAT("beta", 0.85f), A_FLOAT("norm_coefficient", 0.001f), A_STRING("mode", "nesterov")},
     .n_outputs = 4,
     NO_GRADIENT},
};

const ig_op_cases ig_cases_training_momentum = {.op = "ai.onnx.preview.training.Momentum",
                                   .reference = reference,
                                   .n_cases = IG_COUNT(cases),
                                   .cases = cases};
