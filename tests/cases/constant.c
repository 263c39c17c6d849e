/* Cases of Constant: the cases state the values, the reference knows them by the attribute given. */
#include "case_tools.h"

static const float tensor_values[] = {1.5f, -2, 3, 4, 5, 0.25f};
static const ig_literal tensor = {.dtype = IG_F32, .shape = DIMS(2, 3), .data = tensor_values};

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(in);
  for (int64_t i = 0; i < count_of(out); i++) {
    if (attr_of(node, "value").tensor) {
      out->data[i] = (double)tensor_values[i];
    } else if (node->outputs[0]->dtype == IG_I64) {
      out->data[i] = out->shape.rank ? (double)(10 * i - 7) : 42;
    } else {
      out->data[i] = out->shape.rank ? 0.5 * (double)i : 2.5;
    }
  }
}

static const ig_op_case cases[] = {
    {.name = "tensor",
     .n_attrs = 1,
     .attrs = {{.name = "value", .type = IG_ATTR_TENSOR, .tensor = &tensor}}},
    {.name = "int", .n_attrs = 1, .attrs = {A_INT("value_int", 42)}},
    {.name = "ints", .n_attrs = 1, .attrs = {A_INTS("value_ints", -7, 3, 13)}},
    {.name = "float", .n_attrs = 1, .attrs = {A_FLOAT("value_float", 2.5f)}},
    {.name = "floats",
     .n_attrs = 1,
     .attrs = {{.name = "value_floats",
                .type = IG_ATTR_FLOATS,
                .floats = {3, (const float[]){0, 0.5f, 1}}}}},
};

const ig_op_cases ig_cases_constant = {
    .op = "Constant", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
