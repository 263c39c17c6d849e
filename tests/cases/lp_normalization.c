/* Cases of LpNormalization. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int axis = axis_of(attr_int(node, "axis"), &in->shape);
  int64_t n = in->shape.dims[axis], step = ig_shape_span(&in->shape, axis + 1, in->shape.rank);
  bool squares = attr_int(node, "p") == 2;
  for (int64_t i = 0; i < count_of(out); i++) {
    int64_t first = i - i / step % n * step;
    double norm = 0;
    for (int64_t j = 0; j < n; j++) norm += pow(fabs(in->data[first + j * step]), squares ? 2 : 1);
    norm = squares ? sqrt(norm) : norm;
    out->data[i] = norm == 0 ? 0 : in->data[i] / norm;
  }
}

#define HOW(axis, p) .n_attrs = 2, .attrs = {A_INT("axis", axis), A_INT("p", p)}

static const ig_op_case cases[] = {
    {.name = "rows", .inputs = {NORMAL(IG_F32, 4, 7)}},
    {.name = "columns", .inputs = {NORMAL(IG_F32, 4, 7, 2)}, HOW(0, 2)},
    {.name = "p 1", .inputs = {NORMAL(IG_F32, 4, 7)}, HOW(-1, 1)},
    {.name = "p 1, middle", .inputs = {NORMAL(IG_F64, 2, 5, 3)}, HOW(1, 1)},
    {.name = "zeros",
     .inputs = {{.dtype = IG_F32,
                 .shape = DIMS(2, 2),
                 .fill = IG_FILL_VALUES,
                 .values = (const double[]){0, 0, 3, 4},
                 .n_values = 4}},
     .no_grad_check = true,
     .why = "the norm has no derivative at 0"},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 0, 3)}},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 90, 401)}, BIG},
};

const ig_op_cases ig_cases_lp_normalization = {
    .op = "LpNormalization", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
