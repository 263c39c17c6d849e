/* Cases of Trilu. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double k = node->n_inputs > 1 ? in[1].data[0] : 0;
  int64_t at[IG_MAX_RANK];
  int rank = in->shape.rank;
  for (int64_t i = 0; i < count_of(out); i++) {
    index_of(&out->shape, i, at);
    double diagonal = (double)(at[rank - 1] - at[rank - 2]);
    bool keep = attr_int(node, "upper") ? diagonal >= k : diagonal <= k;
    out->data[i] = keep ? in->data[i] : 0;
  }
}

#define LOWER .n_attrs = 1, .attrs = {A_INT("upper", 0)}
#define AT(value) SCALAR_AS(IG_I64, false, value)

static const ig_op_case cases[] = {
    {.name = "upper", .inputs = {NORMAL(IG_F32, 4, 5)}},
    {.name = "upper, above", .inputs = {NORMAL(IG_F32, 4, 5), AT(2)}},
    {.name = "upper, below", .inputs = {NORMAL(IG_F32, 2, 5, 4), AT(-1)}},
    {.name = "lower", .inputs = {NORMAL(IG_F32, 4, 5)}, LOWER},
    {.name = "lower, above", .inputs = {NORMAL(IG_F64, 2, 3, 5, 4), AT(1)}, LOWER},
    {.name = "lower, below", .inputs = {NORMAL(IG_F32, 4, 5), AT(-2)}, LOWER},
    {.name = "all", .inputs = {INTS(IG_I64, -9, 9, 3, 4), AT(-9e18)}},
    {.name = "nothing", .inputs = {INTS(IG_I64, -9, 9, 3, 4), AT(9e18)}},
    {.name = "all, lower", .inputs = {INTS(IG_I64, -9, 9, 3, 4), AT(9.2233720368547748e18)}, LOWER},
    {.name = "bool", .inputs = {INTS(IG_BOOL, 0, 1, 4, 4)}},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 0, 5)}},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 7, 90, 110)}, BIG},
};

const ig_op_cases ig_cases_trilu = {
    .op = "Trilu", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
