/* Cases of ingot.ResizeGrad. */
#include "resize_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  for (int64_t i = 0; i < count_of(out); i++) out->data[i] = 0;
  resize_all(node, in, &out->shape, out->data, &in[0].shape, in[0].data, true);
}

static const ig_op_case cases[] = {
    {.name = "nearest",
     .inputs = {NORMAL(IG_F32, 1, 2, 8, 7), ABSENT, SCALES(1, 1, 2, 1.5)},
     .n_attrs = 1,
     .attrs = {A_INTS("shape", 1, 2, 4, 5)}},
    {.name = "linear",
     .inputs = {NORMAL(IG_F32, 2, 3, 8), ABSENT, ABSENT, LIST(2, 3, 8)},
     .n_attrs = 2,
     .attrs = {A_INTS("shape", 2, 5, 5), MODE("linear")}},
    {.name = "cubic",
     .inputs = {NORMAL(IG_F64, 6, 8), ABSENT, ABSENT, LIST(6, 8)},
     .n_attrs = 2,
     .attrs = {A_INTS("shape", 5, 4), MODE("cubic")}},
};

const ig_op_cases ig_cases_resize_grad = {
    .op = "ingot.ResizeGrad", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
