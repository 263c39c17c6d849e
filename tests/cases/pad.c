/* Cases of Pad. The repeating modes are NumPy's, found by walking from the border. */
#include "case_tools.h"

/* The coordinate that a walk of |i| steps beyond the border ends on; -1 for the constant. */
static int64_t source(const ig_node *node, int64_t i, int64_t dim) {
  if (i >= 0 && i < dim) return i;
  if (attr_is(node, "mode", "constant")) return -1;
  if (attr_is(node, "mode", "edge")) return i < 0 ? 0 : dim - 1;
  if (attr_is(node, "mode", "wrap")) return ((i % dim) + dim) % dim;
  int64_t at = i < 0 ? 0 : dim - 1, way = i < 0 ? 1 : -1;
  for (int64_t steps = i < 0 ? -i : i - dim + 1; steps > 0 && dim > 1; steps--) {
    at += way;
    if (at == 0 || at == dim - 1) way = -way;
  }
  return at;
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const ig_shape *shape = &in[0].shape;
  int64_t begin[IG_MAX_RANK] = {0}, at[IG_MAX_RANK];
  int64_t half = count_of(&in[1]) / 2;
  for (int64_t k = 0; k < half; k++) {
    int axis = node->n_inputs > 3 ? axis_of((int64_t)in[3].data[k], shape) : (int)k;
    begin[axis] = (int64_t)in[1].data[k];
  }
  double value = node->n_inputs > 2 && in[2].data ? in[2].data[0] : 0;
  for (int64_t i = 0; i < count_of(out); i++) {
    bool outside = false;
    index_of(&out->shape, i, at);
    for (int d = 0; d < shape->rank; d++) {
      at[d] = source(node, at[d] - begin[d], shape->dims[d]);
      outside = outside || at[d] < 0;
    }
    out->data[i] = outside ? value : in[0].data[offset_of(shape, at)];
  }
}

#define MODE(value) .n_attrs = 1, .attrs = {A_STRING("mode", value)}

static const ig_op_case cases[] = {
    {.name = "zeros", .inputs = {NORMAL(IG_F32, 2, 3), LIST(1, 0, 2, 3)}},
    {.name = "image", .inputs = {NORMAL(IG_F32, 2, 3, 4, 5), LIST(0, 0, 1, 1, 0, 0, 1, 2)}},
    {.name = "value",
     .inputs = {NORMAL(IG_F32, 3, 2), LIST(0, 1, 1, 0), SCALAR_AS(IG_F32, false, 7.5)}},
    {.name = "axes", .inputs = {NORMAL(IG_F32, 3, 2, 4), LIST(2, 1, 0, 1), ABSENT, LIST(-1, 0)}},
    {.name = "crop", .inputs = {NORMAL(IG_F32, 5, 6), LIST(-1, 2, -2, -3)}},
    {.name = "reflect",
     .inputs = {NORMAL(IG_F32, 2, 4, 5), LIST(0, 2, 3, 0, 1, 4)},
     MODE("reflect")},
    {.name = "reflect often", .inputs = {NORMAL(IG_F32, 3), LIST(7, 9)}, MODE("reflect")},
    {.name = "reflect one", .inputs = {NORMAL(IG_F32, 1, 2), LIST(2, 0, 1, 0)}, MODE("reflect")},
    {.name = "edge", .inputs = {NORMAL(IG_F32, 3, 4), LIST(1, 5, 2, 0)}, MODE("edge")},
    {.name = "wrap", .inputs = {NORMAL(IG_F64, 3, 4), LIST(4, 1, 5, 9)}, MODE("wrap")},
    {.name = "edge, cropped", .inputs = {NORMAL(IG_F32, 5), LIST(-2, 2)}, MODE("edge")},
    {.name = "i8", .inputs = {INTS(IG_I8, -9, 9, 4), LIST(1, 1), SCALAR_AS(IG_I8, false, -5)}},
    {.name = "i64", .inputs = {INTS(IG_I64, -9, 9, 3), LIST(1, 1)}},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 0, 2), LIST(1, 0, 1, 1)}},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 3, 70, 210), LIST(0, 3, 2, 0, 1, 4)}, BIG},
};

const ig_op_cases ig_cases_pad = {
    .op = "Pad", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
