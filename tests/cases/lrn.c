/* Cases of LRN. */
#include "lrn_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  for (int64_t i = 0; i < count_of(out); i++)
    out->data[i] = in->data[i] / pow(base_of(node, in, i), attr_float(node, "beta"));
}

static const ig_op_case cases[] = {
    {.name = "usual",
     .inputs = {NORMAL(IG_F32, 2, 7, 3, 2)},
     .n_attrs = 1,
     .attrs = {A_INT("size", 5)}},
    {.name = "strong", .inputs = {NORMAL(IG_F32, 2, 7, 3)}, LRN(3, 2, 0.75f, 1)},
    {.name = "even size", .inputs = {NORMAL(IG_F64, 2, 6, 2, 2)}, LRN(4, 1.5f, 0.5f, 2)},
    {.name = "no positions", .inputs = {NORMAL(IG_F32, 3, 5)}, LRN(3, 1, 0.5f, 1)},
    {.name = "one channel", .inputs = {NORMAL(IG_F32, 2, 1, 4)}, LRN(1, 1, 1, 1)},
    {.name = "wider than the channels", .inputs = {NORMAL(IG_F32, 2, 3, 4)}, LRN(99, 30, 1, 1)},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 0, 3, 4)}, LRN(3, 1, 1, 1)},
    {.name = "threads",
     .inputs = {NORMAL(IG_F32, 2, 20, 17, 19)},
     .n_attrs = 1,
     .attrs = {A_INT("size", 5)},
     BIG},
};

const ig_op_cases ig_cases_lrn = {
    .op = "LRN", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
