/* Cases of ingot.TopKGrad. */
#include "elementwise_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int axis = ig_shape_axis(&out->shape, *(const int64_t *)node->attrs);
  int64_t k = in[0].shape.dims[axis], n = out->shape.dims[axis];
  int64_t step = ig_shape_span(&out->shape, axis + 1, out->shape.rank);
  for (int64_t i = 0; i < ig_shape_count(&in[0].shape); i++) {
    int64_t outer = i / step / k, place = (int64_t)in[1].data[i];
    if (place >= 0) out->data[(outer * n + place) * step + i % step] = in[0].data[i];
  }
}

/* Places as TopK gives them: different within a row; -1 is skipped. */
static const double places[] = {4, 0, 2, 1, 3, 0, -1, 4, 3};

#define ATTR(title, value)                                                                         \
  { .name = (title), .type = IG_ATTR_INT, .i = (value) }
#define PLACES(...)                                                                                \
  {                                                                                                \
    .dtype = IG_I64, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_VALUES, .values = places,         \
    .n_values = IG_COUNT(places)                                                                   \
  }

static const ig_op_case cases[] = {
    {.name = "rows",
     .inputs = {SPREAD(IG_F32, -4, 4, 3, 3), PLACES(3, 3)},
     .n_attrs = 1,
     .attrs = {ATTR("size", 5)}},
    {.name = "middle",
     .inputs = {SPREAD(IG_F32, -4, 4, 2, 1, 4), PLACES(2, 1, 4)},
     .n_attrs = 2,
     .attrs = {ATTR("size", 6), ATTR("axis", 1)}},
    {.name = "f64",
     .inputs = {SPREAD(IG_F64, -4, 4, 3, 3), PLACES(3, 3)},
     .n_attrs = 1,
     .attrs = {ATTR("size", 5)}},
};

const ig_op_cases ig_cases_top_k_grad = {
    .op = "ingot.TopKGrad", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
