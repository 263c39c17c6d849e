/* Cases of ingot.PadGrad: each element of dy adds to the element that the padding copied. */
#include "case_tools.h"

/* Distance folded into one period, as a table would have it. */
static int64_t source(const ig_node *node, int64_t i, int64_t dim) {
  if (attr_is(node, "mode", "edge")) return IG_MIN(IG_MAX(i, 0), dim - 1);
  if (attr_is(node, "mode", "wrap")) return ((i % dim) + dim) % dim;
  while (i < 0 || i >= dim) i = i < 0 ? -i : 2 * (dim - 1) - i;
  return i;
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  ig_ints pads = attr_of(node, "pads").ints;
  int64_t at[IG_MAX_RANK];
  for (int64_t i = 0; i < count_of(out); i++) out->data[i] = 0;
  for (int64_t i = 0; i < count_of(in); i++) {
    index_of(&in->shape, i, at);
    for (int d = 0; d < in->shape.rank; d++)
      at[d] = source(node, at[d] - pads.v[d], out->shape.dims[d]);
    out->data[offset_of(&out->shape, at)] += in->data[i];
  }
}

#define MODE(value, ...)                                                                           \
  .n_attrs = 2, .attrs = {A_STRING("mode", value), A_INTS("pads", __VA_ARGS__)}

static const ig_op_case cases[] = {
    {.name = "reflect", .inputs = {NORMAL(IG_F64, 2, 7, 9)}, MODE("reflect", 0, 2, 1, 0, 1, 4)},
    {.name = "edge", .inputs = {NORMAL(IG_F64, 6, 9)}, MODE("edge", 1, 5, 2, 0)},
    {.name = "wrap", .inputs = {NORMAL(IG_F64, 12, 4)}, MODE("wrap", 4, 0, 5, 0)},
    {.name = "threads", .inputs = {NORMAL(IG_F64, 9, 50, 52)}, MODE("reflect", 0, 1, 1, 0, 1, 1)},
};

const ig_op_cases ig_cases_pad_grad = {
    .op = "ingot.PadGrad", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
