/* Cases of LpPool. */
#include "case_tools.h"
#include "volume_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int rank = in[0].shape.rank;
  volume v = volume_of(node, rank - 2, NULL);
  double p = (double)attr_int(node, "p");
  int64_t area = ig_shape_span(&out->shape, 2, rank), src = ig_shape_span(&in[0].shape, 2, rank);
  for (int64_t i = 0; i < count_of(out); i++) {
    int64_t at[IG_MAX_RANK];
    volume_index(&out->shape, i, at);
    volume_window w =
        volume_window_of(&v, &in[0].shape, in[0].data + i / area * src, at + 2, false, p);
    out->data[i] = pow(w.norm, 1 / p);
  }
}

static const ig_op_case cases[] = {
    {.name = "planes",
     .inputs = {VOLUME_DISTINCT(2, 3, 6, 5)},
     .n_attrs = 3,
     .attrs = {A_INTS("kernel_shape", 3, 2), A_INTS("strides", 2, 1), A_INTS("pads", 1, 0, 1, 1)}},
    {.name = "sums of sizes",
     .inputs = {VOLUME_DISTINCT(1, 2, 9)},
     .n_attrs = 3,
     .attrs = {A_INTS("kernel_shape", 3), A_INT("p", 1), A_INTS("dilations", 2)}},
    {.name = "cubes of a volume, rounded up",
     .inputs = {VOLUME_DISTINCT(1, 2, 3, 4, 5)},
     .n_attrs = 4,
     .attrs = {A_INTS("kernel_shape", 2, 2, 2), A_INTS("strides", 2, 2, 2), A_INT("p", 3),
               A_INT("ceil_mode", 1)}},
};

const ig_op_cases ig_cases_lp_pool = {
    .op = "LpPool", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
