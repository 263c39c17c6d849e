/* Cases of ConstantOfShape. */
#include "case_tools.h"

static const int64_t seven = 7;
static const ig_literal int_value = {.dtype = IG_I64, .shape = DIMS(1), .data = &seven};
static const double half = 0.5;
static const ig_literal f64_value = {.dtype = IG_F64, .shape = NO_DIMS, .data = &half};

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(in);
  ig_dtype dtype = node->outputs[0]->dtype;
  for (int64_t i = 0; i < count_of(out); i++)
    out->data[i] = dtype == IG_I64 ? 7 : dtype == IG_F64 ? 0.5 : 0;
}

#define VALUE(literal)                                                                             \
  .n_attrs = 1, .attrs = {{.name = "value", .type = IG_ATTR_TENSOR, .tensor = &(literal)}}

static const ig_op_case cases[] = {
    {.name = "zeros", .inputs = {LIST(2, 3)}},
    {.name = "i64", .inputs = {LIST(5)}, VALUE(int_value)},
    {.name = "f64", .inputs = {EMPTY_LIST(IG_I64)}, VALUE(f64_value)},
    {.name = "empty", .inputs = {LIST(4, 0)}},
    {.name = "threads", .inputs = {LIST(300, 301)}},
};

const ig_op_cases ig_cases_constant_of_shape = {
    .op = "ConstantOfShape", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
