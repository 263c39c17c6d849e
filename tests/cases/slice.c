/* Cases of Slice. */
#include "case_tools.h"

/* The rules of ONNX, one axis at a time, by walking along it. */
static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t first[IG_MAX_RANK] = {0}, step[IG_MAX_RANK], at[IG_MAX_RANK];
  const ig_shape *shape = &in[0].shape;
  for (int d = 0; d < shape->rank; d++) step[d] = 1;
  for (int k = 0; k < count_of(&in[1]); k++) {
    int axis = node->n_inputs > 3 ? axis_of((int64_t)in[3].data[k], shape) : k;
    if (node->n_inputs > 4) step[axis] = (int64_t)in[4].data[k];
    double start = in[1].data[k], dim = (double)shape->dims[axis];
    if (start < 0) start += dim;
    first[axis] = (int64_t)fmax(0, fmin(start, step[axis] < 0 ? dim - 1 : dim));
  }
  for (int64_t i = 0; i < count_of(out); i++) {
    index_of(&out->shape, i, at);
    for (int d = 0; d < shape->rank; d++) at[d] = first[d] + at[d] * step[d];
    out->data[i] = in->data[offset_of(shape, at)];
  }
}

#define MAX 9.2233720368547748e18 /* the largest double below 2^63 */

static const ig_op_case cases[] = {
    {.name = "rows", .inputs = {NORMAL(IG_F32, 6, 4), LIST(1), LIST(4)}},
    {.name = "both", .inputs = {NORMAL(IG_F32, 6, 7), LIST(0, -3), LIST(3, MAX)}},
    {.name = "axes", .inputs = {NORMAL(IG_F32, 3, 5, 4), LIST(1), LIST(-1), LIST(-2)}},
    {.name = "steps", .inputs = {NORMAL(IG_F32, 3, 10), LIST(1), LIST(10), LIST(1), LIST(3)}},
    {.name = "backwards",
     .inputs = {NORMAL(IG_F32, 4, 9), LIST(-1, 100), LIST(-MAX, 2), LIST(0, 1), LIST(-1, -2)}},
    {.name = "start before the first, backwards",
     .inputs = {NORMAL(IG_F32, 5), LIST(-20), LIST(-MAX), LIST(0), LIST(-1)}},
    {.name = "nothing", .inputs = {NORMAL(IG_F32, 5, 2), LIST(3), LIST(1)}},
    {.name = "huge step", .inputs = {NORMAL(IG_F64, 5), LIST(2), LIST(5), LIST(0), LIST(MAX)}},
    {.name = "i64", .inputs = {INTS(IG_I64, -99, 99, 8), LIST(2), LIST(7)}},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 40, 3, 700), LIST(1), LIST(3), LIST(1)}, BIG},
};

const ig_op_cases ig_cases_slice = {
    .op = "Slice", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
