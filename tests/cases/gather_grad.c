/* Cases of ingot.GatherGrad. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int axis = (int)attr_int(node, "axis");
  int64_t rows = attr_int(node, "rows"), n = count_of(&in[1]);
  int64_t inner = ig_shape_span(&out->shape, axis + 1, out->shape.rank);
  for (int64_t i = 0; i < count_of(out); i++) {
    out->data[i] = node->n_inputs > 2 ? in[2].data[i] : 0;
  }
  for (int64_t i = 0; i < count_of(&in[0]); i++) {
    int64_t row = (int64_t)in[1].data[i / inner % n];
    if (row < 0) row += rows;
    out->data[(i / inner / n * rows + row) * inner + i % inner] += in[0].data[i];
  }
}

#define AT(axis, rows) .n_attrs = 2, .attrs = {A_INT("axis", axis), A_INT("rows", rows)}

static const ig_op_case cases[] = {
    {.name = "embedding", .inputs = {NORMAL(IG_F32, 3, 5, 6), INTS(IG_I64, -11, 10, 3, 5)}, AT(0, 11)},
    {.name = "added",
     .inputs = {NORMAL(IG_F32, 40, 300), INTS(IG_I32, 0, 4, 40), NORMAL(IG_F32, 9, 300)},
     AT(0, 9)},
    {.name = "columns", .inputs = {NORMAL(IG_F32, 4, 3), INTS(IG_I64, 0, 6, 3)}, AT(1, 7)},
    {.name = "scalar index", .inputs = {NORMAL(IG_F32, 4, 2), SCALAR_AS(IG_I64, false, -1)}, AT(1, 3)},
    {.name = "f64", .inputs = {NORMAL(IG_F64, 5, 8, 30), INTS(IG_I64, 0, 2, 8)}, AT(1, 3)},
    {.name = "no index", .inputs = {NORMAL(IG_F32, 0, 2), INTS(IG_I64, 0, 8, 0)}, AT(0, 9)},
    {.name = "large table", .inputs = {NORMAL(IG_F32, 700, 2), INTS(IG_I64, -70000, 69999, 700)}, AT(0, 70000)},
    {.name = "few of many", .inputs = {NORMAL(IG_F32, 2, 600, 5), INTS(IG_I64, 290, 299, 600)}, AT(1, 300)},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 300, 300), INTS(IG_I64, 0, 49, 300)}, AT(0, 100)},
};

const ig_op_cases ig_cases_gather_grad = {
    .op = "ingot.GatherGrad", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
