/* Cases of ai.onnx.preview.training.Adagrad. */
#include "case_tools.h"

static void element(const ig_node *node, const ig_case_array *in, ig_case_array *out, int n, int q,
                    int64_t e) {
  double r = in[0].data[0], t = in[1].data[0], x = in[2 + q].data[e], dx = in[2 + n + q].data[e];
  double s = in[2 + 2 * n + q].data[e];
  double g = attr_float(node, "norm_coefficient") * x + dx, h = s + g * g;
  out[q].data[e] = x - r / (1 + t * attr_float(node, "decay_factor")) * g / (sqrt(h) + attr_float(node, "epsilon"));
  out[n + q].data[e] = h;
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int n = (node->n_inputs - 2) / 3;
  for (int q = 0; q < n; q++) {
    for (int64_t e = 0; e < count_of(&out[q]); e++) element(node, in, out, n, q, e);
  }
}

#define NO_GRADIENT .no_grad_check = true, .why = "a step of an optimizer is not differentiated"

static const ig_op_case cases[] = {
    {.name = "first step",
     .inputs = {SCALAR_AS(IG_F32, false, 0.1), SCALAR_AS(IG_I64, false, 0), NORMAL(IG_F32, 2, 3), NORMAL(IG_F32, 2, 3), POSITIVE(IG_F32, 2, 3)},
     .n_attrs = 2,
     .attrs = {A_FLOAT("norm_coefficient", 0.01f), A_FLOAT("decay_factor", 0.1f)},
     .n_outputs = 2,
     NO_GRADIENT},
    {.name = "two tensors",
     .inputs = {SCALAR_AS(IG_F32, false, 0.1), SCALAR_AS(IG_I64, false, 4), NORMAL(IG_F32, 2, 3), NORMAL(IG_F32, 4), NORMAL(IG_F32, 2, 3), NORMAL(IG_F32, 4), POSITIVE(IG_F32, 2, 3), POSITIVE(IG_F32, 4)},
     .n_attrs = 1,
     .attrs = {A_FLOAT("decay_factor", 0.1f)},
     .n_outputs = 4,
     NO_GRADIENT},
};

const ig_op_cases ig_cases_training_adagrad = {.op = "ai.onnx.preview.training.Adagrad",
                                   .reference = reference,
                                   .n_cases = IG_COUNT(cases),
                                   .cases = cases};
