/* Cases of ingot.SGD: one step of torch.optim.SGD's definition. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double momentum = attr_float(node, "momentum"), lr = in[0].data[0];
  double scale = in[2].data ? in[2].data[0] : 1;
  for (int64_t i = 0; i < count_of(&in[3]); i++) {
    double p = in[3].data[i], g = scale * in[4].data[i] + attr_float(node, "weight_decay") * p;
    if (node->n_inputs > 5) {
      out[1].data[i] = momentum * in[5].data[i] + g;
      g = attr_int(node, "nesterov") ? g + momentum * out[1].data[i] : out[1].data[i];
    }
    out[0].data[i] = p - lr * g;
    if (node->n_outputs > 2) out[2].data[i] = out[0].data[i]; /* in 16 bits */
  }
}

#define SCALARS SCALAR_AS(IG_F32, false, 0.1), SCALAR_AS(IG_F32, false, 3)
#define SCALE SCALAR_AS(IG_F32, false, 0.25)

static const ig_op_case cases[] = {
    {.name = "plain", .inputs = {SCALARS, ABSENT, NORMAL(IG_F32, 3, 7), NORMAL(IG_F32, 3, 7)},
     .n_attrs = 1,
     .attrs = {A_FLOAT("weight_decay", 0.5f)}},
    {.name = "momentum",
     .inputs = {SCALARS, SCALE, NORMAL(IG_F32, 37), NORMAL(IG_F32, 37), NORMAL(IG_F32, 37)},
     .n_attrs = 2,
     .attrs = {A_FLOAT("momentum", 0.9f), A_FLOAT("weight_decay", 0.5f)},
     .n_outputs = 2},
    {.name = "nesterov",
     .inputs = {SCALARS, SCALE, NORMAL(IG_F32, 37), NORMAL(IG_F32, 37), NORMAL(IG_F32, 37)},
     .n_attrs = 2,
     .attrs = {A_FLOAT("momentum", 0.9f), A_INT("nesterov", 1)},
     .n_outputs = 2},
    {.name = "copy",
     .inputs = {SCALARS, SCALE, NORMAL(IG_F32, 37), NORMAL(IG_F32, 37), NORMAL(IG_F32, 37),
                NORMAL(IG_BF16, 37)},
     .n_attrs = 1,
     .attrs = {A_FLOAT("momentum", 0.9f)},
     .n_outputs = 3},
    {.name = "threads",
     .inputs = {SCALARS, SCALE, NORMAL(IG_F32, 50001), NORMAL(IG_F32, 50001), NORMAL(IG_F32, 50001)},
     .n_attrs = 1,
     .attrs = {A_FLOAT("momentum", 0.9f)},
     .n_outputs = 2},
};

const ig_op_cases ig_cases_sgd = {
    .op = "ingot.SGD", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
