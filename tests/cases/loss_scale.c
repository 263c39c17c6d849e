/* Cases of ingot.LossScale. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double scale = in[0].data[0], steps = in[1].data[0] + 1, norm = in[2].data[0];
  double interval = (double)attr_int(node, "interval");
  if (!isfinite(norm)) {
    scale = fmax(scale / 2, 1);
    steps = 0;
  } else if (steps >= interval) {
    scale = fmin(scale * 2, 16777216);
    steps = 0;
  }
  out[0].data[0] = scale;
  out[1].data[0] = steps;
}

#define CASE(title, scale, steps, norm, ...)                                                       \
  {                                                                                                \
    .name = title,                                                                                 \
    .inputs = {SCALAR_AS(IG_F32, false, scale), SCALAR_AS(IG_F32, false, steps),                   \
               SCALAR_AS(IG_F32, false, norm)},                                                    \
    .n_outputs = 2, .no_grad_check = true, .why = "nothing is differentiated", __VA_ARGS__         \
  }

static const ig_op_case cases[] = {
    CASE("one more", 1024, 7, 3.5, .n_attrs = 0),
    CASE("doubles", 1024, 1999, 3.5, .n_attrs = 0),
    CASE("doubles soon", 1024, 4, 3.5, .n_attrs = 1, .attrs = {A_INT("interval", 5)}),
    CASE("not above the most", 16777216, 1999, 3.5, .n_attrs = 0),
    CASE("infinite", 1024, 7, INFINITY, .n_attrs = 0),
    CASE("undefined", 1024, 1999, NAN, .n_attrs = 0),
    CASE("not below the least", 1, 0, INFINITY, .n_attrs = 0),
};

const ig_op_cases ig_cases_loss_scale = {
    .op = "ingot.LossScale", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
