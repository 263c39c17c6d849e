/* Cases of GatherND. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int batch_dims = (int)attr_int(node, "batch_dims"), last = in[1].shape.rank - 1;
  int depth = (int)in[1].shape.dims[last], rank = in->shape.rank;
  int64_t inner = ig_shape_span(&in->shape, batch_dims + depth, rank), at[IG_MAX_RANK];
  ig_shape tuples = in[1].shape;
  tuples.rank--;
  for (int64_t i = 0; i < count_of(out); i++) {
    index_of(&tuples, i / inner, at);
    for (int k = 0; k < depth; k++) {
      int64_t index = (int64_t)in[1].data[i / inner * depth + k],
              dim = in->shape.dims[batch_dims + k];
      at[batch_dims + k] = index < 0 ? index + dim : index;
    }
    int64_t first = 0;
    for (int d = 0; d < batch_dims + depth; d++) first = first * in->shape.dims[d] + at[d];
    out->data[i] = in->data[first * inner + i % inner];
  }
}

#define BATCH(value) .n_attrs = 1, .attrs = {A_INT("batch_dims", value)}

static const ig_op_case cases[] = {
    {.name = "elements", .inputs = {NORMAL(IG_F32, 4, 4), INTS(IG_I64, -4, 3, 7, 2)}},
    {.name = "rows", .inputs = {NORMAL(IG_F32, 4, 3), INTS(IG_I64, -4, 3, 2, 3, 1)}},
    {.name = "one", .inputs = {NORMAL(IG_F64, 4, 3, 2), LIST_AS(IG_I64, false, 3, -1)}},
    {.name = "batch", .inputs = {NORMAL(IG_F32, 3, 4, 2), INTS(IG_I64, -4, 3, 3, 5, 1)}, BATCH(1)},
    {.name = "two of batch",
     .inputs = {NORMAL(IG_F32, 2, 3, 4, 4, 2), INTS(IG_I64, -4, 3, 2, 3, 2, 2)},
     BATCH(2)},
    {.name = "one of a batch",
     .inputs = {NORMAL(IG_F32, 3, 4), INTS(IG_I64, 0, 3, 3, 1)},
     BATCH(1)},
    {.name = "i8", .inputs = {INTS(IG_I8, -99, 99, 5, 5), INTS(IG_I64, 0, 4, 6, 2)}},
    {.name = "nothing", .inputs = {NORMAL(IG_F32, 4, 3), INTS(IG_I64, 0, 3, 0, 1)}},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 40, 300), INTS(IG_I64, 0, 39, 300, 1)}, BIG},
};

const ig_op_cases ig_cases_gather_nd = {
    .op = "GatherND", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
