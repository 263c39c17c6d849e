/* Cases of Hardmax. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int axis = axis_of(attr_int(node, "axis"), &in->shape);
  int64_t n = in->shape.dims[axis], step = ig_shape_span(&in->shape, axis + 1, in->shape.rank);
  for (int64_t i = 0; i < count_of(out); i++) {
    int64_t own = i / step % n, first = i - own * step;
    bool most = true;
    for (int64_t j = 0; j < n; j++) {
      double other = in->data[first + j * step];
      most = most && (other < in->data[i] || (other == in->data[i] && j >= own));
    }
    out->data[i] = most;
  }
}

#define AXIS(value) .n_attrs = 1, .attrs = {A_INT("axis", value)}
#define NO_GRAD .no_grad_check = true, .why = "it is constant almost everywhere"
#define TIES(...)                                                                                  \
  { .dtype = IG_F32, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_INT, .high = 2 }

static const ig_op_case cases[] = {
    {.name = "rows", .inputs = {NORMAL(IG_F32, 4, 7)}, NO_GRAD},
    {.name = "middle", .inputs = {TIES(3, 5, 4)}, AXIS(1), NO_GRAD},
    {.name = "first", .inputs = {NORMAL(IG_F64, 5, 3)}, AXIS(-2), NO_GRAD},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 2, 0)}, NO_GRAD},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 100, 501)}, NO_GRAD},
};

const ig_op_cases ig_cases_hardmax = {
    .op = "Hardmax", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
