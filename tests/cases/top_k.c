/* Cases of TopK. The reference takes the best that is left, k times. */
#include <string.h>

#include "elementwise_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const int64_t *attrs = node->attrs; /* axis, largest, sorted */
  const ig_shape *shape = &in[0].shape;
  int axis = ig_shape_axis(shape, attrs[0]);
  int64_t n = shape->dims[axis], step = ig_shape_span(shape, axis + 1, shape->rank);
  int64_t k = out->shape.dims[axis], rows = n ? ig_shape_count(shape) / n : 0;
  for (int64_t r = 0; r < rows; r++) {
    const double *x = in[0].data + r / step * step * n + r % step;
    bool taken[4096] = {false};
    for (int64_t i = 0; i < k; i++) {
      int64_t best = -1;
      for (int64_t j = 0; j < n; j++) {
        double sign = attrs[1] ? 1 : -1;
        if (!taken[j] && (best < 0 || sign * x[j * step] > sign * x[best * step])) best = j;
      }
      taken[best] = true;
      int64_t at = r / step * step * k + i * step + r % step;
      out[0].data[at] = x[best * step];
      out[1].data[at] = (double)best;
    }
  }
}

static const double none[] = {0}, one[] = {1}, three[] = {3}, seven[] = {7}, many[] = {300};

#define K(list)                                                                                    \
  {                                                                                                \
    .dtype = IG_I64, .shape = DIMS(1), .fill = IG_FILL_VALUES, .values = (list), .n_values = 1,    \
    .constant = true                                                                               \
  }
#define ATTR(title, value)                                                                         \
  { .name = (title), .type = IG_ATTR_INT, .i = (value) }

static const ig_op_case cases[] = {
    {.name = "three", .inputs = {SPREAD(IG_F32, -4, 4, 5, 7), K(three)}, .n_outputs = 2},
    {.name = "one", .inputs = {SPREAD(IG_F32, -4, 4, 5, 7), K(one)}, .n_outputs = 2},
    {.name = "all", .inputs = {SPREAD(IG_F32, -4, 4, 5, 7), K(seven)}, .n_outputs = 2},
    {.name = "none", .inputs = {SPREAD(IG_F32, -4, 4, 5, 7), K(none)}, .n_outputs = 2},
    {.name = "least",
     .inputs = {SPREAD(IG_F32, -4, 4, 5, 7), K(three)},
     .n_outputs = 2,
     .n_attrs = 1,
     .attrs = {ATTR("largest", 0)}},
    {.name = "middle",
     .inputs = {SPREAD(IG_F32, -4, 4, 2, 9, 4), K(three)},
     .n_outputs = 2,
     .n_attrs = 1,
     .attrs = {ATTR("axis", 1)}},
    {.name = "ties",
     .inputs = {{.dtype = IG_I64, .shape = DIMS(6, 20), .fill = IG_FILL_INT, .high = 4}, K(seven)},
     .n_outputs = 2},
    {.name = "u8 ties, least",
     .inputs = {{.dtype = IG_U8, .shape = DIMS(6, 20), .fill = IG_FILL_INT, .high = 4}, K(seven)},
     .n_outputs = 2,
     .n_attrs = 1,
     .attrs = {ATTR("largest", 0)}},
    {.name = "u64",
     .inputs = {{.dtype = IG_U64, .shape = DIMS(3, 9), .fill = IG_FILL_INT, .high = 4}, K(seven)},
     .n_outputs = 2},
    {.name = "i16, least",
     .inputs = {{.dtype = IG_I16, .shape = DIMS(3, 9), .fill = IG_FILL_INT, .low = -9, .high = 9},
                K(three)},
     .n_outputs = 2,
     .n_attrs = 1,
     .attrs = {ATTR("largest", 0)}},
    {.name = "f64", .inputs = {SPREAD(IG_F64, -4, 4, 5, 7), K(three)}, .n_outputs = 2},
    {.name = "threads",
     .inputs = {SPREAD(IG_F32, -4, 4, 21, 2000), K(many)},
     .n_outputs = 2,
     .no_grad_check = true,
     .why = REASON_SIZE},
};

const ig_op_cases ig_cases_top_k = {
    .op = "TopK", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
