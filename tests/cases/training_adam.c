/* Cases of ai.onnx.preview.training.Adam. */
#include "case_tools.h"

static void element(const ig_node *node, const ig_case_array *in, ig_case_array *out, int n, int q,
                    int64_t e) {
  double r = in[0].data[0], t = in[1].data[0], x = in[2 + q].data[e], dx = in[2 + n + q].data[e];
  double s = in[2 + 2 * n + q].data[e];
  double g = attr_float(node, "norm_coefficient") * x + dx, a = attr_float(node, "alpha"), b = attr_float(node, "beta");
  double v = a * s + (1 - a) * g, h = b * in[2 + 3 * n + q].data[e] + (1 - b) * g * g;
  double rate = t > 0 ? r * sqrt(1 - pow(b, t)) / (1 - pow(a, t)) : r;
  out[q].data[e] = (1 - attr_float(node, "norm_coefficient_post")) * (x - rate * v / (sqrt(h) + attr_float(node, "epsilon")));
  out[n + q].data[e] = v;
  out[2 * n + q].data[e] = h;
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int n = (node->n_inputs - 2) / 4;
  for (int q = 0; q < n; q++) {
    for (int64_t e = 0; e < count_of(&out[q]); e++) element(node, in, out, n, q, e);
  }
}

#define NO_GRADIENT .no_grad_check = true, .why = "a step of an optimizer is not differentiated"

static const ig_op_case cases[] = {
    {.name = "first step",
     .inputs = {SCALAR_AS(IG_F32, false, 0.1), SCALAR_AS(IG_I64, false, 0), NORMAL(IG_F32, 2, 3), NORMAL(IG_F32, 2, 3), NORMAL(IG_F32, 2, 3), POSITIVE(IG_F32, 2, 3)},
     .n_attrs = 1,
     .attrs = {A_FLOAT("norm_coefficient", 0.01f)},
     .n_outputs = 3,
     NO_GRADIENT},
    {.name = "two tensors, decay",
     .inputs = {SCALAR_AS(IG_F32, false, 0.1), SCALAR_AS(IG_I64, false, 5), NORMAL(IG_F32, 2, 3), NORMAL(IG_F32, 4), NORMAL(IG_F32, 2, 3), NORMAL(IG_F32, 4), NORMAL(IG_F32, 2, 3), NORMAL(IG_F32, 4), POSITIVE(IG_F32, 2, 3), POSITIVE(IG_F32, 4)},
     .n_attrs = 2,
     .attrs = {A_FLOAT("norm_coefficient_post", 0.1f), A_FLOAT("alpha", 0.8f)},
     .n_outputs = 6,
     NO_GRADIENT},
};

const ig_op_cases ig_cases_training_adam = {.op = "ai.onnx.preview.training.Adam",
                                   .reference = reference,
                                   .n_cases = IG_COUNT(cases),
                                   .cases = cases};
