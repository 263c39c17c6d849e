/* Cases of HannWindow. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double n = in[0].data[0] - (attr_int(node, "periodic") ? 0 : 1);
  for (int64_t i = 0; i < count_of(out); i++) {
    double x = 2 * acos(-1) * (double)i / n;
    out->data[i] = sin(x / 2) * sin(x / 2);
  }
}

static const ig_op_case cases[] = {
    {.name = "periodic", .inputs = {SCALAR_AS(IG_I64, true, 10)}},
    {.name = "symmetric in f64",
     .inputs = {SCALAR_AS(IG_I32, true, 7)},
     .n_attrs = 2,
     .attrs = {A_INT("periodic", 0), A_INT("output_datatype", 11)}},
};

const ig_op_cases ig_cases_hann_window = {
    .op = "HannWindow", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
