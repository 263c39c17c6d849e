/* Cases of TensorScatter. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int axis = axis_of(attr_int(node, "axis"), &in[0].shape);
  int64_t rows = in[0].shape.dims[axis], at[IG_MAX_RANK];
  memcpy(out->data, in[0].data, (size_t)count_of(out) * sizeof(double));
  for (int64_t i = 0; i < count_of(&in[1]); i++) {
    index_of(&in[1].shape, i, at);
    if (node->n_inputs > 2) at[axis] += (int64_t)in[2].data[at[0]];
    at[axis] %= rows;
    out->data[offset_of(&out->shape, at)] = in[1].data[i];
  }
}

#define WHY .no_grad_check = true, .why = "caches are not trained through: there is no gradient"
#define CIRCULAR A_STRING("mode", "circular")

static const ig_op_case cases[] = {
    {.name = "linear",
     .inputs = {NORMAL(IG_F32, 2, 3, 8, 4), NORMAL(IG_F32, 2, 3, 2, 4), LIST_AS(IG_I64, false, 6, 1)},
     WHY},
    {.name = "from the start", .inputs = {NORMAL(IG_F32, 2, 5, 3), NORMAL(IG_F32, 2, 2, 3)}, WHY},
    {.name = "circular",
     .inputs = {NORMAL(IG_F32, 2, 2, 5, 3), NORMAL(IG_F32, 2, 2, 4, 3), LIST_AS(IG_I64, false, 3, 14)},
     .n_attrs = 1,
     .attrs = {CIRCULAR},
     WHY},
    {.name = "another axis",
     .inputs = {NORMAL(IG_F32, 2, 6, 4), NORMAL(IG_F32, 2, 6, 1), LIST_AS(IG_I64, false, 3, 0)},
     .n_attrs = 1,
     .attrs = {A_INT("axis", -1)},
     WHY},
    {.name = "i8",
     .inputs = {INTS(IG_I8, -9, 9, 1, 7, 2), INTS(IG_I8, -9, 9, 1, 3, 2), LIST_AS(IG_I64, false, 4)},
     WHY},
};

const ig_op_cases ig_cases_tensor_scatter = {
    .op = "TensorScatter", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
