/* Cases of ArgMin. */
#include "elementwise_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const int64_t *attrs = node->attrs; /* axis, keepdims, select_last_index */
  const ig_shape *shape = &in[0].shape;
  int axis = ig_shape_axis(shape, attrs[0]);
  int64_t n = shape->dims[axis], step = ig_shape_span(shape, axis + 1, shape->rank);
  for (int64_t r = 0; r < ig_shape_count(&out->shape); r++) {
    const double *x = in[0].data + r / step * step * n + r % step;
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++) {
      if (x[i * step] < x[best * step] || (attrs[2] && x[i * step] == x[best * step])) best = i;
    }
    out->data[r] = (double)best;
  }
}

#define ATTR(title, value)                                                                         \
  { .name = (title), .type = IG_ATTR_INT, .i = (value) }
#define TIES(type)                                                                                 \
  { .dtype = (type), .shape = DIMS(6, 9), .fill = IG_FILL_INT, .low = 0, .high = 3 }

static const ig_op_case cases[] = {
    {.name = "columns", .inputs = {SPREAD(IG_F32, -4, 4, 5, 7)}},
    {.name = "rows",
     .inputs = {SPREAD(IG_F32, -4, 4, 5, 7)},
     .n_attrs = 2,
     .attrs = {ATTR("axis", -1), ATTR("keepdims", 0)}},
    {.name = "middle",
     .inputs = {SPREAD(IG_F32, -4, 4, 3, 5, 4)},
     .n_attrs = 1,
     .attrs = {ATTR("axis", 1)}},
    {.name = "ties", .inputs = {TIES(IG_F32)}, .n_attrs = 1, .attrs = {ATTR("axis", 1)}},
    {.name = "last of ties",
     .inputs = {TIES(IG_F32)},
     .n_attrs = 2,
     .attrs = {ATTR("axis", 1), ATTR("select_last_index", 1)}},
    {.name = "i64, last of ties",
     .inputs = {TIES(IG_I64)},
     .n_attrs = 2,
     .attrs = {ATTR("axis", 1), ATTR("select_last_index", 1)}},
    {.name = "u8", .inputs = {TIES(IG_U8)}},
    {.name = "u64", .inputs = {TIES(IG_U64)}},
    {.name = "i16",
     .inputs = {{.dtype = IG_I16, .shape = DIMS(6, 9), .fill = IG_FILL_INT, .low = -3, .high = 3}}},
    {.name = "f64", .inputs = {SPREAD(IG_F64, -4, 4, 5, 7)}},
    {.name = "long rows",
     .inputs = {SPREAD(IG_F32, -4, 4, 3, 5003)},
     .n_attrs = 1,
     .attrs = {ATTR("axis", 1)}},
    {.name = "threads",
     .inputs = {SPREAD(IG_F32, -4, 4, 100, 501)},
     .n_attrs = 1,
     .attrs = {ATTR("axis", 1)}},
};

const ig_op_cases ig_cases_arg_min = {
    .op = "ArgMin", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
